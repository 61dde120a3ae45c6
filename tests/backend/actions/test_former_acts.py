"""Acts that the service stored before their calls had fixed arguments alone: after the upgrade all of them go on.

Every row is written by SQL, as the service of revision 0001 wrote it, with the placeholders of that time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from backend.actions.sign import accept
from backend.actions.store import act_response, invitation_response, typed_data
from backend.db.service_db import MIGRATIONS, VERSIONS, Act, ServiceDatabase
from obbligato.chain.client import Chain
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.wording import legal_text
from obbligato.protocol.splits import Split
from obbligato.schemas.act_states import ActState
from scripts.demo.cast import METERED_PLATFORM
from tests import postgres
from tests.backend.actions.conftest import ActsEnv, env_over
from tests.onchain import (
    ARTIST,
    BY_GRANT,
    DAY,
    DOLLARS,
    DUO,
    LABEL,
    PRODUCER,
    STRANGER,
    Acts,
    new_protocol,
    raw_terms,
    split,
)
from tests.scenario import GRANTED, MODEL, OPEN

REGISTRY, VAULT = "LicenseRegistry", "RoyaltyVault"
NONCE = 0xA1B2C3D4E5F6 << 200
"""Beyond what JSON numbers hold: kept as decimal digits."""
PREVIEW = {
    "title": "An act of former days", "sentences": ["It was prepared before."], "allows": [], "refuses": [],
    "conditions": [], "paid_to": [], "until": None, "legal_text": None,
    "costs": "Nothing: the transaction is paid for you.",
}  # fmt: skip
ACT = """
INSERT INTO acts (id, kind, account, made_by, license_id, document, message, material, preview, warnings, deadline,
    signature, signed_at, state, waiting, problem, result, transaction_, idempotency_key, request_digest,
    catalogue_id, created_at, updated_at)
VALUES (:id, :kind, :account, :account, :license_id, :document, :message, :material, :preview, '[]', :deadline,
    :signature, :signed_at, :state, NULL, :problem, :result, :transaction, :idempotency_key, NULL, NULL, 5, 6)
""".replace("transaction_,", '"transaction",')
NAMED_STRUCTS = {"ChangeSplit": ("ChangeSplit", "Split", "Payee"), "Claim": ("Claim",)}
INVITATION = """
INSERT INTO invitations (id, act_id, account, share_before_ppm, share_after_ppm, message, created_at)
VALUES (:id, :act_id, :account, 350000, 250000, :message, 5)
"""


def call(contract: str, function: str, *arguments: Any) -> dict[str, Any]:
    return {"contract": contract, "function": function, "arguments": list(arguments)}


def migrate(url: str, move: Callable[[Config, str], None], revision: str) -> None:
    """Upgrade or downgrade a database to a revision."""
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["versions"] = VERSIONS
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            move(config, revision)
    finally:
        engine.dispose()


def step(purpose: str, digest: bytes, call_: dict[str, Any], done: str) -> dict[str, Any]:
    subject = "0x" + digest.hex()
    return {
        "purpose": purpose,
        "subject": subject,
        "call": call_,
        "done": call(call_["contract"], done, subject),
    }


def payees(of: Split) -> list[list[Any]]:
    return [[each.account, each.share, int(each.role)] for each in of.payees]


@dataclass
class Former:
    """What was stored, by the names that the tests give it."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    invitations: list[dict[str, Any]] = field(default_factory=list)

    def act(
        self,
        name: str,
        kind: str,
        account: str,
        state: str,
        *,
        call: dict[str, Any],
        direct: dict[str, Any] | None = None,
        message: dict[str, Any] | None = None,
        deadline: int = 2**33,
        steps: list[Any] | None = None,
        blocks: list[str] | None = None,
        **columns: Any,
    ) -> None:
        number = NONCE + len(self.rows)
        stored = {
            "steps": steps or [],
            "call": call,
            "direct": direct,
            "blocks": blocks or [],
            "by_operator": False,
        }
        whole = {
            "account": account,
            **(message or {}),
            "nonce": str(number),
            "deadline": deadline,
        }
        empty = dict.fromkeys(
            ("license_id", "document", "signature", "signed_at", "problem", "result", "transaction")
        )
        self.rows.append(
            {
                **empty,
                "id": name,
                "kind": kind,
                "account": account,
                "message": json.dumps(whole),
                "material": json.dumps(stored),
                "preview": json.dumps(PREVIEW),
                "deadline": deadline,
                "state": state,
                "idempotency_key": f"key of {name}",
                **columns,
            }
        )

    def write(self, url: str) -> None:
        """Into a new database at revision 0001."""
        migrate(url, command.upgrade, "0001")
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                for row in self.rows:
                    connection.execute(text(ACT), row)
                for row in self.invitations:
                    connection.execute(text(INVITATION), row)
        finally:
            engine.dispose()


