"""What the protocol's acts cost: whole transactions on one node, slopes where an act takes many of something.

Catalogues of 1 000 licences on shared terms, each licence with a split of its own; the splits' ids follow one another
unless a figure says scattered. Fresh: a split's first credit. Steady: it has been credited before.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from obbligato.protocol.typed_data import Mint
from scripts.bench.chain import slope
from scripts.bench.protocol import (
    FOREVER,
    DeployedProtocol,
    account,
    even_split,
    offer,
    raw_split,
    raw_terms,
    signer,
    usage,
    works,
)

ROWS: Final = (1, 10, 100, 1_000)
PAYEES: Final = (1, 4, 8)
CLAIMED: Final = (1, 10, 100)
MINTED: Final = (10, 50)

Figures = dict[str, int]
Step = Callable[[str], None]
"""Called with what is measured next."""


def measure(protocol: DeployedProtocol, step: Step) -> Figures:
    """Every figure. The deployed protocol is left as it was found."""
    figures: Figures = {}
    parts: list[Callable[[DeployedProtocol, Step], Figures]] = [
        minting,
        attesting,
        claiming,
        rows_scattered,
        rows_mixed,
    ]
    parts += [Catalogue(payees).measure for payees in PAYEES]
    for part in parts:
        attesters = protocol.attesters
        with protocol.chain.undone():
            figures |= part(protocol, step)
        protocol.attesters = attesters
    for act in ("submit", "settle"):
        largest = [gas for key, gas in figures.items() if key.startswith(f"{act}_w{ROWS[-1]}_")]
        figures[f"{act}_1000_gas"] = max(largest)  # the worst order of all
    return figures


# ---- rows ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Catalogue:
    """A catalogue whose splits have this many payees."""

    payees: int

    def measure(self, protocol: DeployedProtocol, step: Step) -> Figures:
        step(f"{ROWS[-1]} licences, each with {self.payees} payees of its own")
        rows = usage(protocol.catalogue(works(ROWS[-1], self.payees, f"r{self.payees}")))
        fresh = pay_parts(protocol, rows, f"r{self.payees}_fresh", step)
        protocol.pay(rows)
        steady = pay_parts(protocol, rows, f"r{self.payees}_steady", step)
        return {
            **fresh,
            **steady,
            f"row_gas_r{self.payees}": each_row(steady, f"r{self.payees}_steady"),
            f"row_submit_gas_r{self.payees}": each_row(steady, f"r{self.payees}_steady", "submit"),
            f"row_settle_gas_r{self.payees}": each_row(steady, f"r{self.payees}_steady", "settle"),
            f"row_fresh_gas_r{self.payees}": each_row(fresh, f"r{self.payees}_fresh"),
        }


def pay_parts(protocol: DeployedProtocol, rows: list[Row], label: str, step: Step) -> Figures:
    """Submit and settle the first 1, 10, 100 and all of the rows, each from the same state."""
    figures: Figures = {}
    for count in ROWS:
        step(f"{label.replace('_', ', ')}: a report of {count}")
        with protocol.chain.undone():
            submit, settle = protocol.pay(rows[:count])
        figures[f"submit_w{count}_{label}_gas"] = submit
        figures[f"settle_w{count}_{label}_gas"] = settle
    return figures


def each_row(figures: Figures, label: str, *acts: str) -> int:
    """Gas of one row more, from 100 rows to 1 000; of submitting and settling it unless told otherwise."""
    return slope(
        [
            (
                count,
                sum(figures[f"{act}_w{count}_{label}_gas"] for act in acts or ("submit", "settle")),
            )
            for count in (100, 1_000)
        ]
    )


def rows_scattered(protocol: DeployedProtocol, step: Step) -> Figures:
    """The worst order: every row's split has a storage word of its own, and neither follows the other."""
    step(f"{ROWS[-1]} licences whose splits lie scattered")
    splits = works(4 * ROWS[-1], 1, "scattered")
    protocol.intern_terms(offer())
    protocol.intern_splits(splits)
    paid = splits[::4]
    random.Random(1).shuffle(paid)
    rows = usage(protocol.mint(offer(), paid))
    fresh = pay_parts(protocol, rows, "scattered_fresh", step)
    protocol.pay(rows)
    steady = pay_parts(protocol, rows, "scattered_steady", step)
    row = each_row(steady, "scattered_steady")
    return {**fresh, **steady, "row_scattered_gas": row}


