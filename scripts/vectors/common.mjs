// What every maker of vectors shares: plain JSON values, repeatable case data, viem's structs.

import { encodePacked, hashStruct, keccak256, toBytes } from "viem";

export const UINT64_MAX = 2n ** 64n - 1n;
export const NOT_OFFERED = UINT64_MAX;
export const PPM = 1_000_000n;

// JSON cannot carry larger integers safely, so they become decimal strings.
export function plain(value) {
  if (typeof value === "bigint") {
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  }
  return value;
}

// The same seed gives the same 32 bytes in every run.
export function seeded(seed) {
  return keccak256(toBytes(seed));
}

export function seededBelow(seed, bound) {
  return BigInt(seeded(seed)) % BigInt(bound);
}

export function seededAddress(seed) {
  return `0x${seeded(seed).slice(-40)}`;
}

// "uint8 tier,bytes32 evidence" -> [{ type, name }, …]
export function members(declared) {
  return declared.split(",").map((member) => {
    const [type, name] = member.split(" ");
    return { type, name };
  });
}

export const TERMS_TYPES = {
  Terms: members(
    "uint8 tiers,uint16 termDays,uint16 flags,uint16 influenceCapBps,RateCard[] rates,bytes32 textDigest",
  ),
  RateCard: members("uint64 trainingRun,uint64 generation,uint64 playback,uint64 grantFee"),
};

export const SPLIT_TYPES = {
  Split: members("Payee[] payees"),
  Payee: members("address account,uint32 share,uint8 role"),
};

export function termsDigest(terms) {
  return hashStruct({ types: TERMS_TYPES, primaryType: "Terms", data: terms });
}

export function splitDigest(split) {
  return hashStruct({ types: SPLIT_TYPES, primaryType: "Split", data: split });
}

export function packRow({ licenseId, tier, metric, quantity }) {
  return encodePacked(["uint32", "uint8", "uint8", "uint64"], [licenseId, tier, metric, quantity]);
}

export function packCredit({ splitId, amount }) {
  return encodePacked(["uint32", "uint64"], [splitId, amount]);
}

export function joined(packed) {
  return `0x${packed.map((item) => item.slice(2)).join("")}`;
}