# ---- what the upgrade writes

ACCOUNT = ARTIST.address
CALLS: dict[str, tuple[dict[str, Any], list[Any], dict[str, Any] | None, list[Any] | None]] = {
    "mint": (
        call(REGISTRY, "mintBySignature", "0x01", "0x02", "0x03", "0x04", "$signed"),
        ["0x01", "0x02", "0x03", "0x04"],
        call(REGISTRY, "mintWith", ACCOUNT, [1, 365, 0, 0, [[1, 2, 3, 4]], "0x05"], [], "0x06"),
        [ACCOUNT, [1, 365, 0, 0, [[1, 2, 3, 4]], "0x05"], [], "0x06"],
    ),
    "amend": (
        call(REGISTRY, "amendBySignature", 7, "0x01", "0x02", "0x03", "$signed"),
        [7, "0x01", "0x02", "0x03"],
        call(REGISTRY, "amend", 7, "0x02", "0x03"),
        [7, "0x02", "0x03"],
    ),
    "revoke": (
        call(REGISTRY, "revokeBySignature", 7, "0x01", "$signed"),
        [7, "0x01"],
        call(REGISTRY, "revoke", 7),
        [7],
    ),
    "reinstate": (
        call(REGISTRY, "reinstateBySignature", 7, "0x01", "$signed"),
        [7, "0x01"],
        call(REGISTRY, "reinstate", 7),
        [7],
    ),
    "change-split": (
        call(REGISTRY, "changeSplitBySignature", 7, "0x01", [], [[ACCOUNT, 1, 1]], "$acceptances", "$signed"),
        [7, "0x01", [], [[ACCOUNT, 1, 1]]],
        call(REGISTRY, "changeSplit", 7, [], [[ACCOUNT, 1, 1]], "$acceptances"),
        [7, [], [[ACCOUNT, 1, 1]], []],
    ),
    "operator": (
        call(REGISTRY, "approveOperatorBySignature", ACCOUNT, True, "$signed"),
        [ACCOUNT, True],
        call(REGISTRY, "setApprovalForAll", ACCOUNT, True),
        [ACCOUNT, True],
    ),
    "grant": (
        call("Grants", "approveBySignature", 3, "0x01", "$signed"),
        [3, "0x01"],
        call("Grants", "approve", 3),
        [3],
    ),
    "claim": (
        call(VAULT, "claimBySignature", ACCOUNT, 0, "$owed_splits", "$signed"),
        [ACCOUNT, 0],
        call(VAULT, "claim", ACCOUNT, [1, 2]),
        [ACCOUNT, [1, 2]],
    ),
    "redirect": (
        call(VAULT, "redirectBySignature", ACCOUNT, "$signed"),
        [ACCOUNT],
        None,
        None,
    ),
    "challenge": (
        call(
            "Disputes", "challengeBySignature", [[1, "0x02"], "0x03", ""], [7, 3, 2, 15, "0x04"], "0x01", 2_500_000,
            "$owed_splits", "$signed",
        ),
        [[[1, "0x02"], "0x03", ""], [7, 3, 2, 15, "0x04"], "0x01", 2_500_000],
        call("Disputes", "challenge", [[1, "0x02"], "0x03", ""], [7, 3, 2, 15, "0x04"], [1, 2]),
        [[[1, "0x02"], "0x03", ""], [7, 3, 2, 15, "0x04"], [1, 2]],
    ),
}  # fmt: skip
"""By kind: the call and its arguments after the upgrade, the owner's own call and its arguments after it."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/records.db"
    else:
        with postgres.database(request.getfixturevalue("postgres_server")) as made:
            yield made


def test_every_kind_in_every_state_keeps_all_but_the_placeholders(url: str) -> None:
    former = Former()
    for kind, (signed, _, direct, _) in CALLS.items():
        for state in ActState:
            former.act(f"{kind} {state}", kind, ACCOUNT, state, call=signed, direct=direct)
    former.write(url)
    for _ in range(2):  # the second start finds nothing to do
        database = ServiceDatabase(url)
        try:
            with database.reading() as session:
                acts = {act.id: act for act in session.query(Act)}
        finally:
            database.close()
        assert len(acts) == len(CALLS) * len(ActState)
        for row in former.rows:
            act, kind = acts[row["id"]], row["kind"]
            _, arguments, _, direct_arguments = CALLS[kind]
            expected = json.loads(row["material"])
            expected["call"]["arguments"] = arguments
            if direct_arguments is not None:
                expected["direct"]["arguments"] = direct_arguments
            assert act.material == expected
            assert act.message == json.loads(row["message"])
            assert (act.kind, act.account, act.state) == (kind, ACCOUNT, row["state"])
            assert (act.deadline, act.created_at, act.updated_at) == (2**33, 5, 6)
            assert (act.preview, act.idempotency_key) == (PREVIEW, row["idempotency_key"])


def stored_material(url: str) -> dict[str, Any]:
    """What the relay needs of every act, by the act's id."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            rows = connection.execute(text("SELECT id, material FROM acts")).all()
    finally:
        engine.dispose()
    return {
        name: json.loads(stored) if isinstance(stored, str) else stored for name, stored in rows
    }


