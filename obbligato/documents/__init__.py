"""Documents: canonical JSON, CIDs, and one model for each thing that is stored on IPFS."""

from obbligato.documents.canonical import (
    MAX_DOCUMENT_BYTES,
    canonical_bytes,
    parse_canonical,
    sha256,
)
from obbligato.documents.cid import check_block, cid_from_digest, cid_of, digest_from_cid, ipfs_uri
from obbligato.documents.events import (
    Chunk,
    PublicUsageEvent,
    UsageEvent,
    aggregate,
    public_form,
    read_chunk,
    write_chunks,
)
from obbligato.documents.evidence import (
    EventChunk,
    EvidenceDocument,
    Period,
    UnlicensedUse,
    evidence_document,
)
from obbligato.documents.license import (
    Contributor,
    LicenseDocument,
    Recording,
    Stem,
    license_document,
)
from obbligato.documents.wording import check_legal_text, legal_text, terms_with_legal_text

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "Chunk",
    "Contributor",
    "EventChunk",
    "EvidenceDocument",
    "LicenseDocument",
    "Period",
    "PublicUsageEvent",
    "Recording",
    "Stem",
    "UnlicensedUse",
    "UsageEvent",
    "aggregate",
    "canonical_bytes",
    "check_block",
    "check_legal_text",
    "cid_from_digest",
    "cid_of",
    "digest_from_cid",
    "evidence_document",
    "ipfs_uri",
    "legal_text",
    "license_document",
    "parse_canonical",
    "public_form",
    "read_chunk",
    "sha256",
    "terms_with_legal_text",
    "write_chunks",
]
