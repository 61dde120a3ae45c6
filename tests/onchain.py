"""A deployment on a real node for plain pytest, and every act of the protocol in one call each."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from web3.types import RPCEndpoint

from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.documents.events import UsageEvent, aggregate, public_form, write_chunks
from obbligato.documents.evidence import EventChunk, Period, evidence_document
from obbligato.documents.license import Recording, license_document
from obbligato.documents.wording import legal_text
from obbligato.protocol.constants import Metric, Pricing, Role, Tier
from obbligato.protocol.quorum import pack_signatures
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import Attestation, Contract, Message, UsageReport, sign
from obbligato.store import EmbeddedStore
from scripts.demo.cast import ATTESTERS, RELAY, node_account
from scripts.demo.steps import deploy
from scripts.toolchain import anvil

DAY = 86_400
UNIT = 1_000_000
DOLLARS = 1_000_000
FAR = 2**40 - 1


@dataclass(frozen=True)
class DeployedProtocol:
    """A node with the five contracts on it, and a folder of blocks."""

    url: str
    manifest: Path
    folder: Path
    chain: Chain

    @property
    def store(self) -> EmbeddedStore:
        return EmbeddedStore(self.folder)


@contextlib.contextmanager
def new_protocol(folder: Path) -> Iterator[DeployedProtocol]:
    """Start a node and run the project's own deploy script against it."""
    with anvil() as node:
        manifest = deploy(node.url, folder / "deployments")
        blocks = folder / "blocks"
        EmbeddedStore(blocks)
        yield DeployedProtocol(
            node.url, manifest, blocks, Chain.connect(node.url, read_deployment(manifest))
        )


@dataclass(frozen=True)
class Report:
    """A report as it was submitted."""

    header: UsageReport
    report_id: bytes
    rows: list[Row]
    credits: bytes

    @property
    def case(self) -> tuple[Any, ...]:
        return (tuple(self.header.model_dump().values()), pack_rows(self.rows), self.credits)


