"""A deployed deployed protocol for contract tests: the roles by name, and the long acts in one call each.

Messages, rows and digests come from the `obbligato` library, which the golden vectors check on their own. Whatever a
test wants to be wrong it overrides by name.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from brownie import accounts, chain, project, web3
from brownie.exceptions import VirtualMachineError
from eth_abi.abi import decode
from eth_account import Account
from eth_hash.auto import keccak

from obbligato.protocol.constants import Flag, Metric, Pricing, Role, Tier, tiers_mask
from obbligato.protocol.eip712 import Contract, Domain, Message
from obbligato.protocol.quorum import pack_signatures
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.typed_data import Attestation, UsageReport, sign
from scripts.deploy import Deployed, Parameters, Plan, deploy

DAY = 86_400
DOLLAR = 1_000_000
UNIT = 1_000_000
"""One whole unit of usage, in millionths."""

Account.enable_unaudited_hdwallet_features()
MNEMONIC = "test test test test test test test test test test test junk"
"""The mnemonic every anvil starts with."""
KEYS = [Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}") for i in range(20)]
KEY_OF = {key.address: key for key in KEYS}

DEPLOYER, GOVERNOR, GUARDIAN, ARBITER = (key.address for key in KEYS[:4])
ATTESTERS = tuple(key.address for key in KEYS[4:8])
PLATFORM_ADMIN, REPORTER, RELAY, ARTIST, LABEL, PRODUCER, SOCIETY, STRANGER = (
    key.address for key in KEYS[8:16]
)
RIVAL_ADMIN, RIVAL_REPORTER = (key.address for key in KEYS[16:18])

MODEL = keccak(b"model one")
TEXT = keccak(b"legal text")
DOCUMENT = keccak(b"document")
CONTENT = keccak(b"content")
DEFAULT_CARD = RateCard(
    training_run=2 * DOLLAR, generation=1_000, playback=500, grant_fee=3 * DOLLAR
)


def terms(
    cards: dict[Tier, RateCard] | None = None,
    *,
    term_days: int = 365,
    flags: int = int(Flag.POOL),
    cap: int = 10_000,
    text: bytes = TEXT,
) -> Terms:
    """Terms with TRAINING and GENERATIVE at the default prices unless told otherwise."""
    if cards is None:
        cards = {Tier.TRAINING: DEFAULT_CARD, Tier.GENERATIVE: DEFAULT_CARD}
    return Terms(
        tiers=tiers_mask(cards),
        term_days=term_days,
        flags=flags,
        influence_cap_bps=cap,
        rates=tuple(cards[tier] for tier in sorted(cards)),
        text_digest=text,
    )


def split(*shares: tuple[str, int], role: Role = Role.PERFORMER) -> Split:
    """A split of (account, parts per million) in any order."""
    return Split.of([Payee(account=account, share=share, role=role) for account, share in shares])


def raw_terms(value: Terms) -> tuple[Any, ...]:
    """Terms as the ABI takes them; tests replace members to make them wrong."""
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
    return [(payee.account, payee.share, int(payee.role)) for payee in value.payees]


def row(
    license_id: int, quantity: int, tier: Tier = Tier.GENERATIVE, metric: Metric = Metric.GENERATION
) -> Row:
    return Row(license_id=license_id, tier=tier, metric=metric, quantity=quantity)


@dataclass(frozen=True)
class Report:
    """A report ready to be submitted: header, packed rows, and the credits they will become."""

    header: UsageReport
    rows: bytes
    credits: bytes

    @property
    def raw(self) -> tuple[Any, ...]:
        h = self.header
        return (
            h.platform_id,
            h.model_id,
            h.sequence,
            h.attempt,
            h.previous,
            h.period_start,
            h.period_end,
            int(h.pricing),
            h.row_count,
            h.rows_digest,
            h.total,
            h.evidence,
            h.deadline,
        )

    @property
    def case(self) -> tuple[Any, ...]:
        """What a challenge is about."""
        return (self.raw, self.rows, self.credits)


@dataclass
class DeployedProtocol:
    """One deployment and what tests do with it."""

    deployed: Deployed
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        d = self.deployed
        self.token, self.vault, self.registry = d.token, d.RoyaltyVault, d.LicenseRegistry
        self.grants, self.oracle, self.disputes = d.Grants, d.UsageOracle, d.Disputes
        self.parameters: Parameters = d.plan.parameters
        names = {
            Contract.LICENSE_REGISTRY: self.registry,
            Contract.ROYALTY_VAULT: self.vault,
            Contract.GRANTS: self.grants,
            Contract.USAGE_ORACLE: self.oracle,
            Contract.DISPUTES: self.disputes,
        }
        self.domains = {
            name: Domain(contract=name, chain_id=chain.id, address=contract.address)
            for name, contract in names.items()
        }

    # ---- signatures -------------------------------------------------------------------------------------------------

    def sign(self, message: Message, by: str | None = None) -> bytes:
        """The signature of a message, by its account unless told otherwise."""
        signer = by or message.account  # type: ignore[attr-defined]
        return sign(message, self.domains[message.contract], KEY_OF[signer])

    def signed(self, message: Message, by: str | None = None) -> tuple[str, int, int, bytes]:
        """The `Signed` struct of a message."""
        return (message.account, message.nonce, message.deadline, self.sign(message, by))  # type: ignore[attr-defined]

    def deadline(self) -> int:
        return int(chain.time()) + 365 * DAY * 10

    # ---- licences ---------------------------------------------------------------------------------------------------

    def intern_terms(self, value: Terms) -> bytes:
        self.registry.internTerms(raw_terms(value), {"from": RELAY})
        return value.digest()

    def intern_split(self, value: Split) -> bytes:
        self.vault.internSplit(raw_split(value), {"from": RELAY})
        return value.digest()

    def split_id(self, value: Split) -> int:
        return int(self.vault.splitIdOf(value.digest()))

    def license(
        self,
        offer: Terms | None = None,
        pays: Split | None = None,
        *,
        owner: str = ARTIST,
        document: bytes | None = None,
        content: bytes = CONTENT,
    ) -> int:
        """Mint directly; each licence has its own document unless one is given. The licence's id."""
        digest = document or keccak(b"document %d" % next(self.nonces))
        tx = self.registry.mintWith(
            owner,
            raw_terms(offer or terms()),
            raw_split(pays or split((owner, 1_000_000))),
            digest,
            content,
            {"from": owner},
        )
        return int(tx.return_value)

    # ---- platforms --------------------------------------------------------------------------------------------------

    def fund_account(self, account: str, amount: int) -> None:
        """Give an account dollars that the vault may take."""
        self.token.mint(account, amount, {"from": account})
        self.token.approve(self.vault, 2**256 - 1, {"from": account})

    def platform(
        self,
        deposit: int = 1_000 * DOLLAR,
        *,
        admin: str = PLATFORM_ADMIN,
        reporter: str = REPORTER,
    ) -> int:
        """Register a platform with the minimum bond and a deposit. Its id."""
        self.fund_account(admin, self.parameters.minimum_bond + deposit)
        tx = self.vault.registerPlatform([reporter], self.parameters.minimum_bond, {"from": admin})
        if deposit:
            self.vault.deposit(tx.return_value, deposit, {"from": admin})
        return int(tx.return_value)

    # ---- reports ----------------------------------------------------------------------------------------------------

    def wait(self, seconds: int) -> int:
        """Let time pass; the new time of the chain."""
        chain.sleep(seconds)
        chain.mine()
        return int(chain[-1].timestamp)

    def now(self) -> int:
        return int(chain[-1].timestamp)

    def report(
        self,
        platform: int,
        rows: Sequence[Row] | bytes,
        *,
        pricing: Pricing = Pricing.METERED,
        total: int | None = None,
        model: bytes = MODEL,
        start: int | None = None,
        end: int | None = None,
        **header: Any,
    ) -> Report:
        """The next report of a stream: it leads from `coveredUntil` (or the last 30 days) to now.

        The registry prices it if `total` is not given; any member of the header can be overridden.
        """
        stream = self.oracle.streamOf(platform, model)
        last, sequence, covered = bytes(stream[0]), int(stream[1]), int(stream[2])
        packed = rows if isinstance(rows, bytes) else pack_rows(rows)
        end = self.now() if end is None else end
        start = (covered or end - 30 * DAY) if start is None else start
        credits_ = b""
        if total is None or pricing is Pricing.POOL:
            credits_, total = self.price(packed, start, end, pricing, total or 0)
        made = UsageReport(
            platform_id=platform,
            model_id=model,
            sequence=sequence + 1,
            attempt=1,
            previous=last,
            period_start=start,
            period_end=end,
            pricing=pricing,
            row_count=len(packed) // 14,
            rows_digest=keccak(packed),
            total=total,
            evidence=keccak(b"evidence"),
            deadline=self.deadline(),
        )
        return Report(made.model_copy(update=header), packed, credits_)

    def price(
        self, packed: bytes, start: int, end: int, pricing: Pricing, total: int
    ) -> tuple[bytes, int]:
        """(credits, total) by the registry, or nothing if it refuses: then the submission will say why."""
        try:
            priced = self.registry.price(packed, start, end, int(pricing), total)
        except (VirtualMachineError, ValueError):
            return b"", total
        return bytes(priced[0]), int(priced[1])

    def report_id(self, report: Report) -> bytes:
        return report.header.digest(self.domains[Contract.USAGE_ORACLE])

    def attest(
        self, report: Report, signers: Sequence[str] = ATTESTERS[:3], version: int | None = None
    ) -> bytes:
        """The packed attestations of a report."""
        message = Attestation(
            report_id=self.report_id(report),
            config_version=version or int(self.oracle.configVersion()),
        )
        return pack_signatures((signer, self.sign(message, signer)) for signer in signers)

    def submit(
        self,
        report: Report,
        *,
        signers: Sequence[str] = ATTESTERS[:3],
        reporter: str = REPORTER,
        signature: bytes | None = None,
        attestations: bytes | None = None,
        version: int | None = None,
        sender: str = RELAY,
    ) -> Any:
        """Submit a report with its signatures; Brownie's transaction."""
        return self.oracle.submit(
            report.raw,
            report.rows,
            reporter,
            self.sign(report.header, reporter) if signature is None else signature,
            version or int(self.oracle.configVersion()),
            self.attest(report, signers, version) if attestations is None else attestations,
            {"from": sender},
        )

    def settle(self, report: Report, *, credits_: bytes | None = None) -> Any:
        return self.oracle.settle(
            self.report_id(report),
            report.credits if credits_ is None else credits_,
            {"from": RELAY},
        )

    def pass_window(self) -> int:
        return self.wait(self.parameters.challenge_window)

    def settled(self, platform: int, rows: Sequence[Row], **options: Any) -> Report:
        """Submit, pass the window, settle."""
        report = self.report(platform, rows, **options)
        self.submit(report)
        self.pass_window()
        self.settle(report)
        return report


