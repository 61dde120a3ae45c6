"""Licences with documents of the test's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from backend.db.index_db import IndexDatabase
from backend.indexer.sync import Index
from obbligato.documents.license import Recording, license_document
from obbligato.store import EmbeddedStore
from tests.onchain import Acts, raw_terms, split
from tests.scenario import OPEN


@dataclass
class Minting:
    """Mints on the chain, stores documents, reads the index."""

    acts: Acts
    store: EmbeddedStore
    database: IndexDatabase
    index: Index

    def mint(self, owner: Any, *, content: bytes, **facts: Any) -> int:
        """The id of a licence for this recording, its document stored."""
        recording = Recording(
            title=facts.pop("title", "Aubade"), artists=("Ann",), content_hash=content, **facts
        )
        data = license_document(recording=recording, terms=OPEN).to_bytes()
        self.store.put(data)
        paid = split((owner, 1_000_000))
        self.acts.chain.transact(
            owner,
            "LicenseRegistry",
            "mintWith",
            owner.address,
            raw_terms(OPEN),
            [(payee.account, payee.share, int(payee.role)) for payee in paid.payees],
            hashlib.sha256(data).digest(),
            content,
        )
        return int(self.acts.chain.call("LicenseRegistry", "licenseCount"))
