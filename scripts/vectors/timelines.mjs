// Licences in time. Kept as intervals on a line, with term ends found by walking term by term.

import { NOT_OFFERED, seeded, termsDigest } from "./common.mjs";

const DAY = 86_400;
const T0 = 2_000_000_000; // 2033: still ahead of any test chain's clock

const card = (generation) => ({ trainingRun: 7n, generation, playback: NOT_OFFERED, grantFee: 0n });

function offer(tiers, generation, changes = {}) {
  const count = tiers.toString(2).split("1").length - 1;
  const rates = Array.from({ length: count }, () => card(generation));
  return { tiers, termDays: 365, flags: 2, influenceCapBps: 10_000, rates, textDigest: seeded("legal text"), ...changes };
}

const NONE = 1;
const BASE = 2;
const WIDER = 3;
const WIDEST = 4;
const DEARER = 5;
const NARROWER = 6;
const LONGER = 7;
const WIDER_AND_DEARER = 8;
const WIDER_OTHER_TEXT = 9;
const WIDER_OTHER_FLAGS = 10;
const WIDER_OTHER_CAP = 11;
const ELSEWHERE = 12;
const CHEAPER = 13;
const WIDER_AND_CHEAPER = 14;

const CATALOGUE = {
  [NONE]: offer(0, 0n),
  [BASE]: offer(0b000011, 100n),
  [WIDER]: offer(0b000111, 100n),
  [WIDEST]: offer(0b100111, 100n),
  [DEARER]: offer(0b000011, 200n),
  [NARROWER]: offer(0b000001, 100n),
  [LONGER]: offer(0b000011, 100n, { termDays: 730 }),
  [WIDER_AND_DEARER]: offer(0b000111, 200n),
  [WIDER_OTHER_TEXT]: offer(0b000111, 100n, { textDigest: seeded("another legal text") }),
  [WIDER_OTHER_FLAGS]: offer(0b000111, 100n, { flags: 3 }),
  [WIDER_OTHER_CAP]: offer(0b000111, 100n, { influenceCapBps: 5_000 }),
  [ELSEWHERE]: offer(0b111000, 100n),
  [CHEAPER]: offer(0b000011, 99n),
  [WIDER_AND_CHEAPER]: offer(0b000111, 99n),
};

const TIERS = [1, 2, 3, 4, 5, 6];
const hasTier = (termsId, tier) => termsId !== 0 && Math.floor(CATALOGUE[termsId].tiers / 2 ** (tier - 1)) % 2 === 1;

class Licence {
  constructor({ at, termsId, document }) {
    this.versions = [{ from: at, anchor: at, termsId, document }];
    this.endsAt = Infinity;
  }

  current(now) {
    return this.versions.filter(({ from }) => from <= now).pop();
  }

  termEnd(now) {
    const { anchor, termsId } = this.current(now);
    let end = anchor;
    while (end <= now) end += CATALOGUE[termsId].termDays * DAY;
    return end;
  }

  act({ act, at, termsId, document }) {
    const over = at >= this.endsAt;
    const leaving = this.endsAt !== Infinity;
    if (act === "revoke") {
      if (over || leaving) return false;
      this.endsAt = this.termEnd(at);
      return true;
    }
    if (act === "reinstate") {
      if (over || !leaving) return false;
      this.endsAt = Infinity;
      return true;
    }
    if (act === "void") {
      this.endsAt = Math.min(this.endsAt, at);
      return true;
    }
    if (over || leaving) return false;
    return this.amend(at, termsId, document);
  }

  amend(at, termsId, document) {
    const now = this.current(at);
    const waiting = this.versions.some(({ from }) => from > at);
    const begun = this.versions.filter(({ from }) => from <= at);
    if (termsId === now.termsId) {
      this.versions = [...begun, { ...now, from: at, document }];
    } else if (onlyAddsTiers(CATALOGUE[now.termsId], CATALOGUE[termsId])) {
      if (waiting) return false;
      this.versions = [...begun, { from: at, anchor: now.anchor, termsId, document }];
    } else {
      let end = this.termEnd(at);
      const short = end - at < 30 * DAY;
      if (short && !isMilder(CATALOGUE[now.termsId], CATALOGUE[termsId])) end += CATALOGUE[now.termsId].termDays * DAY;
      this.versions = [...begun, { from: end, anchor: end, termsId, document }];
    }
    return true;
  }

  // Disjoint [from, to) with one set of terms each.
  intervals() {
    return this.versions
      .map(({ from, termsId, document }, index) => {
        const next = this.versions[index + 1]?.from ?? Infinity;
        return { from, to: Math.min(next, this.endsAt), termsId, document };
      })
      .filter(({ from, to }) => from < to);
  }

