"""A replayed ledger against what the chain and the store of documents say now."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from obbligato.audit.ledger import Ledger, LicenseRecord, ReportRecord
from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.evidence import EvidenceDocument
from obbligato.documents.license import LicenseDocument
from obbligato.documents.wording import check_legal_text
from obbligato.errors import DigestMismatch, InputError, NotFound, ObbligatoError, RefusedError
from obbligato.metering.verification import verify
from obbligato.protocol.rows import Row, credits_digest
from obbligato.store import ContentStore, StoreError


class DifferenceKind(StrEnum):
    """What a difference proves."""

    WRONG = "wrong"
    """Two things that must agree do not."""
    MISSING = "missing"
    """Nobody asked had a document, or could be asked: nothing is proven either way."""


class Outcome(StrEnum):
    """What a whole recomputation comes to."""

    AGREES = "agrees"
    MISSING_EVIDENCE = "missing evidence"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` should be `expected` by the rules and is `found`.

    `report` is a report's id in hexadecimal and `row` the position of a row in it, where there is
    one; `where` names anything else: an event, a licence, a payee.
    """

    what: str
    expected: str
    found: str
    report: str | None = None
    row: int | None = None
    where: str | None = None
    kind: DifferenceKind = DifferenceKind.WRONG

    def __str__(self) -> str:
        where_parts = [
            f"report {self.report}" if self.report else None,
            f"row {self.row}" if self.row is not None else None,
            self.where,
        ]
        located = ", ".join(part for part in where_parts if part)
        if self.kind is DifferenceKind.MISSING:
            sentence = f"{self.what} is missing: {self.found}"
        else:
            sentence = f"{self.what} should be {self.expected}, is {self.found}"
        return f"{located}: {sentence}" if located else sentence

    def as_json(self) -> dict[str, Any]:
        """Plain data; absent parts are null."""
        return asdict(self)


def outcome(differences: Iterable[Difference]) -> Outcome:
    """What they come to: one that is wrong outweighs any number of missing documents."""
    kinds = {difference.kind for difference in differences}
    if DifferenceKind.WRONG in kinds:
        return Outcome.DIFFERS
    return Outcome.MISSING_EVIDENCE if kinds else Outcome.AGREES


Step = Callable[[], None]
"""Called once for each thing that was compared."""


def _nothing() -> None:
    """The step of whoever shows no progress."""


def figures_of(ledger: Ledger) -> int:
    """How often `compare_with_chain` calls its step."""
    return (
        len(ledger.splits) + len(ledger.platforms) + len(ledger.reports) + len(ledger.licenses) + 1
    )


def documents_of(ledger: Ledger) -> int:
    """How often `check_documents` calls its step."""
    return len(ledger.licenses) + len(ledger.terms) + len(ledger.reports)


def compare_with_chain(
    chain: Chain, ledger: Ledger, *, block: int, step: Step = _nothing
) -> Iterator[Difference]:
    """Ask the contracts at `block` for everything the ledger holds, and yield what differs.

    How many there are of each thing is asked as well: a node that left events out, as one that lags
    does without an error, is found out by that.
    """
    yield from _compare_counts(chain, ledger, block)
    yield from _compare_vault(chain, ledger, block, step)
    yield from _compare_reports(chain, ledger, block, step)
    for license_id, known in ledger.licenses.items():
        yield from _compare_license(chain, license_id, known, block)
        step()


def _compare_counts(chain: Chain, ledger: Ledger, block: int) -> Iterator[Difference]:
    counts = chain.counts(block=block)
    for what, known, count in (
        ("licenseCount", ledger.licenses, counts.licenses),
        ("termsCount", ledger.terms, counts.terms),
        ("splitCount", ledger.splits, counts.splits),
        ("platformCount", ledger.platforms, counts.platforms),
        ("challengeCount", ledger.challenges, counts.challenges),
    ):
        yield from _same(what, len(known), count)


