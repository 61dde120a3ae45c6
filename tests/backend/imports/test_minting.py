"""From prepared lines to licences: in batches by an operator, one by one by signature, and back by a reorg."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from sqlalchemy import text

from backend.actions.sign import sign_act
from backend.db.service_db import Act
from backend.imports.minting import MOST_IN_BATCH
from backend.imports.worker import CatalogueWorker
from obbligato.chain.client import Chain
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.license import LicenseDocument
from obbligato.protocol.typed_data import ApproveOperator
from obbligato.server.alerts import Alerts
from tests.backend.imports.conftest import ImportsEnv, Visitor, song, written
from tests.onchain import ARTIST, DUO, FAR, LABEL, PRODUCER, STRANGER, Acts


def approve(acts: Acts, owner: LocalAccount, operator: LocalAccount) -> None:
    """The owner signs; somebody else sends it."""
    message = ApproveOperator(
        account=owner.address,
        operator=operator.address,
        approved=True,
        nonce=next(acts.nonces) + 10_000,
        deadline=FAR,
    )
    acts.chain.transact(
        STRANGER,
        "LicenseRegistry",
        "approveOperatorBySignature",
        operator.address,
        True,
        acts.signed(message, owner),
    )


def send(chain: Chain, by: LocalAccount, transactions: list[dict[str, Any]]) -> None:
    """As a wallet does: in order, each once the one before is in a block."""
    web3 = chain.web3
    for each in transactions:
        call: Any = {"from": by.address, "to": each["to"], "data": each["data"], "value": 0}
        call["gas"] = web3.eth.estimate_gas(call) * 11 // 10
        assert call["gas"] < 2**24
        call["nonce"] = web3.eth.get_transaction_count(by.address)
        call["chainId"] = web3.eth.chain_id
        call["gasPrice"] = web3.eth.gas_price * 2
        raw = by.sign_transaction(call).raw_transaction
        receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw))
        assert receipt["status"] == 1, each["what"]


def batch(visitor: Visitor, catalogue_id: str, **given: Any) -> dict[str, Any]:
    answer = visitor.ask("POST", f"/{catalogue_id}/batches", json=given)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_society_mints_for_the_artists_who_signed_and_others_go_on_without_the_rest(
    any_imports_env: ImportsEnv,
) -> None:
    imports_env = any_imports_env
    for artist in (ARTIST, DUO):
        approve(imports_env.acts, artist, LABEL)
    owners = [ARTIST, DUO, PRODUCER]
    rows = [
        song(f"Song {number}", owner=owners[number % 3].address, term_days=str(400 + number % 2))
        for number in range(12)
    ]
    society = imports_env.as_(LABEL)
    catalogue_id = society.take_in(written(rows))
    imports_env.follow()
    count = imports_env.acts.chain.call("LicenseRegistry", "licenseCount")

    offered = batch(society, catalogue_id, most=5)
    assert offered["lines"] == [2, 3, 5, 6, 8]
    assert [(each["owner"], each["lines"]) for each in offered["left_out"]] == [
        (PRODUCER.address, 4)
    ]
    assert LABEL.address in offered["left_out"][0]["reason"]
    # The artist alone is a split of the story already; the duo alone is none.
    assert [each["what"] for each in offered["transactions"]] == [
        "intern terms",
        "intern terms",
        "intern split",
        "mint 5 licences",
    ]
    assert society.counts(catalogue_id) == {"prepared": 7, "offered": 5}
    # The next ones share what the first interned, once that is on the chain.
    send(imports_env.acts.chain, LABEL, offered["transactions"])
    rest = batch(society, catalogue_id)
    assert rest["lines"] == [9, 11, 12]
    assert [each["what"] for each in rest["transactions"]] == ["mint 3 licences"]
    assert batch(society, catalogue_id)["transactions"] == []

    imports_env.follow()
    assert society.counts(catalogue_id) == {"prepared": 4, "offered": 3, "minted": 5}
    lines = imports_env.lines(catalogue_id)
    for place, line in enumerate(offered["lines"]):
        minted = lines[line]
        assert minted.license_id == count + 1 + place
        owner = imports_env.acts.chain.call("LicenseRegistry", "ownerOf", minted.license_id)
        document = imports_env.acts.chain.call("LicenseRegistry", "documentOf", minted.license_id)
        assert (owner, bytes(document)) == (minted.owner, minted.document)
        data = imports_env.services.store.get(cid_from_digest(document))
        assert LicenseDocument.from_bytes(data).recording.title == f"Song {line - 2}"

    # The producer mints for itself, in the same catalogue.
    own = batch(imports_env.as_(PRODUCER), catalogue_id)
    assert (own["lines"], own["left_out"]) == ([4, 7, 10, 13], [])
    send(imports_env.acts.chain, PRODUCER, own["transactions"])
    imports_env.follow()
    assert society.counts(catalogue_id) == {"offered": 3, "minted": 9}


def test_what_was_offered_and_not_minted_is_offered_again_where_asked_and_never_twice(
    imports_env: ImportsEnv,
) -> None:
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written([song("A"), song("B")]))
    imports_env.work()
    first = batch(visitor, catalogue_id)
    assert batch(visitor, catalogue_id)["lines"] == []
    again = batch(visitor, catalogue_id, again=True)
    assert again == first
    send(imports_env.acts.chain, LABEL, first["transactions"])
    # Neither index nor worker have seen it; the chain is asked.
    assert batch(visitor, catalogue_id, again=True)["lines"] == []
    imports_env.index.sync()
    assert batch(visitor, catalogue_id, again=True)["lines"] == []
    imports_env.work()
    assert visitor.counts(catalogue_id) == {"minted": 2}
    # The same file once more finds them licensed.
    copy = visitor.take_in(written([song("A"), song("B")]))
    imports_env.work()
    assert visitor.counts(copy) == {"refused": 2}


def test_a_minted_line_comes_back_where_a_reorg_undoes_it_and_is_final_otherwise(
    imports_env: ImportsEnv,
) -> None:
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written([song("A")]))
    imports_env.work()
    transactions = batch(visitor, catalogue_id)["transactions"]
    with imports_env.acts.undone():
        send(imports_env.acts.chain, LABEL, transactions)
        imports_env.follow()
        assert visitor.counts(catalogue_id) == {"minted": 1}
    for _ in range(5):  # another branch, longer than the one before
        imports_env.acts.node("evm_mine")
    imports_env.follow()
    assert visitor.counts(catalogue_id) == {"offered": 1}
    assert imports_env.lines(catalogue_id)[2].license_id is None

    again = batch(visitor, catalogue_id, again=True)["transactions"]
    send(imports_env.acts.chain, LABEL, again)
    imports_env.follow()
    assert visitor.counts(catalogue_id) == {"minted": 1}
    license_id = imports_env.lines(catalogue_id)[2].license_id
    for _ in range(5):
        imports_env.acts.node("evm_mine")
        imports_env.follow()
    assert imports_env.lines(catalogue_id)[2].license_id == license_id


def test_a_worker_that_starts_anew_knows_what_a_reorg_undid_and_waits_for_a_young_index(
    imports_env: ImportsEnv,
) -> None:
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written([song("A")]))
    imports_env.work()
    with imports_env.acts.undone():
        send(imports_env.acts.chain, LABEL, batch(visitor, catalogue_id)["transactions"])
        imports_env.follow()
        assert visitor.counts(catalogue_id) == {"minted": 1}
    for _ in range(30):
        imports_env.acts.node("evm_mine")
    imports_env.worker = CatalogueWorker(imports_env.services, Alerts())
    # As long as the index is far behind the node, a licence that it lacks may only not be there yet.
    with imports_env.services.index_db.work() as session:
        session.execute(text("DELETE FROM license_acts WHERE license_id > 4"))
    imports_env.work()
    assert visitor.counts(catalogue_id) == {"minted": 1}
    imports_env.follow()
    assert visitor.counts(catalogue_id) == {"offered": 1}


def test_own_lines_become_acts_that_are_signed_one_by_one(imports_env: ImportsEnv) -> None:
    rows = [song("A"), song("B"), song("C", owner=ARTIST.address)]
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written(rows))
    imports_env.work()

    def offer(**given: Any) -> list[dict[str, Any]]:
        answer = visitor.ask("POST", f"/{catalogue_id}/acts", json=given)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["acts"]
        return found

    (one,) = offer(most=1)
    assert (one["kind"], one["state"], one["account"]) == ("mint", "prepared", LABEL.address)
    assert one["preview"]["title"]
    (two,) = offer()
    assert two["id"] != one["id"]
    assert offer() == []
    # Asked again, they are the same acts.
    assert [each["id"] for each in offer(again=True)] == [one["id"], two["id"]]
    lines = imports_env.lines(catalogue_id)
    assert [one["document"], two["document"]] == [
        cid_from_digest(lines[number].document or b"") for number in (2, 3)
    ]
    assert visitor.counts(catalogue_id) == {"prepared": 1, "offered": 2}

    signed = LABEL.sign_typed_data(full_message=one["typed_data"])
    act = sign_act(imports_env.services, one["id"], bytes(signed.signature))
    assert act.state == "signed"
    # Withdrawing the catalogue ends what nobody signed.
    assert visitor.ask("DELETE", f"/{catalogue_id}").status_code == 204
    with imports_env.services.service_db.reading() as session:
        states = [session.get_one(Act, each["id"]).state for each in (one, two)]
    assert states == ["signed", "withdrawn"]


def test_the_dearest_batch_fits_one_transaction(imports_env: ImportsEnv) -> None:
    """As many licences as it takes, each of an owner who had none before."""
    owners = [
        Account.from_key(number.to_bytes(32, "big")) for number in range(1, MOST_IN_BATCH + 1)
    ]
    for owner in owners:
        approve(imports_env.acts, owner, LABEL)
    payees = f"{LABEL.address}:1000000:society"
    rows = [song(owner.address, owner=owner.address, payees=payees) for owner in owners]
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written(rows))
    imports_env.follow()
    offered = batch(visitor, catalogue_id)
    assert len(offered["lines"]) == MOST_IN_BATCH
    send(imports_env.acts.chain, LABEL, offered["transactions"])
    imports_env.follow()
    assert visitor.counts(catalogue_id) == {"minted": MOST_IN_BATCH}