  answer(at) {
    const found = this.intervals().find(({ from, to }) => from <= at && at < to);
    const termsId = found?.termsId ?? 0;
    return { at, termsId, tiers: TIERS.filter((tier) => hasTier(termsId, tier)) };
  }

  firstMoment(tier, start, end) {
    const moments = this.intervals()
      .filter(({ termsId }) => hasTier(termsId, tier))
      .map(({ from, to }) => [Math.max(from, start), Math.min(to, end)])
      .filter(([from, to]) => from < to)
      .map(([from]) => from);
    return moments.length ? Math.min(...moments) : null;
  }

  // [the terms at the first moment with consent, those at the last], or null.
  periodTerms(tier, start, end) {
    const ids = [];
    for (const { from, to, termsId } of this.intervals()) {
      if (hasTier(termsId, tier) && Math.max(from, start) < Math.min(to, end)) ids.push(termsId);
    }
    return ids.length ? [ids[0], ids.at(-1)] : null;
  }
}

const cards = (terms) => new Map(TIERS.filter((tier) => Math.floor(terms.tiers / 2 ** (tier - 1)) % 2).map((tier, index) => [tier, terms.rates[index]]));

// All that was allowed still is, and nothing of it costs more.
function isMilder(from, to) {
  if (["termDays", "flags", "influenceCapBps", "textDigest"].some((name) => from[name] !== to[name])) return false;
  const after = cards(to);
  return [...cards(from)].every(
    ([tier, rates]) => after.has(tier) && Object.keys(rates).every((name) => BigInt(after.get(tier)[name]) <= BigInt(rates[name])),
  );
}

function onlyAddsTiers(from, to) {
  if (["termDays", "flags", "influenceCapBps", "textDigest"].some((name) => from[name] !== to[name])) return false;
  const [before, after] = [cards(from), cards(to)];
  const kept = [...before].every(([tier, rates]) => after.has(tier) && Object.keys(rates).every((name) => after.get(tier)[name] === rates[name]));
  return kept && after.size > before.size;
}

const YEAR = 365 * DAY;
const mint = (termsId, at = T0) => ({ act: "mint", at, termsId });
const amend = (at, termsId) => ({ act: "amend", at: T0 + at, termsId });
const act = (kind, at) => ({ act: kind, at: T0 + at });