def _compare_vault(chain: Chain, ledger: Ledger, block: int, step: Step) -> Iterator[Difference]:
    vault = "RoyaltyVault"
    for split_id, split in ledger.splits.items():
        received = chain.received_units(split_id, block=block)
        yield from _same(f"received by split {split_id}", ledger.received[split_id], received)
        for payee in split.payees:
            position = chain.position(split_id, payee.account, block=block)
            where = f"split {split_id}, payee {payee.account}"
            yield from _same(f"share, {where}", payee.share, position.share_ppm)
            claimed = ledger.claimed[split_id, payee.account]
            yield from _same(f"claimed, {where}", claimed, position.claimed_units)
        step()
    for platform_id, platform in ledger.platforms.items():
        escrow = chain.escrow(platform_id, block=block)
        where = f"platform {platform_id}"
        yield from _same(f"available, {where}", platform.available, escrow.available_units)
        yield from _same(f"thawing, {where}", platform.thawing, escrow.thawing_units)
        yield from _same(f"bond, {where}", platform.bond, escrow.bond_units)
        yield from _same(f"obligations, {where}", platform.obligations, escrow.obligations)
        for module in ("UsageOracle", "Disputes", "Grants"):
            address = chain.deployment.address(module)
            reserved = chain.call(vault, "reservedOf", address, platform_id, block=block)
            amount = ledger.reserved.get((address, platform_id), 0)
            yield from _same(f"reserved by {module}, {where}", amount, reserved)
        step()
    for account, amount in ledger.refunds.items():
        refund = chain.call(vault, "refundOf", account, block=block)
        yield from _same(f"refund of {account}", amount, refund)
    bonds = chain.call(vault, "challengeBonds", block=block)
    yield from _same("challenge bonds", ledger.challenge_bonds, bonds)
    held = chain.call(DOLLAR, "balanceOf", chain.deployment.address(vault), block=block)
    if held < ledger.held_by_vault():  # more may lie there: anyone can send dollars to the vault
        yield Difference("balance of the vault", f"at least {ledger.held_by_vault()}", str(held))
    step()


def _compare_reports(chain: Chain, ledger: Ledger, block: int, step: Step) -> Iterator[Difference]:
    for report_id, report in ledger.reports.items():
        report_name = report_id.hex()
        view = chain.report(report_id, block=block)
        for what, expected, found in (
            ("credits digest", credits_digest(report.credits).hex(), view.credits_digest.hex()),
            ("state", report.state, view.state),
            ("total", report.header.total, view.total_units),
            ("end of the window", report.window_end or 0, view.window_end),
            ("held rows", len(report.held), view.held_rows),
        ):
            yield from _same(what, expected, found, report=report_name)
        step()
    for (platform_id, model_id), stream in ledger.streams.items():
        on_chain = chain.stream(platform_id, model_id, block=block)
        where = f"platform {platform_id}, model {model_id.hex()}"
        yield from _same(f"last report, {where}", stream.last.hex(), on_chain.last.hex())
        covered = on_chain.covered_until
        yield from _same(f"covered until, {where}", stream.covered_until, covered)


def _compare_license(
    chain: Chain, license_id: int, known: LicenseRecord, block: int
) -> Iterator[Difference]:
    registry = "LicenseRegistry"
    where = f"licence {license_id}"
    owner = chain.call(registry, "ownerOf", license_id, block=block)
    yield from _same(f"owner, {where}", known.owner, owner)
    view = chain.license(license_id, block=block)
    yield from _same(f"split, {where}", known.split_id, view.split_id)
    yield from _same(f"end, {where}", known.history.ends_at or 0, view.ends_at)
    # Each version where it begins: the terms that answer for any past moment.
    for version in known.history.versions:
        terms_id = chain.call(registry, "termsAt", license_id, version.start, block=block)
        yield from _same(
            f"terms at {version.start}, {where}", known.history.terms_at(version.start), terms_id
        )


