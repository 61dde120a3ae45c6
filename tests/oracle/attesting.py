"""Reports for an attester to judge: honest ones as the leader meters them, and any other by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from obbligato.consent import LicenseBook
from obbligato.documents.events import UsageEvent, aggregate, public_form, write_chunks
from obbligato.documents.evidence import EventChunk, Period, UnlicensedUse, evidence_document
from obbligato.errors import ObbligatoError, RefusedError
from obbligato.keys import LocalSigner
from obbligato.metering.files import UsageFile
from obbligato.metering.metered import meter
from obbligato.protocol.constants import PPM, Metric, Pricing, Tier
from obbligato.protocol.eip712 import Domain
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.typed_data import Contract, UsageReport, sign
from obbligato.schemas.attestation import AttestationAnswer, AttestationRequest
from obbligato.store import ContentStore
from oracle.attester.attester import Attester, open_attester
from scripts.demo.cast import ATTESTERS, METERED_PLATFORM
from tests.onchain import ARTIST, DAY, DOLLARS, DUO, LABEL, Acts, DeployedProtocol, split
from tests.oracle.environment import RATE, write
from tests.scenario import OPEN

MODEL = keccak(b"the model that attesters are asked about")
REPORTER: LocalAccount = METERED_PLATFORM.reporter
UNITS = (7, 5, 3)
"""Events of licences 1, 2 and 1 again: 10 and 5 generations."""
TOTAL = 15 * RATE
LONGEST_DEADLINE = 7 * DAY
GENERATED = (Tier.GENERATIVE, Metric.GENERATION)
TRAINED = (Tier.TRAINING, Metric.PLAYBACK)


class Use(NamedTuple):
    """One event: so many whole units of a licence, at a second."""

    license_id: int
    tier: Tier
    metric: Metric
    units: int
    at: int

    def line(self, number: int, model: bytes) -> dict[str, Any]:
        """As a line of a platform's file."""
        return {
            "event_id": f"event {number}",
            "occurred_at": self.at,
            "license_id": self.license_id,
            "tier": self.tier.name,
            "metric": self.metric.name,
            "units": self.units,
            "influence_ppm": PPM,
            "model_id": "0x" + model.hex(),
        }


class Evidence(NamedTuple):
    """What a header says of it: its rows, its digest; and what the document declares."""

    rows: list[Row]
    digest: bytes
    unlicensed: tuple[UnlicensedUse, ...] = ()


