"""The protocol deployed on a bench chain: each act in one call that returns the gas it used."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import rlp
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from obbligato.protocol.constants import PPM, Flag, Metric, Pricing, Role, Tier, tiers_mask
from obbligato.protocol.eip712 import Contract as Name
from obbligato.protocol.eip712 import Domain, Message
from obbligato.protocol.quorum import pack_signatures
from obbligato.protocol.quorum import quorum as quorum_of
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.typed_data import Attestation, UsageReport, sign
from scripts import toolchain
from scripts.bench.artefacts import Artefacts
from scripts.bench.chain import Artefact, Chain

DAY: Final = 86_400
DOLLAR: Final = 1_000_000
UNIT: Final = 1_000_000
WINDOW: Final = 7 * DAY
ARBITRATION: Final = 14 * DAY
CLAIM_PERIOD: Final = 180 * DAY
MINIMUM_BOND: Final = 1_000 * DOLLAR
MINIMUM_CHALLENGE_BOND: Final = 5 * DOLLAR
MODEL: Final = keccak(b"model one")
FOREVER: Final = 2**40 - 1
_MINTED_AT_ONCE: Final = 50
_SPLITS_AT_ONCE: Final = 10


def account(label: str) -> str:
    """An address that nobody has a key of."""
    return to_checksum_address(keccak(label.encode())[12:])


def created_by(deployer: str, nonce: int) -> str:
    """The address that a transaction with this nonce creates."""
    return to_checksum_address(keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce]))[12:])


def signer(label: str) -> LocalAccount:
    """A key made from a label, the same in every run."""
    made: LocalAccount = Account.from_key(keccak(label.encode()))
    return made


def even_split(payees: Sequence[str]) -> Split:
    """Equal shares; the first payee has what does not divide."""
    share, rest = divmod(PPM, len(payees))
    return Split.of(
        Payee(account=payee, share=share + (rest if i == 0 else 0), role=Role.PERFORMER)
        for i, payee in enumerate(payees)
    )


def works(count: int, payees: int, label: str) -> list[Split]:
    """One split a work, no payee in two of them."""
    return [
        even_split([account(f"{label} work {i} payee {j}") for j in range(payees)])
        for i in range(count)
    ]


def raw_terms(value: Terms) -> tuple[Any, ...]:
    """Terms as the ABI takes them."""
    cards = [(c.training_run, c.generation, c.playback, c.grant_fee) for c in value.rates]
    return (
        value.tiers,
        value.term_days,
        value.flags,
        value.influence_cap_bps,
        cards,
        value.text_digest,
    )


def raw_split(value: Split) -> list[tuple[str, int, int]]:
    """A split as the ABI takes it."""
    return [(payee.account, payee.share, int(payee.role)) for payee in value.payees]


def offer(text: str = "legal text", flags: int = int(Flag.POOL)) -> Terms:
    """Terms with the tiers TRAINING and GENERATIVE."""
    card = RateCard(training_run=2 * DOLLAR, generation=1_000, playback=500, grant_fee=3 * DOLLAR)
    return Terms(
        tiers=tiers_mask([Tier.TRAINING, Tier.GENERATIVE]),
        term_days=365,
        flags=flags,
        influence_cap_bps=10_000,
        rates=(card, card),
        text_digest=keccak(text.encode()),
    )


def usage(license_ids: Iterable[int]) -> list[Row]:
    """One row a licence: some ten thousand generations, no two quantities alike."""
    return [
        Row(
            license_id=i,
            tier=Tier.GENERATIVE,
            metric=Metric.GENERATION,
            quantity=12_345 * UNIT + int.from_bytes(keccak(i.to_bytes(4, "big"))[:4], "big"),
        )
        for i in sorted(license_ids)
    ]


@dataclass(frozen=True)
class Report:
    """A report ready to be submitted, with the credits it will become."""

    header: UsageReport
    rows: bytes
    credits: bytes
    report_id: bytes

    @property
    def raw(self) -> tuple[Any, ...]:
        """The header as the ABI takes it."""
        h = self.header
        return (
            *(
                h.platform_id,
                h.model_id,
                h.sequence,
                h.attempt,
                h.previous,
                h.period_start,
                h.period_end,
            ),
            *(int(h.pricing), h.row_count, h.rows_digest, h.total, h.evidence, h.deadline),
        )


@dataclass
class DeployedProtocol:
    """One deployment with a funded platform. Whoever's key is not said to matter is the node's first account."""

    chain: Chain
    artefacts: Artefacts
    batch_code: Artefact | None = None
    """The bench's helper; without it, splits are interned one a transaction."""
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    gas: dict[str, int] = field(default_factory=dict)
    """What setting it up took."""

    def __post_init__(self) -> None:
        deployer, self.governor, self.guardian, self.arbiter, self.admin, self.artist = (
            self.chain.accounts[:6]
        )
        self.relay = self.chain.accounts[6]
        self.reporter = signer("reporter")
        self.attesters = self.new_attesters(4)
        deploy, code = self.chain.deploy, self.artefacts
        self.token = deploy(code["TestDollar"])
        self.batch = deploy(self.batch_code) if self.batch_code else None
        nonce = int(self.chain.rpc("eth_getTransactionCount", deployer, "latest"), 16)
        registry, grants, oracle, disputes = (
            created_by(deployer, nonce + later) for later in (1, 2, 3, 4)
        )
        settlement = WINDOW + ARBITRATION
        clocks = settlement, settlement + 7 * DAY, settlement + CLAIM_PERIOD, settlement + 14 * DAY
        known = self.token.address, self.governor, registry, grants, oracle, disputes
        self.vault = deploy(code["RoyaltyVault"], (*known, MINIMUM_BOND, *clocks))
        self.registry = deploy(code["LicenseRegistry"], self.vault.address, disputes)
        self.grants = deploy(code["Grants"], self.vault.address, self.registry.address)
        parts = self.vault.address, self.registry.address, grants, disputes
        roles = self.governor, self.guardian, [a.address for a in self.attesters]
        self.oracle = deploy(code["UsageOracle"], (*parts, *roles, WINDOW))
        periods = MINIMUM_CHALLENGE_BOND, ARBITRATION, CLAIM_PERIOD
        self.disputes = deploy(code["Disputes"], (self.oracle.address, self.arbiter, *periods))
        if (self.oracle.address, self.disputes.address) != (oracle, disputes):
            raise toolchain.ToolchainError("the contracts stand at other addresses than predicted")
        self.platform = self._new_platform()

    def new_attesters(self, count: int) -> list[LocalAccount]:
        """Keys in the ascending order that the contract wants."""
        return sorted(
            (signer(f"attester {i}") for i in range(count)), key=lambda a: int(a.address, 16)
        )

    def _new_platform(self) -> int:
        funds = 2**60
        for holder in (self.admin, self.relay):
            self.token.act("mint", holder, funds, sender=holder)
            self.token.act("approve", self.vault.address, 2**256 - 1, sender=holder)
            if self.batch:
                self.token.act("approve", self.batch.address, 2**256 - 1, sender=holder)
        self.gas["register a platform"] = self.vault.act(
            "registerPlatform", [self.reporter.address], MINIMUM_BOND, sender=self.admin
        )
        self.gas["deposit"] = self.deposit(100_000_000 * DOLLAR)
        return 1

    def deposit(self, amount: int) -> int:
        return self.vault.act("deposit", 1, amount, sender=self.admin)

    # ---- signatures -------------------------------------------------------------------------------------------------

    @cached_property
    def domains(self) -> dict[Name, Domain]:
        contracts = {
            Name.LICENSE_REGISTRY: self.registry,
            Name.ROYALTY_VAULT: self.vault,
            Name.GRANTS: self.grants,
            Name.USAGE_ORACLE: self.oracle,
            Name.DISPUTES: self.disputes,
        }
        return {
            name: Domain(contract=name, chain_id=toolchain.CHAIN_ID, address=contract.address)
            for name, contract in contracts.items()
        }

    def sign(self, message: Message, by: LocalAccount) -> bytes:
        return sign(message, self.domains[message.contract], by)

    # ---- licences ---------------------------------------------------------------------------------------------------

    def intern_terms(self, terms: Terms) -> int:
        return self.registry.act("internTerms", raw_terms(terms))

    def intern_splits(self, splits: Sequence[Split]) -> None:
        """Interns them in the order given: their ids follow one another."""
        if self.batch is None:
            for split in splits:
                self.vault.act("internSplit", raw_split(split))
            return
        calls = [self.vault.data("internSplit", raw_split(split)) for split in splits]
        for i in range(0, len(calls), _SPLITS_AT_ONCE):
            self.batch.act("each", self.vault.address, calls[i : i + _SPLITS_AT_ONCE])

    def mint_items(self, terms: Terms, splits: Sequence[Split]) -> list[tuple[Any, ...]]:
        """One item of `mintBatch` a split; each licence has its own document and content."""
        items = []
        for split in splits:
            n = next(self.nonces)
            documents = keccak(b"document %d" % n), keccak(b"content %d" % n)
            items.append((self.artist, terms.digest(), split.digest(), *documents))
        return items

    def mint(self, terms: Terms, splits: Sequence[Split]) -> list[int]:
        """A licence a split, owned by the artist; their ids, which follow one another."""
        first = int(self.registry.ask("licenseCount")) + 1
        items = self.mint_items(terms, splits)
        for i in range(0, len(items), _MINTED_AT_ONCE):
            self.registry.act("mintBatch", items[i : i + _MINTED_AT_ONCE], sender=self.artist)
        return list(range(first, first + len(items)))

    def catalogue(self, splits: Sequence[Split], terms: Terms | None = None) -> list[int]:
        """Interns terms and splits and mints a licence a split."""
        self.intern_terms(terms or offer())
        self.intern_splits(splits)
        return self.mint(terms or offer(), splits)

    # ---- reports ----------------------------------------------------------------------------------------------------

    def report(
        self,
        rows: Sequence[Row],
        *,
        pricing: Pricing = Pricing.METERED,
        total: int = 0,
        days: int | None = None,
    ) -> Report:
        """The next report of the stream, up to now or for so many days, priced by the registry."""
        self.chain.wait(DAY)
        last, sequence, covered = self.oracle.ask("streamOf", self.platform, MODEL)
        packed = pack_rows(rows)
        end = self.chain.now()
        start = covered or end - DAY
        end = end if days is None else start + days * DAY
        credits_, total, _ = self.registry.ask("price", packed, start, end, int(pricing), total)
        header = UsageReport(
            platform_id=self.platform,
            model_id=MODEL,
            sequence=sequence + 1,
            attempt=1,
            previous=last,
            period_start=start,
            period_end=end,
            pricing=pricing,
            row_count=len(rows),
            rows_digest=keccak(packed),
            total=total,
            evidence=keccak(b"evidence"),
            deadline=FOREVER,
        )
        return Report(header, packed, credits_, header.report_id(self.domains[Name.USAGE_ORACLE]))

    def submit(self, report: Report, *, signatures: int | None = None) -> int:
        """Submit with the quorum's signatures, or with as many as told."""
        version = int(self.oracle.ask("configVersion"))
        message = Attestation(report_id=report.report_id, config_version=version)
        signing = self.attesters[: signatures or quorum_of(len(self.attesters))]
        return self.oracle.act(
            "submit",
            report.raw,
            report.rows,
            self.reporter.address,
            self.sign(report.header, self.reporter),
            version,
            pack_signatures((a.address, self.sign(message, a)) for a in signing),
            sender=self.relay,
        )

    def settle(self, report: Report) -> int:
        """Pass the window and settle."""
        self.chain.wait(WINDOW)
        return self.oracle.act("settle", report.report_id, report.credits, sender=self.relay)

    def pay(self, rows: Sequence[Row]) -> tuple[int, int]:
        """A report from its submission to its settlement; the gas of both."""
        report = self.report(rows)
        return self.submit(report), self.settle(report)

    def set_attesters(self, count: int) -> int:
        self.attesters = self.new_attesters(count)
        return self.oracle.act(
            "setAttesters", [a.address for a in self.attesters], sender=self.governor
        )