def test_a_downgrade_restores_the_placeholders_of_revision_0001(url: str) -> None:
    former = Former()
    for kind, (signed, _, direct, _) in CALLS.items():
        former.act(kind, kind, ACCOUNT, "prepared", call=signed, direct=direct)
    former.write(url)
    before = stored_material(url)
    migrate(url, command.upgrade, "0002")
    after = stored_material(url)
    assert all("$" not in json.dumps(each) for each in after.values())
    migrate(url, command.downgrade, "0001")
    assert stored_material(url) == before
    migrate(url, command.upgrade, "0002")
    assert stored_material(url) == after


# ---- what becomes of them


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActsEnv]:
    """A deployment, and a service that starts over a database which the service of revision 0001 left."""
    folder = tmp_path_factory.mktemp("former")
    with new_protocol(folder) as protocol:
        _left_behind(Acts(protocol)).write(f"sqlite:///{folder}/records.db")
        yield from env_over(protocol, folder)


BEFORE = split((DUO, 650_000), (LABEL, 350_000))
AFTER = split((DUO, 750_000), (LABEL, 250_000))


def _left_behind(acts: Acts) -> Former:
    chain, former = acts.chain, Former()
    deadline = acts.now() + 30 * DAY
    shared: list[tuple[int, str]] = []
    for title in ("shared", "shared and signed"):
        number = acts.mint(DUO, OPEN, BEFORE, title)
        shared.append((number, "0x" + acts.document(OPEN, title)[0].hex()))
    _revocation(acts, former, deadline)
    for (number, document), (name, state) in zip(
        shared, (("prepared change", "prepared"), ("inviting change", "inviting")), strict=True
    ):
        _split_change(chain, former, name, state, number, document, deadline)
    _claim(acts, former, deadline)
    _mint(acts, former, deadline)
    _sent_by_their_owners(chain, former, deadline)
    ended = call(VAULT, "redirectBySignature", STRANGER.address, "$signed")
    own = call(VAULT, "redirect", STRANGER.address)
    problem = {"title": "Not signed in time", "detail": "Prepare it again.", "error": None}
    for name, more in (
        ("final", {"signature": bytes(65), "signed_at": 7, "transaction": "0x" + "ab" * 32}),
        ("failed", {"problem": json.dumps(problem)}),
        ("withdrawn", {}),
    ):
        former.act(
            name, "redirect", PRODUCER.address, name, call=ended, direct=own,
            message={"to": STRANGER.address}, deadline=deadline, **more,
        )  # fmt: skip
    return former


def _revocation(acts: Acts, former: Former, deadline: int) -> None:
    number = acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "revoked")
    document = "0x" + acts.document(OPEN, "revoked")[0].hex()
    former.act(
        "revocation", "revoke", ARTIST.address, "prepared", license_id=number, deadline=deadline,
        message={"licenseId": number, "currentDocument": document},
        call=call(REGISTRY, "revokeBySignature", number, document, "$signed"),
        direct=call(REGISTRY, "revoke", number),
    )  # fmt: skip


