"""A mint from its preview to its final block, and everything that must not become one."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from backend.actions.budget import Budget
from backend.actions.license_acts import prepare_mint
from backend.actions.relay import ActFollower
from backend.actions.sign import sign_act, was_sent
from backend.actions.store import Idempotency, act_response, store_act, typed_data
from backend.db.service_db import Act
from obbligato.chain.deployment import CONTRACTS
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.license import LicenseDocument
from obbligato.documents.wording import legal_text
from obbligato.errors import InputError, NotFound
from obbligato.schemas.act_states import ActState
from obbligato.schemas.acts import MintRequest
from obbligato.server.http import Problem
from obbligato.store import BlockState, BlockStatus, StoreError
from scripts.demo.cast import SOCIETY
from tests.backend.actions.conftest import ActsEnv
from tests.onchain import ARTIST, DUO, LABEL, STRANGER


def mint_request(title: str, **changed: Any) -> MintRequest:
    """A request for a licence, as JSON brings it."""
    content = "0x" + hashlib.sha256(title.encode()).hexdigest()
    return MintRequest.model_validate(
        {
            "recording": {"title": title, "artists": ["Nadia Vale"], "content_hash": content},
            "terms": {"preset": "train-dont-imitate"},
            **changed,
        }
    )


def prepared(acts_env: ActsEnv, request: MintRequest, by: Any = ARTIST) -> Act:
    return store_act(
        acts_env.services,
        acts_env.caller(by),
        prepare_mint(acts_env.services, acts_env.caller(by), request),
    )


def test_a_signed_mint_becomes_a_final_licence_with_the_terms_that_were_shown(
    acts_env: ActsEnv,
) -> None:
    act = prepared(
        acts_env,
        mint_request(
            "First",
            payees=[
                {"account": ARTIST.address, "share_ppm": 650_000, "role": "performer"},
                {"account": LABEL.address.lower(), "share_ppm": 350_000, "role": "label"},
            ],
        ),
    )
    assert act.state == ActState.PREPARED
    before = acts_env.services.chain.call("LicenseRegistry", "licenseCount")

    acts_env.sign(act, ARTIST)
    confirmed = acts_env.reach(act, ActState.CONFIRMED)
    assert confirmed.result == {"license_id": before + 1}
    final = acts_env.reach(act, ActState.FINAL)

    license_id = final.result["license_id"]  # type: ignore[index]
    chain = acts_env.services.chain
    assert chain.call("LicenseRegistry", "ownerOf", license_id) == ARTIST.address
    assert chain.call("LicenseRegistry", "consentAt", license_id, 3, acts_env.acts.now())
    assert not chain.call("LicenseRegistry", "consentAt", license_id, 6, acts_env.acts.now())
    split_id = chain.call("LicenseRegistry", "licenseOf", license_id)[6]
    assert chain.call("RoyaltyVault", "positionOf", split_id, LABEL.address)[0] == 350_000
    digest = bytes(chain.call("LicenseRegistry", "documentOf", license_id))
    document = LicenseDocument.from_bytes(acts_env.services.store.get(cid_from_digest(digest)))
    assert document.recording.title == "First"
    text = acts_env.services.store.get(cid_from_digest(document.terms.text_digest))
    assert text == legal_text(document.terms.terms())


def test_the_preview_says_every_price_every_payee_and_what_is_refused(acts_env: ActsEnv) -> None:
    act = prepared(acts_env, mint_request("Preview", terms={"preset": "train-dont-imitate"}))
    shown = "\n".join(act.preview["sentences"])
    # The preset's prices, by hand: 2 400 millionths a generation, 5 dollars a training run.
    assert "each generation: 0.0024 dollars" in shown
    assert "each training run: 5.00 dollars" in shown
    assert "Not allowed: Style, Stems, Voice." in shown
    assert f"100 % to {ARTIST.address} (performer)" in shown
    assert "renews every 365 days" in shown


def test_nothing_is_on_the_chain_before_somebody_signs(acts_env: ActsEnv) -> None:
    before = acts_env.services.chain.call("LicenseRegistry", "licenseCount")
    prepared(acts_env, mint_request("Unsigned"))
    acts_env.tick()
    assert acts_env.services.chain.call("LicenseRegistry", "licenseCount") == before


def test_another_account_s_signature_is_refused_and_the_right_one_still_counts(
    acts_env: ActsEnv,
) -> None:
    act = prepared(acts_env, mint_request("Forged"))
    with pytest.raises(InputError, match="signature"):
        acts_env.sign(act, STRANGER)
    assert acts_env.act(act.id).state == ActState.PREPARED
    acts_env.sign(act, ARTIST)
    acts_env.reach(act, ActState.FINAL)


def test_the_same_signature_again_changes_nothing(acts_env: ActsEnv) -> None:
    act = prepared(acts_env, mint_request("Twice"))
    acts_env.sign(act, ARTIST)
    acts_env.reach(act, ActState.FINAL)
    count = acts_env.services.chain.call("LicenseRegistry", "licenseCount")
    assert acts_env.sign(act, ARTIST).state == ActState.FINAL
    acts_env.tick()
    assert acts_env.services.chain.call("LicenseRegistry", "licenseCount") == count


def test_one_key_prepares_one_act_and_refuses_another_request(acts_env: ActsEnv) -> None:
    caller, request, other = acts_env.caller(ARTIST), mint_request("Key"), mint_request("Another")

    def prepare(wanted: MintRequest) -> Act:
        again = Idempotency.of("my key", "mint", wanted.model_dump(mode="json"))
        return store_act(
            acts_env.services, caller, prepare_mint(acts_env.services, caller, wanted), again
        )

    assert prepare(request).id == prepare(request).id
    with pytest.raises(Problem) as refused:
        prepare(other)
    assert refused.value.status == 409


def test_a_key_goes_with_the_largest_price(acts_env: ActsEnv) -> None:
    tiers = {"GENERATIVE": {"generation_units": str(2**64 - 2)}}
    request = mint_request("Dear", terms={"tiers": tiers})
    again = Idempotency.of("dear", "mint", request.model_dump(mode="json"))
    caller = acts_env.caller(ARTIST)
    act = store_act(
        acts_env.services, caller, prepare_mint(acts_env.services, caller, request), again
    )
    assert act.idempotency_key == "dear"


def test_nobody_mints_for_an_account_that_did_not_make_it_its_operator(acts_env: ActsEnv) -> None:
    with pytest.raises(Problem) as refused:
        prepared(acts_env, mint_request("Not yours", owner=DUO.address), by=SOCIETY)
    assert (refused.value.status, refused.value.more["field"]) == (403, "owner")


def test_an_operator_gets_the_transaction_and_the_act_is_followed(acts_env: ActsEnv) -> None:
    chain = acts_env.services.chain
    chain.transact(DUO, "LicenseRegistry", "setApprovalForAll", SOCIETY.address, True)
    act = prepared(acts_env, mint_request("By a society", owner=DUO.address), by=SOCIETY)
    call = act_response(chain, act).transaction_to_send
    assert call is not None
    digest = chain.web3.eth.send_raw_transaction(
        SOCIETY.sign_transaction(
            {
                "to": call.to,
                "data": call.data,
                "nonce": chain.web3.eth.get_transaction_count(SOCIETY.address),
                "gas": 2_000_000,
                "maxFeePerGas": 10**11,
                "maxPriorityFeePerGas": 10**9,
                "chainId": chain.deployment.chain_id,
            }
        ).raw_transaction
    )
    acts_env.acts.node("evm_mine")
    with pytest.raises(Problem):
        was_sent(acts_env.services, acts_env.caller(STRANGER), act.id, "0x" + digest.hex())
    was_sent(acts_env.services, acts_env.caller(SOCIETY), act.id, "0x" + digest.hex())
    final = acts_env.reach(act, ActState.FINAL)
    assert final.result is not None
    assert chain.call("LicenseRegistry", "ownerOf", final.result["license_id"]) == DUO.address


class DownStore:
    """A store that cannot be asked."""

    def put(self, data: bytes) -> str:
        raise StoreError("down")

    def get(self, cid: str) -> bytes:
        raise StoreError("down")

    def pin(self, cid: str) -> None:
        raise StoreError("down")

    def status(self, cid: str) -> BlockStatus:
        return BlockStatus(cid, BlockState.ABSENT, None)


def test_with_the_store_down_nothing_is_prepared_and_a_retry_works(acts_env: ActsEnv) -> None:
    caller = acts_env.caller(ARTIST)
    down = dataclasses.replace(acts_env.services, store=DownStore())
    with acts_env.services.service_db.reading() as session:
        before = session.query(Act).count()
    with pytest.raises(StoreError, match="nothing was prepared"):
        store_act(down, caller, prepare_mint(down, caller, mint_request("Down")))
    with acts_env.services.service_db.reading() as session:
        assert session.query(Act).count() == before
    act = prepared(acts_env, mint_request("Down"))
    with pytest.raises(StoreError, match="nothing was sent"):
        sign_act(
            down,
            act.id,
            bytes(ARTIST.sign_typed_data(full_message=_typed(acts_env, act)).signature),
        )
    assert acts_env.act(act.id).state == ActState.PREPARED
    acts_env.sign(act, ARTIST)
    acts_env.reach(act, ActState.FINAL)


def test_a_document_that_vanishes_before_it_is_sent_holds_the_mint_back(acts_env: ActsEnv) -> None:
    act = prepared(acts_env, mint_request("Vanished"))
    acts_env.sign(act, ARTIST)
    down = dataclasses.replace(acts_env.services, store=DownStore())
    ActFollower(down, Budget(down.settings)).step()
    waiting = acts_env.act(act.id)
    assert waiting.state == ActState.SIGNED
    assert waiting.waiting is not None
    assert "document" in waiting.waiting
    acts_env.reach(act, ActState.FINAL)


def test_too_many_acts_of_one_account_are_refused_and_others_go_on(acts_env: ActsEnv) -> None:
    few = acts_env.with_settings(acts_per_day=1)
    budget = Budget(few.services.settings)
    with few.services.service_db.work() as session:
        budget.take(session, STRANGER.address, 5)
    for refuse in (budget.check, budget.take):
        with few.services.service_db.work() as session, pytest.raises(Problem) as refused:
            refuse(session, STRANGER.address, 5)
        assert refused.value.status == 429
    with few.services.service_db.work() as session:
        budget.check(session, DUO.address, 5)
        budget.check(session, STRANGER.address, 86_400)


def test_beyond_the_spending_cap_acts_wait_and_go_on_when_it_is_raised(acts_env: ActsEnv) -> None:
    poor = acts_env.with_settings(day_ether=0.0)
    act = prepared(acts_env, mint_request("Cap"))
    acts_env.sign(act, ARTIST)
    poor.follower.step()
    waiting = acts_env.act(act.id)
    assert (waiting.state, waiting.transaction) == (ActState.SIGNED, None)
    assert waiting.waiting is not None
    assert "used up" in waiting.waiting
    acts_env.reach(act, ActState.FINAL)


def test_an_unsigned_act_ends_with_its_deadline(acts_env: ActsEnv) -> None:
    act = prepared(acts_env, mint_request("Late"))
    late = acts_env.with_settings()
    late = dataclasses.replace(
        late, services=dataclasses.replace(acts_env.services, clock=lambda: act.deadline + 1)
    )
    ActFollower(late.services, Budget(late.services.settings)).step()
    found = acts_env.act(act.id)
    assert found.state == ActState.FAILED
    with pytest.raises(Problem) as refused:
        acts_env.sign(act, ARTIST)
    assert refused.value.status == 409


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (
            {"payees": [{"account": ARTIST.address, "share_ppm": 999_999, "role": "performer"}]},
            "payees",
        ),
        (
            {
                "payees": [
                    {"account": ARTIST.address, "share_ppm": 500_000, "role": "performer"},
                    {"account": ARTIST.address, "share_ppm": 500_000, "role": "composer"},
                ]
            },
            "payees",
        ),
        (
            {
                "payees": [
                    {"account": "0x" + "00" * 20, "share_ppm": 1_000_000, "role": "performer"}
                ]
            },
            "account",
        ),
        ({"terms": {"preset": "free for all"}}, "preset"),
        ({"terms": {"tiers": {}, "flags": ["MODEL_BOUND"]}}, "flags"),
        (
            {"terms": {"tiers": {"VOICE": {"generation_units": "1"}}}},
            "recording.scope",
        ),
    ],
)
def test_what_the_rules_refuse_names_its_field_and_prepares_nothing(
    acts_env: ActsEnv, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError) as refused:
        prepared(acts_env, mint_request("Wrong", **changed))
    assert refused.value.field == field


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_of_the_deployment_is_no_payee(acts_env: ActsEnv, name: str) -> None:
    contract = acts_env.services.chain.deployment.address(name)
    with pytest.raises(InputError, match="never be taken out"):
        prepared(
            acts_env,
            mint_request(
                "Lost", payees=[{"account": contract, "share_ppm": 1_000_000, "role": "label"}]
            ),
        )


def test_signing_what_was_never_prepared_is_not_found(acts_env: ActsEnv) -> None:
    with pytest.raises(NotFound):
        sign_act(acts_env.services, "0" * 32, bytes(65))


def _typed(acts_env: ActsEnv, act: Act) -> dict[str, Any]:
    return typed_data(acts_env.services.chain, act)