@dataclass
class Acts:
    """What people do, sent to a deployed protocol; each act waits for its block."""

    protocol: DeployedProtocol
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def chain(self) -> Chain:
        return self.protocol.chain

    # ---- time, dollars, signatures

    def node(self, method: str, *parameters: Any) -> Any:
        answer = self.chain.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        assert "error" not in answer, answer
        return answer["result"]

    def wait(self, days: int) -> int:
        """Move the node's clock; the new time."""
        self.node("evm_increaseTime", days * DAY)
        self.node("evm_mine")
        return self.now()

    def now(self) -> int:
        return int(self.chain.web3.eth.get_block("latest")["timestamp"])

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever happens in the block has not happened after it."""
        snapshot = self.node("evm_snapshot")
        try:
            yield
        finally:
            self.node("evm_revert", snapshot)

    def dollars(self, account: LocalAccount, amount: int) -> None:
        """Give an account dollars that the vault may take."""
        self.chain.transact(RELAY, DOLLAR, "mint", account.address, amount)
        vault = self.chain.deployment.address("RoyaltyVault")
        self.chain.transact(account, DOLLAR, "approve", vault, amount)

    def signed(self, message: Message, by: LocalAccount) -> tuple[str, int, int, bytes]:
        nonce, deadline = message.nonce, message.deadline  # type: ignore[attr-defined]
        return by.address, nonce, deadline, sign(message, self.chain.domain(message.contract), by)

    def govern(self, contract: str, function: str, *arguments: Any) -> None:
        """What the governor does once its delay is over: here the node lends its account."""
        governor = self.chain.deployment.roles.governor
        self.node("anvil_setBalance", governor, hex(10**18))
        self.node("anvil_impersonateAccount", governor)
        call = {
            "from": governor,
            "to": self.chain.deployment.address(contract),
            "data": "0x" + self.chain.encode(contract, function, *arguments).hex(),
        }
        digest = self.node("eth_sendTransaction", call)
        assert self.chain.web3.eth.wait_for_transaction_receipt(digest)["status"] == 1
        self.node("anvil_stopImpersonatingAccount", governor)

    # ---- licences

    def mint(self, owner: LocalAccount, terms: Terms, split: Split, title: str) -> int:
        """Store the document and the legal text, mint with both; the licence's id."""
        self.protocol.store.put(legal_text(terms))
        digest, content = self.document(terms, title)
        self.chain.transact(
            owner,
            "LicenseRegistry",
            "mintWith",
            owner.address,
            raw_terms(terms),
            [(payee.account, payee.share, int(payee.role)) for payee in split.payees],
            digest,
            content,
        )
        return int(self.chain.call("LicenseRegistry", "licenseCount"))

    def document(self, terms: Terms, title: str) -> tuple[bytes, bytes]:
        """Store a licence's document; its digest and the content hash."""
        content = hashlib.sha256(title.encode()).digest()
        recording = Recording(title=title, artists=("Somebody",), content_hash=content)
        document = license_document(recording=recording, terms=terms)
        self.protocol.store.put(document.to_bytes())
        return document.digest(), content

    # ---- platforms

    def platform(self, admin: LocalAccount, reporter: LocalAccount, escrow: int) -> int:
        bond = self.chain.call("RoyaltyVault", "minimumBond")
        self.dollars(admin, bond + escrow)
        self.chain.transact(admin, "RoyaltyVault", "registerPlatform", [reporter.address], bond)
        platform_id = int(self.chain.call("RoyaltyVault", "platformCount"))
        if escrow:
            self.chain.transact(admin, "RoyaltyVault", "deposit", platform_id, escrow)
        return platform_id

    def deposit(self, admin: LocalAccount, platform_id: int, amount: int) -> None:
        self.dollars(admin, amount)
        self.chain.transact(admin, "RoyaltyVault", "deposit", platform_id, amount)

    # ---- reports

    def report(
        self,
        platform_id: int,
        reporter: LocalAccount,
        model: bytes,
        uses: Sequence[tuple[int, Tier, Metric, int]],
        period: tuple[int, int],
        *,
        pricing: Pricing = Pricing.METERED,
        pool: int = 0,
    ) -> Report:
        """Evidence to the store, signatures of three attesters, and the report to the chain.

        `uses` are (licence, tier, metric, whole units), one event each.
        """
        start, end = period
        rows, evidence = self.evidence(platform_id, model, uses, Period(start=start, end=end))
        packed = pack_rows(rows)
        credits_, total, _ = self.chain.call(
            "LicenseRegistry", "price", packed, start, end, int(pricing), pool
        )
        stream = self.chain.stream(platform_id, model)
        header = UsageReport(
            platform_id=platform_id,
            model_id=model,
            sequence=stream.sequence + 1,
            attempt=1,
            previous=stream.last,
            period_start=start,
            period_end=end,
            pricing=pricing,
            row_count=len(rows),
            rows_digest=keccak(packed),
            total=total,
            evidence=evidence,
            deadline=FAR,
        )
        domain = self.chain.domain(Contract.USAGE_ORACLE)
        report_id = header.digest(domain)
        message = Attestation(report_id=report_id, config_version=1)
        self.chain.transact(
            RELAY,
            "UsageOracle",
            "submit",
            tuple(header.model_dump().values()),
            packed,
            reporter.address,
            sign(header, domain, reporter),
            1,
            pack_signatures([(a.address, sign(message, domain, a)) for a in ATTESTERS[:3]]),
        )
        return Report(header, report_id, rows, bytes(credits_))

    def evidence(
        self,
        platform_id: int,
        model: bytes,
        uses: Sequence[tuple[int, Tier, Metric, int]],
        period: Period,
    ) -> tuple[list[Row], bytes]:
        """Store chunks and evidence; the rows and the digest of the evidence."""
        salt = keccak(b"salt")
        events = [
            public_form(
                UsageEvent(
                    event_id=f"event {number} of {platform_id}",
                    occurred_at=period.start,
                    license_id=license_id,
                    tier=tier,
                    metric=metric,
                    units=units,
                    influence_ppm=1_000_000,
                    model_id=model,
                ),
                salt=salt,
                boundaries=[period.start],
            )
            for number, (license_id, tier, metric, units) in enumerate(uses)
        ]
        chunks, rows = list(write_chunks(events)), aggregate(events)
        document = evidence_document(
            platform_id=platform_id,
            model_id=model,
            period=period,
            salt=salt,
            chunks=[EventChunk.of(chunk) for chunk in chunks],
            rows=rows,
        )
        for block in [*(chunk.data for chunk in chunks), document.to_bytes()]:
            self.protocol.store.put(block)
        return rows, document.digest()

    def settle(self, report: Report) -> None:
        self.chain.transact(RELAY, "UsageOracle", "settle", report.report_id, report.credits)

    # ---- disputes

    def challenge(
        self,
        by: LocalAccount,
        report: Report,
        use: tuple[int, Tier, Metric],
        units: int,
        *,
        from_splits: Sequence[int] = (),
    ) -> int:
        """Claim that a row has this many whole units; the challenge's id."""
        license_id, tier, metric = use
        evidence = hashlib.sha256(b"what the challenger found").digest()
        claim = (license_id, int(tier), int(metric), units * UNIT, evidence)
        self.chain.transact(by, "Disputes", "challenge", report.case, claim, list(from_splits))
        return int(self.chain.call("Disputes", "challengeCount"))


def raw_terms(terms: Terms) -> tuple[Any, ...]:
    """Terms as the ABI takes them."""
    cards = [tuple(card.model_dump().values()) for card in terms.rates]
    return (
        terms.tiers,
        terms.term_days,
        terms.flags,
        terms.influence_cap_bps,
        cards,
        terms.text_digest,
    )


def split(*shares: tuple[LocalAccount, int]) -> Split:
    """A split of (account, parts per million) in any order."""
    return Split.of(
        [Payee(account=a.address, share=share, role=Role.PERFORMER) for a, share in shares]
    )


ARTIST, DUO, BY_GRANT, LABEL, PRODUCER, STRANGER, COLD = (node_account(i) for i in range(12, 19))
"""Payees and others, each with gas money; `BY_GRANT` is the artist who asks for grants."""
