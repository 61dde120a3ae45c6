"""Usage reports on their way in, and how they are spoiled."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_hash.auto import keccak

from obbligato.protocol.constants import Pricing
from obbligato.protocol.typed_data import UsageReport
from tests.contracts.protocol import DOLLAR
from tests.contracts.stateful.deployment import Deployment
from tests.contracts.stateful.draw import one_of
from tests.contracts.stateful.model import PPM, U64, Attestations, Row, pack_rows, unpack_rows
from tests.contracts.stateful.people import ALL_ATTESTERS, STRANGER, UNKNOWN, ascending


@dataclass(frozen=True)
class Draft:
    """A report on its way in, with everything a submission takes; `spoil` makes drafts wrong."""

    header: UsageReport
    rows: bytes
    reporter: str
    signer: str
    attested: Attestations


def spoil(d: Deployment, rng: random.Random, draft: Draft) -> Draft:
    """One thing made wrong; now and then it happens to be right after all."""
    header, attested = draft.header, draft.attested
    rows = unpack_rows(draft.rows)
    outsider = next(
        a for a in [*ALL_ATTESTERS, STRANGER] if a not in d.model.versions[d.model.version]
    )

    def with_rows(changed: Sequence[Row]) -> Draft:
        packed = pack_rows(changed)
        update = {"rows_digest": keccak(packed), "row_count": len(changed)}
        return replace(draft, rows=packed, header=header.model_copy(update=update))

    def with_header(**update: Any) -> Draft:
        return replace(draft, header=header.model_copy(update=update))

    def with_signers(*signers: str) -> Draft:
        return replace(draft, attested=replace(attested, signers=signers))

    def again() -> Draft:
        """A report that is known already, or its period a second time."""
        known = one_of(rng, d.model.reports.values(), None)
        if known is None:
            return draft
        same = replace(draft, header=known.header, rows=known.packed_rows)
        return (
            same
            if rng.random() < 0.5
            else replace(same, header=known.header.model_copy(update={"attempt": 9}))
        )

    first = rows[0] if rows else (1, 3, 2, PPM)
    signers = attested.signers
    choices: list[Callable[[], Draft]] = [
        again,
        lambda: replace(draft, signer=STRANGER),
        lambda: replace(draft, reporter=STRANGER, signer=STRANGER),
        lambda: with_signers(*signers[: d.model.quorum - 1]),
        lambda: with_signers(*reversed(signers)),
        lambda: with_signers(*[signers[0]] * d.model.quorum),
        lambda: with_signers(*ascending([*signers[1:], outsider])),
        lambda: replace(draft, attested=replace(attested, whole=False)),
        lambda: replace(
            draft, attested=replace(attested, version=attested.version + rng.choice([-1, 1]))
        ),
        lambda: with_header(sequence=header.sequence + rng.choice([-1, 1])),
        lambda: with_header(previous=UNKNOWN),
        lambda: with_header(period_end=header.period_start),
        lambda: with_header(period_end=d.now + 100),
        lambda: with_header(period_start=header.period_start + rng.choice([-1, 1])),
        lambda: with_header(row_count=header.row_count + 1),
        lambda: with_header(rows_digest=UNKNOWN),
        lambda: with_header(total=max(0, header.total + rng.choice([-1, 1]))),
        lambda: with_header(total=header.total + 10**5 * DOLLAR),
        lambda: with_header(pricing=Pricing(3 - int(header.pricing))),
        lambda: with_header(deadline=d.now + rng.choice([-1, 0, 1])),
        lambda: with_header(platform_id=len(d.model.platforms) + 1),
        lambda: with_rows([]),
        lambda: with_rows(list(reversed(rows))),
        lambda: with_rows([*rows, *rows[-1:]]),
        lambda: with_rows([*rows, (len(d.model.licenses) + 1, 3, 2, 1)]),
        lambda: with_rows([(first[0], rng.choice([0, 7, 255]), *first[2:])]),
        lambda: with_rows([(*first[:2], rng.choice([0, 4, 255]), first[3])]),
        lambda: with_rows([*rows[:-1], (*(rows or [first])[-1][:3], 0)]),
        lambda: with_rows([(*first[:3], U64)]),
        lambda: with_rows(
            [(license_id, tier, 2, 5) for license_id in d.model.licenses for tier in (1, 4)]
        ),
        lambda: with_rows([(first[0] + 10 * i, 3, 2, 1) for i in range(1001)]),
        lambda: replace(
            with_rows(rows),
            rows=draft.rows + b"\1",
            header=header.model_copy(update={"rows_digest": keccak(draft.rows + b"\1")}),
        ),
    ]
    return rng.choice(choices)()
