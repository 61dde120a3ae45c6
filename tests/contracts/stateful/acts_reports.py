"""Usage reports: as they should be, spoiled, funded, settled, divided."""

from __future__ import annotations

import random

from eth_hash.auto import keccak

from obbligato.protocol.constants import Pricing, Tier
from obbligato.protocol.typed_data import Attestation, UsageReport
from tests.contracts.protocol import DOLLAR, Report
from tests.contracts.stateful.acts_money import some_platform
from tests.contracts.stateful.checks import hold
from tests.contracts.stateful.deployment import Deployment, action
from tests.contracts.stateful.drafts import Draft, spoil
from tests.contracts.stateful.draw import INSTEAD, edge, log_uniform, mostly, one_of
from tests.contracts.stateful.model import (
    DAY,
    GRANT_REQUIRED,
    METERED,
    NOT_OFFERED,
    POOL,
    POOL_FLAG,
    PPM,
    U64,
    WEIGHTS,
    Attestations,
    Key,
    Refused,
    Row,
    pack_rows,
    unpack_rows,
)
from tests.contracts.stateful.people import MODELS, RELAY, REPORTERS, STRANGER, UNKNOWN, ascending


@action(16)
def report(d: Deployment, rng: random.Random) -> None:
    """Mostly a report as it should be: METERED, POOL, a correction or a zero statement; else a spoiled one."""
    draft = _draft(d, rng)
    if rng.random() < 0.2:
        draft = spoil(d, rng, draft)
    _submit(d, rng, draft)


def _submit(d: Deployment, rng: random.Random, draft: Draft) -> None:
    header, m = draft.header, d.model
    domain = d.protocol.domains[header.contract]
    report_id = header.digest(domain)
    attestation = Attestation(report_id=report_id, config_version=draft.attested.version)
    signatures = b"".join(d.sign(attestation, signer) for signer in draft.attested.signers)
    if not draft.attested.whole:
        signatures = signatures[:-1]
    # The moments at which each row first had consent are kept, for they must be answered the same for ever.
    accepted = d.do(
        RELAY,
        d.protocol.oracle.submit,
        Report(header, draft.rows, b"").raw,
        draft.rows,
        draft.reporter,
        d.sign(header, draft.signer),
        draft.attested.version,
        signatures,
        foretold=lambda: m.submit(
            report_id,
            header,
            draft.rows,
            keccak(draft.rows),
            draft.reporter,
            draft.signer,
            draft.attested,
        ),
        about=report_id,
    )
    if accepted:
        for license_id, tier, _, _ in unpack_rows(draft.rows):
            moment = m.licenses[license_id].history.first_moment(
                tier, header.period_start, header.period_end
            )
            hold(
                moment is not None and moment < d.now,
                f"licence {license_id} is paid without consent",
            )
            d.watch.paid_consents.append((license_id, tier, moment, True))


def _draft(d: Deployment, rng: random.Random) -> Draft:
    m = d.model
    m.now = d.now
    least = m.parameters.minimum_bond
    ready = [
        i
        for i, p in m.platforms.items()
        if not p.obligations and not p.closes_at and p.bond >= least
    ]
    platform_id = some_platform(d, rng, obliged=0.05) or 1
    if ready and rng.random() < 0.9:
        platform_id = rng.choice(ready)
    model_id = rng.choice(MODELS)
    start, end = _period(d, rng, m.streams[platform_id, model_id].covered_until)
    pricing = POOL if rng.random() < 0.35 else METERED
    rows = (
        [] if rng.random() < 0.08 else some_rows(d, rng, platform_id, model_id, start, end, pricing)
    )
    return _drafted(
        d, rng, (platform_id, model_id), (start, end), rows, pricing if rows else METERED
    )


