"""What an attester signs depends on when: consent that ended, prices that changed, places, attempts, restarts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from obbligato.documents.wording import terms_with_legal_text
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.terms import RateCard
from obbligato.schemas.attestation import AttestationAnswer
from oracle.attester.attester import Attester
from scripts.demo.cast import ARBITER, ATTESTERS, GUARDIAN, RELAY
from tests.onchain import ARTIST, DAY, DOLLARS, STRANGER, UNIT, raw_terms, split
from tests.oracle.attesting import (
    GENERATED,
    MODEL,
    REPORTER,
    TOTAL,
    UNITS,
    Evidence,
    Scene,
    Use,
    refuses,
    signer_of,
)
from tests.oracle.environment import RATE, OracleEnv
from tests.scenario import OPEN

# ---- consent that ended, prices that changed


def test_use_counts_until_the_second_before_consent_ended_and_not_after(
    scene: Scene, tmp_path: Path
) -> None:
    chain = scene.acts.chain
    with scene.acts.undone():
        license_id = scene.acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "To be voided")
        scene.acts.wait(1)
        scene.acts.dollars(STRANGER, 5 * DOLLARS)
        proof = hashlib.sha256(b"an older contract").digest()
        chain.transact(STRANGER, "Disputes", "claimRecording", license_id, proof)
        claim_id = chain.call("Disputes", "claimCount")
        chain.transact(ARBITER, "Disputes", "ruleRecording", claim_id, True)
        ended = scene.acts.now()
        scene.acts.wait(1)
        later = scene.ending_now()
        before, after = (
            Use(license_id, *GENERATED, 1, ended - 1),
            Use(license_id, *GENERATED, 1, ended),
        )
        attester = later.attester(tmp_path)
        wrong = later.header(later.forged([before, after]), 2 * RATE)
        refuses(attester, later.asked(wrong), f"at {ended}: no consent for licence {license_id}")
        # The honest leader puts the second one where it belongs.
        honest = later.metered([before, after], tmp_path)
        assert [row.quantity for row in honest.rows] == [UNIT]
        assert [(use.quantity, use.reason) for use in honest.unlicensed] == [(UNIT, "no consent")]
        attester.attest(later.asked(later.header(honest, RATE)))


def test_a_price_that_rises_in_the_middle_of_a_period_is_the_price_of_all_of_it(
    scene: Scene, tmp_path: Path
) -> None:
    """2 400 millionths a generation until the term's end, 7 000 from then on."""
    card = RateCard(training_run=0, generation=7_000, playback=0, grant_fee=0)
    dearer = terms_with_legal_text({Tier.GENERATIVE: card}, term_days=365, flags=Flag(0))
    chain = scene.acts.chain
    with scene.acts.undone():
        license_id = scene.acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "To be dearer")
        change = scene.acts.now() + 365 * DAY
        chain.transact(RELAY, "LicenseRegistry", "internTerms", raw_terms(dearer))
        document, _ = scene.acts.document(dearer, "To be dearer")
        chain.transact(ARTIST, "LicenseRegistry", "amend", license_id, dearer.digest(), document)
        scene.acts.wait(367)
        uses = [Use(license_id, *GENERATED, 4, change - 1), Use(license_id, *GENERATED, 6, change)]
        for start, end, total, other in (
            (change - DAY, change + DAY, 10 * 7_000, 4 * 2_400 + 6 * 7_000),
            (change - DAY, change, 4 * 2_400, 4 * 7_000),
            (change, change + DAY, 6 * 7_000, 6 * 2_400),
        ):
            later = replace(scene, period=(start, end))
            folder = tmp_path / str(total)
            folder.mkdir()
            attester = later.attester(folder)
            found = later.metered([use for use in uses if start <= use.at < end], folder)
            refuses(attester, later.asked(later.header(found, other)), f"the rows cost {total}")
            attester.attest(later.asked(later.header(found, total)))


# ---- places


def test_another_report_for_the_same_place_is_refused_also_after_a_restart(
    scene: Scene, evidence: Evidence, tmp_path: Path
) -> None:
    first = scene.asked(scene.header(evidence, TOTAL))
    other = scene.metered(scene.uses(*UNITS), tmp_path, salt=b"a salt that is another one")
    assert other.digest != evidence.digest
    second = scene.asked(scene.header(other, TOTAL))
    answer = scene.attester(tmp_path).attest(first)
    again = scene.attester(tmp_path)
    refuses(again, second, "another report was signed for attempt 1 at number 1")
    assert again.attest(first).signature == answer.signature


