"""What a fixed list of acts costs, to the unit: the guard against gas that grows unseen.

The scenario is the same in every run, clock and signatures included, so the numbers are too. They are kept in
bench/gas-snapshot.json; tests/contracts/test_gas_snapshot.py compares.

Usage: python -m scripts.bench.snapshot        writes the snapshot anew (`make snapshot`)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from eth_hash.auto import keccak

from obbligato.protocol.constants import Flag, Pricing, Tier, tiers_mask
from obbligato.protocol.rows import Row
from obbligato.protocol.rulings import challenge_digest
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import AcceptSplit, ApproveGrant, ApproveOperator, Claim, Mint
from scripts.bench import artefacts
from scripts.bench.artefacts import Artefacts
from scripts.bench.chain import BenchError, new_chain, slope
from scripts.bench.protocol import (
    ARBITRATION,
    DAY,
    FOREVER,
    MODEL,
    UNIT,
    DeployedProtocol,
    Report,
    account,
    even_split,
    offer,
    raw_split,
    raw_terms,
    signer,
    usage,
    works,
)
from scripts.toolchain import ROOT, ToolchainError

SNAPSHOT: Final = ROOT / "bench" / "gas-snapshot.json"
ROWS: Final = 100

Acts = dict[str, int]


def measure(compiled: Artefacts) -> Acts:
    """The gas of every act, by what it does."""
    with new_chain() as chain:
        protocol = DeployedProtocol(chain, compiled)
        acts = dict(protocol.gas)
        for part in (_licences, _reports, _challenges, _grants, _escrow, _roles):
            attesters = protocol.attesters
            with chain.undone():
                acts |= part(protocol)
            protocol.attesters = attesters
        return acts


def read(path: Path = SNAPSHOT) -> Acts:
    """The acts as they were when the snapshot was written."""
    acts: Acts = json.loads(path.read_text())
    return acts


def write(acts: Acts, path: Path = SNAPSHOT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".json.new")
    temporary.write_text(json.dumps(dict(sorted(acts.items())), indent=2) + "\n")
    temporary.replace(path)


# ---- licences -----------------------------------------------------------------------------------


def _licences(protocol: DeployedProtocol) -> Acts:
    registry, artist, relay = protocol.registry, protocol.artist, protocol.relay
    owner, payee = signer("an artist without gas"), signer("a payee whose share shrinks")
    terms, wider, dearer = offer(), _wider(offer()), offer("another text")
    splits = works(50, 4, "snapshot")
    acts: Acts = {}
    acts["intern terms of two tiers"] = protocol.intern_terms(terms)
    acts["intern a split of four payees"] = protocol.vault.act("internSplit", raw_split(splits[0]))
    protocol.intern_terms(wider)
    protocol.intern_terms(dearer)
    protocol.intern_splits(splits[1:])
    protocol.mint(terms, splits[:1])

    item = protocol.mint_items(terms, splits[:1])[0]
    acts["mint"] = registry.act("mint", *item, sender=artist)
    new = works(1, 4, "new")[0]
    digests = keccak(b"document"), keccak(b"content")
    acts["mint with a new split"] = registry.act(
        "mintWith", artist, raw_terms(terms), raw_split(new), *digests, sender=artist
    )
    points = []
    for count in (10, 50):
        with protocol.chain.undone():
            items = protocol.mint_items(terms, splits[:count])
            points.append((count, registry.act("mintBatch", items, sender=artist)))
    acts["mint one more in a batch"] = slope(points)
    mint = Mint(
        account=owner.address,
        terms=terms,
        split=splits[0],
        document=digests[0],
        content=digests[1],
        nonce=1,
        deadline=FOREVER,
    )
    signed = (owner.address, 1, FOREVER, protocol.sign(mint, owner))
    acts["mint by signature"] = registry.act(
        "mintBySignature",
        terms.digest(),
        splits[0].digest(),
        *digests,
        signed,
        sender=relay,
    )

    document = keccak(b"a later document")
    acts["amend: add a tier"] = registry.act("amend", 1, wider.digest(), document, sender=artist)
    acts["amend: from the next term"] = registry.act(
        "amend", 2, dearer.digest(), document, sender=artist
    )
    acts["revoke"] = registry.act("revoke", 1, sender=artist)
    acts["reinstate"] = registry.act("reinstate", 1, sender=artist)
    acts["transfer a licence"] = registry.act("transferFrom", artist, relay, 2, sender=artist)

    # The artist acts, so of those whose share shrinks only the other payee has to sign.
    before = even_split([artist, payee.address])
    after = even_split([artist, payee.address, account("a third payee")])
    protocol.intern_splits([before, after])
    (license_id,) = protocol.mint(terms, [before])
    accept = AcceptSplit(
        account=payee.address,
        license_id=license_id,
        current_document=registry.ask("documentOf", license_id),
        from_split=before,
        to_split=after,
        nonce=1,
        deadline=FOREVER,
    )
    acts["change a split, one payee signing"] = registry.act(
        "changeSplit",
        license_id,
        raw_split(before),
        raw_split(after),
        [(payee.address, 1, FOREVER, protocol.sign(accept, payee))],
        sender=artist,
    )
    approve = ApproveOperator(
        account=owner.address, operator=relay, approved=True, nonce=2, deadline=FOREVER
    )
    acts["approve an operator by signature"] = registry.act(
        "approveOperatorBySignature",
        relay,
        True,
        (owner.address, 2, FOREVER, protocol.sign(approve, owner)),
        sender=relay,
    )
    return acts


def _wider(terms: Terms) -> Terms:
    """The same terms with the tier VOICE as well."""
    tiers = terms.tiers | tiers_mask([Tier.VOICE])
    return terms.model_copy(update={"tiers": tiers, "rates": (*terms.rates, terms.rates[0])})


# ---- reports and claims -------------------------------------------------------------------------


def _reports(protocol: DeployedProtocol) -> Acts:
    oracle, vault, relay = protocol.oracle, protocol.vault, protocol.relay
    payee = signer("a payee of every work")
    splits = [even_split([payee.address, account(f"partner {i}")]) for i in range(ROWS)]
    rows = usage(protocol.catalogue(splits))
    ids = list(range(1, ROWS + 1))
    acts: Acts = {}

    first = protocol.report(rows)
    acts["submit 100 rows, first of a stream"] = protocol.submit(first)
    acts["settle 100 rows"] = protocol.settle(first)
    acts["claim of 1, first"] = vault.act("claim", payee.address, ids[:1], sender=relay)
    acts["claim of 100, first"] = vault.act("claim", payee.address, ids, sender=relay)
    second = protocol.report(rows)
    acts["submit 100 rows"] = protocol.submit(second)
    protocol.settle(second)
    for count in (1, 10, 100):
        with protocol.chain.undone():
            gas = vault.act("claim", payee.address, ids[:count], sender=relay)
            acts[f"claim of {count}"] = gas
    claim = Claim(account=payee.address, to=relay, minimum=1, nonce=1, deadline=FOREVER)
    signed = (payee.address, 1, FOREVER, protocol.sign(claim, payee))
    acts["claim of 10 by signature"] = vault.act(
        "claimBySignature", relay, 1, ids[:10], signed, sender=relay
    )
    acts["redirect"] = vault.act("redirect", relay, sender=protocol.artist)
    acts["guard one's claims"] = vault.act("guardClaims", True, sender=relay)

    one = protocol.report(rows[:1])
    acts["submit 1 row"] = protocol.submit(one)
    acts["settle 1 row"] = protocol.settle(one)
    acts["submit no rows"] = protocol.submit(protocol.report([]))
    pool = protocol.report(rows, pricing=Pricing.POOL, total=10**12)
    acts["submit a pool of 100 rows"] = protocol.submit(pool)
    both = [
        Row(license_id=row.license_id, tier=tier, metric=row.metric, quantity=row.quantity)
        for row in rows[: ROWS // 2]
        for tier in (Tier.TRAINING, Tier.GENERATIVE)
    ]
    acts["submit 100 rows, two tiers in turn"] = protocol.submit(protocol.report(both))

    # More than the platform has: the report waits for its money.
    with protocol.chain.undone():
        vault.act("thaw", protocol.platform, _available(protocol), sender=protocol.admin)
        protocol.chain.wait(29 * DAY)
        vault.act("withdraw", protocol.platform, protocol.admin, sender=protocol.admin)
        waiting = protocol.report(rows[:1], days=29)
        acts["submit 1 row, escrow short"] = protocol.submit(waiting)
        protocol.deposit(10**12)
        acts["fund"] = oracle.act("fund", waiting.report_id, sender=relay)

    acts["set ten attesters"] = protocol.set_attesters(10)
    acts["submit 1 row, seven of ten attesters"] = protocol.submit(protocol.report(rows[:1]))
    return acts


def _available(protocol: DeployedProtocol) -> int:
    """The platform's free money."""
    escrow = protocol.vault.ask("escrowOf", protocol.platform)
    return int(escrow[0])


