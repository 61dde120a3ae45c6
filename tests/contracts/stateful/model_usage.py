"""The model's usage: attesters, the pause, and reports."""

from __future__ import annotations

from collections.abc import Sequence

from obbligato.protocol.constants import Tier
from obbligato.protocol.typed_data import UsageReport
from tests.contracts.stateful.model_licenses import Licenses
from tests.contracts.stateful.records import (
    DAY,
    GRANT_REQUIRED,
    METERED,
    NOT_OFFERED,
    PAUSE_LENGTH,
    PAUSE_SPACING,
    POOL_FLAG,
    PPM,
    U64,
    WEIGHTS,
    Attestations,
    Credit,
    Key,
    PeriodOffer,
    Refused,
    Report,
    period_offer,
    refuse,
    unpack_rows,
)


class Usage(Licenses):
    """What is reported, priced and settled."""

    # ---- attesters and the pause ------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        return len(self.versions)

    def set_attesters(self, by: str, attesters: Sequence[str]) -> None:
        refuse("NotGovernor", when=by != self.at.governor)
        refuse("AttesterCountInvalid", when=not attesters)
        numbers = [int(account, 16) for account in attesters]
        refuse("AttestersNotAscending", when=numbers != sorted(set(numbers)))
        roles = {self.at.governor, self.at.guardian, self.at.arbiter}
        refuse("RoleInvalid", when=not roles.isdisjoint(attesters))
        n = len(attesters)
        self.quorum = (n + (n - 1) // 3) // 2 + 1
        self.versions[self.version + 1] = tuple(attesters)

    def remove_attester(self, by: str, attester: str) -> None:
        refuse("NotGuardian", when=by != self.at.guardian)
        current = self.versions[self.version]
        refuse("AttesterUnknown", when=attester not in current)
        refuse("QuorumWouldBreak", when=len(current) - 1 < self.quorum)
        self.versions[self.version + 1] = tuple(a for a in current if a != attester)

    def pause(self, by: str) -> None:
        if by == self.at.guardian:
            too_soon = (
                self.guardian_paused_at and self.now < self.guardian_paused_at + PAUSE_SPACING
            )
            refuse("PausedTooSoon", when=bool(too_soon))
            self.guardian_paused_at = self.now
        else:
            refuse("NotPauser", when=by != self.at.governor)
            self.governor_paused_until = self.now + PAUSE_LENGTH
        self.paused_until = self.now + PAUSE_LENGTH

    def unpause(self, by: str) -> None:
        refuse("NotPauser", when=by not in (self.at.guardian, self.at.governor))
        if by == self.at.governor:
            self.governor_paused_until = 0
        refuse("PausedByGovernor", when=self.now < self.governor_paused_until)
        self.paused_until = 0

    def _check_running(self) -> None:
        refuse("Paused", when=self.now < self.paused_until)

    # ---- reports ----------------------------------------------------------------------------------------------------

    def submit(
        self,
        report_id: bytes,
        header: UsageReport,
        packed: bytes,
        digest: bytes,
        reporter: str,
        signer: str,
        attested: Attestations,
    ) -> None:
        """`signer` signed as the reporter; `digest` is the keccak256 of the packed rows."""
        self._check_running()
        refuse("ReportExists", when=report_id in self.reports)
        refuse("DeadlinePassed", when=self.now > header.deadline)
        platform = self.platforms.get(header.platform_id)
        refuse("ReporterUnknown", when=platform is None or reporter not in platform.reporters)
        refuse("ReporterSignatureInvalid", when=signer != reporter)
        self._check_quorum(attested)
        leads = self._check_place(header)
        credits_ = self._priced(header, packed, digest)
        funded = self._check_reserve(self.at.oracle, header.platform_id, header.total)

        stream = self.streams[header.platform_id, header.model_id]
        stream.last, stream.sequence = report_id, header.sequence
        if leads:
            stream.covered_until = header.period_end
        report = Report(header, unpack_rows(packed), credits_, attested.version, "unfunded")
        self.reports[report_id] = report
        self.reserve(self.at.oracle, header.platform_id, header.total)
        if not funded:
            self.oblige(self.at.oracle, header.platform_id, True)
            return
        self._start_window(report)
        if not report.rows:
            report.state = "settled"

    def _check_quorum(self, attested: Attestations) -> None:
        refuse("ConfigVersionStale", when=attested.version != self.version)
        refuse("AttestationsMalformed", when=not attested.whole)
        refuse("QuorumMissing", when=len(attested.signers) < self.quorum)
        last = 0
        for signer in attested.signers:
            refuse("SignersNotAscending", when=int(signer, 16) <= last)
            refuse("SignerUnknown", when=signer not in self.versions[self.version])
            last = int(signer, 16)

    def _check_place(self, header: UsageReport) -> bool:
        """Whether the report leads its stream."""
        stream = self.streams[header.platform_id, header.model_id]
        covered = stream.covered_until
        refuse("SequenceInvalid", when=header.sequence != stream.sequence + 1)
        refuse("PreviousInvalid", when=header.previous != stream.last)
        refuse("PeriodInvalid", when=header.period_start >= header.period_end)
        refuse("PeriodNotOver", when=header.period_end > self.now)
        refuse("PeriodTooLong", when=header.period_end - header.period_start > 31 * DAY)
        continues = bool(covered) and covered in (header.period_start, header.period_end)
        refuse("PeriodTooOld", when=not continues and header.period_start + 92 * DAY < self.now)
        leads = covered in (0, header.period_start)
        refuse("PeriodGap", when=not leads and header.period_end > covered)
        refuse("ZeroStatementRepeated", when=not leads and header.row_count == 0)
        return leads

    def _priced(self, header: UsageReport, packed: bytes, digest: bytes) -> list[Credit]:
        refuse("RowCountMismatch", when=header.row_count != len(packed) // 14)
        refuse("RowsDigestMismatch", when=header.rows_digest != digest)
        refuse("PricingInvalid", when=header.row_count == 0 and header.pricing != METERED)
        credits_, offers = self.price(
            packed, header.period_start, header.period_end, header.pricing, header.total
        )
        refuse("TotalMismatch", when=sum(amount for _, amount in credits_) != header.total)
        for row, offer in zip(unpack_rows(packed), offers, strict=True):
            needed = bool(offer.flags & GRANT_REQUIRED)
            place = (row[0], row[1], header.platform_id, header.model_id)
            covered = not needed or self.covered(*place, header.period_start, header.period_end)
            refuse("GrantMissing", when=not covered)
        return credits_

    def offer(self, key: Key, start: int, end: int) -> tuple[PeriodOffer, int]:
        """The offer for a row and the split it pays."""
        license_id, tier, metric = key
        refuse("UnknownLicense", when=license_id not in self.licenses)
        refuse("UnknownTier", when=tier not in WEIGHTS)
        refuse("UnknownMetric", when=metric not in (1, 2, 3))
        found = self.licenses[license_id]
        last = min(end, found.history.ends_at or end)
        turns = [start, *(version.start for version in found.history.versions), last]
        moments = sorted(
            {turn for turn in turns if start <= turn < last}
            | ({last - 1} if last > start else set())
        )
        # Every version in force within the period is in force at its first second there, or at the period's last.
        moments += [turn - 1 for turn in turns if start < turn <= last]
        consented = sorted(m for m in moments if found.history.consent_at(Tier(tier), m))
        if not consented:
            raise Refused("NoConsent")
        both = [found.history.version_at(consented[at]).terms for at in (0, -1)]
        return period_offer(both, key), found.split_id

    def price(
        self, packed: bytes, start: int, end: int, pricing: int, total: int
    ) -> tuple[list[Credit], list[PeriodOffer]]:
        refuse("RowsMalformed", when=len(packed) % 14 != 0)
        rows = unpack_rows(packed)
        refuse("TooManyRows", when=len(rows) > 1000)
        refuse("PeriodInvalid", when=start >= end)
        whole = sum(quantity * WEIGHTS.get(tier, 0) for _, tier, _, quantity in rows)
        credits_: list[Credit] = []
        offers: list[PeriodOffer] = []
        before: Key = (0, 0, 0)
        reached = wide = 0
        for row in rows:
            key, quantity = row[:3], row[3]
            refuse("RowsNotAscending", when=key <= before)
            before = key
            try:
                offer, split_id = self.offer(key, start, end)
            except Refused as refused:
                refuse("QuantityZero", when=refused.name == "NoConsent" and quantity == 0)
                raise
            refuse("QuantityZero", when=quantity == 0)
            reserve = 0 if offer.reserve == NOT_OFFERED else quantity * offer.reserve // PPM
            if pricing == METERED:
                refuse("NotOffered", when=offer.rate == NOT_OFFERED)
                amount = quantity * offer.rate // PPM
            else:
                refuse("NotInPool", when=not offer.flags & POOL_FLAG)
                upto = reached + quantity * WEIGHTS[key[1]]
                amount = total * upto // whole - total * reached // whole
                reached = upto
                refuse("BelowReserve", when=amount < reserve)
            wide += amount
            refuse("AmountTooLarge", when=wide > U64)
            credits_.append((split_id, amount))
            offers.append(offer)
        return credits_, offers

    def _start_window(self, report: Report) -> None:
        report.state = "pending"
        report.end = self.now + self.parameters.challenge_window
        report.taken += report.header.total

    def fund(self, report_id: bytes) -> None:
        report = self.reports.get(report_id)
        refuse("NotUnfunded", when=report is None or report.state != "unfunded")
        place = (self.at.oracle, report.platform_id, report.header.total)
        refuse("EscrowShort", when=not self._check_reserve(*place, obligations=1))
        self.oblige(self.at.oracle, report.platform_id, False)
        self.reserve(*place)
        self._start_window(report)

    def settle(self, report_id: bytes, packed_credits: bytes) -> None:
        self._check_running()
        report = self.reports.get(report_id)
        refuse("NotPending", when=report is None or report.state != "pending")
        refuse("WindowOpen", when=self.now < report.end)
        refuse("CreditsDigestMismatch", when=packed_credits != report.packed_credits)
        report.state = "settled"
        free = [credit for i, credit in enumerate(report.credits) if i not in report.held]
        self.credit(self.at.oracle, report.platform_id, free)
        report.paid += sum(amount for _, amount in free)