def _split_change(
    chain: Chain,
    former: Former,
    name: str,
    state: str,
    number: int,
    document: str,
    deadline: int,
) -> None:
    message = {
        "licenseId": number,
        "currentDocument": document,
        "fromSplit": BEFORE.as_json(),
        "toSplit": AFTER.as_json(),
    }
    signed = call(
        REGISTRY, "changeSplitBySignature", number, document, payees(BEFORE), payees(AFTER), "$acceptances", "$signed"
    )  # fmt: skip
    own = call(REGISTRY, "changeSplit", number, payees(BEFORE), payees(AFTER), "$acceptances")
    former.act(
        name, "change-split", DUO.address, state, license_id=number, deadline=deadline, message=message, call=signed,
        direct=own,
    )  # fmt: skip
    if state == "inviting":  # its author signed before the upgrade
        row = former.rows[-1]
        row["signature"] = bytes(
            DUO.sign_typed_data(full_message=_typed(chain, "ChangeSplit", row)).signature
        )
        row["signed_at"] = 7
    asked = {
        "account": LABEL.address,
        **message,
        "nonce": str(NONCE + number),
        "deadline": deadline,
    }
    former.invitations.append(
        {
            "id": f"for {name}",
            "act_id": name,
            "account": LABEL.address,
            "message": json.dumps(asked),
        }
    )


def _claim(acts: Acts, former: Former, deadline: int) -> None:
    """Signed, and not sent yet. The fee of a grant is what there is to claim."""
    chain, fee = acts.chain, 150 * DOLLARS
    number = acts.mint(BY_GRANT, GRANTED, split((BY_GRANT, 1_000_000)), "by grant")
    admin, reporter = METERED_PLATFORM.admin, METERED_PLATFORM.reporter
    platform = acts.platform(admin, reporter, 0)
    acts.dollars(admin, fee)
    chain.transact(admin, "Grants", "buy", platform, number, 3, MODEL, fee)
    to = PRODUCER.address
    former.act(
        "claim", "claim", BY_GRANT.address, "signed", signed_at=7, deadline=deadline,
        message={"to": to, "minimum": fee},
        call=call(VAULT, "claimBySignature", to, fee, "$owed_splits", "$signed"),
    )  # fmt: skip
    row = former.rows[-1]
    row["signature"] = bytes(
        BY_GRANT.sign_typed_data(full_message=_typed(chain, "Claim", row)).signature
    )


def _mint(acts: Acts, former: Former, deadline: int) -> None:
    """Neither its terms nor its split are on the chain."""
    terms = OPEN.model_copy(update={"influence_cap_bps": 1_234})
    pays = split((STRANGER, 400_000), (PRODUCER, 600_000))
    text_cid = acts.protocol.store.put(legal_text(terms))
    document, content = acts.document(terms, "minted late")
    words = [terms.digest(), pays.digest(), document, content]
    hexadecimal = ["0x" + word.hex() for word in words]
    raw = list(raw_terms(terms))
    raw[4], raw[5] = [list(card) for card in raw[4]], "0x" + raw[5].hex()
    former.act(
        "mint", "mint", STRANGER.address, "prepared", deadline=deadline, document=document,
        message={
            "terms": terms.as_json(), "split": pays.as_json(),
            "document": hexadecimal[2], "content": hexadecimal[3],
        },
        call=call(REGISTRY, "mintBySignature", *hexadecimal, "$signed"),
        direct=call(REGISTRY, "mintWith", STRANGER.address, raw, payees(pays), *hexadecimal[2:]),
        steps=[
            step("terms", words[0], call(REGISTRY, "internTerms", raw), "termsIdOf"),
            step("split", words[1], call(VAULT, "internSplit", payees(pays)), "splitIdOf"),
        ],
        blocks=[text_cid, cid_from_digest(document)],
    )  # fmt: skip


def _sent_by_their_owners(chain: Chain, former: Former, deadline: int) -> None:
    """Two whose authors sent them with their own wallets; one was seen in a block."""
    for account, state in ((LABEL, "sent"), (DUO, "confirmed")):
        receipt = chain.transact(account, VAULT, "redirect", STRANGER.address)
        former.act(
            f"own {state}", "redirect", account.address, state, deadline=deadline,
            message={"to": STRANGER.address}, transaction="0x" + bytes(receipt["transactionHash"]).hex(),
            call=call(VAULT, "redirectBySignature", STRANGER.address, "$signed"),
            direct=call(VAULT, "redirect", STRANGER.address),
        )  # fmt: skip