@dataclass(frozen=True)
class Scene:
    """Two licences, a platform, and a period of two days that is over."""

    acts: Acts
    platform_id: int
    licenses: tuple[int, int]
    period: tuple[int, int]

    @property
    def protocol(self) -> DeployedProtocol:
        return self.acts.protocol

    @property
    def domain(self) -> Domain:
        return self.acts.chain.domain(Contract.USAGE_ORACLE)

    def uses(self, *units: int, of: tuple[Tier, Metric] = GENERATED) -> list[Use]:
        """Events of the two licences in turn, an hour after the period's start."""
        at = self.period[0] + 3_600
        return [
            Use(self.licenses[number % 2], *of, count, at + number)
            for number, count in enumerate(units)
        ]

    def ending_now(self) -> Scene:
        """The same, with a period until the newest block."""
        return replace(self, period=(self.period[0], self.acts.now()))

    # ---- evidence

    def metered(
        self,
        uses: Sequence[Use],
        folder: Path,
        *,
        model: bytes = MODEL,
        pricing: Pricing = Pricing.METERED,
        salt: bytes = b"a salt of sixteen bytes or more",
    ) -> Evidence:
        """As an honest leader meters it."""
        book = LicenseBook(self.acts.chain, self.protocol.store)
        book.follow()
        consents = book.consents(
            period=Period(start=self.period[0], end=self.period[1]),
            platform_id=self.platform_id,
            model_id=model,
            pricing=pricing,
        )
        events = [use.line(number, model) for number, use in enumerate(uses)]
        path = write(folder / "events.jsonl", events)
        found = meter(
            [UsageFile(path=path, name=path.name, format="jsonl")],
            consents=consents,
            platform_id=self.platform_id,
            model_id=model,
            salt=salt,
            store=self.protocol.store,
            folder=folder,
        )
        (part,) = found.parts
        return Evidence(list(part.rows), part.evidence.digest(), found.unlicensed)

    def forged(
        self,
        uses: Sequence[Use],
        *,
        platform_id: int | None = None,
        model: bytes = MODEL,
        period: tuple[int, int] | None = None,
        unlicensed: Sequence[UnlicensedUse] = (),
    ) -> Evidence:
        """Stored evidence that agrees with itself, and with licences only where `uses` do."""
        start, end = period or self.period
        salt = b"another salt of sixteen bytes"
        events = [
            public_form(
                UsageEvent(
                    event_id=f"event {number}",
                    occurred_at=use.at,
                    license_id=use.license_id,
                    tier=use.tier,
                    metric=use.metric,
                    units=use.units,
                    influence_ppm=PPM,
                    model_id=model,
                ),
                salt=salt,
                boundaries=[use.at],
            )
            for number, use in enumerate(uses)
        ]
        rows, chunks = aggregate(events), list(write_chunks(events))
        document = evidence_document(
            platform_id=platform_id or self.platform_id,
            model_id=model,
            period=Period(start=start, end=end),
            salt=salt,
            chunks=[EventChunk.of(chunk) for chunk in chunks],
            rows=rows,
            unlicensed=unlicensed,
        )
        for block in [*(chunk.data for chunk in chunks), document.to_bytes()]:
            self.protocol.store.put(block)
        return Evidence(rows, document.digest())

    # ---- headers

    def header(self, evidence: Evidence, /, total: int, **changes: Any) -> UsageReport:
        """The first report of the model, open for an hour; `changes` are members of it."""
        values: dict[str, Any] = {
            "platform_id": self.platform_id,
            "model_id": MODEL,
            "sequence": 1,
            "attempt": 1,
            "previous": bytes(32),
            "period_start": self.period[0],
            "period_end": self.period[1],
            "pricing": Pricing.METERED,
            "row_count": len(evidence.rows),
            "rows_digest": keccak(pack_rows(evidence.rows)),
            "total": total,
            "evidence": evidence.digest,
            "deadline": self.acts.now() + 3_600,
            **changes,
        }
        return UsageReport(**values)

    def asked(
        self,
        header: UsageReport,
        *,
        by: LocalAccount = REPORTER,
        named: str | None = None,
        domain: Domain | None = None,
    ) -> AttestationRequest:
        """The question, signed `by` somebody in the name of `named` (itself)."""
        signature = sign(header, domain or self.domain, by)
        return AttestationRequest(
            header=header.as_json(),
            reporter=named or by.address,
            reporter_signature="0x" + signature.hex(),
        )

    # ---- attesters

    def attester(
        self,
        folder: Path,
        *,
        account: LocalAccount = ATTESTERS[0],
        store: ContentStore | None = None,
    ) -> Attester:
        """An attester with its memory in `folder`: asked for again, it is the same one."""
        return open_attester(
            self.acts.chain,
            store or self.protocol.store,
            LocalSigner(account.key),
            database=f"sqlite:///{folder / 'attester.db'}",
            scratch=folder,
            finality=1,
            longest_deadline=LONGEST_DEADLINE,
        )


@contextlib.contextmanager
def new_scene(protocol: DeployedProtocol) -> Iterator[Scene]:
    """A scene on a chain that is put back after it."""
    acts = Acts(protocol)
    with acts.undone():
        licenses = (
            acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "For attesters"),
            acts.mint(DUO, OPEN, split((DUO, 650_000), (LABEL, 350_000)), "For attesters, too"),
        )
        platform_id = acts.platform(METERED_PLATFORM.admin, REPORTER, 100 * DOLLARS)
        start = acts.now()
        yield Scene(acts, platform_id, licenses, (start, acts.wait(2)))


def signer_of(scene: Scene, answer: AttestationAnswer) -> str:
    """Who signed the answer's report and version, as another implementation recovers it."""
    message = encode_typed_data(
        domain_data={
            "name": "Obbligato UsageOracle",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": scene.protocol.chain.deployment.address("UsageOracle"),
        },
        message_types={
            "Attestation": [
                {"name": "reportId", "type": "bytes32"},
                {"name": "configVersion", "type": "uint64"},
            ]
        },
        message_data={"reportId": answer.report_id, "configVersion": answer.config_version},
    )
    found: str = Account.recover_message(message, signature=answer.signature)
    return found


def refuses(attester: Attester, request: AttestationRequest, words: str) -> None:
    """It says no with these words, as a rule that is broken: not as something that may pass."""
    with pytest.raises(ObbligatoError, match=words) as caught:
        attester.attest(request)
    assert type(caught.value) in (RefusedError, *RefusedError.__subclasses__())
