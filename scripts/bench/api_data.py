"""The index that the bench of the API reads: 5 000 licences, 2 000 splits, 100 000 credits, all by one seed.

The rows are written as the index writes them, without a chain: only reading is measured. One payee, the society, is
in a fifth of all splits.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from eth_utils.address import to_checksum_address
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from backend.db import index_db
from backend.db.base import insert_all, table_of
from backend.http.paging import encode_cursor
from obbligato.protocol.constants import PPM, Flag, Metric, Pricing, Role, Tier
from scripts.toolchain import CHAIN_ID

LICENSES: Final = 5_000
SPLITS: Final = 2_000
ACCOUNTS: Final = 1_500
PLATFORMS: Final = 40
SETTLED: Final = 100
PENDING: Final = 2
ROWS: Final = 1_000
"""Of each report: 100 000 credits altogether."""
OWNERS: Final = 500
MOST_PAYEES: Final = 8

SEED: Final = 4
BEGAN: Final = 1_704_067_200
"""2024-01-01, UTC."""
DAY: Final = 86_400
HEAD_NUMBER: Final = 1_000_000
FINAL_DEPTH: Final = 64
RATE_UNITS: Final = 2_400
_MINTED_IN: Final = 1_000
_SETTLED_IN: Final = 500_000

Row = dict[str, Any]


def account(number: int) -> str:
    """The payees are those from 0 on; the society is payee 0."""
    return str(to_checksum_address(_digest("account", number)[:20]))


def owner(license_id: int) -> str:
    """Of a licence."""
    return account(ACCOUNTS + license_id % OWNERS)


def isrc(license_id: int) -> str:
    """Of a licence's recording."""
    return f"AA6Q7{license_id:07d}"


def license_cursor(license_id: int) -> str:
    """Of the page that begins after a licence."""
    return encode_cursor(license_id)


def payees() -> Iterator[str]:
    """Every account that can be in a split, but for the society."""
    return (account(number) for number in range(1, ACCOUNTS))


def head_number(session: Session) -> int:
    """Where the index is."""
    return session.scalars(select(index_db.Following.head_number)).one()


def fill(database: index_db.IndexDatabase) -> None:
    """Write everything."""
    with database.work() as session:
        session.execute(insert(table_of(index_db.Following)).values(_following()))
        connection = session.connection()
        for table, rows in _tables().items():
            insert_all(connection, table_of(table), rows)


def move_head(database: index_db.IndexDatabase, number: int, *, events: bool = False) -> None:
    """One more block, without any event or with one of ours: then every answer is made anew."""
    with database.work() as session:
        if events:
            session.execute(insert(table_of(index_db.RawEvent)).values(_event(number)))
        session.execute(insert(table_of(index_db.Block)).values(_block(number)))
        moved = {
            "head_number": number,
            "head_hash": _digest("block", number),
            "final_number": number - FINAL_DEPTH,
        }
        session.execute(update(table_of(index_db.Following)).values(moved))


def months() -> list[int]:
    """The months that have earnings, as yyyymm."""
    return sorted({_month(_period(number)[0]) for number in range(1, SETTLED + 1)})


def _tables() -> dict[type[index_db.Base], list[Row]]:
    choose = random.Random(SEED)
    splits = _splits(choose)
    split_of = [choose.randrange(SPLITS) + 1 for _ in range(LICENSES)]
    made: dict[type[index_db.Base], list[Row]] = defaultdict(list)
    made[index_db.Block] = [_block(HEAD_NUMBER)]
    made[index_db.Terms] = [_terms(number) for number in (1, 2, 3)]
    made[index_db.Platform] = [_platform(number) for number in range(1, PLATFORMS + 1)]
    for number, split_id in enumerate(split_of, start=1):
        _add_license(made, number, split_id, choose)
    received: Counter[int] = Counter()
    for number in range(1, SETTLED + PENDING + 1):
        _add_report(made, number, split_of, received, choose)
    made[index_db.PayeeEarning] = _sums(made[index_db.Earning], splits)
    for split_id, shares in splits.items():
        _add_split(made, split_id, shares, received[split_id])
    made[index_db.Stream] = [_stream(number) for number in range(1, PLATFORMS + 1)]
    return made


def _sums(credits_: list[Row], splits: dict[int, list[tuple[str, int]]]) -> list[Row]:
    """What each payee has of them by month and platform."""
    sums: dict[tuple[Any, ...], Row] = {}
    for credit in credits_:
        before, after = credit["received_rest"], credit["received_rest"] + credit["amount_units"]
        for who, share in splits[credit["split_id"]]:
            of = {name: credit[name] for name in ("month", "platform_id", "tier", "metric")}
            key = (who, *of.values())
            row = sums.setdefault(
                key,
                {
                    "account": who,
                    **of,
                    "amount_units": 0,
                    "quantity_millionths": 0,
                    "credits": 0,
                    "block_number": credit["block_number"],
                },
            )
            row["changed_in"] = credit["block_number"]
            row["amount_units"] += after * share // PPM - before * share // PPM
            row["quantity_millionths"] += credit["quantity_millionths"]
            row["credits"] += 1
    return list(sums.values())