def _typed(chain: Chain, primary: str, row: dict[str, Any]) -> dict[str, Any]:
    """eth_signTypedData_v4 of a stored message, from the contract's own words."""
    contract, address = {
        "ChangeSplit": ("Obbligato LicenseRegistry", chain.deployment.address(REGISTRY)),
        "Claim": ("Obbligato RoyaltyVault", chain.deployment.address(VAULT)),
    }[primary]
    structs = {
        "EIP712Domain": "string name,string version,uint256 chainId,address verifyingContract",
        "ChangeSplit": (
            "address account,uint32 licenseId,bytes32 currentDocument,Split fromSplit,Split toSplit,"
            "uint256 nonce,uint64 deadline"
        ),
        "Split": "Payee[] payees",
        "Payee": "address account,uint32 share,uint8 role",
        "Claim": "address account,address to,uint64 minimum,uint256 nonce,uint64 deadline",
    }
    return {
        "types": {
            name: [
                dict(zip(("type", "name"), member.split(" "), strict=True))
                for member in words.split(",")
            ]
            for name, words in structs.items()
            if name == "EIP712Domain" or name in NAMED_STRUCTS[primary]
        },
        "primaryType": primary,
        "domain": {
            "name": contract,
            "version": "1",
            "chainId": chain.deployment.chain_id,
            "verifyingContract": address,
        },
        "message": {
            name: int(value) if name == "nonce" else value
            for name, value in json.loads(row["message"]).items()
        },
    }


def test_one_that_was_prepared_is_signed_and_becomes_final(env: ActsEnv) -> None:
    act = env.act("revocation")
    assert act_response(env.services.chain, act).transaction_to_send is not None
    env.sign(act, ARTIST)
    env.reach(act, ActState.FINAL)
    assert env.services.chain.license(act.license_id).ends_at != 0  # type: ignore[arg-type]  # it has one


@pytest.mark.parametrize("name", ["prepared change", "inviting change"])
def test_a_split_change_waits_for_its_payee_and_becomes_final(env: ActsEnv, name: str) -> None:
    chain, act = env.services.chain, env.act(name)
    (invitation,) = act.invitations
    assert invitation_response(chain, invitation, act).typed_data is not None
    if act.state == ActState.PREPARED:
        env.sign(act, DUO)
    env.tick()
    assert env.act(name).state == ActState.INVITING
    signature = LABEL.sign_typed_data(full_message=typed_data(chain, invitation)).signature
    accept(env.services, invitation.id, bytes(signature))
    env.reach(act, ActState.FINAL)
    split_id = chain.license(act.license_id).split_id  # type: ignore[arg-type]  # it has one
    assert chain.position(split_id, LABEL.address).share_ppm == 250_000


def test_one_that_was_signed_is_sent_with_what_is_owed_now(env: ActsEnv) -> None:
    done = env.reach(env.act("claim"), ActState.FINAL)
    assert done.result == {"amount_units": str(150 * DOLLARS)}
    received = env.services.chain.call("TestDollar", "balanceOf", PRODUCER.address)
    assert received == 150 * DOLLARS


def test_steps_that_come_first_are_put_on_the_chain(env: ActsEnv) -> None:
    act = env.act("mint")
    env.sign(act, STRANGER)
    done = env.reach(act, ActState.FINAL)
    assert done.result is not None
    owner = env.services.chain.call(REGISTRY, "ownerOf", done.result["license_id"])
    assert owner == STRANGER.address


@pytest.mark.parametrize("name", ["own sent", "own confirmed"])
def test_what_was_sent_by_its_author_is_followed(env: ActsEnv, name: str) -> None:
    act = env.act(name)
    assert env.reach(act, ActState.FINAL).transaction == act.transaction


@pytest.mark.parametrize("state", ["final", "failed", "withdrawn"])
def test_what_has_ended_is_read_as_it_was(env: ActsEnv, state: str) -> None:
    for _ in range(2):
        response = act_response(env.services.chain, env.act(state))
        assert (response.state, response.transaction_to_send) == (state, None)
        assert response.preview.sentences == ["It was prepared before."]
        assert (response.problem is None) == (state != "failed")
        env.tick()
