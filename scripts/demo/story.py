"""The steps of the demo, in order. Each leaves what the next needs in `Story`."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from eth_account.signers.local import LocalAccount
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from web3.types import RPCEndpoint

from obbligato.chain import blocks
from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain
from obbligato.client import PricedRow, Submission, Usage
from obbligato.documents.evidence import Period
from obbligato.documents.license import Recording, license_document
from obbligato.documents.wording import legal_text
from obbligato.protocol.constants import Metric, Pricing, ReportState, Tier
from obbligato.protocol.rows import Credit, Row, pack_credits, pack_rows
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import ApproveOperator, Claim, Message, Mint, UsageReport, sign
from obbligato.store import ContentStore
from scripts.demo import steps
from scripts.demo.cast import (
    ARBITER,
    METERED_PLATFORM,
    OFFERS,
    POOL_PLATFORM,
    RELAY,
    SOCIETY,
    Entry,
    PlatformPlan,
    cast,
)
from scripts.demo.catalog import SERVICES, read_catalogue
from scripts.demo.usage import METERED_USES, POOL_USES, events_of, write_events
from scripts.stack import Stack
from scripts.toolchain import ROOT

RECORDINGS = 64
SOCIETY_MEMBERS = 8
DOLLAR_UNITS = 1_000_000
DAY = 86_400
FAR = 2**40 - 1
PATIENCE_SECONDS = 120
POOL_TOTAL = 40_000 * DOLLAR_UNITS


@dataclass
class Submitted:
    """A report on the chain, with what is needed to settle or contest it."""

    platform: str
    submission: str
    header: UsageReport
    report_id: bytes
    rows: list[Row]
    credits: list[Credit]
    packed_credits: bytes
    unlicensed: int
    attested_by: int


@dataclass
class Story:
    """The demo as it unfolds on one deployment."""

    chain: Chain
    store: ContentStore
    entries: list[Entry]
    progress: Progress
    stack: Stack
    licenses: dict[int, Entry] = field(default_factory=dict)
    split_ids: dict[bytes, int] = field(default_factory=dict)
    platforms: dict[str, int] = field(default_factory=dict)
    reports: list[Submitted] = field(default_factory=list)
    granted: set[int] = field(default_factory=set)
    deposited: int = 0
    ruling: dict[str, int] = field(default_factory=dict)
    paid: dict[tuple[int, str], int] = field(default_factory=dict)
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # ---- opting in

    def opt_in(self) -> None:
        """Documents to the store, terms and splits to the chain, licences by the artists' relayed signatures."""
        for terms in OFFERS.values():
            self._store(legal_text(terms))
        step = self._step("artists opt in", len(self.entries))
        single = [entry for entry in self.entries if not entry.by_society]
        members = [entry for entry in self.entries if entry.by_society]
        for entry in single:
            document, content = self._document(entry)
            self._intern(entry.terms, entry.split)
            message = Mint(
                account=entry.owner.address,
                terms=entry.terms,
                split=entry.split,
                document=document,
                content=content,
                nonce=next(self.nonces),
                deadline=FAR,
            )
            self.chain.transact(
                RELAY,
                "LicenseRegistry",
                "mintBySignature",
                entry.terms.digest(),
                entry.split.digest(),
                document,
                content,
                self._signed(message, entry.owner),
            )
            self.licenses[len(self.licenses) + 1] = entry
            step()
        self._mint_for_members(members)
        for _ in members:
            step()
        minted = self.chain.counts().licenses
        if minted != len(self.entries):
            raise steps.DemoError(
                f"{len(self.entries)} artists opted in, the chain has {minted} licences"
            )

    def _mint_for_members(self, members: list[Entry]) -> None:
        """A society mints for its members in one transaction; each has signed that it may."""
        items = []
        for owner in {entry.owner.address: entry.owner for entry in members}.values():
            consent = ApproveOperator(
                account=owner.address,
                operator=SOCIETY.address,
                approved=True,
                nonce=next(self.nonces),
                deadline=FAR,
            )
            self.chain.transact(
                RELAY,
                "LicenseRegistry",
                "approveOperatorBySignature",
                SOCIETY.address,
                True,
                self._signed(consent, owner),
            )
        for entry in members:
            document, content = self._document(entry)
            self._intern(entry.terms, entry.split)
            items.append(
                (entry.owner.address, entry.terms.digest(), entry.split.digest(), document, content)
            )
        self.chain.transact(SOCIETY, "LicenseRegistry", "mintBatch", items)
        for entry in members:
            self.licenses[len(self.licenses) + 1] = entry

    def _document(self, entry: Entry) -> tuple[bytes, bytes]:
        """Store the licence's document and read it back; its digest and the content hash."""
        facts = entry.facts
        # The demo has no audio: it stands the facts' own hash in for the hash of the file.
        content = hashlib.sha256(f"{facts.isrc} {facts.title}".encode()).digest()
        scope: tuple[Literal["recording", "stems"], ...] = ("recording",)
        if entry.terms.offers(Tier.STEMS):
            scope = ("recording", "stems")
        recording = Recording(
            isrc=facts.isrc,
            title=facts.title,
            artists=(facts.artist or "unknown artist",),
            release_date=facts.release_date,
            content_hash=content,
            scope=scope,
        )
        document = license_document(recording=recording, terms=entry.terms)
        self._store(document.to_bytes())
        return document.digest(), content

    def _intern(self, terms: Terms, split: Split) -> None:
        """Terms and splits are stored once each; the relay pays for the first who needs them."""
        if self.chain.call("LicenseRegistry", "termsIdOf", terms.digest()) == 0:
            steps.intern_terms(self.chain, terms)
        if split.digest() not in self.split_ids:
            steps.intern_split(self.chain, split)
            number = self.chain.call("RoyaltyVault", "splitIdOf", split.digest())
            self.split_ids[split.digest()] = number

    # ---- platforms

    def fund_platforms(self) -> None:
        """Two platforms register with their bonds and deposit escrow."""
        bond = self.chain.minimum_bond_units()
        for plan, escrow in ((METERED_PLATFORM, 2_000_000), (POOL_PLATFORM, 45_000)):
            amount = escrow * DOLLAR_UNITS
            self.platforms[plan.name] = steps.register_platform(self.chain, plan, amount)
            self.deposited += bond + amount

    def buy_grant(self) -> None:
        """One of the licences that ask for a grant gets one: a fee upfront, bound to one model."""
        plan = METERED_PLATFORM
        license_id = next(i for i, entry in self.licenses.items() if entry.offer == "By agreement")
        fee = self.licenses[license_id].terms.card(Tier.GENERATIVE).grant_fee
        steps.give_dollars(self.chain, plan.admin, fee)
        self.deposited += fee
        self.chain.transact(
            plan.admin,
            "Grants",
            "buy",
            self.platforms[plan.name],
            license_id,
            int(Tier.GENERATIVE),
            plan.model,
            fee,
        )
        self.granted.add(license_id)

    # ---- reports

    def report(self) -> None:
        """A month of use: one report by the meter, one that shares a fee among all recordings used.

        The first names recordings by ISRC in a JSONL file, the second by licence in a CSV file.
        """
        start = self._now()
        self._wait(30 * DAY)
        period = Period(start=start, end=self._now())
        for plan, uses, name, pricing, total in (
            (METERED_PLATFORM, METERED_USES, "events.jsonl", Pricing.METERED, None),
            (POOL_PLATFORM, POOL_USES, "events.csv", Pricing.POOL, POOL_TOTAL),
        ):
            events = events_of(
                self.licenses,
                uses,
                model=plan.model,
                moment=period.start + 12 * DAY,
                by_isrc=pricing is Pricing.METERED,
            )
            path = write_events(self.stack.folder / f"{plan.name}-{name}", events)
            self._report(plan, path, period, pricing, total)

    def _report(
        self, plan: PlatformPlan, events: Path, period: Period, pricing: Pricing, total: int | None
    ) -> None:
        """What a platform's own program does: upload, submit, check the result, sign, wait."""
        platform_id = self.platforms[plan.name]
        with steps.oracle_client(self.chain, self.stack.leader.url, plan, platform_id) as client:
            step = self._step(f"{plan.name} reports: metered, signed, attested, on chain", 4)
            usage = Usage(
                model_id=plan.model,
                start=period.start,
                end=period.end,
                pricing=pricing,
                total=total,
                files=(client.upload(events),),
            )
            submission = steps.report_usage(
                client, platform_id, usage, patience_seconds=PATIENCE_SECONDS, step=step
            )
            self._record(plan, submission, client.rows(submission.id))

    def _record(
        self, plan: PlatformPlan, submission: Submission, rows: Sequence[PricedRow]
    ) -> None:
        part = submission.reports[0]
        if part.header is None or part.report_id is None or submission.summary is None:
            raise steps.DemoError(f"{plan.name}'s report lacks its header")
        credits_ = [Credit(row.split_id, row.amount_units) for row in rows]
        self.reports.append(
            Submitted(
                platform=plan.name,
                submission=submission.id,
                header=part.header,
                report_id=part.report_id,
                rows=[row.row for row in rows],
                credits=credits_,
                packed_credits=pack_credits(credits_),
                unlicensed=submission.summary.unlicensed_count,
                attested_by=sum(answer.outcome == "signed" for answer in part.attestations),
            )
        )

    # ---- the contested row

    def contest(self) -> None:
        """An artist finds half as much use again as was reported, says so with a bond, and is right."""
        report = self.reports[0]
        index = next(i for i, row in enumerate(report.rows) if row.metric is Metric.GENERATION)
        row = report.rows[index]
        entry = self.licenses[row.license_id]
        claimed = row.quantity * 3 // 2
        bond_money = 1_000 * DOLLAR_UNITS
        self._node("anvil_setBalance", entry.owner.address, hex(10**18))  # gas money
        steps.give_dollars(self.chain, entry.owner, bond_money)
        case = (
            tuple(report.header.model_dump().values()),
            pack_rows(report.rows),
            report.packed_credits,
        )
        evidence = self.store.put(b"Signed output manifests that name this recording.")
        digest = hashlib.sha256(self.store.get(evidence)).digest()
        claim = (row.license_id, int(row.tier), int(row.metric), claimed, digest)
        self.chain.transact(entry.owner, "Disputes", "challenge", case, claim, [])
        self.chain.transact(ARBITER, "Disputes", "rule", 1, claimed, self.chain.challenge(1).digest)
        raised = claimed * entry.terms.rate(row.tier, row.metric) // DOLLAR_UNITS
        self.ruling = {
            "license": row.license_id,
            "before": report.credits[index].amount,
            "after": raised,
        }
        self.deposited += bond_money - self.chain.call(DOLLAR, "balanceOf", entry.owner.address)

    # ---- settling and claiming

    def settle(self) -> None:
        """The window passes; the keeper settles by itself."""
        self._wait(self.chain.challenge_window())
        step = self._step("the keeper settles", len(self.reports))
        for report in self.reports:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while self.chain.report(report.report_id).state is not ReportState.SETTLED:
                if time.monotonic() > deadline:
                    raise steps.DemoError(f"not settled:\n{self.stack.leader.tail()}")
                time.sleep(0.05)
            step()

    def claim(self) -> None:
        """Every payee claims all its splits in one go; one of them by a signature to another address."""
        splits: dict[str, list[int]] = {}
        for entry in self.licenses.values():
            for payee in entry.split.payees:
                owed = splits.setdefault(payee.account, [])
                split_id = self.split_ids[entry.split.digest()]
                if split_id not in owed:
                    owed.append(split_id)
        step = self._step("payees claim", len(splits))
        for number, (account, split_ids) in enumerate(splits.items()):
            if number == 0:
                self._claim_by_signature(account, split_ids)
            else:
                self.chain.transact(RELAY, "RoyaltyVault", "claim", account, split_ids)
            for split_id in split_ids:
                claimed = self.chain.position(split_id, account).claimed_units
                self.paid[split_id, account] = claimed
            step()

    def _claim_by_signature(self, account: str, split_ids: list[int]) -> None:
        owner = next(e.owner for e in self.licenses.values() if e.owner.address == account)
        cold = SOCIETY.address
        message = Claim(account=account, to=cold, minimum=0, nonce=next(self.nonces), deadline=FAR)
        self.chain.transact(
            RELAY,
            "RoyaltyVault",
            "claimBySignature",
            cold,
            0,
            split_ids,
            self._signed(message, owner),
        )

    # ---- helpers

    def _step(self, what: str, total: int) -> Step:
        return Step(self.progress, what, total)

    def _store(self, data: bytes) -> None:
        """Put a block and read it back: nothing is minted or reported before its bytes are safe."""
        self.store.get(self.store.put(data))

    def _signed(self, message: Message, by: LocalAccount) -> tuple[str, int, int, bytes]:
        signature = sign(message, self.chain.domain(message.contract), by)
        # Every message but reports and attestations has both.
        return (by.address, message.nonce, message.deadline, signature)  # type: ignore[attr-defined]

    def _wait(self, seconds: int) -> None:
        """Move the node's clock: only a development node does that."""
        self._node("evm_increaseTime", seconds)
        self._node("evm_mine")

    def _node(self, method: str, *params: Any) -> None:
        answer = self.chain.web3.provider.make_request(RPCEndpoint(method), list(params))
        if "error" in answer:
            raise steps.DemoError(f"{method}: {answer['error']}")

    def _now(self) -> int:
        return blocks.latest(self.chain).timestamp


def play(
    chain: Chain, store: ContentStore, stack: Stack, console: Console, *, claims: bool
) -> Story:
    """The demo's month with the catalogue's first recordings; without `claims`, all up to the claims."""
    recordings = read_catalogue(ROOT / "data/catalogue/recordings.csv")
    complete = [
        facts for facts in recordings if facts.artist and all(facts.counts[s] for s in SERVICES[:6])
    ]
    entries = cast(complete[:RECORDINGS], society_members=SOCIETY_MEMBERS)
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        story = Story(chain, store, entries, progress, stack)
        story.opt_in()
        story.fund_platforms()
        story.buy_grant()
        story.report()
        story.contest()
        story.settle()
        if claims:
            story.claim()
    return story


class Step:
    """One line of progress; call it once for each thing done."""

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total)

    def __call__(self) -> None:
        self._progress.advance(self._task)