const TIMELINES = {
  "minted and left alone": [mint(BASE)],
  "no AI use at all": [mint(NONE)],
  "a tier added is in force at once": [mint(BASE), amend(DAY, WIDER)],
  "tiers added twice, the anchor stays": [mint(BASE), amend(DAY, WIDER), amend(2 * DAY, WIDEST), act("revoke", 3 * DAY)],
  "tiers added to none": [mint(NONE), amend(5, BASE)],
  "a dearer offer waits for the next term": [mint(BASE), amend(DAY, DEARER)],
  "a tier taken away waits": [mint(BASE), amend(10, NARROWER)],
  "no use from the next term": [mint(BASE), amend(10, NONE)],
  "a longer term counts from its start": [mint(BASE), amend(10, LONGER), act("revoke", YEAR + 10)],
  "more tiers but dearer waits": [mint(BASE), amend(10, WIDER_AND_DEARER)],
  "more tiers but another text waits": [mint(BASE), amend(10, WIDER_OTHER_TEXT)],
  "more tiers but other flags wait": [mint(BASE), amend(10, WIDER_OTHER_FLAGS)],
  "more tiers but another cap waits": [mint(BASE), amend(10, WIDER_OTHER_CAP)],
  "other tiers instead wait": [mint(BASE), amend(10, ELSEWHERE)],
  "a second amendment replaces the pending one": [mint(BASE), amend(10, DEARER), amend(20, NARROWER)],
  "the terms in force withdraw the pending amendment": [mint(BASE), amend(10, DEARER), amend(20, BASE)],
  "tiers cannot be added while an amendment is pending": [mint(BASE), amend(10, DEARER), amend(20, WIDER)],
  "tiers may be added after the withdrawal": [mint(BASE), amend(10, DEARER), amend(20, BASE), amend(30, WIDER)],
  "the last second of a term belongs to it": [mint(BASE), amend(YEAR - 1, CHEAPER)],
  "thirty days are notice enough": [mint(BASE), amend(YEAR - 30 * DAY, DEARER)],
  "a second less and dearer terms wait a term more": [mint(BASE), amend(YEAR - 30 * DAY + 1, DEARER)],
  "dearer terms in the last second of a term wait a term more": [mint(BASE), amend(YEAR - 1, DEARER)],
  "a tier taken away in the last days waits a term more": [mint(BASE), amend(YEAR - 1, NARROWER)],
  "more tiers for less need no notice": [mint(BASE), amend(YEAR - 1, WIDER_AND_CHEAPER)],
  "more tiers but one dearer need notice": [mint(CHEAPER), amend(YEAR - 1, WIDER)],
  "a short notice replaces one that was in time": [mint(BASE), amend(10, DEARER), amend(YEAR - 1, WIDER_AND_DEARER)],
  "what waits a term more can be replaced in time": [mint(BASE), amend(YEAR - 1, DEARER), amend(YEAR + 10, NARROWER)],
  "revoked while dearer terms wait a term more": [mint(BASE), amend(YEAR - 2, DEARER), act("revoke", YEAR - 1)],
  "a longer term at short notice counts from where it begins": [mint(BASE), amend(YEAR - 1, LONGER), act("revoke", 2 * YEAR + 10)],
  "the first second of a term belongs to the next": [mint(BASE), amend(YEAR, DEARER)],
  "the pending amendment is in force when the next one comes": [mint(BASE), amend(10, DEARER), amend(YEAR + 10, NARROWER)],
  "tiers added to an amendment that took effect": [mint(DEARER), amend(10, BASE), amend(YEAR + 5, WIDER)],
  "amended in the second of the mint": [mint(BASE), amend(0, DEARER)],
  "widened and made dearer in one second": [mint(BASE), amend(10, WIDER), amend(10, WIDER_AND_DEARER)],
  "made dearer and withdrawn in one second": [mint(BASE), amend(10, DEARER), amend(10, BASE)],
  "revoked in the second of the mint": [mint(BASE), act("revoke", 0)],
  "voided in the second of the mint": [mint(BASE), act("void", 0)],
  "revoked": [mint(BASE), act("revoke", 10)],
  "revoked in the third term": [mint(BASE), act("revoke", 2 * YEAR + 10)],
  "revoked and reinstated": [mint(BASE), act("revoke", 10), act("reinstate", YEAR - 1)],
  "reinstated too late": [mint(BASE), act("revoke", 10), act("reinstate", YEAR)],
  "revoked twice": [mint(BASE), act("revoke", 10), act("revoke", 20)],
  "nothing to reinstate": [mint(BASE), act("reinstate", 10)],
  "no amendment after a revoke": [mint(BASE), act("revoke", 10), amend(20, WIDER), amend(30, BASE), amend(40, DEARER)],
  "no amendment after the end": [mint(BASE), act("revoke", 10), amend(YEAR + 10, WIDER)],
  "revoked with an amendment pending: it never comes": [mint(BASE), amend(10, DEARER), act("revoke", 20)],
  "reinstated: the pending amendment comes after all": [mint(BASE), amend(10, DEARER), act("revoke", 20), act("reinstate", 30)],
  "voided": [mint(BASE), act("void", 100)],
  "voided with an amendment pending": [mint(BASE), amend(10, DEARER), act("void", 100)],
  "voided after a revoke": [mint(BASE), act("revoke", 10), act("void", 100)],
  "voided licences stay so": [mint(BASE), act("void", 100), act("reinstate", 110), act("revoke", 120), amend(130, WIDER)],
};

export function timelines() {
  return Object.entries(TIMELINES).map(([name, acts]) => timeline(name, acts));
}

function timeline(name, bare) {
  const acts = bare.map((one, index) =>
    one.termsId === undefined ? one : { ...one, document: seeded(`${name}, document ${index}`) },
  );
  const licence = new Licence(acts[0]);
  const done = [true, ...acts.slice(1).map((one) => licence.act(one))];
  const last = acts.at(-1).at;
  const edges = new Set([T0 - 1, T0, last - 1, last, last + 1, last + 10 * YEAR]);
  for (const { from, to } of licence.intervals()) {
    for (const edge of [from, to]) {
      if (edge !== Infinity) [edge - 1, edge, edge + 1].forEach((moment) => edges.add(moment));
    }
  }
  const moments = [...edges].sort((a, b) => a - b);
  const used = [...new Set(acts.flatMap(({ termsId }) => termsId ?? []))].sort((a, b) => a - b);
  return {
    name,
    input: {
      terms: used.map((termsId) => ({ termsId, digest: termsDigest(CATALOGUE[termsId]), ...CATALOGUE[termsId] })),
      acts,
      moments,
      periods: periods(moments),
    },
    expected: {
      done,
      endsAt: licence.endsAt === Infinity ? null : licence.endsAt,
      answers: moments.map((moment) => licence.answer(moment)),
      periodTerms: periods(moments).map(([start, end]) => TIERS.map((tier) => licence.periodTerms(tier, start, end))),
      firstMoments: periods(moments).map(([start, end]) => TIERS.map((tier) => licence.firstMoment(tier, start, end))),
    },
  };
}

// Half-open [start, end): across neighbours, across everything, and empty.
function periods(moments) {
  const pairs = moments.slice(1).map((end, index) => [moments[index], end]);
  return [...pairs, [moments[0], moments.at(-1)], [moments[0], moments[0]], [moments[2], moments.at(-1)]];
}
