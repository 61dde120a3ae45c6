"""The replay of money: escrow, reserves, bonds, credits, rulings and claims."""

from __future__ import annotations

from collections import defaultdict

from obbligato.audit.compare import Difference
from obbligato.audit.ledger import ChallengeRecord, Ledger, PlatformRecord, ReportRecord
from obbligato.chain.events import Event
from obbligato.errors import RefusedError
from obbligato.protocol.constants import UINT64_MAX
from obbligato.protocol.rulings import RowKey, contested_row, position_of, rule
from obbligato.protocol.splits import entitlement


class MoneyReplay:
    """Every event that moves money. `Replay` adds licences and reports."""

    def __init__(self, *, vault: str, oracle_module: str, disputes_module: str) -> None:
        self.ledger = Ledger()
        self.differences: list[Difference] = []
        self.vault = vault
        self.oracle_module = oracle_module
        self.disputes_module = disputes_module
        # What the vault says it credited from a bucket, less what reports and rulings explain.
        self._unexplained: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._taken: defaultdict[tuple[str, int], int] = defaultdict(int)
        # Fees that grants announced: (transaction, splitId, amount).
        self._fees_due: list[tuple[str, int, int]] = []

    def credit(self, module: str, platform_id: int, split_id: int, amount: int) -> None:
        """A split earned money that the vault must have taken from this module's bucket."""
        self._receive(split_id, amount)
        self._unexplained[module, platform_id] -= amount

    def _receive(self, split_id: int, amount: int) -> None:
        """A split's accumulator stops at 2^64 - 2; what is over stays in the vault."""
        received = self.ledger.received[split_id] + amount
        self.ledger.received[split_id] = min(received, UINT64_MAX - 1)

    def check_attributed(self) -> None:
        """Every credit must be explained by a report or a ruling, and every grant's fee be paid."""
        for transaction, split_id, fee in self._fees_due:
            where = f"transaction {transaction}"
            self.differences.append(
                Difference("fee of a grant", f"{fee} to split {split_id}", "not paid", where=where)
            )
        for (module, platform_id), amount in self._unexplained.items():
            if amount != 0:
                self.differences.append(
                    Difference(
                        what="credits without a reason",
                        expected="0",
                        found=str(amount),
                        where=f"module {module}, platform {platform_id}",
                    )
                )

    def _same(
        self,
        what: str,
        expected: object,
        found: object,
        event: Event,
        *,
        report: str | None = None,
        row: int | None = None,
        of: str | None = None,
    ) -> None:
        if expected != found:
            where = f"{event.contract}.{event.name} in transaction {event.transaction}"
            if of is not None:
                where = f"{of}, {where}"
            self.differences.append(Difference(what, str(expected), str(found), report, row, where))

    # ---- platforms

    def _on_platform_registered(self, event: Event) -> None:
        platform = PlatformRecord(event["platformId"], event["admin"], event["bond"])
        self.ledger.platforms[platform.platform_id] = platform

    def _on_admin_transferred(self, event: Event) -> None:
        self.ledger.platforms[event["platformId"]].admin = event["to"]

    def _on_deposited(self, event: Event) -> None:
        self.ledger.platforms[event["platformId"]].available += event["amount"]

    def _on_bond_added(self, event: Event) -> None:
        self.ledger.platforms[event["platformId"]].bond += event["amount"]

    def _on_thaw_started(self, event: Event) -> None:
        platform = self.ledger.platforms[event["platformId"]]
        platform.available -= event["amount"]
        platform.thawing += event["amount"]

    def _on_thaw_cancelled(self, event: Event) -> None:
        platform = self.ledger.platforms[event["platformId"]]
        self._same(
            "thawing",
            platform.thawing,
            event["amount"],
            event,
            of=f"platform {platform.platform_id}",
        )
        platform.available += platform.thawing
        platform.thawing = 0

    def _on_withdrawn(self, event: Event) -> None:
        platform = self.ledger.platforms[event["platformId"]]
        self._same(
            "thawing",
            platform.thawing,
            event["amount"],
            event,
            of=f"platform {platform.platform_id}",
        )
        self.ledger.platform_paid_out += platform.thawing
        platform.thawing = 0

    def _on_platform_closing(self, event: Event) -> None:
        self.ledger.platforms[event["platformId"]].closing = True

    def _on_bond_withdrawn(self, event: Event) -> None:
        platform = self.ledger.platforms[event["platformId"]]
        self._same(
            "bond", platform.bond, event["amount"], event, of=f"platform {platform.platform_id}"
        )
        self.ledger.platform_paid_out += platform.bond
        platform.bond = 0

    def _on_obligations_changed(self, event: Event) -> None:
        self.ledger.platforms[event["platformId"]].obligations = event["obligations"]

    # ---- buckets

    def _take(self, event: Event, *, bond: bool) -> None:
        """Money moves into a bucket from available, then thawing, then (seizing) the bond."""
        platform = self.ledger.platforms[event["platformId"]]
        missing: int = event["amount"]
        for source in ("available", "thawing", "bond") if bond else ("available", "thawing"):
            part = min(missing, getattr(platform, source))
            setattr(platform, source, getattr(platform, source) - part)
            missing -= part
        self._same("escrow short by", 0, missing, event)
        self.ledger.reserved[event["module"], platform.platform_id] += event["amount"]

    def _on_reserved(self, event: Event) -> None:
        self._take(event, bond=False)

    def _on_seized(self, event: Event) -> None:
        self._take(event, bond=True)

    def _spend(self, event: Event) -> int:
        amount: int = event["amount"]
        self.ledger.reserved[event["module"], event["platformId"]] -= amount
        if self.ledger.reserved[event["module"], event["platformId"]] < 0:
            self._same("reserve", "not below 0", "below 0", event)
        return amount

    def _on_handed_over(self, event: Event) -> None:
        self.ledger.reserved[event["to"], event["platformId"]] += self._spend(event)

    def _on_released(self, event: Event) -> None:
        self.ledger.platforms[event["platformId"]].available += self._spend(event)

    def _on_awarded(self, event: Event) -> None:
        self.ledger.refunds[event["account"]] += self._spend(event)

    def _on_credited(self, event: Event) -> None:
        self._unexplained[event["module"], event["platformId"]] += self._spend(event)

    # ---- challenge bonds

    def _on_bond_posted(self, event: Event) -> None:
        self.ledger.challenge_bonds += event["amount"]
        if event["fromCredit"]:
            # The claim just before took everything; what is over the bond went to the refunds.
            collected = self._taken.pop((event["account"], event.block), 0)
            self.ledger.refunds[event["account"]] += collected - event["amount"]

    def _on_bond_awarded(self, event: Event) -> None:
        self.ledger.challenge_bonds -= event["amount"]
        self.ledger.refunds[event["account"]] += event["amount"]

    def _on_bond_to_platform(self, event: Event) -> None:
        self.ledger.challenge_bonds -= event["amount"]
        self.ledger.platforms[event["platformId"]].available += event["amount"]

    def _on_bond_to_split(self, event: Event) -> None:
        self.ledger.challenge_bonds -= event["amount"]
        self._receive(event["splitId"], event["amount"])

    # ---- fees

    def fee_due(self, event: Event) -> None:
        """A grant's fee must be paid into the licence's split in the same transaction."""
        if event["fee"]:
            self._fees_due.append((event.transaction, event["splitId"], event["fee"]))

    def _on_paid_in(self, event: Event) -> None:
        paid = (event.transaction, event["splitId"], event["amount"])
        if paid in self._fees_due:
            self._fees_due.remove(paid)
        else:
            self._same("fee", "that of a grant", f"{event['amount']} without a grant", event)
        self.ledger.fees += event["amount"]
        self._receive(event["splitId"], event["amount"])

    # ---- challenges

    def _on_challenged(self, event: Event) -> None:
        report = self.ledger.reports[event["reportId"]]
        key = (event["licenseId"], event["tier"], event["metric"])
        license_record = self.ledger.licenses[event["licenseId"]]
        try:
            row, split_id = contested_row(
                report.header,
                report.rows,
                report.credits,
                key,
                claimed=event["claimed"],
                history=license_record.history,
                split_id=license_record.split_id,
                reduced=self._is_reduced(report, key),
                ruled=self.ledger.row_amounts.get((report.report_id, key)),
            )
        except RefusedError as refused:
            self._same_of_row("the challenged row", "priced", str(refused), event, report, key)
            return
        for what, expected, found in (
            ("reported quantity", row.reported, event["reported"]),
            ("amount of the row", row.credited, event["amount"]),
            ("split of the row", split_id, event["splitId"]),
        ):
            self._same_of_row(what, expected, found, event, report, key)
        self.ledger.challenges[event["challengeId"]] = ChallengeRecord(
            challenge_id=event["challengeId"],
            report_id=report.report_id,
            row_key=key,
            split_id=event["splitId"],
            challenger=event["challenger"],
            claimed=event["claimed"],
            bond=event["bond"],
            row=row,
            evidence=event["evidence"],
        )
        if event["claimed"] < row.reported:
            self.ledger.open_reductions[report.report_id, key] = event["challengeId"]

    def _is_reduced(self, report: ReportRecord, key: RowKey) -> bool:
        """Whether a reduction of the row has ended: it is out of the report, and none is open."""
        held = position_of(report.rows, key) in report.held
        return held and (report.report_id, key) not in self.ledger.open_reductions

    def _close(self, challenge: ChallengeRecord) -> None:
        """A challenge whose place another took leaves the row to that other."""
        challenge.open = False
        row = challenge.report_id, challenge.row_key
        if self.ledger.open_reductions.get(row) == challenge.challenge_id:
            del self.ledger.open_reductions[row]

    def _on_ruled(self, event: Event) -> None:
        challenge = self.ledger.challenges[event["challengeId"]]
        row = challenge.row
        ruling = rule(
            row, claimed=challenge.claimed, ruled=event["quantity"], bond_units=challenge.bond
        )
        reduction = challenge.claimed < row.reported
        amount = ruling.to_split if reduction else row.credited + ruling.owed
        due = (0 if reduction else ruling.owed) + ruling.platform_stake
        paid = ruling.to_split if reduction else min(ruling.owed, due - event["arrears"])
        report = self.ledger.reports[challenge.report_id]
        for what, expected, found in (
            ("ruled amount", amount, event["amount"]),
            ("paid by the ruling", paid, event["paid"]),
            ("challenger won", ruling.winner == "challenger", event["challengerWon"]),
        ):
            self._same_of_row(what, expected, found, event, report, challenge.row_key)
        owed = 0 if reduction else ruling.owed - paid
        self._close(challenge)
        challenge.ruled_quantity = event["quantity"]
        challenge.arrears = (owed, event["arrears"] - owed)
        ruled_row = (challenge.report_id, challenge.row_key)
        # A claim of more that failed changes nothing; a reduction does not undo one that succeeded.
        unchanged = (
            ruled_row in self.ledger.row_amounts if reduction else event["quantity"] == row.reported
        )
        if not unchanged:
            self.ledger.row_amounts[ruled_row] = (event["quantity"], amount)
        self._pay_row(challenge, paid)

    def _on_lapsed(self, event: Event) -> None:
        challenge = self.ledger.challenges[event["challengeId"]]
        # A reduction pays its row, unless a lower one took its place.
        row_of = challenge.report_id, challenge.row_key
        pays = self.ledger.open_reductions.get(row_of) == challenge.challenge_id
        paid = challenge.row.credited if pays else 0
        report = self.ledger.reports[challenge.report_id]
        self._same_of_row(
            "paid by the lapse", paid, event["paid"], event, report, challenge.row_key
        )
        self._close(challenge)
        self._pay_row(challenge, paid)

    def _on_arrears_paid(self, event: Event) -> None:
        challenge = self.ledger.challenges[event["challengeId"]]
        report = self.ledger.reports[challenge.report_id]
        owed, penalty = challenge.arrears
        taken = event["paid"] + event["penalty"]
        # In parts or whole, but the row comes first.
        paid = min(owed, taken)
        expected, found = (paid, min(penalty, taken - paid)), (event["paid"], event["penalty"])
        self._same_of_row("arrears", expected, found, event, report, challenge.row_key)
        self._pay_row(challenge, paid)
        challenge.arrears = (max(0, owed - found[0]), max(0, penalty - found[1]))

    def _pay_row(self, challenge: ChallengeRecord, amount: int) -> None:
        report = self.ledger.reports[challenge.report_id]
        challenge.paid += amount
        report.ruled += amount
        self.credit(self.disputes_module, report.header.platform_id, challenge.split_id, amount)

    def _same_of_row(
        self,
        what: str,
        expected: object,
        found: object,
        event: Event,
        report: ReportRecord,
        key: RowKey,
    ) -> None:
        """A difference is of the row of a report; one that the report left out has no position."""
        row = position_of(report.rows, key)
        of = None if row is not None else f"licence {key[0]}, tier {key[1]}, metric {key[2]}"
        report_name = report.report_id.hex()
        self._same(what, expected, found, event, report=report_name, row=row, of=of)

    # ---- claims

    def _on_claimed(self, event: Event) -> None:
        payee = event["payee"]
        due = 0
        for split_id in dict.fromkeys(event["splitIds"]):
            share = self.ledger.splits[split_id].share_of(payee)
            entitled = entitlement(self.ledger.received[split_id], share)
            due += entitled - self.ledger.claimed[split_id, payee]
            self.ledger.claimed[split_id, payee] = entitled
        of = f"payee {payee}"
        self._same("refunds paid", self.ledger.refunds[payee], event["refunds"], event, of=of)
        due += self.ledger.refunds[payee]
        self.ledger.refunds[payee] = 0
        self._same("claim", due, event["amount"], event, of=of)
        if event["to"] == self.vault:
            self._taken[payee, event.block] += due
        else:
            self.ledger.paid[payee] += due
