"""The model's disputes: challenges and rival claims."""

from __future__ import annotations

from collections.abc import Sequence

from tests.contracts.stateful.model_usage import Usage
from tests.contracts.stateful.records import (
    DEAD,
    NOT_OFFERED,
    POOL,
    POOL_FLAG,
    PPM,
    U64,
    WEIGHTS,
    Arrears,
    Challenge,
    Key,
    PeriodOffer,
    Record,
    Refused,
    Report,
    RivalClaim,
    refuse,
)


class Disputes(Usage):
    """What is contested, and what a ruling moves."""

    # ---- challenges -------------------------------------------------------------------------------------------------

    def challenge(
        self,
        report_id: bytes,
        packed: bytes,
        packed_credits: bytes,
        key: Key,
        quantity: int,
        challenger: str,
        *,
        bond_splits: Sequence[int] | None = None,
        maximum: int = U64,
    ) -> int:
        """`bond_splits` None: the bond comes from the challenger's wallet."""
        opened = self._opened(report_id, packed, packed_credits, key, quantity, challenger)
        refuse("BondAboveMaximum", when=opened.bond > maximum)
        record = self.records[report_id, key]
        superseded = self.challenges.get(
            record.open_reduction if opened.reduces else record.open_challenge
        )
        # It gives way to one that claims less, or far more; its bond may pay the next.
        if superseded:
            self._return_bond(superseded.challenger, superseded.bond)
        try:
            if bond_splits is None:
                self._bond_from_wallet(challenger, opened.bond)
            else:
                self._bond_from_credit(challenger, bond_splits, opened.bond)
        except Refused:
            if superseded:
                self._return_bond(superseded.challenger, -superseded.bond)
            raise
        challenge_id = len(self.challenges) + 1
        self.challenges[challenge_id] = opened
        if opened.reduces:
            record.open_reduction = challenge_id
        else:
            record.open_challenge = challenge_id
        if superseded:
            superseded.state = "lapsed"
        self._delay_thaw(self.platforms[opened.platform_id])
        if opened.reduces and not superseded:
            self.reports[report_id].held.add(self.reports[report_id].find(key))
            self.buckets[self.at.oracle, opened.platform_id] -= opened.amount
            self.buckets[self.at.disputes, opened.platform_id] += opened.amount
        return challenge_id

    def _opened(
        self,
        report_id: bytes,
        packed: bytes,
        packed_credits: bytes,
        key: Key,
        quantity: int,
        challenger: str,
    ) -> Challenge:
        report = self.reports.get(report_id)
        refuse("NotChallengeable", when=report is None or report.state == "unfunded")
        refuse("RowsDigestMismatch", when=packed != report.packed_rows)
        index = report.find(key)
        offer, split_id = self.offer(key, report.header.period_start, report.header.period_end)
        numerator, denominator = self._frozen_price(report, key, offer, absent=index is None)
        reported = amount = 0
        if index is not None:
            refuse("CreditsDigestMismatch", when=packed_credits != report.packed_credits)
            reported = report.rows[index][3]
            split_id, amount = report.credits[index]
        record = self.records[report_id, key]
        reduces = quantity < reported and (index not in report.held or record.open_reduction > 0)
        rival = None
        if reduces:
            rival = self.challenges.get(record.open_reduction)
            refuse("AlreadyChallenged", when=rival is not None and quantity >= rival.claimed)
        else:
            if record.ruled:
                reported, amount = record.quantity, record.amount
            refuse("RowRuled", when=quantity < reported)
            refuse("NothingClaimed", when=quantity == reported)
            rival = self.challenges.get(record.open_challenge)
            if rival:
                far = rival.claimed + (rival.claimed - rival.reported)
                refuse("AlreadyChallenged", when=quantity <= far)
        late = max(report.end + self.parameters.claim_period, record.reopen_until)
        if rival:  # its clock goes on: nobody takes its place once its arbitration is over
            over = rival.disputed_since + self.parameters.arbitration_period
            last = over if reduces else min(late, over)
        else:
            last = report.end if reduces else late
        refuse("ChallengeTooLate", when=self.now >= last)
        value = quantity * numerator // denominator
        refuse("ValueTooLarge", when=value > U64)
        disputed = amount if reduces else abs(value - amount)
        crowd = sum(
            c.state == "open" and c.report_id == report_id for c in self.challenges.values()
        )
        least = self.parameters.minimum_challenge_bond * (1 + crowd // 10)
        bond = max(least, disputed // 10)
        if challenger in self.splits[split_id].shares:
            bond //= 2
        return Challenge(
            report_id=report_id,
            key=key,
            challenger=challenger,
            opened_at=self.now,
            platform_id=report.platform_id,
            reported=reported,
            claimed=quantity,
            amount=amount,
            numerator=numerator,
            denominator=denominator,
            split_id=split_id,
            disputed_since=rival.disputed_since if rival else self.now,
            bond=bond,
        )

    def _frozen_price(
        self, report: Report, key: Key, offer: PeriodOffer, absent: bool
    ) -> tuple[int, int]:
        rate = offer.reserve
        if report.header.pricing == POOL and offer.flags & POOL_FLAG:
            share = report.header.total * WEIGHTS[key[1]]
            whole = sum(quantity * WEIGHTS[tier] for _, tier, _, quantity in report.rows)
            # A row that a pool left out is worth its reserve price at least.
            if not absent or rate == NOT_OFFERED or share * PPM >= rate * whole:
                return share, whole
        refuse("NotOffered", when=rate == NOT_OFFERED)
        return rate, PPM

    def _open(self, challenge_id: int) -> Challenge:
        refuse("UnknownChallenge", when=challenge_id not in self.challenges)
        refuse("ChallengeClosed", when=self.challenges[challenge_id].state != "open")
        return self.challenges[challenge_id]

    def _shut(self, c: Challenge, state: str) -> Record:
        c.state = state
        record = self.records[c.report_id, c.key]
        if c.reduces:
            record.open_reduction = 0
        else:
            record.open_challenge = 0
        window = self.parameters.challenge_window
        report_end = self.reports[c.report_id].end
        last = (
            report_end + self.parameters.claim_period + self.parameters.arbitration_period + window
        )
        record.reopen_until = min(self.now + window, last)
        return record

    def _pay_row(self, c: Challenge, split_id: int, amount: int) -> None:
        self.credit(self.at.disputes, c.platform_id, [(split_id, amount)])
        self.reports[c.report_id].paid += amount

    def _pay_penalty(self, c: Challenge, before: int, left: int) -> None:
        """Of the whole penalty the challenger gets half, rounded down, in however many parts."""
        won = before // 2 - left // 2
        self.award(self.at.disputes, c.platform_id, c.challenger, won)
        self.award(self.at.disputes, c.platform_id, DEAD, before - left - won)
        self.reports[c.report_id].penalties += before - left

    def rule(self, by: str, challenge_id: int, quantity: int, digest: bytes) -> None:
        refuse("NotArbiter", when=by != self.at.arbiter)
        c = self._open(challenge_id)
        refuse("ChallengeMismatch", when=digest != c.digest)
        refuse("ArbitrationOver", when=self.now > self.arbitration_end(c))
        low, high = min(c.claimed, c.reported), max(c.claimed, c.reported)
        refuse("RulingOutOfRange", when=not low <= quantity <= high)
        worth = c.amount if quantity == c.reported else quantity * c.numerator // c.denominator
        # A pool's rounding may have given the row one unit more than its own floor.
        worth = min(worth, c.amount) if c.reduces else max(worth, c.amount)
        record = self._shut(c, "ruled")
        c.worth = worth
        failed = not c.reduces and quantity == c.reported
        if not failed and not (c.reduces and record.ruled):
            record.ruled, record.quantity, record.amount = True, quantity, worth
        far_claimed, far_reported = abs(quantity - c.claimed), abs(quantity - c.reported)
        stake = c.bond if far_claimed < far_reported else 0
        report = self.reports[c.report_id]
        owed = 0
        if c.reduces:
            self._pay_row(c, c.split_id, worth)
            self.release(self.at.disputes, c.platform_id, c.amount - worth)
            report.taken -= c.amount - worth
        else:
            owed = worth - c.amount
        self._collect(challenge_id, c, owed, stake)
        if far_claimed <= far_reported:
            self._return_bond(c.challenger, c.bond)
        else:
            won = c.bond // 2
            self.challenge_bonds -= won
            self.platforms[c.platform_id].available += won
            self._return_bond(DEAD, c.bond - won)

    def _collect(self, challenge_id: int, c: Challenge, owed: int, stake: int) -> None:
        taken = self.seize(self.at.disputes, c.platform_id, owed + stake)
        self.reports[c.report_id].taken += taken
        paid = min(taken, owed)
        self._pay_row(c, c.split_id, paid)
        self._pay_penalty(c, stake, stake - (taken - paid))
        if taken < owed + stake:
            self.arrears[challenge_id] = Arrears(
                c.platform_id, c.split_id, owed - paid, stake - (taken - paid), c.challenger
            )
            self.oblige(self.at.disputes, c.platform_id, True)

    def lapse(self, challenge_id: int) -> None:
        c = self._open(challenge_id)
        refuse("ArbitrationRunning", when=self.now <= self.arbitration_end(c))
        self._shut(c, "lapsed")
        if c.reduces:
            self._pay_row(c, c.split_id, c.amount)
        self._return_unanswered(c.challenger, c.bond)

    def arbitration_end(self, c: Challenge) -> int:
        """The whole time from the first dispute of the row, and half of it for the last claim."""
        whole = self.parameters.arbitration_period
        return max(c.disputed_since + whole, c.opened_at + whole // 2)

    def _return_unanswered(self, account: str, bond: int) -> None:
        self._return_bond(account, bond - bond // 10)
        self._return_bond(DEAD, bond // 10)

    def pay_arrears(self, challenge_id: int, amount: int) -> None:
        refuse("NoArrears", when=challenge_id not in self.arrears)
        due = self.arrears[challenge_id]
        platform = self.platforms[due.platform_id]
        money = platform.available + platform.thawing + platform.bond
        taken = min(amount, due.owed + due.penalty, money)
        refuse("ArrearsUnpaid", when=taken == 0)
        c = self.challenges[challenge_id]
        self.reports[c.report_id].taken += self.seize(self.at.disputes, due.platform_id, taken)
        paid = min(due.owed, taken)
        self._pay_row(c, due.split_id, paid)
        left = due.penalty - (taken - paid)
        self._pay_penalty(c, due.penalty, left)
        due.owed, due.penalty = due.owed - paid, left
        if due.owed + due.penalty == 0:
            self.oblige(self.at.disputes, due.platform_id, False)
            del self.arrears[challenge_id]

    # ---- rival claims -----------------------------------------------------------------------------------------------

    def _has_open_claim(self, by: str, license_id: int) -> bool:
        return any(
            (claim.claimant, claim.license_id, claim.state) == (by, license_id, "open")
            for claim in self.claims.values()
        )

    def claim_recording(self, by: str, license_id: int) -> None:
        refuse("LicenseNotLive", when=not self.live(license_id))
        refuse("AlreadyClaimed", when=self._has_open_claim(by, license_id))
        bond = self.parameters.minimum_challenge_bond
        self._bond_from_wallet(by, bond)
        self.claims[len(self.claims) + 1] = RivalClaim(by, self.now, license_id, bond)

    def _claimed(self, claim_id: int) -> RivalClaim:
        refuse("UnknownClaim", when=claim_id not in self.claims)
        refuse("ClaimClosed", when=self.claims[claim_id].state != "open")
        return self.claims[claim_id]

    def rule_recording(self, by: str, claim_id: int, upheld: bool) -> None:
        refuse("NotArbiter", when=by != self.at.arbiter)
        claim = self._claimed(claim_id)
        refuse(
            "ArbitrationOver", when=self.now > claim.opened_at + self.parameters.arbitration_period
        )
        claim.state = "ruled"
        found = self.licenses[claim.license_id]
        if upheld:
            self._return_bond(claim.claimant, claim.bond)
            found.history = found.history.void(now=self.now)
        else:
            won = claim.bond // 2
            self.challenge_bonds -= won
            self.splits[found.split_id].received += won
            self._return_bond(DEAD, claim.bond - won)

    def lapse_recording(self, claim_id: int) -> None:
        claim = self._claimed(claim_id)
        refuse(
            "ArbitrationRunning",
            when=self.now <= claim.opened_at + self.parameters.arbitration_period,
        )
        claim.state = "lapsed"
        self._return_unanswered(claim.claimant, claim.bond)
