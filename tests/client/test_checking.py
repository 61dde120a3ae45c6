"""What a platform checks before it signs: every way a header can say something else than was sent."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from obbligato.client.errors import HeaderRefused
from obbligato.client.usage import Usage
from obbligato.client.verify_reports import Expected, Sums, checked_headers
from obbligato.documents.cid import cid_from_digest
from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.eip712 import Contract, Domain
from obbligato.protocol.rows import Row, rows_digest
from obbligato.protocol.typed_data import UsageReport
from obbligato.schemas.oracle import PricedRow, State, Submission

MODEL = hashlib.sha256(b"model").digest()
EVIDENCE = hashlib.sha256(b"evidence").digest()
DOMAIN = Domain(contract=Contract.USAGE_ORACLE, chain_id=31337, address="0x" + "22" * 20)
ROWS = {
    1: [(1, "GENERATIVE", "GENERATION", 3_000_000, 7_200), (2, "TRAINING", "PLAYBACK", 5, 0)],
    2: [(9, "TRAINING", "PLAYBACK", 1_000_000, 1)],
}
"""By part: licence, tier, metric, millionths of a unit, millionths of a dollar; 7 201 in all."""
USAGE = Usage(model_id=MODEL, start=1_000, end=2_000)
EXPECTED = Expected(platform_id=5, usage=USAGE)


def header(part: int, after: bytes, **changes: Any) -> UsageReport:
    packed = [Row(r[0], Tier[r[1]], Metric[r[2]], r[3]) for r in ROWS[part]]
    facts: dict[str, Any] = {
        "platform_id": 5,
        "model_id": MODEL,
        "sequence": 6 + part,
        "attempt": 1,
        "previous": after,
        "period_start": 1_000,
        "period_end": 2_000,
        "pricing": Pricing.METERED,
        "row_count": len(packed),
        "rows_digest": rows_digest(packed),
        "total": sum(r[4] for r in ROWS[part]),
        "evidence": EVIDENCE,
        "deadline": 90_000,
    }
    return UsageReport(**{**facts, **changes})


def submission(**changes: Any) -> dict[str, Any]:
    """A submission as the oracle answers; `first` and `second` change the headers of its parts."""
    first = header(1, bytes(32), **changes.pop("first", {}))
    second = header(2, first.report_id(DOMAIN), **changes.pop("second", {}))
    return {
        "id": "ab" * 16,
        "platform_id": 5,
        "model_id": "0x" + MODEL.hex(),
        "period": {"start": 1_000, "end": 2_000},
        "pricing": "METERED",
        "dry_run": False,
        "state": "validated",
        "created_at": 3_000,
        "updated_at": 3_000,
        "reports": [
            {
                "part": number,
                "state": "validated",
                "report_id": "0x" + each.report_id(DOMAIN).hex(),
                "header": each.as_json(),
                "rows": len(ROWS[number]),
                "total_units": str(sum(r[4] for r in ROWS[number])),
                "evidence": cid_from_digest(EVIDENCE),
            }
            for number, each in ((1, first), (2, second))
        ],
        **changes,
    }


def rows(**changes: Any) -> dict[int, tuple[PricedRow, ...]]:
    names = ("license_id", "tier", "metric", "quantity", "amount_units")
    found = {
        part: [{**dict(zip(names, row, strict=True)), "split_id": 1} for row in listed]
        for part, listed in ROWS.items()
    }
    found[1][0].update(changes)
    return {
        part: tuple(PricedRow.model_validate(row) for row in listed)
        for part, listed in found.items()
    }


def signed(data: dict[str, Any], expected: Expected = EXPECTED, **changes: Any) -> set[bytes]:
    """The ids of what would be signed."""
    found = Submission.model_validate(data)
    return set(checked_headers(found, rows(**changes), expected, DOMAIN))


def test_the_headers_of_all_parts_are_signed() -> None:
    ids = {bytes.fromhex(part["report_id"][2:]) for part in submission()["reports"]}
    assert signed(submission()) == ids
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"platform_id": 6}, "part 1 has the platform 6 where 5 is due"),
        ({"model_id": bytes(32)}, "part 1 has the model 0x0000"),
        ({"period_start": 999}, "part 1 has the start 999 where 1000 is due"),
        ({"period_end": 2_001}, "part 1 has the end 2001 where 2000 is due"),
        ({"pricing": Pricing.POOL}, "part 1 has the pricing"),
        ({"row_count": 3}, "part 1 has the row count 3 where 2 is due"),
        ({"rows_digest": bytes(32)}, "part 1 has the digest of rows"),
        ({"total": 7_201}, "part 1 has the total 7201 where 7200 is due"),
        ({"evidence": bytes(32)}, "part 1 has the evidence"),
    ],
)
def test_a_header_that_says_something_else_is_not_signed(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(HeaderRefused, match=f"{reason}.*nothing was signed"):
        signed(submission(first=changes))


def test_a_report_id_that_is_not_the_headers_is_not_signed() -> None:
    data = submission()
    data["reports"][1]["report_id"] = "0x" + "77" * 32
    with pytest.raises(HeaderRefused, match="part 2 carries a report id that is not its header's"):
        signed(data)


@pytest.mark.parametrize(
    "other",
    [
        Domain(contract=Contract.USAGE_ORACLE, chain_id=1, address=DOMAIN.address),
        Domain(contract=Contract.USAGE_ORACLE, chain_id=31337, address="0x" + "33" * 20),
    ],
)
def test_a_header_for_another_chain_or_contract_is_not_signed(other: Domain) -> None:
    with pytest.raises(HeaderRefused, match="not its header's on this deployment"):
        checked_headers(Submission.model_validate(submission()), rows(), EXPECTED, other)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": 3_000_001}, "digest of rows"),
        ({"tier": "VOICE"}, "digest of rows"),
        ({"license_id": 3}, "rows or evidence that no report can have .*out of order"),
        ({"quantity": 0}, "rows or evidence that no report can have .*quantity"),
        ({"amount_units": 7_199}, "says a total of 7200, its rows sum to 7199"),
    ],
)
def test_rows_that_are_not_those_of_the_header_are_not_signed(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(HeaderRefused, match=reason):
        signed(submission(), **changes)


def test_rows_that_are_not_shown_are_not_signed() -> None:
    data = submission()
    data["reports"][0]["rows"] = 3
    with pytest.raises(HeaderRefused, match="part 1 says 3 rows and shows 2"):
        signed(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"platform_id": 6},
        {"model_id": "0x" + "00" * 32},
        {"period": {"start": 1_000, "end": 1_999}},
        {"pricing": "POOL"},
    ],
)
def test_a_submission_of_something_else_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(HeaderRefused, match="of another platform, model, period or pricing"):
        signed(submission(**changes))


def test_parts_follow_each_other() -> None:
    with pytest.raises(HeaderRefused, match="part 2 does not follow the part before it"):
        signed(submission(second={"sequence": 9}))
    with pytest.raises(HeaderRefused, match="part 2 does not name the part before it"):
        signed(submission(second={"previous": bytes(32)}))
    data = submission()
    del data["reports"][0]
    with pytest.raises(HeaderRefused, match=r"has the parts \[2\], not 1, 2, 3"):
        signed(data)


def test_no_more_is_signed_than_is_allowed() -> None:
    assert signed(submission(), Expected(5, USAGE, most=7_201))
    with pytest.raises(HeaderRefused, match="7201 millionths of a dollar, more than the 7200"):
        signed(submission(), Expected(5, USAGE, most=7_200))


def test_a_signature_that_could_be_used_for_too_long_is_not_given() -> None:
    assert signed(submission(), Expected(5, USAGE, latest_deadline=90_000))
    with pytest.raises(HeaderRefused, match="until 90000, which is too long"):
        signed(submission(), Expected(5, USAGE, latest_deadline=89_999))


def test_what_is_signed_already_is_not_signed_again() -> None:
    data = submission()
    for part in data["reports"]:
        part["state"] = "signed"
    with pytest.raises(HeaderRefused, match="nothing to sign"):
        signed({**data, "state": "signed"})


def test_a_part_without_a_header_is_not_signed() -> None:
    data = submission()
    data["reports"][1] |= {"header": None, "report_id": None}
    with pytest.raises(HeaderRefused, match="part 2 has no header yet"):
        signed(data)


def test_a_pool_shares_what_was_sent() -> None:
    pool = {"pricing": Pricing.POOL}
    data = submission(first=pool, second=pool, pricing="POOL")
    usage = Usage(model_id=MODEL, start=1_000, end=2_000, pricing=Pricing.POOL, total=7_201)
    assert signed(data, Expected(5, usage))
    other = Usage(model_id=MODEL, start=1_000, end=2_000, pricing=Pricing.POOL, total=7_202)
    with pytest.raises(HeaderRefused, match="the pool shares 7201 millionths, not 7202"):
        signed(data, Expected(5, other))


GENERATED = (Tier.GENERATIVE, Metric.GENERATION)
PLAYED = (Tier.TRAINING, Metric.PLAYBACK)
SUMS: Sums = {
    (1, *GENERATED): 1_000_000,
    ("USUG12400910", *GENERATED): 2_000_000,
    (2, *PLAYED): 5,
    (9, *PLAYED): 1_000_000,
    ("QZZZZ9900001", *PLAYED): 4,
}
"""What the platform's own files hold: licence 1 in part by its ISRC, and 4 millionths unlicensed."""