def _drafted(
    d: Deployment,
    rng: random.Random,
    stream_of: tuple[int, bytes],
    period: tuple[int, int],
    rows: list[Row],
    pricing: int,
) -> Draft:
    """The next report of a stream, with these rows."""
    m = d.model
    packed = pack_rows(rows)
    if pricing == POOL:
        total = _pool_total(d, rng, rows, *period)
    else:
        try:
            credits_, _ = m.price(packed, *period, METERED, 0)
            total = sum(amount for _, amount in credits_)
        except Refused:
            total = rng.randint(0, DOLLAR)
    platform_id, model_id = stream_of
    platform, stream = m.platforms.get(platform_id), m.streams[stream_of]
    account = one_of(rng, sorted(platform.reporters) if platform else [], REPORTERS[0])
    header = UsageReport(
        platform_id=platform_id,
        model_id=model_id,
        sequence=stream.sequence + 1,
        attempt=rng.randint(1, 3),
        previous=stream.last,
        period_start=period[0],
        period_end=period[1],
        pricing=Pricing(pricing),
        row_count=len(rows),
        rows_digest=keccak(packed),
        total=min(total, U64),
        evidence=keccak(b"evidence %d" % rng.randint(0, 9)),
        deadline=d.now + rng.randint(10, 10 * DAY),
    )
    current = m.versions[m.version]
    signers = rng.sample(current, rng.randint(m.quorum, len(current)))
    return Draft(
        header, packed, account, account, Attestations(m.version, tuple(ascending(signers)))
    )


@action(3)
def edge_of_consent(d: Deployment, rng: random.Random) -> None:
    """A row for a period that touches, from one side or the other, a moment at which consent changed."""
    m = d.model
    m.now = d.now
    license_id = rng.choice(list(m.licenses))
    ended = [i for i, found in m.licenses.items() if not m.live(i)]
    if ended and rng.random() < 0.5:
        license_id = rng.choice(ended)
    history = m.licenses[license_id].history
    moments = [version.start for version in history.versions]
    moments += [history.ends_at] * len(moments) if history.ends_at is not None else []
    moment, length = rng.choice(moments), rng.choice([1, 60, DAY])
    period = rng.choice(
        [(moment - length, moment), (moment, moment + length), (moment - 1, moment + 1)]
    )
    ready = [
        place
        for place, stream in m.streams.items()
        if stream.covered_until >= period[1]
        and not m.platforms[place[0]].obligations
        and not m.platforms[place[0]].closes_at
    ]
    if not ready:
        return report(d, rng)
    offered = {tier for version in history.versions for tier in Tier if version.terms.offers(tier)}
    key = (license_id, int(one_of(rng, sorted(offered), 3)), rng.choice([1, 2, 2, 3]))
    _submit(
        d, rng, _drafted(d, rng, rng.choice(ready), period, [(*key, rng.randint(1, PPM))], METERED)
    )
    return None


def _period(d: Deployment, rng: random.Random, covered: int) -> tuple[int, int]:
    """A period that leads its stream, or one wholly before its edge."""
    now = d.now
    if covered == 0:
        start = now - mostly(rng, rng.randint(1, 31 * DAY), rng.randint(1, 100 * DAY))
        return start, rng.randint(start + 1, now)
    if covered < now and rng.random() < 0.7:
        # A stream that lags a year catches up month by month; now and then one tries it at once.
        month = min(now, covered + 31 * DAY)
        return covered, mostly(
            rng, rng.choice([month, month, rng.randint(covered + 1, month)]), now
        )
    end = covered - rng.choice([0, 0, 1, rng.randint(0, 60 * DAY)])
    return end - mostly(rng, rng.randint(1, 31 * DAY), 31 * DAY + 1), end


def some_rows(
    d: Deployment,
    rng: random.Random,
    platform_id: int,
    model_id: bytes,
    start: int,
    end: int,
    pricing: int,
) -> list[Row]:
    """Rows that price in this period, most of them; a few that may not."""
    m = d.model
    keys: set[Key] = set()
    wanted = rng.choice([1, 2, 3, 4, 6, 10, 20])
    for _ in range(wanted * 4):
        key = (rng.choice(list(m.licenses)), rng.randint(1, 6), rng.randint(1, 3))
        try:
            offer, _ = m.offer(key, start, end)
        except Refused:
            continue
        if pricing == POOL and not offer.flags & POOL_FLAG:
            continue
        if pricing == METERED and offer.rate == NOT_OFFERED:
            continue
        place = (key[0], key[1], platform_id, model_id)
        if (
            offer.flags & GRANT_REQUIRED
            and not m.covered(*place, start, end)
            and rng.random() < 0.97
        ):
            continue
        if rng.random() < 0.9 and offer.rate != NOT_OFFERED and offer.rate > 10**9:
            continue
        keys.add(key)
        if len(keys) == wanted:
            break
    highest = rng.choice([60, 60, 4_000]) * PPM
    return [(*key, 1 + log_uniform(rng, highest)) for key in sorted(keys)]


