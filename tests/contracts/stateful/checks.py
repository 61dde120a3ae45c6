"""What is compared after every act, and what must always hold.

Two things, apart from each other: every number on the chain is the model's number; and the invariants hold of the
chain's own numbers and of its own events, whatever the model says.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from eth_hash.auto import keccak

from tests.contracts.protocol import DeployedProtocol
from tests.contracts.stateful.ledger import Ledger
from tests.contracts.stateful.model import DAY, DEAD, PPM, ZERO, Model, Report
from tests.contracts.stateful.node import Node

Name = tuple[Any, ...]
Expected = tuple[Name, bytes, tuple[int, ...]]
STATES = {"unfunded": 1, "pending": 2, "settled": 3}
OUTCOMES = {"open": 1, "ruled": 2, "lapsed": 3}
PAYEE_ROLE = 4
SAMPLE = 4


class Broken(AssertionError):  # noqa: N818 - a sentence says what is
    """An invariant does not hold, or the chain differs from the model."""

    number: int | None = None
    """Of the action, where one broke it."""


def hold(condition: bool, what: str) -> None:
    if not condition:
        raise Broken(what)


def number(value: Any) -> int:
    if isinstance(value, str):
        return int(value, 16)
    return int.from_bytes(value, "big") if isinstance(value, bytes) else int(value)


class Watch:
    """Reads a deployment in one call and holds it against the model and the invariants."""

    def __init__(
        self,
        protocol: DeployedProtocol,
        node: Node,
        lens: Any,
        model: Model,
        ledger: Ledger,
        people: list[str],
    ) -> None:
        self._protocol, self._node, self._lens = protocol, node, lens
        self._model, self._ledger = model, ledger
        self._people = [*people, DEAD]
        self._cache: dict[Name, bytes] = {}
        self._highest: dict[Name, int] = defaultdict(int)
        """What was received and claimed, which never falls; entitlements follow from what was received."""
        self.consents: list[tuple[int, int, int, bool]] = []
        """Answers about the past: licence, tier, time, consent."""
        self.paid_consents: list[tuple[int, int, int, bool]] = []
        """The moments for which rows were paid."""

    def _reading(self, contract: Any, function: str, *arguments: Any) -> bytes:
        key = (contract.address, function, *arguments)
        if key in self._cache:
            return self._cache[key]
        data = bytes.fromhex(getattr(contract, function).signature[2:])
        data += b"".join(number(argument).to_bytes(32, "big") for argument in arguments)
        reading = bytes.fromhex(contract.address[2:]) + len(data).to_bytes(2, "big") + data
        # Of the past every reading is a new question.
        if function not in ("consentAt", "termsAt"):
            self._cache[key] = reading
        return reading

    # ---- what the model expects -------------------------------------------------------------------------------------

    def _expect(
        self, name: str, contract: Any, function: str, arguments: tuple[Any, ...], *values: Any
    ) -> Expected:
        return (
            (name, *arguments),
            self._reading(contract, function, *arguments),
            tuple(number(value) for value in values),
        )

    def _money(self) -> Iterator[Expected]:
        m, vault, token = self._model, self._protocol.vault, self._protocol.token
        yield self._expect("bonds", vault, "challengeBonds", (), m.challenge_bonds)
        for account in self._people:
            yield self._expect("wallet", token, "balanceOf", (account,), m.wallets[account])
            yield self._expect("refund", vault, "refundOf", (account,), m.refunds[account])
            yield self._expect(
                "recipient", vault, "recipientOf", (account,), m.recipients.get(account, account)
            )
            yield self._expect(
                "guarded", vault, "areClaimsGuarded", (account,), account in m.guarded
            )
        for i, p in m.platforms.items():
            escrow = (p.available, p.thawing, p.bond, p.thaw_ends_at, p.obligations)
            yield self._expect("escrow", vault, "escrowOf", (i,), *escrow)
            yield self._expect("platform", vault, "platformOf", (i,), p.admin, p.closes_at)
            for module in (*m.core, *m.modules):
                yield self._expect("bucket", vault, "reservedOf", (module, i), m.buckets[module, i])
        for i, split in m.splits.items():
            yield self._expect("received", vault, "receivedOf", (i,), split.received)
            for account, share in split.shares.items():
                position = (share, split.claimed[account], PAYEE_ROLE)
                yield self._expect("position", vault, "positionOf", (i, account), *position)

    def _usage(self, rng: random.Random | None) -> Iterator[Expected]:
        m, oracle, disputes = self._model, self._protocol.oracle, self._protocol.disputes
        yield self._expect("paused", oracle, "pausedUntil", (), m.paused_until)
        yield self._expect("version", oracle, "configVersion", (), m.version)
        yield self._expect("quorum", oracle, "quorum", (), m.quorum)
        for place, stream in m.streams.items():
            values = (stream.last, stream.sequence, stream.covered_until)
            yield self._expect("stream", oracle, "streamOf", place, *values)
        for i in _some(rng, m.reports, lambda r: r.state != "settled"):
            r = m.reports[i]
            digest = keccak(r.packed_credits)
            values = (
                digest,
                STATES[r.state],
                r.platform_id,
                r.header.total,
                r.end,
                len(r.held),
                r.version,
            )
            yield self._expect("report", oracle, "reportOf", (i,), *values)
        for i in _some(rng, m.challenges, lambda c: c.state == "open"):
            c = m.challenges[i]
            record = m.records[c.report_id, c.key]
            values = (
                c.report_id,
                keccak(b"".join(number(v).to_bytes(32, "big") for v in (c.report_id, *c.key))),
                c.challenger,
                c.opened_at,
                c.platform_id,
                OUTCOMES[c.state],
                c.reported,
                c.claimed,
                c.amount,
                c.bond,
                c.numerator,
                c.denominator,
                c.split_id,
                c.disputed_since,
            )
            yield self._expect("challenge", disputes, "challengeOf", (i,), *values)
            values = (
                record.quantity,
                record.amount,
                record.reopen_until,
                record.open_challenge,
                record.open_reduction,
                record.ruled,
            )
            yield self._expect("row", disputes, "rowRecordOf", (c.report_id, *c.key), *values)
            due = m.arrears.get(i)
            values = (
                (due.platform_id, due.split_id, due.owed, due.penalty, due.challenger)
                if due
                else (0, 0, 0, 0, ZERO)
            )
            yield self._expect("arrears", disputes, "arrearsOf", (i,), *values)
        for i in _some(rng, m.claims, lambda c: c.state == "open"):
            claim = m.claims[i]
            values = (
                claim.claimant,
                claim.opened_at,
                claim.license_id,
                OUTCOMES[claim.state],
                claim.bond,
            )
            yield self._expect("claim", disputes, "claimOf", (i,), *values)

    def _consent(self, rng: random.Random | None) -> Iterator[Expected]:
        """Some licences as they are now, a new answer about the past, and answers given before."""
        m, registry = self._model, self._protocol.registry
        for i in _some(rng, m.licenses, lambda _: False):
            history = m.licenses[i].history
            yield self._expect("document", registry, "documentOf", (i,), m.document(i))
            yield self._expect("terms", registry, "termsAt", (i, m.now), history.terms_at(m.now))
        if rng is None:
            asked = self.consents + self.paid_consents
        else:
            if m.licenses:
                self._ask(rng)
            asked = _sample(rng, self.consents) + _sample(rng, self.paid_consents)
            asked += self.consents[-1:] + self.paid_consents[-8:]
        for i, tier, time, answer in asked:
            yield self._expect("consent", registry, "consentAt", (i, tier, time), answer)

    def _ask(self, rng: random.Random) -> None:
        m = self._model
        license_id = rng.choice(list(m.licenses))
        history = m.licenses[license_id].history
        edges = [v.start for v in history.versions] + [history.ends_at or m.now]
        time = rng.choice(
            [rng.choice(edges) + rng.randint(-1, 1), rng.randint(history.minted_at - DAY, m.now)]
        )
        tier = rng.randint(1, 6)
        if time < m.now:
            self.consents.append((license_id, tier, time, history.consent_at(tier, time)))

    # ---- the comparison ---------------------------------------------------------------------------------------------

    def check(self, rng: random.Random | None) -> None:
        """Compare; with a source of chance a sample of what is settled, without one everything."""
        expected = [*self._money(), *self._usage(rng), *self._consent(rng)]
        vault = self._reading(self._protocol.token, "balanceOf", self._protocol.vault.address)
        answers = self._node.read(
            self._lens.address,
            self._lens.read.signature[2:],
            [vault, *(call for _, call, _ in expected)],
        )
        seen = {name: answer for (name, _, _), answer in zip(expected, answers[1:], strict=True)}
        for name, _, wanted in expected:
            hold(seen[name] == wanted, f"{name}: the chain says {seen[name]}, the model {wanted}")
        self._check_money(answers[0][0], seen)
        self._check_clocks(seen)
        self._check_reports(rng)

    def forget_claims(self) -> None:
        """The chain was set back to before some claims: what was claimed may be less than it has been."""
        self._highest.clear()

    def _check_money(self, balance: int, seen: dict[Name, tuple[int, ...]]) -> None:
        """Invariants 1, 2, 4 and 6, of the chain's numbers alone."""
        held = owed = 0
        own: dict[int, int] = defaultdict(int)
        received: dict[int, int] = {}
        claimed: dict[int, int] = defaultdict(int)
        shares: dict[int, int] = defaultdict(int)
        for name, answer in seen.items():
            kind = name[0]
            if kind == "escrow":
                own[name[1]] += answer[0] + answer[1] + answer[2]
            elif kind == "bucket":
                own[name[2]] += answer[0]
            elif kind in ("bonds", "refund"):
                held += answer[0]
            elif kind == "received":
                received[name[1]] = answer[0]
            elif kind == "position":
                claimed[name[1]] += answer[1]
                shares[name[1]] += answer[0]
                entitled = received[name[1]] * answer[0] // PPM
                hold(
                    answer[1] <= entitled,
                    f"{name}: claimed {answer[1]} of an entitlement of {entitled}",
                )
            if kind in ("received", "position"):
                value = answer[kind == "position"]
                hold(
                    value >= self._highest[name],
                    f"{name} fell from {self._highest[name]} to {value}",
                )
                self._highest[name] = value
        for split_id, amount in received.items():
            hold(
                claimed[split_id] <= amount,
                f"split {split_id}: {claimed[split_id]} claimed of {amount}",
            )
            hold(shares[split_id] == PPM, f"split {split_id}: the shares sum to {shares[split_id]}")
            owed += amount - claimed[split_id]
        known = sum(own.values()) + held + owed + self._model.surplus
        hold(balance == known, f"the vault holds {balance}, its books say {known}")
        hold(
            sum(received.values()) == self._ledger.to_splits,
            "splits received what no event credited",
        )
        for platform_id, amount in own.items():
            left = self._ledger.brought[platform_id] - self._ledger.gone[platform_id]
            hold(
                amount == left,
                f"platform {platform_id} owns {amount}; its own comings and goings leave {left}",
            )

    def _check_clocks(self, seen: dict[Name, tuple[int, ...]]) -> None:
        """No clock runs longer than its period from now, so nothing can be put off for ever by one act."""
        now, clocks = self._model.now, self._model.parameters
        for name, answer in seen.items():
            if name[0] == "escrow":
                hold(
                    answer[3] <= now + clocks.thaw_period,
                    f"{name}: thaws until {answer[3]} at {now}",
                )
            elif name[0] == "platform":
                hold(
                    answer[1] <= now + clocks.close_period,
                    f"{name}: closes at {answer[1]} at {now}",
                )
            elif name[0] == "report":
                hold(
                    answer[4] <= now + clocks.challenge_window,
                    f"{name}: ends at {answer[4]} at {now}",
                )
            elif name[0] == "paused":
                hold(answer[0] <= now + 14 * DAY, f"paused until {answer[0]} at {now}")

    def _check_reports(self, rng: random.Random | None) -> None:
        """Invariant 3: what a report and its rulings took is what splits and winners got."""
        m = self._model
        busy = {c.report_id for c in m.challenges.values() if c.state == "open"}
        busy |= {m.challenges[i].report_id for i in m.arrears}
        for report_id in _some(rng, m.reports, lambda r: r.state == "pending"):
            report, scenario = m.reports[report_id], self._ledger.reports[report_id]
            what = f"report {report_id.hex()}"
            hold(
                scenario.settlements == (report.state == "settled"),
                f"{what}: settled {scenario.settlements} times",
            )
            hold(
                scenario.taken == report.taken,
                f"{what}: {scenario.taken} taken, expected {report.taken}",
            )
            hold(
                scenario.credited == report.paid,
                f"{what}: {scenario.credited} credited, expected {report.paid}",
            )
            hold(scenario.awarded == report.penalties, f"{what}: {scenario.awarded} in penalties")
            if report.state == "settled" and report_id not in busy:
                given = scenario.credited + scenario.awarded
                hold(scenario.taken == given, f"{what}: {scenario.taken} taken, {given} given")
                hold(
                    scenario.credited == worth(m, report_id, report),
                    f"{what}: not what its rows are worth",
                )


def worth(model: Model, report_id: bytes, report: Report) -> int:
    """What the rows of a report are worth: their credits, and what each ruling added or took."""
    ruled = (
        c for c in model.challenges.values() if c.report_id == report_id and c.state == "ruled"
    )
    return sum(amount for _, amount in report.credits) + sum(c.worth - c.amount for c in ruled)


def _some(rng: random.Random | None, of: dict[Any, Any], wanted: Any) -> list[Any]:
    """The keys of all that is wanted, the newest few, and some of the others; all without a source of chance."""
    keys = list(of)
    if rng is None:
        return keys
    chosen = [key for key in keys if wanted(of[key])]
    return list(dict.fromkeys([*chosen, *keys[-2:], *_sample(rng, keys)]))


def _sample(rng: random.Random, items: list[Any]) -> list[Any]:
    return rng.sample(items, min(SAMPLE, len(items)))