def rows_mixed(protocol: DeployedProtocol, step: Step) -> Figures:
    """Two rows a licence, in turn of one tier and of another: no row shares the offer of the row before."""
    step(f"{ROWS[-1] // 2} licences with two rows each")
    rows = [
        Row(license_id=row.license_id, tier=tier, metric=Metric.GENERATION, quantity=row.quantity)
        for row in usage(protocol.catalogue(works(ROWS[-1] // 2, 1, "mixed")))
        for tier in (Tier.TRAINING, Tier.GENERATIVE)
    ]
    protocol.pay(rows)
    steady = pay_parts(protocol, rows, "mixed_steady", step)
    return {"row_two_tiers_gas": each_row(steady, "mixed_steady")}


# ---- licences -----------------------------------------------------------------------------------


def minting(protocol: DeployedProtocol, step: Step) -> Figures:
    """Mints by an owner that already holds a licence."""
    step("mints")
    terms, splits = offer(), works(MINTED[-1], 4, "mint")
    protocol.catalogue(splits, terms)
    registry, artist = protocol.registry, protocol.artist
    item = protocol.mint_items(terms, splits[:1])[0]
    owner = signer("an artist without gas")
    message = Mint(
        account=owner.address,
        terms=terms,
        split=splits[0],
        document=item[3],
        content=item[4],
        nonce=1,
        deadline=FOREVER,
    )
    # The signer holds a licence already, and has used a nonce of the same word.
    _mint_signed(protocol, message.model_copy(update={"nonce": 2}))
    figures: Figures = {}
    for payees in PAYEES:
        with protocol.chain.undone():
            split = raw_split(works(1, payees, "interned")[0])
            figures[f"intern_split_r{payees}_gas"] = protocol.vault.act("internSplit", split)
    with protocol.chain.undone():
        figures["mint_gas"] = registry.act("mint", *item, sender=artist)
    with protocol.chain.undone():
        figures["mint_signed_gas"] = _mint_signed(protocol, message)
    for key, terms_input, split_input in (
        ("mint_new_terms_gas", offer("another text"), splits[0]),
        ("mint_new_split_gas", terms, even_split([account(f"new payee {i}") for i in range(4)])),
    ):
        with protocol.chain.undone():
            figures[key] = registry.act(
                "mintWith",
                artist,
                raw_terms(terms_input),
                raw_split(split_input),
                *item[3:],
                sender=artist,
            )
    for key, paid in (
        ("mint_batch_each_gas", splits),
        ("mint_batch_each_shared_split_gas", splits[:1] * MINTED[-1]),
    ):
        points = []
        for count in MINTED:
            with protocol.chain.undone():
                items = protocol.mint_items(terms, paid[:count])
                points.append((count, registry.act("mintBatch", items, sender=artist)))
        figures[key] = slope(points)
    return figures


def _mint_signed(protocol: DeployedProtocol, message: Mint) -> int:
    key = signer("an artist without gas")
    signed = (key.address, message.nonce, message.deadline, protocol.sign(message, key))
    digests = (message.terms.digest(), message.split.digest(), message.document, message.content)
    return protocol.registry.act("mintBySignature", *digests, signed, sender=protocol.relay)


# ---- attestations and claims --------------------------------------------------------------------


def attesting(protocol: DeployedProtocol, step: Step) -> Figures:
    """One report of one row, signed by more and more of ten attesters, and by three of four."""
    step("attestations")
    rows = usage(protocol.catalogue(works(1, 1, "attested")))
    protocol.pay(rows)
    with protocol.chain.undone():
        three_of_four = protocol.submit(protocol.report(rows))
    protocol.set_attesters(10)
    protocol.pay(rows)
    points = []
    for signatures in range(7, 11):
        with protocol.chain.undone():
            points.append(
                (signatures, protocol.submit(protocol.report(rows), signatures=signatures))
            )
    return {
        "attestation_gas": slope(points),
        "attestation_larger_set_gas": slope([(3, three_of_four), points[0]]),
    }


def claiming(protocol: DeployedProtocol, step: Step) -> Figures:
    """A payee of 100 splits claims from 1, 10, all of them, having claimed before."""
    step("claims")
    payee = account("payee of many works")
    figures: Figures = {}
    splits = [even_split([payee, account(f"partner {i}")]) for i in range(4 * CLAIMED[-1])]
    rows = usage(protocol.catalogue(splits))
    ids = list(range(1, len(splits) + 1))
    protocol.pay(rows)
    with protocol.chain.undone():
        figures["claim_first_gas"] = protocol.vault.act(
            "claim", payee, ids[:1], sender=protocol.relay
        )
    protocol.vault.act("claim", payee, ids, sender=protocol.relay)
    protocol.pay(rows)
    for label, chosen in (("", ids), ("scattered_", ids[::4])):
        points = []
        for count in CLAIMED:
            with protocol.chain.undone():
                gas = protocol.vault.act("claim", payee, chosen[:count], sender=protocol.relay)
                points.append((count, gas))
            figures[f"claim_{label}{count}_gas"] = gas
        figures[f"claim_{label}split_gas"] = slope(points)
    return figures