def summary(**changes: Any) -> dict[str, Any]:
    unlicensed = {
        "isrc": "QZZZZ9900001",
        "tier": "TRAINING",
        "metric": "PLAYBACK",
        "quantity": "4",
        "reason": "no licence",
    }
    return {
        "resolved": {"USUG12400910": 1},
        "unlicensed_count": 1,
        "unlicensed": [{**unlicensed, **changes}],
    }


def test_the_rows_are_what_the_platforms_own_files_sum_to() -> None:
    assert signed(submission(summary=summary()), Expected(5, USAGE, sums=SUMS))


@pytest.mark.parametrize(
    ("sums", "named"),
    [
        ({**SUMS, (1, *GENERATED): 999_999}, "1 GENERATIVE GENERATION"),
        ({**SUMS, (1, *GENERATED): 1_000_001}, "1 GENERATIVE GENERATION"),
        ({**SUMS, (8, *PLAYED): 1}, "8 TRAINING PLAYBACK"),
        ({**SUMS, ("QZZZZ9900001", *PLAYED): 3}, "QZZZZ9900001 TRAINING PLAYBACK"),
    ],
)
def test_rows_that_the_files_do_not_hold_are_not_signed(sums: Any, named: str) -> None:
    with pytest.raises(HeaderRefused, match=f"{named}: the oracle counted"):
        signed(submission(summary=summary()), Expected(5, USAGE, sums=sums))


