"""A seed and a number of actions: run, replay, shorten, wind up."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Any

from tests.contracts.protocol import GOVERNOR, DeployedProtocol
from tests.contracts.stateful.actions import ACTIONS, Deployment
from tests.contracts.stateful.checks import Broken, hold
from tests.contracts.stateful.model import DAY, DEAD
from tests.contracts.stateful.node import Node
from tests.contracts.stateful.people import LANE, PEOPLE, RELAY, STRANGER

SHORTEN_SECONDS = 60
LINES = 40


class Runner:
    """Runs of one freshly deployed deployed protocol; each starts from the same block."""

    def __init__(self, protocol: DeployedProtocol, node: Node, lens: Any) -> None:
        self._protocol, self._node, self._lens = protocol, node, lens
        self._start = node.snapshot()
        self.deployment: Deployment

    def fresh(self) -> Deployment:
        """A new deployment at its first block."""
        self._node.revert(self._start)
        self._start = self._node.snapshot()
        self.deployment = Deployment(self._protocol, self._node, self._lens)
        return self.deployment

    def play(self, seed: str, numbers: Iterable[int]) -> None:
        """Do the actions of a seed with these numbers; each has a source of chance of its own."""
        deployment = self.fresh()
        for number in numbers:
            try:
                deployment.step(random.Random(f"{seed}/{number}"))
            except Broken as broken:
                broken.number = number
                raise
        deployment.watch.check(None)

    def run(self, seed: str, actions: int) -> None:
        """Raises AssertionError with the shortest sequence found if anything does not hold."""
        try:
            self.play(seed, range(actions))
            self.wind_up(seed)
        except Broken as broken:
            numbers = self._shorten(seed, broken)
            tail = "\n".join(self.deployment.log[-LINES:])
            raise AssertionError(
                f"{broken}\n\nseed {seed}, action {broken.number}, shortened to actions {numbers};"
                f" the last calls:\n{tail}"
            ) from broken
        except Exception as error:
            error.add_note(f"seed {seed}, after {len(self.deployment.log)} calls")
            raise

    def _shorten(self, seed: str, broken: Broken) -> list[int]:
        """Leave out ever smaller pieces for as long as something still fails, for a limited time."""
        if broken.number is None:
            return []
        shortest = list(range(broken.number + 1))
        deadline = time.monotonic() + SHORTEN_SECONDS
        piece = len(shortest) // 2
        while piece and time.monotonic() < deadline:
            at = 0
            while at < len(shortest) and time.monotonic() < deadline:
                shorter = shortest[:at] + shortest[at + piece :]
                if self._fails(seed, shorter):
                    shortest = shorter
                else:
                    at += piece
            piece //= 2
        # Once more, so that the log is that of the shortest.
        self._fails(seed, shortest)
        return shortest

    def _fails(self, seed: str, numbers: list[int]) -> bool:
        try:
            self.play(seed, numbers)
        except Broken:
            return True
        return False

    # ---- the end ----------------------------------------------------------------------------------------------------

    def wind_up(self, seed: str) -> None:
        """Everybody gets out all that is theirs, whoever pauses, and in whatever order it is claimed."""
        d = self.deployment
        rng = random.Random(f"{seed}/wind up")
        d.action = "wind up"
        _clear_debts(d)
        # Withdrawals and claims do not wait for a pause to end.
        d.do(GOVERNOR, d.protocol.oracle.pause, foretold=lambda: d.model.pause(GOVERNOR))
        _withdraw(d)
        _finish_reports(d)
        _withdraw(d)
        d.watch.check(None)

        paid = {}
        for order in ("all at once", "one by one"):
            snapshot, wallets = self._node.snapshot(), _state(d)
            _claim_all(d, rng, one_by_one=order == "one by one")
            d.watch.check(None)
            paid[order] = dict(d.model.wallets)
            if order == "all at once":
                self._node.revert(snapshot)
                _restore(d, wallets)
        hold(paid["all at once"] == paid["one by one"], "the order of claims made a difference")
        _close(d)
        d.watch.check(None)
        dust = sum(s.received - sum(s.claimed.values()) for s in d.model.splits.values())
        most = sum(len(s.shares) - 1 for s in d.model.splits.values())
        left = d.model.surplus + dust
        hold(dust <= most, f"{dust} units stay behind, {most} is all that rounding explains")
        data = d.protocol.token.balanceOf.encode_input(d.protocol.vault.address)
        balance = int.from_bytes(self._node.call(d.protocol.token.address, data), "big")
        hold(balance == left, f"{balance} units are left in the vault, {left} are nobody's")


def _state(d: Deployment) -> tuple[Any, ...]:
    m = d.model
    return (
        dict(m.wallets),
        dict(m.refunds),
        {i: dict(s.claimed) for i, s in m.splits.items()},
        d.now,
    )


def _restore(d: Deployment, state: tuple[Any, ...]) -> None:
    """Claims change nothing else. The chain's time went back too."""
    wallets, refunds, claimed, d.now = state
    d.model.wallets.clear()
    d.model.wallets.update(wallets)
    d.model.refunds.clear()
    d.model.refunds.update(refunds)
    for i, split in d.model.splits.items():
        split.claimed.clear()
        split.claimed.update(claimed[i])
    d.watch.forget_claims()