# ---- refusals -------------------------------------------------------------------------------------------------------


@dataclass
class Refusal:
    """What a contract refused with, once the block under `refused` has ended."""

    name: str = ""
    arguments: tuple[Any, ...] = ()


@functools.cache
def _errors() -> dict[bytes, tuple[str, list[str]]]:
    """Every custom error of the project and of OpenZeppelin, by selector."""
    found: dict[bytes, tuple[str, list[str]]] = {
        keccak(b"Panic(uint256)")[:4]: ("Panic", ["uint256"]),
        keccak(b"Error(string)")[:4]: ("Error", ["string"]),
    }
    for container in project.get_loaded_projects()[0]:
        for item in container.abi:
            if item["type"] == "error":
                types = [argument["type"] for argument in item["inputs"]]
                signature = f"{item['name']}({','.join(types)})"
                found[keccak(signature.encode())[:4]] = (item["name"], types)
    return found


def decode_error(data: str) -> tuple[str, tuple[Any, ...]]:
    """The name and arguments of revert data."""
    raw = bytes.fromhex(data.removeprefix("0x"))
    name, types = _errors().get(raw[:4], (f"unknown error 0x{raw[:4].hex()}", []))
    return name, tuple(decode(types, raw[4:])) if types else ()


@contextlib.contextmanager
def refused(name: str, *arguments: Any) -> Iterator[Refusal]:
    """The block must make a contract refuse with this custom error; arguments given are compared in order."""
    refusal = Refusal()
    try:
        yield refusal
    except (VirtualMachineError, ValueError) as error:
        refusal.name, refusal.arguments = decode_error(_revert_data(error))
    else:
        raise AssertionError(f"nothing was refused; expected {name}{arguments}")
    assert refusal.name == name, (
        f"refused with {refusal.name}{refusal.arguments}, expected {name}{arguments}"
    )
    for position, expected in enumerate(arguments):
        found = refusal.arguments[position]
        assert _plain(found) == _plain(expected), (
            f"{name}: argument {position} is {found}, expected {expected}"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return (
        str(value).lower() if isinstance(value, str) or not isinstance(value, int) else int(value)
    )


def _revert_data(error: Exception) -> str:
    """The revert data of a transaction, by its trace, or of a call, by what the node answered."""
    txid = getattr(error, "txid", None)
    if txid:
        answer = web3.provider.make_request(
            "debug_traceTransaction", [txid, {"tracer": "callTracer"}]
        )
        return str(answer["result"].get("output", "0x"))
    found = re.search(r"'data': '(0x[0-9a-f]*)'", repr(error))
    if found is None:
        raise AssertionError(f"no revert data in {error!r}")
    return found.group(1)


def new_protocol(token: Any = None, **parameters: int) -> DeployedProtocol:
    """A fresh deployment with the test roles."""
    build = project.get_loaded_projects()[0]
    plan = Plan(
        deployer=accounts.at(DEPLOYER, force=True),
        governor=GOVERNOR,
        guardian=GUARDIAN,
        arbiter=ARBITER,
        attesters=ATTESTERS,
        parameters=Parameters.of(**parameters) if parameters else Parameters(),
        token=None if token is None else token.address,
    )
    return DeployedProtocol(deploy(build, plan))