def _pool_total(d: Deployment, rng: random.Random, rows: list[Row], start: int, end: int) -> int:
    """Enough for every row's reserve price, mostly."""
    whole = sum(quantity * WEIGHTS[tier] for _, tier, _, quantity in rows)
    least = 0
    for row in rows:
        rate = d.model.offer(row[:3], start, end)[0].reserve
        reserve = 0 if rate == NOT_OFFERED else row[3] * rate // PPM
        weight = row[3] * WEIGHTS[row[1]]
        least = max(least, -(-reserve * whole // weight))
    return min(U64, mostly(rng, least + log_uniform(rng, 100 * DOLLAR) - 1, max(0, least - 1)))


@action(5)
def fund(d: Deployment, rng: random.Random) -> None:
    """With the money brought first, mostly."""
    m = d.model
    waiting = [i for i, r in m.reports.items() if r.state == "unfunded"]
    if not waiting and rng.random() < INSTEAD:
        return report(d, rng)
    report_id = mostly(rng, one_of(rng, waiting, UNKNOWN), one_of(rng, m.reports, UNKNOWN))
    known = m.reports.get(report_id)
    if known is not None and known.state == "unfunded" and rng.random() < 0.7:
        platform = m.platforms[known.platform_id]
        missing = known.header.total - platform.available - platform.thawing
        by = platform.admin
        if 0 < missing < 10**9 * DOLLAR:
            d.give(by, missing)
            amount = missing - mostly(rng, 0, 1)
            if amount:
                d.do(
                    by,
                    d.protocol.vault.deposit,
                    known.platform_id,
                    amount,
                    foretold=lambda: m.deposit(by, known.platform_id, amount),
                )
    d.do(
        STRANGER,
        d.protocol.oracle.fund,
        report_id,
        foretold=lambda: m.fund(report_id),
        about=report_id,
    )
    return None


@action(14)
def settle(d: Deployment, rng: random.Random) -> None:
    m = d.model
    pending = sorted((r.end, i) for i, r in m.reports.items() if r.state == "pending")
    report_id = (
        pending[0][1]
        if pending and rng.random() < 0.8
        else one_of(rng, [i for _, i in pending], UNKNOWN)
    )
    report_id = mostly(rng, report_id, one_of(rng, m.reports, UNKNOWN))
    known = m.reports.get(report_id)
    credits_ = known.packed_credits if known else b""
    credits_ = mostly(rng, credits_, credits_[12:], credits_ + b"\1", b"", chance=0.03)
    if known:
        edge(d, rng, known.end, patience=8 * DAY)
    d.do(
        STRANGER,
        d.protocol.oracle.settle,
        report_id,
        credits_,
        foretold=lambda: m.settle(report_id, credits_),
        about=report_id,
    )


@action(0.5)
def divide(d: Deployment, rng: random.Random) -> None:
    """Usage in one report or in two: within one unit a row."""
    start, end = d.now - DAY, d.now
    d.model.now = d.now
    for row in some_rows(d, rng, 0, MODELS[0], start, end, METERED):
        part = rng.randint(0, row[3])
        priced = [
            _price(d, pack_rows([(*row[:3], quantity)]), start, end) if quantity else 0
            for quantity in (row[3], part, row[3] - part)
        ]
        if None not in priced:
            hold(0 <= priced[0] - priced[1] - priced[2] <= 1, f"{row} divided at {part}: {priced}")


def _price(d: Deployment, packed: bytes, start: int, end: int) -> int | None:
    """The chain's sum for METERED rows, None where it refuses them."""
    data = d.protocol.registry.price.encode_input(packed, start, end, METERED, 0)
    try:
        d.model.price(packed, start, end, METERED, 0)
    except Refused:
        return None
    return int.from_bytes(d.node.call(d.protocol.registry.address, data)[32:64], "big")
