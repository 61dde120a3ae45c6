"""The attester: recompute a report from its evidence and the chain, remember, then sign; or refuse and say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from eth_hash.auto import keccak
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from obbligato.chain import blocks
from obbligato.chain.blocks import Finality, Header
from obbligato.chain.client import Chain
from obbligato.chain.quote import quote
from obbligato.chain.signatures import is_signed_by
from obbligato.consent import LicenseBook
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.evidence import EvidenceDocument, Period
from obbligato.errors import RefusedError
from obbligato.keys import Signer, sign_with
from obbligato.metering.verification import Verified, verify
from obbligato.protocol.constants import Pricing, ReportState
from obbligato.protocol.rows import pack_rows
from obbligato.protocol.typed_data import Attestation, Contract, UsageReport
from obbligato.schemas.attestation import AttestationAnswer, AttestationRequest
from obbligato.store import ContentStore
from oracle.db import OracleDatabase, Signed


class Memory:
    """What was signed, in the database. The same report may be signed again; another one never."""

    def __init__(self, database: OracleDatabase) -> None:
        self._database = database

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def remember(self, header: UsageReport, report_id: bytes, *, final_time: int) -> None:
        """Write down that this report is about to be signed.

        `final_time` is the time of the newest final block. Raises RefusedError where another report
        was signed for this place, or where an earlier attempt that was signed may still be accepted:
        its deadline has not passed in a final block. A quorum that signs two attempts at once would
        need more than the tolerated number of attesters that forget.
        """
        place = (header.platform_id, header.model_id, header.sequence)
        try:
            with self._database.work() as session:
                known = session.scalars(
                    select(Signed).where(
                        Signed.platform_id == place[0],
                        Signed.model_id == place[1],
                        Signed.sequence == place[2],
                    )
                ).all()
                _check(known, header, report_id, final_time)
                if not any(entry.attempt == header.attempt for entry in known):
                    session.add(
                        Signed(
                            platform_id=place[0],
                            model_id=place[1],
                            sequence=place[2],
                            attempt=header.attempt,
                            report_id=report_id,
                            deadline=header.deadline,
                        )
                    )
        except IntegrityError:
            # Another thread or process was asked about the same place at the same moment.
            self.remember(header, report_id, final_time=final_time)


def _check(known: Sequence[Signed], header: UsageReport, report_id: bytes, final_time: int) -> None:
    for entry in known:
        if entry.attempt == header.attempt and entry.report_id != report_id:
            raise RefusedError(
                f"another report was signed for attempt {entry.attempt} at number "
                f"{header.sequence} of this model: 0x{entry.report_id.hex()}"
            )
        if entry.attempt < header.attempt and entry.deadline >= final_time:
            raise RefusedError(
                f"attempt {entry.attempt} may still be accepted until {entry.deadline}: a further "
                f"attempt is signed once a final block is later than that; now it is {final_time}"
            )
        if entry.attempt > header.attempt:
            raise RefusedError(f"attempt {entry.attempt} was signed already: this one is too late")


_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Attester:
    """One attester. It believes its own node and the digests; not the leader, not the platform."""

    chain: Chain
    store: ContentStore
    book: LicenseBook
    signer: Signer
    memory: Memory
    folder: Path
    finality: Finality
    longest_deadline: int

    def follow(self) -> None:
        """Read licences and their documents on to the newest final block. Raises ChainError."""
        self.book.follow(until=blocks.final(self.chain, self.finality).number)

    def attest(self, request: AttestationRequest) -> AttestationAnswer:
        """Sign a report.

        Raises RefusedError with the reason, InputError for a malformed request, and ChainError,
        StoreError or NotFound where the node or the evidence could not be had: ask again later.
        """
        header = request.report()
        block = blocks.latest(self.chain)
        report_id = header.report_id(self.chain.domain(Contract.USAGE_ORACLE))
        log = _log.bind(report_id=report_id.hex(), block=block.number)
        version = self._check_set(block)
        self._check_reporter(header, report_id, request, block)
        self._check_stream(header, report_id, block)
        verified = self._verify(header, block)
        self._check_rows(header, verified)
        self._check_price(header, verified, block)
        final = blocks.final(self.chain, self.finality)
        self.memory.remember(header, report_id, final_time=final.timestamp)
        message = Attestation(report_id=report_id, config_version=version)
        signature = sign_with(self.signer, message, self.chain.domain(Contract.USAGE_ORACLE))
        log.info("attested", rows=len(verified.rows), events=verified.events, version=version)
        return AttestationAnswer(
            report_id=report_id,
            signer=self.signer.address,
            config_version=version,
            signature="0x" + signature.hex(),
            block_number=block.number,
            block_hash=block.hex,
        )

    def _check_set(self, block: Header) -> int:
        version = int(self.chain.call("UsageOracle", "configVersion", block=block.number))
        member = self.chain.call(
            "UsageOracle", "isAttester", version, self.signer.address, block=block.number
        )
        if not member:
            raise RefusedError(
                f"{self.signer.address} is no attester of version {version}: ask the governor"
            )
        return version

    def _check_reporter(
        self, header: UsageReport, report_id: bytes, request: AttestationRequest, block: Header
    ) -> None:
        known = self.chain.call(
            "RoyaltyVault", "isReporter", header.platform_id, request.reporter, block=block.number
        )
        if not known:
            raise RefusedError(
                f"{request.reporter} is no reporter of platform {header.platform_id}"
            )
        if not is_signed_by(
            self.chain, request.reporter, report_id, request.signature(), block=block.number
        ):
            raise RefusedError(f"the report is not signed by {request.reporter} for this chain")

    def _check_stream(self, header: UsageReport, report_id: bytes, block: Header) -> None:
        """Whether the chain takes the report as the next of its stream, at `block` and until when."""
        if self.chain.report(report_id, block=block.number).state is not ReportState.NONE:
            raise RefusedError("the chain has this report already")
        stream = self.chain.stream(header.platform_id, header.model_id, block=block.number)
        stream.check(header, now=block.timestamp)
        if header.period_end > block.timestamp:
            raise RefusedError(f"the period ends at {header.period_end}, which has not come yet")
        if header.deadline < block.timestamp:
            raise RefusedError(f"the deadline {header.deadline} has passed")
        if header.deadline > block.timestamp + self.longest_deadline:
            raise RefusedError(
                f"the deadline {header.deadline} is more than {self.longest_deadline} seconds away"
            )

    def _verify(self, header: UsageReport, block: Header) -> Verified:
        document = EvidenceDocument.from_bytes(self.store.get(cid_from_digest(header.evidence)))
        period = Period(start=header.period_start, end=header.period_end)
        self.book.follow(block.number)
        consents = self.book.consents(
            period=period,
            platform_id=header.platform_id,
            model_id=header.model_id,
            pricing=header.pricing,
            isrcs=(),
        )
        # Documents that this node lacks must not stop it: what it knows is what it checks.
        consents = replace(consents, licenses_of=self.book.isrcs(period))
        return verify(
            document,
            platform_id=header.platform_id,
            model_id=header.model_id,
            period=period,
            store=self.store,
            folder=self.folder,
            consents=consents,
        )

    def _check_rows(self, header: UsageReport, verified: Verified) -> None:
        digest = keccak(pack_rows(verified.rows))
        if (header.row_count, header.rows_digest) != (len(verified.rows), digest):
            raise RefusedError(
                f"the evidence sums to {len(verified.rows)} rows with digest 0x{digest.hex()}, the "
                f"report says {header.row_count} rows with 0x{header.rows_digest.hex()}"
            )

    def _check_price(self, header: UsageReport, verified: Verified, block: Header) -> None:
        if not verified.rows:
            if (header.total, header.pricing) != (0, Pricing.METERED):
                raise RefusedError("a report without rows is priced METERED with total 0")
            return
        priced = quote(
            self.chain,
            verified.rows,
            pricing=header.pricing,
            total=header.total,
            start=header.period_start,
            end=header.period_end,
            block=block.number,
        )
        if priced.total != header.total:
            raise RefusedError(f"the rows cost {priced.total}, the report says {header.total}")


def open_attester(
    chain: Chain,
    store: ContentStore,
    signer: Signer,
    *,
    database: str,
    scratch: Path,
    finality: Finality,
    longest_deadline: int,
) -> Attester:
    """An attester with its memory in a database (by URL). Raises DatabaseError, InputError."""
    scratch.mkdir(parents=True, exist_ok=True)
    return Attester(
        chain=chain,
        store=store,
        book=LicenseBook(chain, store),
        signer=signer,
        memory=Memory(OracleDatabase(database)),
        folder=scratch,
        finality=finality,
        longest_deadline=longest_deadline,
    )
