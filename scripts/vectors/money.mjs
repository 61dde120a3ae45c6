// Prices, entitlements, quorums, bonds and rulings, with BigInt.

import { NOT_OFFERED, PPM, UINT64_MAX, seededBelow } from "./common.mjs";

const WEIGHTS = { 1: 1n, 2: 2n, 3: 4n, 4: 6n, 5: 8n, 6: 10n };

function meteredAmount(quantity, rate) {
  return (quantity * rate - ((quantity * rate) % PPM)) / PPM;
}

export function metered() {
  const cases = [
    ["one unit at one dollar", 1_000_000n, 1_000_000n],
    ["free", UINT64_MAX, 0n],
    ["the smallest quantity at a small rate is nothing", 1n, 999_999n],
    ["the smallest quantity that pays one", 1n, 1_000_000n],
    ["rounded down", 1_999_999n, 1n],
    ["a third of a unit", 333_333n, 1_000n],
    ["the largest quantity at a rate of one", UINT64_MAX, 1n],
    ["the largest quantity at a whole dollar", UINT64_MAX, 1_000_000n],
    ["one millionth more than fits", UINT64_MAX, 1_000_001n],
    ["the largest rate on offer", 1_000_000n, NOT_OFFERED - 1n],
    ["not offered", 1n, NOT_OFFERED],
    ["beyond what a double holds", 9_007_199_254_740_993n, 3_000_001n],
  ];
  for (let index = 0; index < 12; index += 1) {
    cases.push([
      `ordinary ${index}`,
      1n + seededBelow(`metered quantity ${index}`, 10n ** 13n),
      seededBelow(`metered rate ${index}`, 10n ** 7n),
    ]);
  }
  return cases.map(([name, quantity, rate]) => {
    const amount = meteredAmount(quantity, rate);
    const refused = rate === NOT_OFFERED || amount > UINT64_MAX;
    return { name, input: { quantity, rate }, expected: refused ? { refused: true } : { amount } };
  });
}

// Each row takes what lies between two marks on the line from 0 to total.
function poolAmounts(total, weights) {
  const whole = weights.reduce((sum, weight) => sum + weight, 0n);
  const mark = (count) => (total * weights.slice(0, count).reduce((sum, weight) => sum + weight, 0n)) / whole;
  return weights.map((_, index) => mark(index + 1) - mark(index));
}

function pooled(total, rows) {
  const amounts = poolAmounts(total, rows.map(({ quantity, tier }) => quantity * WEIGHTS[tier]));
  const bad = rows.findIndex(({ quantity, rate, pool }, index) => {
    const reserve = rate === NOT_OFFERED ? 0n : meteredAmount(quantity, rate);
    return !pool || amounts[index] < reserve;
  });
  return bad < 0 ? { amounts } : { refusedRow: bad };
}

export function pool() {
  const row = (tier, quantity, rate = 0n, joins = true) => ({ tier, quantity, rate, pool: joins });
  const third = row(2, 1_000_000n);
  const cases = [
    ["one unit among three takers", 1n, [third, third, third]],
    ["ten among three equal rows", 10n, [third, third, third]],
    ["a hundred among three equal rows", 100n, [third, third, third]],
    ["nothing to share", 0n, [third, third]],
    ["one row takes all", UINT64_MAX, [row(6, 1n)]],
    ["largest quantities", UINT64_MAX, [row(6, UINT64_MAX), row(1, UINT64_MAX), row(6, UINT64_MAX)]],
    ["a tiny row beside a giant one", 1_000_000n, [row(1, 1n), row(6, UINT64_MAX), row(1, 1n)]],
    ["every tier weight", 31n, [1, 2, 3, 4, 5, 6].map((tier) => row(tier, 1n))],
    ["every tier weight, rounded", 1_000n, [1, 2, 3, 4, 5, 6].map((tier) => row(tier, 7n))],
    ["exactly the reserve", 10n, [row(1, 1_000_000n, 5n), row(1, 1_000_000n, 5n)]],
    ["one below the reserve of row 1", 10n, [row(1, 1_000_000n, 5n), row(1, 1_000_000n, 6n)]],
    ["rounding drops row 0 below its reserve", 10n, [row(1, 1_000_000n, 4n), row(1, 1_000_000n), row(1, 1_000_000n)]],
    ["rounding keeps row 2 at its reserve", 10n, [row(1, 1_000_000n), row(1, 1_000_000n), row(1, 1_000_000n, 4n)]],
    ["not offered sets no reserve", 3n, [row(4, 1_000_000n, NOT_OFFERED), row(4, 1_000_000n)]],
    ["row 1 joins no pool", 10n, [row(1, 1n), row(1, 1n, 0n, false)]],
    ["a reserve beyond uint64", UINT64_MAX, [row(1, UINT64_MAX, NOT_OFFERED - 1n)]],
  ];
  for (let index = 0; index < 8; index += 1) {
    const seed = (part) => `pool ${index} ${part}`;
    const count = 2 + Number(seededBelow(seed("count"), 40n));
    const list = Array.from({ length: count }, (_, number) =>
      row(1 + Number(seededBelow(seed(`tier ${number}`), 6n)), 1n + seededBelow(seed(`quantity ${number}`), 10n ** 11n)),
    );
    cases.push([`ordinary ${index}, ${count} rows`, seededBelow(seed("total"), 10n ** 12n), list]);
  }
  return cases.map(([name, total, list]) => ({ name, input: { total, rows: list }, expected: pooled(total, list) }));
}

