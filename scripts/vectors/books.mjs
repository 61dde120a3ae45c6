// Digests and packed bytes: terms, splits, rows, credits, and the CIDs of raw blocks.

import { createHash } from "node:crypto";
import { keccak256 } from "viem";

import {
  NOT_OFFERED,
  UINT64_MAX,
  joined,
  packCredit,
  packRow,
  seeded,
  seededAddress,
  seededBelow,
  splitDigest,
  termsDigest,
} from "./common.mjs";

const FREE = { trainingRun: 0n, generation: 0n, playback: 0n, grantFee: 0n };
const CLOSED = { trainingRun: NOT_OFFERED, generation: NOT_OFFERED, playback: NOT_OFFERED, grantFee: UINT64_MAX };

function card(seed) {
  return {
    trainingRun: seededBelow(`${seed} trainingRun`, 5_000_000_000n),
    generation: seededBelow(`${seed} generation`, 2_000_000n),
    playback: seededBelow(`${seed} playback`, 20_000n),
    grantFee: seededBelow(`${seed} grantFee`, UINT64_MAX),
  };
}

export function terms() {
  const cases = {
    "no AI use at all": { tiers: 0, termDays: 365, flags: 0, influenceCapBps: 10_000, rates: [] },
    "analysis for free": { tiers: 1, termDays: 365, flags: 0, influenceCapBps: 10_000, rates: [FREE] },
    "voice, by grant only": { tiers: 32, termDays: 1096, flags: 8 + 16, influenceCapBps: 0, rates: [CLOSED] },
    "two tiers with a gap": { tiers: 0b010010, termDays: 730, flags: 1 + 2, influenceCapBps: 2_500, rates: [card("a"), card("b")] },
    "every tier, every flag": {
      tiers: 63,
      termDays: 1096,
      flags: 127,
      influenceCapBps: 1,
      rates: ["c", "d", "e", "f", "g", "h"].map(card),
    },
    "pool without a meter": { tiers: 0b000110, termDays: 366, flags: 32, influenceCapBps: 10_000, rates: [CLOSED, CLOSED] },
  };
  return Object.entries(cases).map(([name, input]) => {
    const whole = { ...input, textDigest: seeded(`legal text of ${name}`) };
    return { name, input: whole, expected: { digest: termsDigest(whole) } };
  });
}

function payees(count) {
  const accounts = Array.from({ length: count }, (_, index) => seededAddress(`payee ${index} of ${count}`));
  accounts.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  const even = Math.floor(1_000_000 / count);
  return accounts.map((account, index) => ({
    account,
    share: index === 0 ? 1_000_000 - even * (count - 1) : even,
    role: (index % 9) + 1,
  }));
}

export function splits() {
  const cases = [1, 2, 3, 8, 64].map((count) => [`${count} payees`, payees(count)]);
  const [first, last] = payees(2);
  cases.push(["one part in a million", [{ ...first, share: 1 }, { ...last, share: 999_999 }]]);
  return cases.map(([name, list]) => ({
    name,
    input: { payees: list },
    expected: { digest: splitDigest({ payees: list }) },
  }));
}

export function rows() {
  const cases = {
    "no rows": [],
    "one row": [{ licenseId: 1, tier: 1, metric: 1, quantity: 1_000_000n }],
    "smallest and largest": [
      { licenseId: 0, tier: 1, metric: 1, quantity: 1n },
      { licenseId: 2 ** 32 - 1, tier: 6, metric: 3, quantity: UINT64_MAX },
    ],
    "ordered by licence, tier, metric": [
      { licenseId: 7, tier: 2, metric: 3, quantity: 5n },
      { licenseId: 7, tier: 3, metric: 1, quantity: 4n },
      { licenseId: 7, tier: 3, metric: 2, quantity: 3n },
      { licenseId: 256, tier: 1, metric: 1, quantity: 2n ** 53n },
    ],
    "a full report": Array.from({ length: 1_000 }, (_, index) => ({
      licenseId: index + 1,
      tier: (index % 6) + 1,
      metric: (index % 3) + 1,
      quantity: 1n + seededBelow(`row ${index}`, 10n ** 12n),
    })),
  };
  return Object.entries(cases).map(([name, list]) => {
    const packed = joined(list.map(packRow));
    return { name, input: { rows: list }, expected: { packed, digest: keccak256(packed) } };
  });
}

export function credits() {
  const cases = {
    "no credits": [],
    "nothing for one": [{ splitId: 1, amount: 0n }],
    "the same split twice": [{ splitId: 5, amount: 10n }, { splitId: 5, amount: 11n }],
    "largest": [{ splitId: 2 ** 32 - 1, amount: UINT64_MAX }],
    "out of order of split": [{ splitId: 9, amount: 1n }, { splitId: 2, amount: 2n ** 53n }],
  };
  return Object.entries(cases).map(([name, list]) => {
    const packed = joined(list.map(packCredit));
    return { name, input: { credits: list }, expected: { packed, digest: keccak256(packed) } };
  });
}

// RFC 4648 base32, lower case, no padding.
function base32(bytes) {
  let bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  bits = bits.padEnd(Math.ceil(bits.length / 5) * 5, "0");
  return bits.match(/.{5}/g).map((five) => "abcdefghijklmnopqrstuvwxyz234567"[parseInt(five, 2)]).join("");
}

export function cids() {
  const blocks = [
    ["empty", "", 1],
    ["one zero byte", "00", 1],
    ["an empty JSON object", Buffer.from("{}").toString("hex"), 1],
    ["words", Buffer.from("a part that may not be left out").toString("hex"), 1],
    ["256 KiB of zeros", "00", 262_144],
    ["256 KiB of a pattern", "00112233445566778899aabbccddeeff", 16_384],
    ["one byte less than 256 KiB", "5a", 262_143],
  ];
  return blocks.map(([name, unit, times]) => {
    const bytes = Buffer.from(unit.repeat(times), "hex");
    const sha256 = createHash("sha256").update(bytes).digest();
    const cid = `b${base32(Buffer.concat([Buffer.from("01551220", "hex"), sha256]))}`;
    return {
      name,
      input: { bytes: `0x${unit}`, times },
      expected: { length: bytes.length, sha256: `0x${sha256.toString("hex")}`, cid },
    };
  });
}