def test_a_second_attempt_is_signed_once_the_firsts_deadline_is_over_in_a_final_block(
    scene: Scene, evidence: Evidence, attester: Attester
) -> None:
    acts = scene.acts
    with acts.undone():
        deadline = acts.now() + 600
        attester.attest(scene.asked(scene.header(evidence, TOTAL, deadline=deadline)))
        late = scene.header(evidence, TOTAL, attempt=2, deadline=deadline + 3_600)
        refuses(attester, scene.asked(late), f"attempt 1 may still be accepted until {deadline}")
        for moment in (deadline, deadline + 1):
            acts.node("evm_setNextBlockTimestamp", moment)
            acts.node("evm_mine")
            # The newest block is not final: this one looks at the block before it.
            refuses(attester, scene.asked(late), "attempt 1 may still be accepted")
        acts.node("evm_mine")
        attester.attest(scene.asked(late))
        again = scene.header(evidence, TOTAL, deadline=deadline + 3_600)
        refuses(attester, scene.asked(again), "another report was signed for attempt 1")


def test_what_the_chain_has_and_what_would_leave_a_gap_is_refused(
    scene: Scene, tmp_path: Path
) -> None:
    acts, (start, end) = scene.acts, scene.period
    middle = (start + end) // 2
    uses = [(scene.licenses[0], *GENERATED, 1)]
    attester = scene.attester(tmp_path)
    with acts.undone():
        done = acts.report(scene.platform_id, REPORTER, MODEL, uses, (start, middle))
        refuses(attester, scene.asked(done.header), "the chain has this report already")
        follows = {"sequence": 2, "previous": done.report_id}
        fresh = scene.forged([])
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"sequence": 1}, "the stream is at number 1"),
            ({**follows, "sequence": 3}, "the stream is at number 1"),
            ({**follows, "previous": bytes(32)}, "the stream is at number 1"),
            ({**follows, "period_start": middle + 1}, f"reported until {middle}"),
            ({**follows, "period_start": middle - 1}, f"reported until {middle}"),
            (
                {**follows, "period_end": middle},
                f"reported until {middle}: a statement of no use would say nothing",
            ),
        ]
        for changes, words in wrong:
            refuses(attester, scene.asked(scene.header(fresh, 0, **changes)), words)
        rest = scene.forged([], period=(middle, end))
        attester.attest(scene.asked(scene.header(rest, 0, period_start=middle, **follows)))


def test_who_is_no_attester_or_no_longer_one_signs_nothing(
    scene: Scene, evidence: Evidence, attester: Attester, tmp_path: Path
) -> None:
    asked = scene.asked(scene.header(evidence, TOTAL))
    nobody = scene.attester(tmp_path, account=STRANGER)
    refuses(nobody, asked, f"{STRANGER.address} is no attester of version")
    with scene.acts.undone():
        scene.acts.chain.transact(GUARDIAN, "UsageOracle", "removeAttester", ATTESTERS[0].address)
        refuses(attester, asked, f"{ATTESTERS[0].address} is no attester of version 2")
    attester.attest(asked)


# ---- over HTTP, a process of its own


def test_a_process_answers_with_problems_and_remembers_what_it_signed_through_a_crash(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    scene = Scene(oracle_env.acts, oracle_env.platform_id, oracle_env.licenses, oracle_env.period)
    service = oracle_env.stack.attesters[0]
    model = oracle_env.model()
    evidence = scene.metered(scene.uses(*UNITS), tmp_path, model=model)
    other = scene.metered(scene.uses(*UNITS), tmp_path, model=model, salt=b"another salt of it")

    def ask(evidence: Evidence, total: int = TOTAL, **changes: Any) -> httpx.Response:
        header = scene.header(evidence, total, deadline=deadline, model_id=model, **changes)
        content = {**scene.asked(header).model_dump(mode="json"), **replaced}
        return httpx.post(f"{service.url}/v1/attestations", json=content, timeout=60)

    deadline, replaced = oracle_env.acts.now() + DAY, dict[str, Any]()
    wrong = ask(evidence, TOTAL + 1)
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")
    assert wrong.json()["detail"] == f"the rows cost {TOTAL}, the report says {TOTAL + 1}"
    missing = ask(Evidence(evidence.rows, hashlib.sha256(b"nobody has it").digest()))
    assert (missing.status_code, missing.json()["title"]) == (503, "Not found")
    for replaced in (
        {"reporter_signature": "0x"},
        {"reporter_signature": "0x123"},
        {"reporter": "0x12"},
        {"header": {}},
        {"header": {"platform_id": []}},
    ):
        assert ask(evidence).status_code == 422, replaced
    replaced = {}
    signed = ask(evidence)
    assert signed.status_code == 200
    answer = AttestationAnswer.model_validate_json(signed.content)
    assert signer_of(scene, answer) == ATTESTERS[0].address
    service.kill()
    service.start()
    service.ready()
    refused = ask(other)
    assert refused.status_code == 422
    assert "another report was signed for attempt 1" in refused.json()["detail"]
    assert ask(evidence).json()["signature"] == answer.signature
