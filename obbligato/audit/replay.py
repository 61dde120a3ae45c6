"""Replaying events by the rules: what the chain must have done, event by event.

Nothing an event says of a price, a credit, a ruling or a claim is believed: each is computed again
with `obbligato.protocol` from what came before, and compared. Pure: knows nothing of a node.
"""

from __future__ import annotations

from collections.abc import Iterable

from eth_hash.auto import keccak

from obbligato.audit.compare import Difference
from obbligato.audit.ledger import LicenseRecord, ReportRecord
from obbligato.audit.money import MoneyReplay
from obbligato.chain.deployment import Deployment
from obbligato.chain.events import Event
from obbligato.errors import InputError, ObbligatoError, RefusedError
from obbligato.protocol.constants import Flag, ReportState, Role, Tier
from obbligato.protocol.grants import Grant, span_for_sale
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.pricing import Offer, price_rows
from obbligato.protocol.rows import Credit, pack_rows, unpack_credits, unpack_rows
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.streams import Stream
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.typed_data import Contract, Domain, UsageReport


class Replay(MoneyReplay):
    """A ledger in the making. Feed it every event of a deployment in order with `apply`.

    `differences` collects what did not follow from the rules; replaying goes on with what the chain
    says, so that one difference does not hide the next.
    """

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(
            vault=deployment.address("RoyaltyVault"),
            oracle_module=deployment.address("UsageOracle"),
            disputes_module=deployment.address("Disputes"),
        )
        self._domain = Domain(
            contract=Contract.USAGE_ORACLE,
            chain_id=deployment.chain_id,
            address=deployment.address("UsageOracle"),
        )

    def apply_all(self, events: Iterable[Event]) -> Replay:
        """Apply events in order, then check what must balance; this replay."""
        for event in events:
            self.apply(event)
        self.check_attributed()
        return self

    # ---- terms, splits, licences

    def _on_terms_interned(self, event: Event) -> None:
        raw_terms = event["terms"]
        terms = Terms(
            tiers=raw_terms["tiers"],
            term_days=raw_terms["termDays"],
            flags=raw_terms["flags"],
            influence_cap_bps=raw_terms["influenceCapBps"],
            rates=tuple(
                RateCard(
                    training_run=card["trainingRun"],
                    generation=card["generation"],
                    playback=card["playback"],
                    grant_fee=card["grantFee"],
                )
                for card in raw_terms["rates"]
            ),
            text_digest=raw_terms["textDigest"],
        )
        self._same("digest of the terms", terms.digest().hex(), event["digest"].hex(), event)
        self.ledger.terms[event["termsId"]] = terms

    def _on_split_interned(self, event: Event) -> None:
        split = Split(
            payees=tuple(
                Payee(account=payee["account"], share=payee["share"], role=Role(payee["role"]))
                for payee in event["payees"]
            )
        )
        self._same("digest of the split", split.digest().hex(), event["digest"].hex(), event)
        self.ledger.splits[event["splitId"]] = split

    def _on_license_minted(self, event: Event) -> None:
        terms_id = event["termsId"]
        self.ledger.licenses[event["licenseId"]] = LicenseRecord(
            license_id=event["licenseId"],
            owner=event["owner"],
            content=event["content"],
            split_id=event["splitId"],
            history=LicenseHistory.mint(
                terms_id=terms_id,
                terms=self.ledger.terms[terms_id],
                document=event["document"],
                now=event.timestamp,
            ),
            document=event["document"],
        )

    def _on_transfer(self, event: Event) -> None:
        known = self.ledger.licenses.get(event["tokenId"])
        if known is not None:  # the transfer of the mint comes before the mint's own event
            known.owner = event["to"]

    def _on_license_amended(self, event: Event) -> None:
        known = self.ledger.licenses[event["licenseId"]]
        terms_id = event["termsId"]
        known.history = known.history.amend(
            terms_id=terms_id,
            terms=self.ledger.terms[terms_id],
            document=event["document"],
            now=event.timestamp,
        )
        known.document = event["document"]
        self._same("start of the amendment", known.history.versions[-1].start, event["from"], event)

    def _on_license_revoked(self, event: Event) -> None:
        known = self.ledger.licenses[event["licenseId"]]
        known.history = known.history.revoke(now=event.timestamp, sold_until=known.renewed_until)
        self._same("end of the licence", known.history.ends_at, event["endsAt"], event)

    def _on_license_reinstated(self, event: Event) -> None:
        known = self.ledger.licenses[event["licenseId"]]
        known.history = known.history.reinstate(now=event.timestamp)

    def _on_license_voided(self, event: Event) -> None:
        known = self.ledger.licenses[event["licenseId"]]
        known.history = known.history.void(now=event.timestamp)
        self._same("end of the licence", known.history.ends_at, event["endsAt"], event)

    def _on_split_changed(self, event: Event) -> None:
        known = self.ledger.licenses[event["licenseId"]]
        self._same("split before the change", known.split_id, event["fromSplitId"], event)
        known.split_id = event["toSplitId"]

    # ---- grants

    def _on_granted(self, event: Event) -> None:
        known = self.ledger.licenses[event["licenseId"]]
        self._same("split of the grant's fee", known.split_id, event["splitId"], event)
        grant = Grant(
            license_id=event["licenseId"],
            tier=Tier(event["tier"]),
            platform_id=event["platformId"],
            model_id=event["modelId"],
            start=event["start"],
            end=event["end"],
        )
        self._check_span(known, grant, event)
        self.ledger.grants[grant.license_id, grant.tier, grant.platform_id].append(grant)
        if grant.start > event.timestamp:
            known.renewed_until = grant.end
        self.fee_due(event)

    def _check_span(self, known: LicenseRecord, grant: Grant, event: Event) -> None:
        """A grant runs to the end of the term, a renewal through the next one."""
        sold = self.ledger.grants[grant.license_id, grant.tier, grant.platform_id]
        held = [each.end for each in sold if each.is_for_same_use_as(grant)]
        found = f"{grant.start} to {grant.end}"
        try:
            start, end = span_for_sale(
                known.history, held_until=max(held, default=0), now=event.timestamp
            )
        except RefusedError as error:
            self._same("time of the grant", f"refused ({error})", found, event)
            return
        self._same("time of the grant", f"{start} to {end}", found, event)

    # ---- reports

    def _on_report_submitted(self, event: Event) -> None:
        header = UsageReport.read(event["report"])
        report = ReportRecord(
            report_id=event["reportId"],
            header=header,
            reporter=event["reporter"],
            rows=tuple(unpack_rows(event["rows"])),
            credits=tuple(unpack_credits(event["credits"])),
            submitted_at=event.timestamp,
            transaction=event.transaction,
        )
        report_name = report.report_id.hex()
        if report.report_id in self.ledger.reports:
            self._same("submissions", 1, "2 or more", event, report=report_name)
        self._check_stream(report, event)
        self.ledger.reports[report.report_id] = report
        digest = keccak(pack_rows(report.rows))
        self._same("reportId", header.digest(self._domain).hex(), report_name, event)
        self._same("rowsDigest", digest.hex(), header.rows_digest.hex(), event, report=report_name)
        self._same("rowCount", len(report.rows), header.row_count, event, report=report_name)
        self._check_prices(report, event)

    def _check_stream(self, report: ReportRecord, event: Event) -> None:
        """Reports of a stream follow each other, and no time is covered twice or left out."""
        header, report_name = report.header, report.report_id.hex()
        key = header.platform_id, header.model_id
        stream = self.ledger.streams.get(key, Stream())
        self._same("sequence", stream.sequence + 1, header.sequence, event, report=report_name)
        before = stream.last.hex()
        self._same("previous report", before, header.previous.hex(), event, report=report_name)
        start, end = header.period_start, header.period_end
        try:
            has_rows = header.row_count > 0
            stream.check_period(start, end, has_rows=has_rows, now=event.timestamp)
        except RefusedError:
            covered = (
                f"from {stream.covered_until} on, or a correction before it, of at most 31 days"
            )
            self._same("period", covered, f"{start} to {end}", event, report=report_name)
        if end > event.timestamp:
            self._same("end of the period", "past", "in the future", event, report=report_name)
        self.ledger.streams[key] = stream.after(header, report.report_id)

    def _check_prices(self, report: ReportRecord, event: Event) -> None:
        """Price the report again and compare every credit."""
        report_name = report.report_id.hex()
        if not report.rows:
            self._same("total", 0, report.header.total, event, report=report_name)
            return
        try:
            priced = price_rows(
                report.rows,
                pricing=report.header.pricing,
                offer_of=lambda license_id, tier: self._offer(report.header, license_id, tier),
                total=report.header.total,
            )
        except (RefusedError, InputError) as error:
            self.differences.append(
                Difference("the report", f"refused ({error})", "accepted", report_name, error.row)
            )
            return
        for row, (expected, found) in enumerate(zip(priced.credits, report.credits, strict=False)):
            if expected != found:
                self.differences.append(
                    Difference("credit", _words(expected), _words(found), report_name, row)
                )
        self._same("credits", len(priced.credits), len(report.credits), event, report=report_name)

    def _offer(self, header: UsageReport, license_id: int, tier: Tier) -> Offer | None:
        known = self.ledger.licenses.get(license_id)
        if known is None:
            return None
        start, end = header.period_start, header.period_end
        terms = known.history.period_terms(tier, start, end)
        if terms is None:
            return None
        granted = any(
            grant.covers(
                license_id=license_id,
                tier=tier,
                platform_id=header.platform_id,
                model_id=header.model_id,
                start=start,
                end=end,
                bound=terms.has(Flag.MODEL_BOUND),
            )
            for grant in self.ledger.grants.get((license_id, tier, header.platform_id), ())
        )
        return Offer(terms=terms, split_id=known.split_id, granted=granted)

    def _on_report_funded(self, event: Event) -> None:
        report = self.ledger.reports[event["reportId"]]
        if report.state is not ReportState.UNFUNDED:
            report_name = report.report_id.hex()
            before = ReportState.UNFUNDED
            self._same("state before funding", before, report.state, event, report=report_name)
        report.state = ReportState.PENDING
        report.window_end = event["end"]

    def _on_report_unfunded(self, event: Event) -> None:
        report = self.ledger.reports[event["reportId"]]
        report_name = report.report_id.hex()
        self._same("needed", report.header.total, event["needed"], event, report=report_name)

    def _on_row_held(self, event: Event) -> None:
        report = self.ledger.reports[event["reportId"]]
        row = event["index"]
        report_name = report.report_id.hex()
        amount = report.credits[row].amount
        self._same("held amount", amount, event["amount"], event, report=report_name, row=row)
        report.held.add(row)

    def _on_report_settled(self, event: Event) -> None:
        report = self.ledger.reports[event["reportId"]]
        report_name = report.report_id.hex()
        if report.state is not ReportState.PENDING:
            self._same(
                "state before settling",
                ReportState.PENDING,
                report.state,
                event,
                report=report_name,
            )
        if report.rows and report.window_end is not None and event.timestamp < report.window_end:
            at_least = f"at least {report.window_end}"
            self._same("time of settling", at_least, event.timestamp, event, report=report_name)
        report.state = ReportState.SETTLED
        for row, credit in enumerate(report.credits):
            if row not in report.held:
                report.settled += credit.amount
                self.credit(
                    self.oracle_module, report.header.platform_id, credit.split_id, credit.amount
                )
        self._same("settled amount", report.settled, event["credited"], event, report=report_name)

    # ---- helpers

    def apply(self, event: Event) -> None:
        """Apply one event. What the rules refuse altogether is a difference, too."""
        handler = getattr(self, "_on_" + _snake(event.name), None)
        if handler is None:
            return
        try:
            handler(event)
        except (ObbligatoError, LookupError, ValueError) as error:
            self.differences.append(
                Difference(
                    what="the event",
                    expected=f"possible by the rules ({type(error).__name__}: {error})",
                    found=f"{event.contract}.{event.name} in block {event.block}",
                    where=f"transaction {event.transaction}, log {event.index}",
                )
            )


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)[1:]


def _words(credit: Credit) -> str:
    return f"{credit.amount} to split {credit.split_id}"
