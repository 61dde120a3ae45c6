"""Challenges, rulings, arrears, rival claims."""

from __future__ import annotations

import random
from typing import Any

from eth_hash.auto import keccak

from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.typed_data import Challenge
from tests.contracts.protocol import ARBITER, DOLLAR, GOVERNOR, Report
from tests.contracts.stateful.acts_reports import some_rows
from tests.contracts.stateful.deployment import Deployment, action
from tests.contracts.stateful.draw import INSTEAD, edge, log_uniform, mostly, one_of
from tests.contracts.stateful.model import DAY, PPM, U64, WEIGHTS, Key
from tests.contracts.stateful.people import ADMINS, PAYEES, RELAY, STRANGER, UNKNOWN, WATCHDOG


@action(12)
def challenge(d: Deployment, rng: random.Random) -> None:
    m, disputes = d.model, d.protocol.disputes
    m.now = d.now
    report_id = _contested(d, rng)
    known = m.reports.get(report_id)
    if known is None:
        known = next(iter(m.reports.values()), None)
        if known is None:
            return
    key, reported = _contested_row(d, rng, known)
    record = m.records.get((report_id, key))
    if record and record.ruled:
        reported = record.quantity
    quantity = _claimed_quantity(d, rng, known.platform_id, reported)
    if record and record.open_challenge and rng.random() < 0.5:  # to take its place, or just not
        rival = m.challenges[record.open_challenge]
        quantity = min(U64, 2 * rival.claimed - rival.reported + rng.choice([0, 1, 1]))
    challenger = rng.choice([*PAYEES, *PAYEES, WATCHDOG, *ADMINS])
    header = known.header
    raw_header = Report(header, b"", b"").raw
    packed = mostly(rng, known.packed_rows, known.packed_rows[14:], chance=0.02)
    credits_ = mostly(rng, known.packed_credits, known.packed_credits + b"\0", chance=0.02)
    if report_id not in m.reports:
        raw_header = Report(header.model_copy(update={"attempt": 77}), b"", b"").raw
    edge(
        d,
        rng,
        known.end if quantity < reported else known.end + m.parameters.claim_period,
        patience=8 * DAY,
    )
    m.now = d.now
    evidence = keccak(b"evidence")
    claim = (*key, quantity, evidence)
    of_challenger = [i for i, s in m.splits.items() if challenger in s.shares]
    some = rng.sample(of_challenger, rng.randint(0, len(of_challenger)))
    case = (raw_header, packed, credits_)
    place = (report_id, packed, credits_, key, quantity, challenger)
    how = rng.random()
    if how < 0.6:
        d.do(
            challenger,
            disputes.challenge,
            case,
            claim,
            [],
            foretold=lambda: m.challenge(*place),
            about=report_id,
        )
        return
    signable = key[0] in m.licenses and key[1] in WEIGHTS and key[2] in (1, 2, 3)
    if how < 0.8 or not signable:
        splits = some or None
        d.do(
            challenger,
            disputes.challenge,
            case,
            claim,
            some,
            foretold=lambda: m.challenge(*place, bond_splits=splits),
            about=report_id,
        )
        return
    document = mostly(rng, m.document(key[0]), UNKNOWN)
    maximum = mostly(rng, U64, 2 * DOLLAR)
    message = Challenge(
        report_id=known.header.digest(d.protocol.domains[known.header.contract])
        if report_id in m.reports
        else report_id,
        license_id=key[0],
        current_document=document,
        tier=Tier(key[1]),
        metric=Metric(key[2]),
        claimed_quantity=quantity,
        evidence=evidence,
        maximum_bond=maximum,
        **d.fresh(challenger),
    )
    if report_id not in m.reports:
        return

    def by_signature() -> None:
        m.check_new_document(key[0], document)
        m.challenge(*place, bond_splits=some, maximum=maximum)

    d.do(
        RELAY,
        disputes.challengeBySignature,
        case,
        claim,
        document,
        maximum,
        some,
        d.signed(message),
        foretold=by_signature,
        about=report_id,
    )


def _contested(d: Deployment, rng: random.Random) -> bytes:
    """Rather a report whose window is open."""
    reports = d.model.reports
    open_ = [i for i, r in reports.items() if r.state == "pending" and d.now < r.end]
    if open_ and rng.random() < 0.6:
        return rng.choice(open_)
    late = [i for i, r in reports.items() if d.now < r.end + d.model.parameters.claim_period]
    return mostly(rng, one_of(rng, late, UNKNOWN), one_of(rng, reports, UNKNOWN), UNKNOWN)


def _contested_row(d: Deployment, rng: random.Random, known: Any) -> tuple[Key, int]:
    """A row of the report, or one that it left out."""
    rows, period = known.rows, (known.header.period_start, known.header.period_end)
    if rows and rng.random() < 0.7:
        row = rng.choice(rows)
        return row[:3], row[3]
    license_id = mostly(rng, rng.choice(list(d.model.licenses)), len(d.model.licenses) + 1)
    if rng.random() < 0.8:
        left_out = some_rows(
            d, rng, known.platform_id, known.header.model_id, *period, known.header.pricing
        )
        license_id = left_out[0][0] if left_out else license_id
        key = left_out[0][:3] if left_out else (license_id, 3, 2)
        return key, next((row[3] for row in rows if row[:3] == key), 0)
    key = (license_id, mostly(rng, rng.randint(1, 6), 0, 7), mostly(rng, rng.randint(1, 3), 0, 4))
    return key, next((row[3] for row in rows if row[:3] == key), 0)