def check_documents(
    ledger: Ledger, store: ContentStore, *, step: Step = _nothing
) -> Iterator[Difference]:
    """Fetch every document the chain refers to, by its digest, and compare what it says.

    Licence documents must state the terms on the chain, legal texts must be those of their terms,
    and the rows of a report must be what its evidence sums to.
    """
    for license_id, known in ledger.licenses.items():
        yield from _check_license(license_id, known, store)
        step()
    for terms_id, terms in ledger.terms.items():
        try:
            check_legal_text(terms, store.get(cid_from_digest(terms.text_digest)))
        except (NotFound, StoreError, DigestMismatch, InputError) as error:
            yield _unusable("legal text", "that of its terms", error, where=f"terms {terms_id}")
        step()
    for report in ledger.reports.values():
        yield from _check_evidence(report, store)
        step()


def _check_license(
    license_id: int, known: LicenseRecord, store: ContentStore
) -> Iterator[Difference]:
    where = f"licence {license_id}"
    for version in known.history.versions:
        try:
            document = LicenseDocument.from_bytes(store.get(cid_from_digest(version.document)))
        except (NotFound, StoreError, DigestMismatch, InputError) as error:
            yield _unusable("document", "a licence document", error, where=where)
            continue
        if document.terms.terms() != version.terms:
            yield Difference("terms in the document", "those on the chain", "others", where=where)
        if document.recording.content_hash != known.content:
            yield Difference(
                "content hash in the document",
                known.content.hex(),
                document.recording.content_hash.hex(),
                where=where,
            )


def _check_evidence(report: ReportRecord, store: ContentStore) -> Iterator[Difference]:
    report_name = report.report_id.hex()
    header = report.header
    try:
        evidence = EvidenceDocument.from_bytes(store.get(cid_from_digest(header.evidence)))
        rows = _rows_of(evidence, store)
    except (NotFound, StoreError, DigestMismatch, InputError, RefusedError) as error:
        yield _unusable("evidence", "an evidence document", error, report=report_name)
        return
    stated = (evidence.platform_id, evidence.model_id, evidence.period.start, evidence.period.end)
    signed = (header.platform_id, header.model_id, header.period_start, header.period_end)
    if stated != signed:
        yield Difference("platform, model and period", str(signed), str(stated), report=report_name)
    reported = {row.key: row.quantity for row in report.rows}
    positions = {row.key: position for position, row in enumerate(report.rows)}
    computed = {row.key: row.quantity for row in rows}
    for key in sorted(reported.keys() | computed.keys()):
        if reported.get(key) != computed.get(key):
            yield Difference(
                "quantity by the evidence",
                str(computed.get(key, 0)),
                str(reported.get(key, 0)),
                report=report_name,
                row=positions.get(key),
                where=f"licence {key[0]}, tier {key[1]}, metric {key[2]}",
            )


def _rows_of(evidence: EvidenceDocument, store: ContentStore) -> Sequence[Row]:
    """What the evidence proves for the platform, model and period that it states itself."""
    with tempfile.TemporaryDirectory(prefix="obbligato-") as folder:
        verified = verify(
            evidence,
            platform_id=evidence.platform_id,
            model_id=evidence.model_id,
            period=evidence.period,
            store=store,
            folder=Path(folder),
            consents=None,
        )
    return verified.rows


def _unusable(
    what: str,
    expected: str,
    error: ObbligatoError,
    *,
    report: str | None = None,
    where: str | None = None,
) -> Difference:
    """A document that cannot be used: missing where nobody had it, wrong where it says something else."""
    kind = (
        DifferenceKind.MISSING if isinstance(error, NotFound | StoreError) else DifferenceKind.WRONG
    )
    return Difference(what, expected, str(error), report=report, where=where, kind=kind)


def _same(
    what: str, expected: object, found: object, *, report: str | None = None
) -> Iterator[Difference]:
    if expected != found:
        yield Difference(what, str(expected), str(found), report=report)
