"""Reading a document whose kind is not known beforehand."""

from __future__ import annotations

from obbligato.documents.canonical import parse_canonical
from obbligato.documents.evidence import EvidenceDocument
from obbligato.documents.license import LicenseDocument
from obbligato.errors import InputError

_KINDS: dict[str, type[LicenseDocument] | type[EvidenceDocument]] = {
    "obbligato.license": LicenseDocument,
    "obbligato.evidence": EvidenceDocument,
}


def read_document(data: bytes) -> LicenseDocument | EvidenceDocument:
    """The document that exactly these bytes say, by its `type`. Raises InputError."""
    value = parse_canonical(data)
    kind = value.get("type") if isinstance(value, dict) else None
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InputError(f"{kind!r} is no document: use one of {', '.join(_KINDS)}", field="type")
    return model.from_bytes(data)