# ---- challenges ---------------------------------------------------------------------------------


def _rule(protocol: DeployedProtocol, challenge_id: int, quantity: int) -> int:
    c = protocol.disputes.ask("challengeOf", challenge_id)
    digest = challenge_digest(c[1], challenger=c[2], reported=c[6], claimed=c[7])
    return protocol.disputes.act("rule", challenge_id, quantity, digest, sender=protocol.arbiter)


def _challenges(protocol: DeployedProtocol) -> Acts:
    disputes, relay, arbiter = protocol.disputes, protocol.relay, protocol.arbiter
    rows = usage(protocol.catalogue(works(ROWS, 2, "challenged")))
    protocol.pay(rows)
    acts: Acts = {}

    # One unit too many, the arbiter agrees; then one unit too few of another row, and he agrees again.
    report = protocol.report(rows)
    protocol.submit(report)
    less, more = rows[49].quantity - UNIT, rows[50].quantity + UNIT
    acts["challenge: less"] = _challenge(protocol, report, rows[49], less)
    acts["rule: less"] = _rule(protocol, 1, less)
    acts["challenge: more"] = _challenge(protocol, report, rows[50], more)
    acts["rule: more"] = _rule(protocol, 2, more)
    _challenge(protocol, report, rows[51], rows[51].quantity + UNIT)
    acts["rule: the challenger loses"] = _rule(protocol, 3, rows[51].quantity)
    acts["settle 100 rows, one held"] = protocol.settle(report)

    silent = protocol.report(rows)
    protocol.submit(silent)
    _challenge(protocol, silent, rows[0], rows[0].quantity - UNIT)
    protocol.chain.wait(ARBITRATION + 1)
    acts["lapse"] = disputes.act("lapse", 4, sender=relay)

    acts["claim a recording"] = disputes.act("claimRecording", 7, keccak(b"evidence"), sender=relay)
    acts["rule that a recording is another's"] = disputes.act(
        "ruleRecording", 1, True, sender=arbiter
    )
    return acts