def _claimed_quantity(d: Deployment, rng: random.Random, platform_id: int, reported: int) -> int:
    if reported and rng.random() < 0.55:
        return rng.choice([0, reported // 2, reported - 1, rng.randint(0, reported)])
    if rng.random() < 0.25:
        # Worth more than the platform may have, at a third of a dollar a unit.
        platform = d.model.platforms[platform_id]
        money = platform.available + platform.thawing + platform.bond
        return min(U64, reported + money * 3 + rng.randint(0, 10 * PPM))
    # One more is worth no more, or even less where a pool's rounding favoured the row.
    more = rng.choice([1, 1, rng.randint(1, 9), reported, log_uniform(rng, 500 * PPM)])
    return mostly(rng, min(U64, reported + more), reported, U64, chance=0.05)


@action(8)
def rule(d: Deployment, rng: random.Random) -> None:
    m = d.model
    open_ = [i for i, c in m.challenges.items() if c.state == "open"]
    if not open_ and rng.random() < INSTEAD:
        return challenge(d, rng)
    in_time = [i for i in open_ if d.now <= m.arbitration_end(m.challenges[i])]
    if rng.random() < INSTEAD:
        if not in_time:
            return challenge(d, rng)
        open_ = in_time
    challenge_id = mostly(rng, one_of(rng, open_, 1), *m.challenges, len(m.challenges) + 1)
    c = m.challenges.get(challenge_id)
    quantity = 0
    if c:
        low, high = min(c.claimed, c.reported), max(c.claimed, c.reported)
        middle = (c.claimed + c.reported) // 2
        nearly = rng.randint(low, high)
        quantity = rng.choice(
            [low, high, c.claimed, c.claimed, c.reported, middle, middle + 1, nearly]
        )
        quantity = min(U64, mostly(rng, quantity, high + 1, max(0, low - 1), chance=0.04))
        edge(d, rng, m.arbitration_end(c), patience=3 * DAY)
    by = mostly(rng, ARBITER, GOVERNOR, STRANGER, chance=0.04)
    digest = mostly(rng, c.digest if c else UNKNOWN, UNKNOWN, chance=0.04)
    d.do(
        by,
        d.protocol.disputes.rule,
        challenge_id,
        quantity,
        digest,
        foretold=lambda: m.rule(by, challenge_id, quantity, digest),
        about=c.report_id if c else None,
    )
    return None


@action(4)
def lapse(d: Deployment, rng: random.Random) -> None:
    m = d.model
    open_ = [i for i, c in m.challenges.items() if c.state == "open"]
    if not open_ and rng.random() < INSTEAD:
        return challenge(d, rng)
    # The oldest: it is the first that can.
    challenge_id = mostly(rng, open_[0] if open_ else 1, *m.challenges, len(m.challenges) + 1)
    c = m.challenges.get(challenge_id)
    if c:
        edge(d, rng, m.arbitration_end(c) + 1, patience=6 * DAY)
    d.do(
        STRANGER,
        d.protocol.disputes.lapse,
        challenge_id,
        foretold=lambda: m.lapse(challenge_id),
        about=c.report_id if c else None,
    )
    return None


@action(5)
def pay_arrears(d: Deployment, rng: random.Random) -> None:
    m = d.model
    if not m.arrears and rng.random() < INSTEAD:
        return challenge(d, rng)
    challenge_id = mostly(rng, one_of(rng, m.arrears, 1), *m.challenges)
    due, c = m.arrears.get(challenge_id), m.challenges.get(challenge_id)
    if due and rng.random() < 0.5:
        platform = m.platforms[due.platform_id]
        missing = due.owed + due.penalty - platform.available - platform.thawing - platform.bond
        by = platform.admin
        if missing > 0:
            d.give(by, missing)
            d.do(
                by,
                d.protocol.vault.deposit,
                due.platform_id,
                missing,
                foretold=lambda: m.deposit(by, due.platform_id, missing),
            )
    amount = 2**64 - 1
    if due and rng.random() < 0.5:
        amount = rng.randint(0, due.owed + due.penalty)
    d.do(
        STRANGER,
        d.protocol.disputes.payArrears,
        challenge_id,
        amount,
        foretold=lambda: m.pay_arrears(challenge_id, amount),
        about=c.report_id if c else None,
    )
    return None


@action(0.5)
def claim_recording(d: Deployment, rng: random.Random) -> None:
    by = rng.choice([*PAYEES, WATCHDOG])
    license_id = mostly(rng, rng.choice(list(d.model.licenses)), len(d.model.licenses) + 1)
    d.do(
        by,
        d.protocol.disputes.claimRecording,
        license_id,
        UNKNOWN,
        foretold=lambda: d.model.claim_recording(by, license_id),
    )


@action(0.8)
def rule_recording(d: Deployment, rng: random.Random) -> None:
    open_ = [i for i, c in d.model.claims.items() if c.state == "open"]
    claim_id = mostly(rng, open_[-1] if open_ else 1, len(d.model.claims) + 1)
    # A void licence is gone for good: not too many.
    live = sum(d.model.live(i) for i in d.model.licenses)
    upheld = live > 4 and rng.random() < 0.25
    by = mostly(rng, ARBITER, GOVERNOR, STRANGER)
    d.do(
        by,
        d.protocol.disputes.ruleRecording,
        claim_id,
        upheld,
        foretold=lambda: d.model.rule_recording(by, claim_id, upheld),
    )


@action(0.5)
def lapse_recording(d: Deployment, rng: random.Random) -> None:
    open_ = [i for i, c in d.model.claims.items() if c.state == "open"]
    claim_id = mostly(rng, open_[0] if open_ else 1, len(d.model.claims) + 1)
    if claim_id in d.model.claims:
        edge(d, rng, d.model.claims[claim_id].opened_at + d.model.parameters.arbitration_period + 1)
    d.do(
        STRANGER,
        d.protocol.disputes.lapseRecording,
        claim_id,
        foretold=lambda: d.model.lapse_recording(claim_id),
    )
