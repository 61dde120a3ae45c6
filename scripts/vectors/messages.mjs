// Typed data: struct hashes, digests and signatures of every message, made by viem.

import { hashDomain, hashStruct, hashTypedData, keccak256, recoverAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { splits, terms } from "./books.mjs";
import { SPLIT_TYPES, TERMS_TYPES, joined, members, seeded, seededAddress, seededBelow } from "./common.mjs";

// The first accounts of anvil and hardhat (mnemonic "test test … junk"). Known to everyone: they
// hold nothing anywhere.
export const KEYS = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
  "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

const MESSAGES = {
  LicenseRegistry: {
    Mint: "address account,Terms terms,Split split,bytes32 document,bytes32 content,uint256 nonce,uint64 deadline",
    Amend:
      "address account,uint32 licenseId,bytes32 currentDocument,Terms terms,bytes32 document,uint256 nonce,uint64 deadline",
    Revoke: "address account,uint32 licenseId,bytes32 currentDocument,uint256 nonce,uint64 deadline",
    Reinstate: "address account,uint32 licenseId,bytes32 currentDocument,uint256 nonce,uint64 deadline",
    ChangeSplit:
      "address account,uint32 licenseId,bytes32 currentDocument,Split fromSplit,Split toSplit,uint256 nonce,uint64 deadline",
    AcceptSplit:
      "address account,uint32 licenseId,bytes32 currentDocument,Split fromSplit,Split toSplit,uint256 nonce,uint64 deadline",
    ApproveOperator: "address account,address operator,bool approved,uint256 nonce,uint64 deadline",
  },
  Grants: {
    ApproveGrant:
      "address account,uint32 licenseId,bytes32 currentDocument,uint8 tier,uint32 platformId,address platformAdmin,bytes32 modelId,uint64 fee,uint256 nonce,uint64 deadline",
  },
  RoyaltyVault: {
    Claim: "address account,address to,uint64 minimum,uint256 nonce,uint64 deadline",
    Redirect: "address account,address to,uint256 nonce,uint64 deadline",
    GuardClaims: "address account,bool guarded,uint256 nonce,uint64 deadline",
  },
  UsageOracle: {
    UsageReport:
      "uint32 platformId,bytes32 modelId,uint64 sequence,uint32 attempt,bytes32 previous,uint64 periodStart,uint64 periodEnd,uint8 pricing,uint32 rowCount,bytes32 rowsDigest,uint64 total,bytes32 evidence,uint64 deadline",
    Attestation: "bytes32 reportId,uint64 configVersion",
  },
  Disputes: {
    Challenge:
      "address account,bytes32 reportId,uint32 licenseId,bytes32 currentDocument,uint8 tier,uint8 metric,uint64 claimedQuantity,bytes32 evidence,uint64 maximumBond,uint256 nonce,uint64 deadline",
  },
};

// The structs that a message holds whole, by the type of the member.
const NESTED = { Terms: TERMS_TYPES, Split: SPLIT_TYPES };

// Which of the terms and splits of books.mjs a case has, from the smallest to the largest.
const NESTED_CASES = {
  terms: { list: terms, smallest: 0, largest: 4, "ordinary a": 3, "ordinary b": 2 },
  split: { list: splits, smallest: 0, largest: 4, "ordinary a": 2, "ordinary b": 5 },
  fromSplit: { list: splits, smallest: 0, largest: 4, "ordinary a": 1, "ordinary b": 3 },
  toSplit: { list: splits, smallest: 0, largest: 3, "ordinary a": 2, "ordinary b": 5 },
};

// uint8 members are numbered words: only these numbers mean anything.
const LARGEST_WORD = { tier: 6n, metric: 3n, pricing: 2n };

const CASES = ["smallest", "largest", "ordinary a", "ordinary b"];
const DOMAINS = [
  { chainId: 1n, verifyingContract: "0x1111111111111111111111111111111111111111" },
  { chainId: 2n ** 64n - 1n, verifyingContract: "0xffffffffffffffffffffffffffffffffffffffff" },
  { chainId: 31337n, verifyingContract: "0x5FbDB2315678afecb367f032d93F642f64180aa3" },
  { chainId: 8453n, verifyingContract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512" },
];

export async function typedData() {
  const vectors = [];
  for (const [contract, types] of Object.entries(MESSAGES)) {
    for (const [type, declared] of Object.entries(types)) {
      for (const [index, name] of CASES.entries()) {
        vectors.push(await typedDataVector(contract, type, declared, index, name));
      }
    }
  }
  return vectors;
}

async function typedDataVector(contract, type, declared, index, name) {
  const key = KEYS[index];
  const signer = privateKeyToAccount(key);
  const types = { [type]: members(declared) };
  for (const member of types[type]) Object.assign(types, NESTED[member.type]);
  const message = messageOf(type, types[type], name, signer.address);
  const domain = { name: `Obbligato ${contract}`, version: "1", ...DOMAINS[index] };
  const typed = { domain, types, primaryType: type, message };
  return {
    name: `${type}, ${name}`,
    input: { type, contract, chainId: domain.chainId, verifyingContract: domain.verifyingContract, message, key },
    expected: {
      typeHash: keccak256(new TextEncoder().encode(encodeType(type, types))),
      structHash: hashStruct({ types, primaryType: type, data: message }),
      domainSeparator: hashDomain({ domain, types: { EIP712Domain: EIP712_DOMAIN } }),
      digest: hashTypedData(typed),
      signer: signer.address,
      signature: await signer.signTypedData(typed),
    },
  };
}

// EIP-712's encodeType: the struct, then those that it refers to, by name.
function encodeType(type, types) {
  const referred = Object.keys(types).filter((name) => name !== type).sort();
  return [type, ...referred]
    .map((name) => `${name}(${types[name].map((member) => `${member.type} ${member.name}`).join(",")})`)
    .join("");
}

const EIP712_DOMAIN = members("string name,string version,uint256 chainId,address verifyingContract");

function messageOf(type, fields, name, signer) {
  const message = {};
  for (const field of fields) {
    const seed = `${type} ${name} ${field.name}`;
    message[field.name] = field.name === "account" ? signer : fieldValue(field, name, seed);
  }
  return message;
}

function fieldValue({ type, name: field }, name, seed) {
  if (type in NESTED) {
    const cases = NESTED_CASES[field];
    return cases.list()[cases[name]].input;
  }
  if (type === "bool") return name !== "smallest";
  if (type === "bytes32") {
    if (name === "smallest") return `0x${"00".repeat(32)}`;
    return name === "largest" ? `0x${"ff".repeat(32)}` : seeded(seed);
  }
  if (type === "address") {
    if (name === "smallest") return `0x${"00".repeat(20)}`;
    return name === "largest" ? `0x${"ff".repeat(20)}` : seededAddress(seed);
  }
  const word = LARGEST_WORD[field];
  const least = word ? 1n : 0n;
  const most = word ?? 2n ** BigInt(type.slice("uint".length)) - 1n;
  if (name === "smallest") return least;
  return name === "largest" ? most : least + seededBelow(seed, most - least + 1n);
}

// Attesters' signatures over one digest, packed as the chain reads them.
export async function signatures() {
  const vectors = [];
  for (let count = 1; count <= KEYS.length; count += 1) {
    const digest = seeded(`attestation by ${count}`);
    const signed = [];
    for (const key of KEYS.slice(0, count)) {
      const account = privateKeyToAccount(key);
      const signature = await account.sign({ hash: digest });
      if ((await recoverAddress({ hash: digest, signature })) !== account.address) throw new Error("unrecoverable");
      signed.push({ signer: account.address, signature });
    }
    const sorted = [...signed].sort((a, b) => (BigInt(a.signer) < BigInt(b.signer) ? -1 : 1));
    vectors.push({
      name: `${count} of ${count} attesters`,
      input: { digest, signed },
      expected: { packed: joined(sorted.map((one) => one.signature)), signers: sorted.map((one) => one.signer) },
    });
  }
  return vectors;
}