def _challenge(protocol: DeployedProtocol, report: Report, row: Row, quantity: int) -> int:
    case = (report.raw, report.rows, report.credits)
    claim = (row.license_id, int(row.tier), int(row.metric), quantity, keccak(b"evidence"))
    return protocol.disputes.act("challenge", case, claim, [], sender=protocol.relay)


# ---- grants -------------------------------------------------------------------------------------


def _grants(protocol: DeployedProtocol) -> Acts:
    grants, admin, relay = protocol.grants, protocol.admin, protocol.relay
    asking = int(Flag.GRANT_REQUIRED | Flag.GRANT_APPROVAL)
    by_card = protocol.catalogue(
        works(ROWS, 2, "granted"), offer("by card", int(Flag.GRANT_REQUIRED))
    )
    (request_license,) = protocol.catalogue(works(1, 2, "asked"), offer("asked", asking))
    acts: Acts = {}
    for license_id in by_card:
        gas = grants.act("buy", 1, license_id, int(Tier.GENERATIVE), MODEL, 2**63, sender=admin)
    acts["buy a grant"] = gas
    rows = usage(by_card)
    acts["submit 100 rows, each under a grant"] = protocol.submit(protocol.report(rows))

    fee = 5_000_000
    terms = (request_license, int(Tier.GENERATIVE), MODEL, fee)
    acts["ask for a grant"] = grants.act("ask", 1, *terms, sender=admin)
    acts["approve a grant"] = grants.act(
        "approve", 1, grants.ask("requestDigest", 1), sender=protocol.artist
    )
    acts["pay for a grant"] = grants.act("pay", 1, sender=admin)
    grants.act("ask", 1, *terms, sender=admin)
    owner = signer("an artist without gas")
    protocol.registry.act(
        "transferFrom", protocol.artist, owner.address, request_license, sender=protocol.artist
    )
    document = protocol.registry.ask("documentOf", request_license)
    approval = ApproveGrant(
        account=owner.address,
        license_id=request_license,
        current_document=document,
        tier=Tier.GENERATIVE,
        platform_id=1,
        platform_admin=admin,
        model_id=MODEL,
        fee=fee,
        nonce=1,
        deadline=FOREVER,
    )
    signed = (owner.address, 1, FOREVER, protocol.sign(approval, owner))
    acts["approve a grant by signature"] = grants.act(
        "approveBySignature", 2, document, signed, sender=relay
    )
    return acts


# ---- escrow and roles ---------------------------------------------------------------------------


def _escrow(protocol: DeployedProtocol) -> Acts:
    vault, admin = protocol.vault, protocol.admin
    acts: Acts = {}
    acts["add to the bond"] = vault.act("addBond", 1, UNIT, sender=admin)
    acts["thaw"] = vault.act("thaw", 1, UNIT, sender=admin)
    acts["cancel a thaw"] = vault.act("cancelThaw", 1, sender=admin)
    vault.act("thaw", 1, UNIT, sender=admin)
    protocol.chain.wait(29 * DAY)
    acts["withdraw"] = vault.act("withdraw", 1, admin, sender=admin)
    acts["set a reporter"] = vault.act(
        "setReporter", 1, account("reporter two"), True, sender=admin
    )
    acts["close a platform"] = vault.act("close", 1, sender=admin)
    return acts


def _roles(protocol: DeployedProtocol) -> Acts:
    oracle = protocol.oracle
    return {
        "pause": oracle.act("pause", sender=protocol.guardian),
        "unpause": oracle.act("unpause", sender=protocol.guardian),
        "set four attesters": protocol.set_attesters(4),
        "list a module": protocol.vault.act(
            "listModule", account("module"), sender=protocol.governor
        ),
    }


def main() -> int:
    """Measure and write; the exit code."""
    try:
        acts = measure(artefacts.built())
    except (BenchError, ToolchainError) as error:
        print(f"gas snapshot: {error}", file=sys.stderr)
        return 1
    write(acts)
    print(f"{len(acts)} acts: {SNAPSHOT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
