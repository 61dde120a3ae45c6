"""Every act after the mint, through the relay, compared with what the contracts say afterwards."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from sqlalchemy import text

from backend.actions.approvals import prepare_grant, prepare_operator
from backend.actions.license_acts import (
    prepare_amend,
    prepare_reinstate,
    prepare_revoke,
    prepare_split_change,
)
from backend.actions.payee_acts import (
    prepare_challenge,
    prepare_claim,
    prepare_guard,
    prepare_redirect,
)
from backend.actions.sign import accept, decline
from backend.actions.store import PreparedAct, store_act, typed_data
from backend.db.service_db import Act, Invitation, ServiceDatabase
from obbligato.documents.wording import terms_with_legal_text
from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import Flag, Metric, Tier
from obbligato.protocol.terms import RateCard
from obbligato.schemas.act_states import ActState
from obbligato.schemas.acts import (
    AmendRequest,
    ChallengeRequest,
    ChangeSplitRequest,
    ClaimRequest,
    GrantRequest,
    GuardClaimsRequest,
    OperatorRequest,
    RedirectRequest,
    ReinstateRequest,
    RevokeRequest,
)
from obbligato.server.http import Problem
from scripts.demo.cast import METERED_PLATFORM, SOCIETY
from tests import postgres
from tests.backend.actions.conftest import PATIENCE, ActsEnv
from tests.onchain import (
    ARTIST,
    BY_GRANT,
    COLD,
    DAY,
    DOLLARS,
    DUO,
    LABEL,
    PRODUCER,
    STRANGER,
    UNIT,
    split,
)
from tests.scenario import MODEL, OPEN, WIDER

TERM = 365 * DAY
ACT_ID, INVITATION_ID = "a" * 32, "b" * 32


def mint(
    acts_env: ActsEnv, owner: LocalAccount, title: str, pays: Any = None, terms: Any = OPEN
) -> int:
    """A licence that is there already, minted without the service."""
    license_id = acts_env.acts.mint(owner, terms, pays or split((owner, 1_000_000)), title)
    acts_env.index.sync()
    return license_id


def prepared(acts_env: ActsEnv, by: LocalAccount, prepared_act: PreparedAct) -> Act:
    return store_act(acts_env.services, acts_env.caller(by), prepared_act)


def done(acts_env: ActsEnv, by: LocalAccount, prepared_act: PreparedAct) -> Act:
    """Prepared, signed by `by`, relayed, final."""
    act = prepared(acts_env, by, prepared_act)
    acts_env.sign(act, by)
    return acts_env.reach(act, ActState.FINAL)


def test_a_tier_that_is_only_added_counts_at_once(acts_env: ActsEnv) -> None:
    license_id = mint(acts_env, ARTIST, "widened")
    assert not acts_env.services.chain.call(
        "LicenseRegistry", "consentAt", license_id, 1, acts_env.acts.now()
    )
    given = AmendRequest.model_validate(
        {
            "license_id": license_id,
            "terms": {
                "tiers": {
                    "ANALYSIS": {
                        "training_run_units": 250_000,
                        "generation_units": 0,
                        "playback_units": 3,
                    },
                    "TRAINING": {"training_run_units": 2_000_000, "playback_units": 1},
                    "GENERATIVE": {
                        "training_run_units": 5_000_000,
                        "generation_units": "2400",
                        "playback_units": 40,
                    },
                },
                "flags": ["POOL"],
            },
        }
    )
    # The request's terms are those that the story amends to.
    assert given.terms is not None
    assert given.terms.terms() == WIDER
    act = done(acts_env, ARTIST, prepare_amend(acts_env.services, acts_env.caller(ARTIST), given))
    assert "It counts at once." in act.preview["sentences"]
    now = acts_env.acts.now()
    assert acts_env.services.chain.call("LicenseRegistry", "consentAt", license_id, 1, now)


def test_other_prices_count_from_the_next_term_and_the_preview_says_when(acts_env: ActsEnv) -> None:
    license_id = mint(acts_env, ARTIST, "dearer")
    minted_at = acts_env.services.chain.call("LicenseRegistry", "licenseOf", license_id)[1]
    given = AmendRequest.model_validate(
        {
            "license_id": license_id,
            "terms": {"tiers": {"GENERATIVE": {"generation_units": "9900"}}, "flags": []},
        }
    )
    act = done(acts_env, ARTIST, prepare_amend(acts_env.services, acts_env.caller(ARTIST), given))
    hot = acts_env.services.chain.call("LicenseRegistry", "licenseOf", license_id)
    assert hot[4] == minted_at + TERM
    assert any("when the running term ends" in sentence for sentence in act.preview["sentences"])
    assert "Training is no longer allowed." in act.preview["sentences"]


def test_another_content_hash_is_no_amendment(acts_env: ActsEnv) -> None:
    license_id = mint(acts_env, ARTIST, "swapped")
    recording = {"title": "x", "artists": ["y"], "content_hash": "0x" + "77" * 32}
    given = AmendRequest.model_validate({"license_id": license_id, "recording": recording})
    with pytest.raises(RefusedError, match="another recording"):
        prepare_amend(acts_env.services, acts_env.caller(ARTIST), given)


def test_a_revoked_licence_ends_with_its_term_and_can_be_taken_back(acts_env: ActsEnv) -> None:
    license_id = mint(acts_env, ARTIST, "revoked")
    chain = acts_env.services.chain
    minted_at = chain.call("LicenseRegistry", "licenseOf", license_id)[1]
    given = RevokeRequest(license_id=license_id)
    done(acts_env, ARTIST, prepare_revoke(acts_env.services, acts_env.caller(ARTIST), given))
    assert chain.call("LicenseRegistry", "licenseOf", license_id)[5] == minted_at + TERM
    acts_env.index.sync()
    with pytest.raises(RefusedError, match="revoked already"):
        prepare_revoke(acts_env.services, acts_env.caller(ARTIST), given)
    done(
        acts_env,
        ARTIST,
        prepare_reinstate(
            acts_env.services, acts_env.caller(ARTIST), ReinstateRequest(license_id=license_id)
        ),
    )
    assert chain.call("LicenseRegistry", "licenseOf", license_id)[5] == 0


@pytest.mark.parametrize("prepare", [prepare_revoke, prepare_reinstate])
def test_nobody_acts_for_somebody_else_s_licence(acts_env: ActsEnv, prepare: Any) -> None:
    license_id = mint(acts_env, ARTIST, f"not yours {prepare.__name__}")
    with pytest.raises(Problem) as refused:
        prepare(acts_env.services, acts_env.caller(STRANGER), RevokeRequest(license_id=license_id))
    assert (refused.value.status, refused.value.more["field"]) == (403, "license_id")


def test_a_smaller_share_takes_its_payee_s_signature(acts_env: ActsEnv) -> None:
    pays = split((DUO, 500_000), (LABEL, 300_000), (PRODUCER, 200_000))
    license_id = mint(acts_env, DUO, "shared", pays)
    chain = acts_env.services.chain
    payees = [
        {"account": DUO.address, "share_ppm": 600_000, "role": "performer"},
        {"account": LABEL.address, "share_ppm": 250_000, "role": "label"},
        {"account": PRODUCER.address, "share_ppm": 150_000, "role": "producer"},
    ]
    given = ChangeSplitRequest.model_validate({"license_id": license_id, "payees": payees})
    act = prepared(
        acts_env, DUO, prepare_split_change(acts_env.services, acts_env.caller(DUO), given)
    )
    asked = {each.account: each for each in acts_env.act(act.id).invitations}
    assert set(asked) == {LABEL.address, PRODUCER.address}
    assert (asked[LABEL.address].share_before_ppm, asked[LABEL.address].share_after_ppm) == (
        300_000,
        250_000,
    )

    acts_env.sign(act, DUO)
    acts_env.tick()
    assert acts_env.act(act.id).state == ActState.INVITING
    agree(acts_env, asked[PRODUCER.address], PRODUCER)
    with pytest.raises(InputError, match="signature"):
        agree(acts_env, asked[LABEL.address], STRANGER)
    acts_env.tick()
    assert acts_env.act(act.id).state == ActState.INVITING
    agree(acts_env, asked[LABEL.address], LABEL)
    acts_env.reach(act, ActState.FINAL)
    split_id = chain.call("LicenseRegistry", "licenseOf", license_id)[6]
    shares = [
        chain.call("RoyaltyVault", "positionOf", split_id, each.address)[0]
        for each in (DUO, LABEL, PRODUCER)
    ]
    assert shares == [600_000, 250_000, 150_000]


def test_payees_may_agree_before_the_owner_signs(acts_env: ActsEnv) -> None:
    license_id = mint(acts_env, DUO, "agreed first", split((DUO, 500_000), (LABEL, 500_000)))
    payees = [{"account": DUO.address, "share_ppm": 1_000_000, "role": "performer"}]
    given = ChangeSplitRequest.model_validate({"license_id": license_id, "payees": payees})
    act = prepared(
        acts_env, DUO, prepare_split_change(acts_env.services, acts_env.caller(DUO), given)
    )
    (asked,) = acts_env.act(act.id).invitations
    agree(acts_env, asked, LABEL)
    acts_env.sign(act, DUO)
    acts_env.reach(act, ActState.FINAL)


def test_a_payee_that_agrees_and_declines_at_once_has_agreed(
    acts_env: ActsEnv, postgres_server: str
) -> None:
    with postgres.database(postgres_server) as url, ThreadPoolExecutor(1) as pool:
        database = ServiceDatabase(url)
        services = dataclasses.replace(acts_env.services, service_db=database)
        try:
            with database.work() as session:
                session.add(_inviting_act())
            with database.work() as session:  # as `accept` does it
                session.get_one(Act, ACT_ID, with_for_update=True)
                session.get_one(Invitation, INVITATION_ID).agree(b"signature", 2)
                session.flush()
                declined = pool.submit(decline, services, acts_env.caller(LABEL), INVITATION_ID)
                _until_somebody_waits(database)
            with pytest.raises(Problem, match="You have agreed"):
                declined.result(PATIENCE)
            with database.reading() as session:
                assert session.get_one(Invitation, INVITATION_ID).declined_at is None
        finally:
            database.close()


def _inviting_act() -> Act:
    """A change that waits for its payee."""
    invitation = Invitation(
        id=INVITATION_ID,
        account=LABEL.address,
        share_before_ppm=350_000,
        share_after_ppm=250_000,
        message={},
    )
    return Act(
        id=ACT_ID,
        kind="change-split",
        account=DUO.address,
        made_by=DUO.address,
        message={},
        material={},
        preview={},
        warnings=[],
        deadline=2**33,
        state=ActState.INVITING,
        invitations=[invitation],
    )


def _until_somebody_waits(database: ServiceDatabase) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        with database.reading() as session:
            if session.scalar(waiting):
                return
        assert time.monotonic() < deadline, "nobody waits"


def test_an_operator_is_made_without_gas_and_ended_again(acts_env: ActsEnv) -> None:
    chain = acts_env.services.chain
    for approved in (True, False):
        given = OperatorRequest(operator=SOCIETY.address, approved=approved)
        done(
            acts_env,
            PRODUCER,
            prepare_operator(acts_env.services, acts_env.caller(PRODUCER), given),
        )
        assert (
            chain.call("LicenseRegistry", "isApprovedForAll", PRODUCER.address, SOCIETY.address)
            is approved
        )
    with pytest.raises(RefusedError, match="already"):
        prepare_operator(acts_env.services, acts_env.caller(PRODUCER), given)


def test_a_grant_is_approved_at_the_fee_that_was_offered(acts_env: ActsEnv) -> None:
    card = RateCard(training_run=0, generation=1_200, playback=20, grant_fee=0)
    flags = Flag.GRANT_REQUIRED | Flag.GRANT_APPROVAL
    terms = terms_with_legal_text({Tier.GENERATIVE: card}, term_days=365, flags=flags)
    license_id = mint(acts_env, BY_GRANT, "by grant", terms=terms)
    platform_id = acts_env.acts.platform(METERED_PLATFORM.admin, METERED_PLATFORM.reporter, 0)
    chain = acts_env.services.chain
    fee = 70 * DOLLARS
    chain.transact(METERED_PLATFORM.admin, "Grants", "ask", platform_id, license_id, 3, MODEL, fee)
    request_id = chain.call("Grants", "requestCount")
    acts_env.index.sync()
    grant = prepare_grant(
        acts_env.services, acts_env.caller(BY_GRANT), GrantRequest(request_id=request_id)
    )
    assert any("70.00 dollars" in sentence for sentence in grant.preview.sentences)
    # Who acts with its own gas agrees to the same: the request's digest is an argument.
    digest = chain.call("Grants", "requestDigest", request_id)
    assert grant.direct is not None
    assert grant.direct.arguments == [request_id, digest]
    done(acts_env, BY_GRANT, grant)
    acts_env.acts.dollars(METERED_PLATFORM.admin, fee)
    chain.transact(METERED_PLATFORM.admin, "Grants", "pay", request_id)
    now = acts_env.acts.now()
    assert chain.call("Grants", "covers", license_id, 3, platform_id, MODEL, now, now + 1)


def test_claims_redirections_and_a_challenge_on_credit(acts_env: ActsEnv) -> None:
    chain = acts_env.services.chain
    license_id = mint(acts_env, COLD, "earning")
    platform_id = acts_env.acts.platform(
        METERED_PLATFORM.admin, METERED_PLATFORM.reporter, 500 * DOLLARS
    )
    start = acts_env.acts.now()
    end = acts_env.acts.wait(30)
    uses = [(license_id, Tier.GENERATIVE, Metric.GENERATION, 10_000)]
    model = hashlib.sha256(b"a model of this test").digest()
    report = acts_env.acts.report(platform_id, METERED_PLATFORM.reporter, model, uses, (start, end))
    acts_env.acts.wait(8)
    acts_env.acts.settle(report)
    acts_env.index.sync()

    # 10 000 generations at 2 400 millionths of a dollar: 24 dollars.
    caller = acts_env.caller(COLD)
    contest = ChallengeRequest.model_validate(
        {
            "report_id": "0x" + report.report_id.hex(),
            "license_id": license_id,
            "tier": "GENERATIVE",
            "metric": "GENERATION",
            "claimed_quantity": str(15_000 * UNIT),
            "evidence_text": "a list of outputs",
        }
    )
    act = done(acts_env, COLD, prepare_challenge(acts_env.services, caller, contest))
    challenge = chain.call("Disputes", "challengeOf", act.result["challenge_id"])  # type: ignore[index]
    # 12 dollars more are asked for; a tenth is less than the minimum of 5 dollars; half for a payee.
    assert (challenge[2], challenge[7], challenge[9]) == (COLD.address, 15_000 * UNIT, 2_500_000)

    acts_env.index.sync()
    done(
        acts_env,
        COLD,
        prepare_redirect(acts_env.services, caller, RedirectRequest(to=STRANGER.address)),
    )
    assert chain.call("RoyaltyVault", "recipientOf", COLD.address) == STRANGER.address
    guarded = GuardClaimsRequest(guarded=True)
    done(acts_env, COLD, prepare_guard(acts_env.services, caller, guarded))
    assert chain.call("RoyaltyVault", "areClaimsGuarded", COLD.address) is True
    with pytest.raises(RefusedError, match="guarded already"):
        prepare_guard(acts_env.services, caller, guarded)
    before = chain.call("TestDollar", "balanceOf", PRODUCER.address)
    act = done(
        acts_env, COLD, prepare_claim(acts_env.services, caller, ClaimRequest(to=PRODUCER.address))
    )
    assert act.result == {"amount_units": str(24 * DOLLARS - 2_500_000)}
    assert (
        chain.call("TestDollar", "balanceOf", PRODUCER.address) - before == 24 * DOLLARS - 2_500_000
    )
    acts_env.index.sync()
    with pytest.raises(RefusedError, match="can be claimed right now"):
        prepare_claim(acts_env.services, caller, ClaimRequest())


def test_an_act_that_the_chain_would_refuse_is_refused_when_it_is_signed(acts_env: ActsEnv) -> None:
    license_id = mint(acts_env, ARTIST, "raced")
    given = RevokeRequest(license_id=license_id)
    act = prepared(
        acts_env, ARTIST, prepare_revoke(acts_env.services, acts_env.caller(ARTIST), given)
    )
    acts_env.services.chain.transact(ARTIST, "LicenseRegistry", "revoke", license_id)
    with pytest.raises(RefusedError, match="LicenseEnding"):
        acts_env.sign(act, ARTIST)
    assert acts_env.act(act.id).state == ActState.PREPARED


def agree(acts_env: ActsEnv, invitation: Invitation, by: LocalAccount) -> Invitation:
    signed = by.sign_typed_data(full_message=typed_data(acts_env.services.chain, invitation))
    return accept(acts_env.services, invitation.id, bytes(signed.signature))