def _clear_debts(d: Deployment) -> None:
    m, vault = d.model, d.protocol.vault

    def bring(platform_id: int, missing: int, method: Any, act: Any) -> None:
        admin = m.platforms[platform_id].admin
        if missing > 0:
            d.give(admin, missing)
            d.do(
                admin,
                method,
                platform_id,
                missing,
                foretold=lambda: act(admin, platform_id, missing),
            )

    for i in m.platforms:
        while m.obliged[LANE, i]:
            d.do(LANE, vault.oblige, i, False, foretold=lambda i=i: m.oblige(LANE, i, False))
        if m.buckets[LANE, i]:
            amount = m.buckets[LANE, i]
            d.do(
                LANE, vault.release, i, amount, foretold=lambda i=i, a=amount: m.release(LANE, i, a)
            )
    for i in list(m.arrears):
        due, report_id = m.arrears[i], m.challenges[i].report_id
        p = m.platforms[due.platform_id]
        bring(
            due.platform_id,
            due.owed + due.penalty - p.available - p.thawing - p.bond,
            vault.deposit,
            m.deposit,
        )
        d.do(
            STRANGER,
            d.protocol.disputes.payArrears,
            i,
            2**64 - 1,
            foretold=lambda i=i: m.pay_arrears(i, 2**64 - 1),
            about=report_id,
        )
    for report_id, r in m.reports.items():
        if r.state != "unfunded":
            continue
        p = m.platforms[r.platform_id]
        bring(r.platform_id, r.header.total - p.available - p.thawing, vault.deposit, m.deposit)
        bring(r.platform_id, m.parameters.minimum_bond - p.bond, vault.addBond, m.add_bond)
        d.do(
            STRANGER,
            d.protocol.oracle.fund,
            report_id,
            foretold=lambda i=report_id: m.fund(i),
            about=report_id,
        )


def _withdraw(d: Deployment) -> None:
    """Everything, after one thaw in which nothing else happens: an older one may have lapsed."""
    m, vault = d.model, d.protocol.vault
    for i, p in m.platforms.items():
        if p.thawing:
            d.do(p.admin, vault.cancelThaw, i, foretold=lambda i=i, p=p: m.cancel_thaw(p.admin, i))
        if p.available:
            amount = p.available
            d.do(
                p.admin,
                vault.thaw,
                i,
                amount,
                foretold=lambda i=i, p=p, a=amount: m.thaw(p.admin, i, a),
            )
    d.wait(m.parameters.thaw_period)
    for i, p in m.platforms.items():
        if p.thawing:
            done = d.do(
                p.admin,
                vault.withdraw,
                i,
                p.admin,
                foretold=lambda i=i, p=p: m.withdraw(p.admin, i, p.admin),
            )
            hold(done, f"platform {i} cannot withdraw what has thawed")


def _finish_reports(d: Deployment) -> None:
    """All windows and all arbitration are over by now, and so is the pause."""
    m, disputes = d.model, d.protocol.disputes
    d.wait(max(0, m.paused_until - d.now) + m.parameters.arbitration_period)
    for i, c in m.challenges.items():
        if c.state == "open":
            done = d.do(
                STRANGER, disputes.lapse, i, foretold=lambda i=i: m.lapse(i), about=c.report_id
            )
            hold(done, f"challenge {i} does not end")
    for i, claim in m.claims.items():
        if claim.state == "open":
            d.do(STRANGER, disputes.lapseRecording, i, foretold=lambda i=i: m.lapse_recording(i))
    for report_id, r in m.reports.items():
        if r.state == "pending":
            done = d.do(
                RELAY,
                d.protocol.oracle.settle,
                report_id,
                r.packed_credits,
                foretold=lambda i=report_id, r=r: m.settle(i, r.packed_credits),
                about=report_id,
            )
            hold(done, f"report {report_id.hex()} does not settle")


def _claim_all(d: Deployment, rng: random.Random, *, one_by_one: bool) -> None:
    m, vault = d.model, d.protocol.vault
    accounts = [*PEOPLE, DEAD]
    if one_by_one:
        rng.shuffle(accounts)
    for account in accounts:
        own = [i for i, s in m.splits.items() if account in s.shares]
        if one_by_one:
            rng.shuffle(own)
        for batch in [[i] for i in own] if one_by_one and own else [own]:
            by = account if account in m.guarded else rng.choice(PEOPLE)
            d.do(by, vault.claim, account, batch, foretold=lambda a=account, b=batch: m.claim(a, b))


def _close(d: Deployment) -> None:
    m, vault = d.model, d.protocol.vault
    for i, p in m.platforms.items():
        if not p.closes_at:
            done = d.do(p.admin, vault.close, i, foretold=lambda i=i, p=p: m.close(p.admin, i))
            hold(done, f"platform {i} cannot close")
    d.wait(m.parameters.close_period + DAY)
    for i, p in m.platforms.items():
        if p.bond:
            done = d.do(
                p.admin,
                vault.withdrawBond,
                i,
                p.admin,
                foretold=lambda i=i, p=p: m.withdraw_bond(p.admin, i, p.admin),
            )
            hold(done, f"platform {i} does not get its bond back")


def describe(deployment: Deployment) -> str:
    """How often each action was accepted, and what was refused by name."""
    lines = []
    for name in [*ACTIONS, "wind up"]:
        counts = {
            answer: n for (action, answer), n in deployment.outcomes.items() if action == name
        }
        refused = ", ".join(f"{answer} {n}" for answer, n in sorted(counts.items()) if answer)
        lines.append(
            f"  {name}: {counts.get('', 0)} done" + (f"; refused: {refused}" if refused else "")
        )
    return "\n".join(lines)
