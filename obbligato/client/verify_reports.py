"""What a platform checks before it signs: that the oracle's headers say what the platform sent. Pure.

The header is all that is signed, and a signature is worth the whole total: so its digest is computed
here, its rows are hashed here, and whatever differs from the request is refused.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from obbligato.client.errors import HeaderRefused
from obbligato.client.usage import Progress, Usage
from obbligato.documents.cid import digest_from_cid
from obbligato.documents.evidence import Period
from obbligato.errors import InputError
from obbligato.metering.dry_check import check_files
from obbligato.metering.files import UsageFile
from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.eip712 import Domain
from obbligato.protocol.rows import rows_digest
from obbligato.protocol.typed_data import UsageReport
from obbligato.schemas.oracle import Part, PricedRow, State, Submission

Sums = Mapping[tuple[int | str, Tier, Metric], int]
"""Quantities in millionths of a unit, by (licence or ISRC, tier, metric)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the platform sent, and the most it pays.

    `most` is in millionths of a dollar; `latest_deadline` in seconds: until when a signature may be
    used; `sums` are those of the platform's own files.
    """

    platform_id: int
    usage: Usage
    most: int | None = None
    latest_deadline: int | None = None
    sums: Sums | None = None


def checked_headers(
    submission: Submission,
    rows: Mapping[int, Sequence[PricedRow]],
    expected: Expected,
    domain: Domain,
) -> dict[bytes, UsageReport]:
    """The headers to sign, by report id: those of the parts that wait for a signature.

    `domain` is the UsageOracle's of the platform's own manifest. Raises HeaderRefused naming the
    part and what is wrong with it.
    """
    _check_submission(submission, expected)
    headers: dict[bytes, UsageReport] = {}
    for part in submission.reports:
        _check_part(part, rows.get(part.part, ()))
        if part.state is not State.VALIDATED:
            continue
        if part.header is None or part.report_id is None:
            raise _refused(part, "has no header yet: wait until it is validated")
        _check_header(part, part.header, rows.get(part.part, ()), expected)
        if part.header.report_id(domain) != part.report_id:
            raise _refused(part, "carries a report id that is not its header's on this deployment")
        headers[part.report_id] = part.header
    if not headers:
        raise HeaderRefused(f"submission {submission.id} is {submission.state}: nothing to sign")
    _check_order(submission)
    _check_total(submission, expected)
    if expected.sums is not None:
        # Where wrong lines are left out, the oracle knows more that are wrong: ISRCs two licences claim.
        check_sums(submission, rows, expected.sums, exact=not expected.usage.skip_invalid)
    return headers


def check_sums(
    submission: Submission,
    rows: Mapping[int, Sequence[PricedRow]],
    sums: Sums,
    *,
    exact: bool = True,
) -> None:
    """Rows and unlicensed use together are what the platform's own files sum to.

    Where that cannot be (not `exact`, or more is unlicensed than the oracle lists) no row may be
    larger than its own sum. Raises HeaderRefused naming the licence or ISRC, tier and metric.
    """
    summary = submission.summary
    resolved = {} if summary is None else summary.resolved
    own: defaultdict[tuple[int | str, Tier, Metric], int] = defaultdict(int)
    for (name, tier, metric), quantity in sums.items():
        own[_license_of(name, resolved), tier, metric] += quantity
    reported: defaultdict[tuple[int | str, Tier, Metric], int] = defaultdict(int)
    for row in (row for each in rows.values() for row in each):
        reported[row.license_id, row.tier, row.metric] += row.quantity
    unlicensed = () if summary is None else summary.unlicensed
    for use in unlicensed:
        name = use.license_id or _license_of(str(use.isrc), resolved)
        reported[name, use.tier, use.metric] += use.quantity
    listed = summary is None or summary.unlicensed_count <= len(unlicensed)
    for key in sorted(set(own) | set(reported), key=str):
        if reported[key] > own[key] or (exact and listed and reported[key] != own[key]):
            name, tier, metric = key
            raise HeaderRefused(
                f"{name} {tier.name} {metric.name}: the oracle counted {reported[key]} millionths of a "
                f"unit, the files hold {own[key]}"
            )


def _license_of(name: int | str, resolved: Mapping[str, int]) -> int | str:
    """The licence that an ISRC was taken for; else the name as it is."""
    return resolved.get(name, name) if isinstance(name, str) else name


def _check_submission(submission: Submission, expected: Expected) -> None:
    usage = expected.usage
    submitted = (
        submission.platform_id,
        submission.model_id,
        submission.period.start,
        submission.period.end,
        submission.pricing,
    )
    sent = (expected.platform_id, usage.model_id, usage.start, usage.end, usage.pricing)
    if submitted != sent:
        raise HeaderRefused(
            f"submission {submission.id} is of another platform, model, period or pricing"
        )
    numbers = [part.part for part in submission.reports]
    if numbers != list(range(1, len(numbers) + 1)):
        raise HeaderRefused(f"submission {submission.id} has the parts {numbers}, not 1, 2, 3 …")


def _check_part(part: Part, rows: Sequence[PricedRow]) -> None:
    if len(rows) != part.rows:
        raise _refused(part, f"says {part.rows} rows and shows {len(rows)}")
    amounts = sum(row.amount_units for row in rows)
    if amounts != part.total_units:
        raise _refused(part, f"says a total of {part.total_units}, its rows sum to {amounts}")


def _check_header(
    part: Part, header: UsageReport, rows: Sequence[PricedRow], expected: Expected
) -> None:
    usage = expected.usage
    # A report without rows is a zero statement, which the chain takes as METERED alone.
    pricing = usage.pricing if rows else Pricing.METERED
    try:
        digest = rows_digest([row.row for row in rows])
        evidence = digest_from_cid(part.evidence)
    except InputError as error:
        raise _refused(part, f"has rows or evidence that no report can have ({error})") from error
    facts = (
        ("platform", header.platform_id, expected.platform_id),
        ("model", header.model_id, usage.model_id),
        ("start", header.period_start, usage.start),
        ("end", header.period_end, usage.end),
        ("pricing", header.pricing, pricing),
        ("row count", header.row_count, len(rows)),
        ("digest of rows", header.rows_digest, digest),
        ("total", header.total, part.total_units),
        ("evidence", header.evidence, evidence),
    )
    for name, actual, due in facts:
        if actual != due:
            raise _refused(part, f"has the {name} {_text(actual)} where {_text(due)} is due")
    if expected.latest_deadline is not None and header.deadline > expected.latest_deadline:
        raise _refused(part, f"may be submitted until {header.deadline}, which is too long")


def _check_order(submission: Submission) -> None:
    """Parts that wait together follow each other in their stream, each naming the one before."""
    headed = [part for part in submission.reports if part.state is State.VALIDATED]
    for before, after in pairwise(headed):
        assert before.header is not None
        assert after.header is not None
        if after.header.sequence != before.header.sequence + 1:
            raise _refused(after, "does not follow the part before it")
        if after.header.previous != before.report_id:
            raise _refused(after, "does not name the part before it as the previous report")


def _check_total(submission: Submission, expected: Expected) -> None:
    usage = expected.usage
    total = sum(part.total_units for part in submission.reports)
    has_rows = any(part.rows for part in submission.reports)
    if usage.pricing is Pricing.POOL and has_rows and total != usage.total:
        raise HeaderRefused(f"the pool shares {total} millionths, not {usage.total}")
    if expected.most is not None and total > expected.most:
        raise HeaderRefused(
            f"the total is {total} millionths of a dollar, more than the {expected.most} allowed"
        )


def _refused(part: Part, reason: str) -> HeaderRefused:
    return HeaderRefused(
        f"part {part.part} {reason}: nothing was signed; ask the oracle's operator"
    )


def _text(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def checked_sums(paths: Sequence[Path], usage: Usage, progress: Progress | None = None) -> Sums:
    """What the files hold, by licence or ISRC, tier and metric, in millionths of a unit.

    Raises RejectedLines naming every wrong line, unless the usage leaves wrong lines out, and
    InputError for what is wrong as a whole. Consent is for the oracle to judge.
    """

    def watch(stage: str, events: int) -> None:
        if progress is not None:
            progress(f"check, {stage}", events, events)

    with tempfile.TemporaryDirectory(prefix="obbligato-") as folder:
        checked = check_files(
            [UsageFile(path, path.name) for path in paths],
            folder=Path(folder),
            model_id=usage.model_id,
            period=Period(start=usage.start, end=usage.end),
            skip_invalid=usage.skip_invalid,
            watch=watch,
        )
    return {
        (each.license_id or str(each.isrc), each.tier, each.metric): each.quantity_millionths
        for each in checked.sums
    }
