"""A licence's two texts as stored bytes: its document, and its legal text."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.reading.histories import read_history
from backend.reading.tip import Tip
from obbligato.documents.cid import cid_from_digest


def document_cid(session: Session, tip: Tip, license_id: int) -> str:
    """The CID of the document that the licence has, or had when it ended. Raises NotFound."""
    history = read_history(session, license_id).history
    return cid_from_digest(history.document_at(tip.head_time) or history.versions[0].document)


def legal_text_cid(session: Session, tip: Tip, license_id: int) -> str:
    """The CID of the legal text of the terms in force; after the end, of the last. Raises NotFound."""
    history = read_history(session, license_id).history
    last = tip.head_time
    if history.ends_at is not None:
        last = min(last, history.ends_at - 1)
    begun = [version for version in history.versions if version.start <= last]
    shown = begun[-1] if begun else history.versions[0]
    return cid_from_digest(shown.terms.text_digest)