def _splits(choose: random.Random) -> dict[int, list[tuple[str, int]]]:
    """Accounts and shares (sum 1 000 000) of 1 to 8 payees; the society has a tenth of every fifth."""
    payees_by_split = {}
    for split_id in range(1, SPLITS + 1):
        society = split_id % 5 == 0
        count = choose.randint(1, MOST_PAYEES - society)
        people = sorted(choose.sample(range(1, ACCOUNTS), count))
        left = PPM - PPM // 10 * society
        shares = [left // count] * count
        shares[0] += left - sum(shares)
        who = [account(number) for number in people]
        payees_by_split[split_id] = [
            *zip(who, shares, strict=True),
            *([(account(0), PPM // 10)] if society else []),
        ]
    return payees_by_split


def _add_license(
    made: dict[type[index_db.Base], list[Row]], number: int, split_id: int, choose: random.Random
) -> None:
    minted_at, block = BEGAN + number, _MINTED_IN + number
    terms_id, document = 1 + number % 3, _digest("document", number)
    ends_at = BEGAN + 800 * DAY if number % 20 == 0 else None
    base = {"license_id": number, "block_number": block}
    made[index_db.License].append(
        {
            **base,
            "changed_in": block,
            "owner": owner(number),
            "content": _digest("content", number),
            "split_id": split_id,
            "document": document,
            "minted_at": minted_at,
            "ends_at": ends_at,
            "voided": False,
            "versions": 1,
        }
    )
    made[index_db.LicenseVersion].append(
        {
            **base,
            "number": 0,
            "start": minted_at,
            "anchor": minted_at,
            "terms_id": terms_id,
            "document": document,
        }
    )
    made[index_db.LicenseAct].append(
        {
            **base,
            "log_index": 0,
            "act": index_db.LicenseActKind.MINTED,
            "happened_at": minted_at,
            "transaction": _digest("transaction", block),
            "account": owner(number),
            "terms_id": terms_id,
            "split_id": split_id,
            "document": document,
            "effective_at": None,
        }
    )
    made[index_db.Document].append(
        {
            "digest": document,
            "state": index_db.DocumentState.READ,
            "reason": None,
            "attempts": 1,
            "due_at": 0,
            "isrc": isrc(number),
            "title": f"Recording {number} in {choose.choice('CDEFGAB')} minor",
            "artists": [f"Artist {choose.randrange(OWNERS)}", f"Ensemble {number % 97}"],
            "read_as": 1_000,
            "read_at": (BEGAN + number) * 1_000_000,
        }
    )


def _add_report(
    made: dict[type[index_db.Base], list[Row]],
    number: int,
    split_of: list[int],
    received: Counter[int],
    choose: random.Random,
) -> None:
    """One report of a month's use; once settled, each of its rows is a credit."""
    platform_id, model_id = 1 + number % PLATFORMS, _model(number)
    start, end = _period(number)
    submitted_at, settled = end + DAY, number <= SETTLED
    settled_at, block = end + 9 * DAY, _SETTLED_IN + number * 10
    used = sorted(choose.sample(range(1, LICENSES + 1), ROWS))
    total = 0
    for row, license_id in enumerate(used):
        quantity, split_id = choose.randint(1, 5_000), split_of[license_id - 1]
        amount = quantity * RATE_UNITS
        total += amount
        of = {
            "license_id": license_id,
            "split_id": split_id,
            "tier": int(Tier.GENERATIVE),
            "metric": int(Metric.GENERATION),
            "report_number": number,
            "quantity_millionths": quantity * PPM,
            "amount_units": amount,
        }
        made[index_db.ReportRow].append({**of, "row": row, "block_number": block - 5})
        if settled:
            made[index_db.Earning].append(
                {
                    **of,
                    "block_number": block,
                    "log_index": 0,
                    "line": row,
                    "received_rest": received[split_id] % PPM,
                    "source": index_db.Source.REPORT,
                    "earned_at": settled_at,
                    "month": _month(start),
                    "platform_id": platform_id,
                    "model_id": model_id,
                }
            )
            received[split_id] += amount
    made[index_db.Report].append(
        {
            "report_id": _digest("report", number),
            "number": number,
            "block_number": block - 5,
            "changed_in": block if settled else block - 5,
            "platform_id": platform_id,
            "model_id": model_id,
            "sequence": 1 + (number - 1) // PLATFORMS,
            "attempt": 1,
            "previous": bytes(32),
            "period_start": start,
            "period_end": end,
            "pricing": int(Pricing.METERED),
            "row_count": ROWS,
            "rows_digest": _digest("rows", number),
            "total_units": total,
            "evidence": _digest("evidence", number),
            "deadline": submitted_at + DAY,
            "reporter": account(ACCOUNTS + OWNERS + platform_id),
            "config_version": 1,
            "submitted_at": submitted_at,
            "transaction": _digest("transaction", block - 5),
            "state": "settled" if settled else "pending",
            "window_end": submitted_at + 7 * DAY,
            "settled_at": settled_at if settled else None,
            "settled_units": total if settled else 0,
            "held": [],
            "ruled_units": 0,
        }
    )


def _add_split(
    made: dict[type[index_db.Base], list[Row]],
    split_id: int,
    shares: list[tuple[str, int]],
    received: int,
) -> None:
    """The first payee of every third split has claimed what it had."""
    block = _MINTED_IN - 1
    base = {"split_id": split_id, "block_number": block, "changed_in": block}
    made[index_db.Split].append(
        {**base, "digest": _digest("split", split_id), "received_units": received}
    )
    for position, (who, share) in enumerate(shares):
        claimed = received * share // PPM if position == 0 and split_id % 3 == 0 else 0
        made[index_db.SplitPayee].append(
            {
                **base,
                "account": who,
                "share_ppm": share,
                "role": int(Role.PERFORMER),
                "claimed_units": claimed,
            }
        )
        if claimed:
            _add_payment(made, who, claimed, split_id)


def _add_payment(
    made: dict[type[index_db.Base], list[Row]], who: str, amount: int, split_id: int
) -> None:
    block = HEAD_NUMBER - 10_000 + split_id
    made[index_db.Payment].append(
        {
            "block_number": block,
            "log_index": 0,
            "payee": who,
            "recipient": who,
            "amount_units": amount,
            "refunds_units": 0,
            "split_ids": [split_id],
            "paid_at": _time(block),
            "transaction": _digest("transaction", block),
        }
    )
    known = next((each for each in made[index_db.Account] if each["account"] == who), None)
    if known is not None:
        known["paid_units"] += amount
        return
    made[index_db.Account].append(
        {
            "account": who,
            "refunds_units": 0,
            "paid_units": amount,
            "recipient": None,
            "block_number": block,
            "changed_in": block,
        }
    )


def _terms(number: int) -> Row:
    card = {
        "training_run": 5_000_000,
        "generation": RATE_UNITS,
        "playback": 40,
        "grant_fee": 0,
    }
    tiers = [Tier.ANALYSIS, Tier.TRAINING, Tier.GENERATIVE][-number:]
    return {
        "terms_id": number,
        "digest": _digest("terms", number),
        "tiers": sum(tier.bit for tier in tiers),
        "term_days": 365,
        "flags": int(Flag.POOL),
        "influence_cap_bps": 0,
        "rates": [card] * len(tiers),
        "text_digest": _digest("text", number),
        "block_number": 1,
    }


def _platform(number: int) -> Row:
    return {
        "platform_id": number,
        "admin": account(ACCOUNTS + OWNERS + number),
        "next_admin": None,
        "available_units": 10**12,
        "thawing_units": 0,
        "bond_units": 10**9,
        "thaw_ends_at": None,
        "closes_at": None,
        "obligations": 0,
        "block_number": 10,
        "changed_in": 10,
    }


def _stream(platform_id: int) -> Row:
    number = max(n for n in range(1, SETTLED + PENDING + 1) if 1 + n % PLATFORMS == platform_id)
    return {
        "platform_id": platform_id,
        "model_id": _model(number),
        "sequence": 1 + (number - 1) // PLATFORMS,
        "last": _digest("report", number),
        "covered_until": _period(number)[1],
        "block_number": _SETTLED_IN + 5,
        "changed_in": _SETTLED_IN + number * 10,
    }


def _following() -> Row:
    return {
        "id": 1,
        "chain_id": CHAIN_ID,
        "contracts": {},
        "head_number": HEAD_NUMBER,
        "head_hash": _digest("block", HEAD_NUMBER),
        "final_number": HEAD_NUMBER - FINAL_DEPTH,
    }


def _block(number: int) -> Row:
    return {"number": number, "hash": _digest("block", number), "timestamp": _time(number)}


def _event(block: int) -> Row:
    return {
        "block_number": block,
        "log_index": 0,
        "contract": "UsageOracle",
        "name": "NonceConsumed",
        "arguments": {},
        "transaction": _digest("transaction", block),
    }


def _time(block: int) -> int:
    """Of a block near the head: the head is two and a half years after the beginning."""
    return BEGAN + 900 * DAY + (block - HEAD_NUMBER)


def _period(number: int) -> tuple[int, int]:
    """Four reports a month; the last ones are of the 26th."""
    month = (number - 1) // 4
    start = datetime(2024 + month // 12, 1 + month % 12, 1, tzinfo=UTC)
    return int(start.timestamp()), int(start.timestamp()) + 27 * DAY


def _month(moment: int) -> int:
    day = datetime.fromtimestamp(moment, UTC)
    return day.year * 100 + day.month


def _model(number: int) -> bytes:
    return _digest("model", number % PLATFORMS)


@cache
def _digest(what: str, number: int) -> bytes:
    return hashlib.sha256(f"{what} {number}".encode()).digest()