export function entitlements() {
  const cases = [];
  for (const received of [0n, 1n, 2n, 3n, 999_999n, 1_000_000n, 1_000_001n, 123_456_789n, UINT64_MAX]) {
    for (const share of [1n, 333_333n, 500_000n, 666_667n, 999_999n, 1_000_000n]) cases.push([received, share]);
  }
  return cases.map(([received, share]) => ({
    name: `share ${share} of ${received}`,
    input: { received, share },
    expected: { entitlement: meteredAmount(received, share) },
  }));
}

// Found by search from what a quorum is for: any two of them share more than the faulty.
export function quorum() {
  return Array.from({ length: 32 }, (_, index) => {
    const n = index + 1;
    let faulty = 0;
    while (3 * (faulty + 1) + 1 <= n) faulty += 1;
    let enough = 1;
    while (2 * enough - n <= faulty) enough += 1;
    return { name: `${n} attesters`, input: { attesters: n }, expected: { faulty, quorum: enough } };
  });
}

function valueOf({ reported, credited, rate, pool: shares }, quantity) {
  if (quantity === 0n) return 0n;
  if (quantity === reported) return credited;
  return shares ? (shares.total * quantity * WEIGHTS[shares.tier]) / shares.wholeWeight : meteredAmount(quantity, rate);
}

function distance(a, b) {
  return a > b ? a - b : b - a;
}

function ruling(row, { claimed, ruled, minimum, byPayee }) {
  // A claim of less holds the whole row.
  const disputed = claimed < row.reported ? row.credited : distance(valueOf(row, claimed), row.credited);
  const full = disputed / 10n > minimum ? disputed / 10n : minimum;
  const bond = byPayee ? full / 2n : full;
  const worth = valueOf(row, ruled);
  const lead = distance(ruled, row.reported) - distance(ruled, claimed);
  const winner = lead > 0n ? "challenger" : lead < 0n ? "platform" : "draw";
  const prize = bond / 2n;
  const reduced = claimed < row.reported;
  return {
    bond,
    winner,
    toSplit: reduced ? worth : 0n,
    toPlatform: reduced ? row.credited - worth : 0n,
    owed: !reduced && worth > row.credited ? worth - row.credited : 0n,
    toChallenger: { challenger: bond + prize, draw: bond, platform: 0n }[winner],
    stakeToPlatform: winner === "platform" ? prize : 0n,
    platformStake: winner === "challenger" ? bond : 0n,
    burned: winner === "draw" ? 0n : bond - prize,
  };
}

export function rulings() {
  const metered = { reported: 10_000_000n, credited: 500n, rate: 50n };
  const absent = { reported: 0n, credited: 0n, rate: 50n };
  const dear = { reported: 4_000_000n, credited: 8_000_000n, rate: 2_000_000n };
  // Three equal rows of a pool of 10: credits 3, 3, 4. This is the last.
  const lucky = { reported: 1_000_000n, credited: 4n, pool: { total: 10n, wholeWeight: 3_000_000n, tier: 1 } };
  const share = { reported: 5_000n, credited: 250_000n, pool: { total: 1_000_000n, wholeWeight: 80_000n, tier: 3 } };
  const missing = { ...share, reported: 0n, credited: 0n };
  const cases = [
    ["reduction, ruled as claimed", metered, 4_000_000n, 4_000_000n],
    ["reduction, ruled as reported", metered, 4_000_000n, 10_000_000n],
    ["reduction, ruled between, nearer to the claim", metered, 4_000_000n, 6_000_000n],
    ["reduction, ruled in the middle is a draw", metered, 4_000_000n, 7_000_000n],
    ["reduction to nothing, ruled between", metered, 0n, 3_000_000n],
    ["unlicensed use claimed as nothing", metered, 0n, 0n],
    ["increase, ruled as claimed", metered, 30_000_000n, 30_000_000n],
    ["increase, ruled as reported", metered, 30_000_000n, 10_000_000n],
    ["increase, nearer to the report", metered, 30_000_000n, 15_000_000n],
    ["an omitted row", absent, 2_000_000n, 2_000_000n],
    ["an omitted row, half of it", absent, 2_000_000n, 1_000_000n],
    ["a tenth above the minimum", dear, 1_000_000n, 1_000_000n],
    ["the whole row, for a little less", dear, 3_999_999n, 3_999_999n],
    ["an odd bond", dear, 9_000_005n, 9_000_005n],
    ["pool, reduction to nothing", share, 0n, 0n],
    ["pool, increase", share, 9_999n, 9_999n],
    ["pool, an omitted row", missing, 1n, 1n],
    ["pool, a larger quantity worth less than the rounded credit", lucky, 1_100_000n, 1_100_000n],
    ["pool, one millionth less than reported", lucky, 0n, 999_999n],
  ];
  return cases.flatMap(([name, row, claimed, ruled]) =>
    [false, true].map((byPayee) => {
      const input = { row, claimed, ruled, minimum: 101n, byPayee };
      return { name: byPayee ? `${name}, by a payee` : name, input, expected: ruling(row, input) };
    }),
  );
}