def test_where_unlicensed_use_is_not_all_listed_no_row_may_be_larger_than_its_own_sum() -> None:
    cut = {**summary(), "unlicensed_count": 101}
    more = {**SUMS, ("QZZZZ9900002", *PLAYED): 70}
    assert signed(submission(summary=cut), Expected(5, USAGE, sums=more))
    with pytest.raises(HeaderRefused, match="9 TRAINING PLAYBACK"):
        signed(submission(summary=cut), Expected(5, USAGE, sums={**more, (9, *PLAYED): 999_999}))


def test_where_wrong_lines_are_left_out_no_row_may_be_larger_than_its_own_sum() -> None:
    usage = Usage(model_id=MODEL, start=1_000, end=2_000, skip_invalid=True)
    more = {**SUMS, (2, *PLAYED): 6}
    assert signed(submission(summary=summary()), Expected(5, usage, sums=more))
    less = {**SUMS, (2, *PLAYED): 4}
    with pytest.raises(HeaderRefused, match="2 TRAINING PLAYBACK: the oracle counted 5"):
        signed(submission(summary=summary()), Expected(5, usage, sums=less))


def test_states_know_their_order() -> None:
    assert State.SETTLED.has_reached(State.CHALLENGEABLE)
    assert not State.UNFUNDED.has_reached(State.CHALLENGEABLE)
    assert not State.REJECTED.has_reached(State.RECEIVED)
    assert State.REJECTED.has_reached(State.REJECTED)
