"""An attester signs what it computes itself, once for each place, and refuses everything else, saying why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.documents.cid import cid_from_digest
from obbligato.documents.evidence import EvidenceDocument, UnlicensedUse
from obbligato.errors import DigestMismatch, NotFound
from obbligato.protocol.constants import Pricing, Tier
from obbligato.protocol.eip712 import Domain
from obbligato.protocol.quorum import CURVE_ORDER
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.typed_data import Contract
from obbligato.schemas.attestation import AttestationRequest
from obbligato.store import EmbeddedStore
from oracle.attester.attester import Attester
from scripts.demo.cast import ATTESTERS
from tests.onchain import STRANGER, UNIT
from tests.oracle.attesting import (
    GENERATED,
    LONGEST_DEADLINE,
    REPORTER,
    TOTAL,
    TRAINED,
    UNITS,
    Evidence,
    Scene,
    Use,
    refuses,
    signer_of,
)
from tests.oracle.environment import RATE

# ---- what is signed


def test_an_honest_report_is_signed_over_its_id_and_the_version_in_force(
    scene: Scene, evidence: Evidence, attester: Attester
) -> None:
    header = scene.header(evidence, TOTAL)
    answer = attester.attest(scene.asked(header))
    assert answer.report_id == header.report_id(scene.domain)
    assert answer.config_version == scene.acts.chain.call("UsageOracle", "configVersion")
    assert signer_of(scene, answer) == answer.signer == ATTESTERS[0].address


def test_a_statement_of_no_use_is_signed(scene: Scene, attester: Attester) -> None:
    header = scene.header(scene.forged([]), 0)
    assert signer_of(scene, attester.attest(scene.asked(header))) == ATTESTERS[0].address


def test_the_first_and_the_last_second_of_a_deadline_are_in_time(
    scene: Scene, evidence: Evidence, tmp_path: Path
) -> None:
    for number, deadline in enumerate((scene.acts.now(), scene.acts.now() + LONGEST_DEADLINE)):
        folder = tmp_path / str(number)
        folder.mkdir()
        header = scene.header(evidence, TOTAL, deadline=deadline)
        scene.attester(folder).attest(scene.asked(header))


# ---- headers that are wrong


def of_rows(*rows: Row) -> dict[str, Any]:
    return {"row_count": len(rows), "rows_digest": keccak(pack_rows(rows))}


def generations(scene: Scene, *units: int) -> dict[str, Any]:
    """The rows of so many generations of each licence."""
    pairs = zip(scene.licenses, units, strict=False)
    return of_rows(*(Row(each, *GENERATED, count * UNIT) for each, count in pairs))


HEADERS: dict[str, tuple[Callable[[Scene], dict[str, Any]], str]] = {
    "the second of an empty stream": (
        lambda scene: {"sequence": 2},
        r"the stream is at number 0 .* number 2 after",
    ),
    "number nought": (lambda scene: {"sequence": 0}, "the stream is at number 0 .* number 0 after"),
    "after a report that is none": (
        lambda scene: {"previous": b"\x11" * 32},
        "number 1 after 0x1111",
    ),
    "a period that is not over": (
        lambda scene: {"period_end": scene.acts.now() + 1},
        "which has not come yet",
    ),
    "a deadline that has passed": (
        lambda scene: {"deadline": scene.acts.now() - 1},
        "the deadline .* has passed",
    ),
    "a deadline too far away": (
        lambda scene: {"deadline": scene.acts.now() + LONGEST_DEADLINE + 1},
        f"more than {LONGEST_DEADLINE} seconds away",
    ),
    "a unit of money too much": (
        lambda scene: {"total": TOTAL + 1},
        f"the rows cost {TOTAL}, the report says {TOTAL + 1}",
    ),
    "a unit of money too little": (
        lambda scene: {"total": TOTAL - 1},
        f"the rows cost {TOTAL}, the report says {TOTAL - 1}",
    ),
    "one unit more than the evidence": (
        lambda scene: generations(scene, 10, 6),
        "the evidence sums to 2 rows",
    ),
    "a millionth less than the evidence": (
        lambda scene: of_rows(
            Row(scene.licenses[0], *GENERATED, 10 * UNIT),
            Row(scene.licenses[1], *GENERATED, 5 * UNIT - 1),
        ),
        "the evidence sums to 2 rows",
    ),
    "a row left out": (
        lambda scene: generations(scene, 10),
        "the evidence sums to 2 rows .* the report says 1 rows",
    ),
    "a count of rows that is none": (lambda scene: {"row_count": 3}, "the report says 3 rows"),
    "another platform's reporter": (
        lambda scene: {"platform_id": scene.platform_id + 1},
        "is no reporter of platform",
    ),
    "evidence of another model": (
        lambda scene: {"model_id": keccak(b"another")},
        "the evidence is of model",
    ),
    "evidence of another period": (
        lambda scene: {"period_start": scene.period[0] + 1},
        "the evidence is of period",
    ),
    "no rows, but a price": (
        lambda scene: {**of_rows(), "evidence": scene.forged([]).digest},
        "a report without rows is priced METERED with total 0",
    ),
    "no rows, as a pool": (
        lambda scene: {
            **of_rows(),
            "evidence": scene.forged([]).digest,
            "total": 0,
            "pricing": Pricing.POOL,
        },
        "a report without rows is priced METERED with total 0",
    ),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_is_wrong_is_refused_with_the_reason(
    scene: Scene, evidence: Evidence, attester: Attester, case: str
) -> None:
    changes, words = HEADERS[case]
    header = scene.header(evidence, **{"total": TOTAL, **changes(scene)})
    refuses(attester, scene.asked(header), words)
    attester.attest(scene.asked(scene.header(evidence, TOTAL)))


# ---- signatures that are none


def altered(request: AttestationRequest, change: Callable[[bytes], bytes]) -> AttestationRequest:
    signature = "0x" + change(request.signature()).hex()
    return request.model_copy(update={"reporter_signature": signature})


def upper_half(signature: bytes) -> bytes:
    """The other signature that the same key and message have, which the chain does not take."""
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


SIGNATURES: dict[str, Callable[[Scene, AttestationRequest], AttestationRequest]] = {
    "somebody else's": lambda scene, asked: asked.model_copy(
        update={"reporter_signature": "0x" + ("11" * 64) + "1b"}
    ),
    "in the upper half": lambda scene, asked: altered(asked, upper_half),
    "without its last byte": lambda scene, asked: altered(asked, lambda given: given[:-1]),
    "of one byte": lambda scene, asked: altered(asked, lambda given: given[:1]),
    "of zeros": lambda scene, asked: altered(asked, lambda given: bytes(len(given))),
}


@pytest.mark.parametrize("case", SIGNATURES)
def test_what_is_no_signature_of_the_reporter_is_refused(
    scene: Scene, evidence: Evidence, attester: Attester, case: str
) -> None:
    asked = scene.asked(scene.header(evidence, TOTAL))
    refuses(attester, SIGNATURES[case](scene, asked), "is not signed by .* for this chain")
    attester.attest(asked)


def test_a_signature_by_another_key_or_for_another_chain_or_contract_is_refused(
    scene: Scene, evidence: Evidence, attester: Attester
) -> None:
    header, ours = scene.header(evidence, TOTAL), scene.domain
    vault = scene.protocol.chain.deployment.address("RoyaltyVault")
    for domain in (
        Domain(contract=Contract.USAGE_ORACLE, chain_id=1, address=ours.address),
        Domain(contract=Contract.USAGE_ORACLE, chain_id=ours.chain_id, address=vault),
    ):
        refuses(attester, scene.asked(header, domain=domain), "is not signed by")
    in_its_name = scene.asked(header, by=STRANGER, named=REPORTER.address)
    refuses(attester, in_its_name, f"is not signed by {REPORTER.address}")
    refuses(attester, scene.asked(header, by=STRANGER), f"{STRANGER.address} is no reporter")
    attester.attest(scene.asked(header))


@pytest.mark.parametrize("signature", ["", "0x", "0x1", "0x123", "0xgg"])
def test_a_question_without_whole_bytes_of_a_signature_is_malformed(
    scene: Scene, evidence: Evidence, signature: str
) -> None:
    header = scene.header(evidence, TOTAL)
    with pytest.raises(ValueError, match="reporter_signature"):
        AttestationRequest(
            header=header.as_json(), reporter=REPORTER.address, reporter_signature=signature
        )


# ---- evidence that is wrong


EVIDENCE: dict[str, tuple[Callable[[Scene], Evidence], str]] = {
    "of another platform": (
        lambda scene: scene.forged(scene.uses(*UNITS), platform_id=scene.platform_id + 1),
        "the evidence is of platform",
    ),
    "of another model": (
        lambda scene: scene.forged(scene.uses(*UNITS), model=keccak(b"another")),
        "the evidence is of model",
    ),
    "of another period": (
        lambda scene: scene.forged(
            scene.uses(*UNITS), period=(scene.period[0], scene.period[1] - 1)
        ),
        "the evidence is of period",
    ),
    "of a second after the period": (
        lambda scene: scene.forged(
            [*scene.uses(*UNITS), Use(scene.licenses[0], *GENERATED, 1, scene.period[1])]
        ),
        "is outside the period",
    ),
    "of a second before the period": (
        lambda scene: scene.forged(
            [*scene.uses(*UNITS), Use(scene.licenses[0], *GENERATED, 1, scene.period[0] - 1)]
        ),
        "is outside the period",
    ),
    "of a licence that does not exist": (
        lambda scene: scene.forged([Use(2**31, *GENERATED, 1, scene.period[0])]),
        f"no licence for licence {2**31}",
    ),
    "of a tier that was not opted in": (
        lambda scene: scene.forged(
            [Use(scene.licenses[0], Tier.VOICE, GENERATED[1], 1, scene.period[0])]
        ),
        "no consent for licence .* tier VOICE",
    ),
    "of a use that is not offered": (
        lambda scene: scene.forged(
            [Use(scene.licenses[0], Tier.TRAINING, GENERATED[1], 1, scene.period[0])]
        ),
        "not offered for licence .* tier TRAINING, metric GENERATION",
    ),
    "that declares as unlicensed what was allowed": (
        lambda scene: scene.forged(
            scene.uses(7, 5),
            unlicensed=[
                UnlicensedUse(
                    license_id=scene.licenses[0],
                    tier=GENERATED[0],
                    metric=GENERATED[1],
                    quantity=3 * UNIT,
                    reason="no consent",
                )
            ],
        ),
        "declared as unlicensed .* but was allowed in the whole period",
    ),
}


@pytest.mark.parametrize("case", EVIDENCE)
def test_evidence_that_is_wrong_is_refused_with_the_reason(
    scene: Scene, evidence: Evidence, attester: Attester, case: str
) -> None:
    make, words = EVIDENCE[case]
    wrong = make(scene)
    total = sum(row.quantity for row in wrong.rows) // UNIT * RATE
    refuses(attester, scene.asked(scene.header(wrong, total)), words)
    attester.attest(scene.asked(scene.header(evidence, TOTAL)))


def test_a_pool_that_leaves_a_row_below_its_reserve_price_is_refused(
    scene: Scene, tmp_path: Path
) -> None:
    """Three and seven playbacks for training cost one millionth each, and share a pool by 3 : 7."""
    pool = scene.metered(scene.uses(3, 7, of=TRAINED), tmp_path, pricing=Pricing.POOL)
    attester = scene.attester(tmp_path)
    # floor(9 * 3 / 10) = 2, one less than the three that the first row costs by the meter.
    short = scene.header(pool, 9, pricing=Pricing.POOL)
    refuses(attester, scene.asked(short), rf"row 0: .*BelowReserve.*{scene.licenses[0]}.*2.*3")
    attester.attest(scene.asked(scene.header(pool, 10, pricing=Pricing.POOL)))


@pytest.mark.parametrize("hidden", ["the document", "the events"])
def test_evidence_that_nobody_has_is_no_refusal_and_tampered_bytes_are_not_used(
    scene: Scene, evidence: Evidence, tmp_path: Path, hidden: str
) -> None:
    store = EmbeddedStore(tmp_path / "blocks")
    attester = scene.attester(tmp_path, store=store)
    document = scene.protocol.store.get(cid_from_digest(evidence.digest))
    (chunk,) = EvidenceDocument.from_bytes(document).chunks
    asked = scene.asked(scene.header(evidence, TOTAL))
    blocks = {
        "the document": document,
        "the events": scene.protocol.store.get(cid_from_digest(chunk.digest)),
    }
    for name, data in blocks.items():
        if name != hidden:
            store.put(data)
    with pytest.raises(NotFound):
        attester.attest(asked)
    cid = store.put(blocks[hidden])
    (path,) = (tmp_path / "blocks").glob(f"blocks/*/{cid}")
    path.write_bytes(blocks[hidden].replace(b'"units":7', b'"units":8')[:-1] + b" ")
    with pytest.raises(DigestMismatch):
        attester.attest(asked)
    store.put(blocks[hidden])
    attester.attest(asked)
