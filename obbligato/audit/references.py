"""Which blocks a deployment refers to: documents of licences, legal texts, evidence and its chunks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from obbligato.audit.ledger import Ledger, ReportRecord
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.evidence import EvidenceDocument
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.protocol.terms import Terms
from obbligato.store import ContentStore, StoreError


class Reference(NamedTuple):
    """One block, and what it is for people: `document of licence 3`."""

    cid: str
    what: str


class Unread(NamedTuple):
    """Evidence that cannot be read, so that nobody knows its chunks; and why."""

    what: str
    reason: str


def licences_and_texts(
    ledger: Ledger, *, reports: Collection[ReportRecord] | None = None
) -> Iterator[Reference]:
    """Every document that a licence ever had, the one it announced, and every legal text.

    With `reports`, only those of the licences in their rows.
    """
    license_ids = (
        None if reports is None else {row.license_id for each in reports for row in each.rows}
    )
    texts = {} if license_ids is not None else dict(ledger.terms)
    for license_id, known in ledger.licenses.items():
        if license_ids is not None and license_id not in license_ids:
            continue
        digests = [*(version.document for version in known.history.versions), known.document]
        for digest in dict.fromkeys(digests):
            yield Reference(cid_from_digest(digest), f"document of licence {license_id}")
        texts.update({version.terms_id: version.terms for version in known.history.versions})
    yield from _legal_texts(texts)


def _legal_texts(terms: dict[int, Terms]) -> Iterator[Reference]:
    for terms_id, known in sorted(terms.items()):
        yield Reference(cid_from_digest(known.text_digest), f"legal text of terms {terms_id}")


def evidence_blocks(
    reports: Collection[ReportRecord],
    store: ContentStore,
    *,
    step: Callable[[], None] = lambda: None,
) -> Iterator[Reference | Unread]:
    """The evidence of each report and the chunks that it names; `step` is called for each report."""
    for report in reports:
        what = f"evidence of report 0x{report.report_id.hex()}"
        cid = cid_from_digest(report.header.evidence)
        yield Reference(cid, what)
        try:
            evidence = EvidenceDocument.from_bytes(store.get(cid))
        except InputError as error:
            yield Unread(f"chunks of the {what}", f"it is no evidence document: {error}")
        except (NotFound, StoreError, DigestMismatch):
            yield Unread(f"chunks of the {what}", "they are named in the evidence alone")
        else:
            chunks = (*evidence.chunks, *(evidence.unlicensed_chunks or ()))
            for number, chunk in enumerate(chunks):
                yield Reference(cid_from_digest(chunk.digest), f"chunk {number} of the {what}")
        step()
