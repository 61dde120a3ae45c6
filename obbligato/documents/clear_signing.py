"""ERC-7730 descriptors: with them a wallet shows every message in plain words, amounts in dollars, shares in per cent.

Made from the message types, so that a member without words is an error and not a blank on a screen.
Source of the format: https://eips.ethereum.org/EIPS/eip-7730 (version 2 of its schema).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from obbligato.documents.wording import role_word
from obbligato.protocol.constants import (
    ALL_FLAGS,
    ALL_TIERS,
    NOT_OFFERED,
    Flag,
    Metric,
    Pricing,
    Role,
    Tier,
)
from obbligato.protocol.eip712 import DOMAIN_VERSION, Contract, Member, Message
from obbligato.protocol.typed_data import MESSAGES

SCHEMA: Final = (
    "https://github.com/LedgerHQ/clear-signing-erc7730-registry/blob/master/specs/"
    "erc7730-v2.schema.json"
)

INTENTS: Final = {
    "Mint": "License a recording for AI use",
    "Amend": "Change the terms of a licence",
    "Revoke": "End a licence with its running term",
    "Reinstate": "Take the end of a licence back",
    "ChangeSplit": "Change who a licence pays",
    "AcceptSplit": "Agree to a smaller share of a licence",
    "ApproveOperator": "Let an account act for all your licences, or no longer",
    "ApproveGrant": "Sell a platform a grant for a licence",
    "Claim": "Take what your shares have earned",
    "Redirect": "Choose where your earnings are paid",
    "GuardClaims": "Let nobody else claim for you, or everybody again",
    "UsageReport": "Report the use of recordings and pay for it",
    "Attestation": "Attest that a report was recomputed from its evidence",
    "Challenge": "Contest a row of a usage report",
}
"""What signing a message does, by the message's name."""

Format = Mapping[str, Any]


def _date(_token: str) -> Format:
    return {"format": "date", "params": {"encoding": "timestamp"}}


def _money(token: str) -> Format:
    return {"format": "tokenAmount", "params": {"token": token}}


def _price(token: str) -> Format:
    threshold = {"threshold": hex(NOT_OFFERED), "message": "not offered"}
    return {"format": "tokenAmount", "params": {"token": token, **threshold}}


def _named(enum: str) -> Callable[[str], Format]:
    return lambda _token: {"format": "enum", "params": {"$ref": f"$.metadata.enums.{enum}"}}


def _unit(base: str, decimals: int) -> Callable[[str], Format]:
    return lambda _token: {"format": "unit", "params": {"base": base, "decimals": decimals}}


def _account(_token: str) -> Format:
    return {"format": "addressName"}


def _raw(_token: str) -> Format:
    return {"format": "raw"}


def _hidden(_token: str) -> Format:
    return {"format": "raw", "visible": "never"}


MEMBERS: Final[dict[str, tuple[str, Callable[[str], Format]]]] = {
    "account": ("Account", _account),
    "operator": ("Operator", _account),
    "approved": ("May act", _raw),
    "guarded": ("Only you claim", _raw),
    "to": ("Paid to", _account),
    "platformAdmin": ("Platform's account", _account),
    "platformId": ("Platform", _raw),
    "modelId": ("Model (zero: any)", _raw),
    "licenseId": ("Licence", _raw),
    "currentDocument": ("Document it has now (sha-256)", _raw),
    "document": ("Licence document (sha-256)", _raw),
    "content": ("Recording (sha-256)", _raw),
    "tiers": ("Allowed", _named("tiers")),
    "termDays": ("Term", _unit("days", 0)),
    "flags": ("Conditions", _named("conditions")),
    "influenceCapBps": ("Most influence on one output", _unit("%", 2)),
    "textDigest": ("Legal text (sha-256)", _raw),
    "trainingRun": ("Training run", _price),
    "generation": ("Generation", _price),
    "playback": ("Playback", _price),
    "grantFee": ("Grant", _price),
    "share": ("Share", _unit("%", 4)),
    "role": ("Paid as", _named("roles")),
    "tier": ("Use", _named("tier")),
    "metric": ("Counted as", _named("metrics")),
    "pricing": ("Priced by", _named("pricings")),
    "fee": ("Fee", _money),
    "minimum": ("At least", _money),
    "total": ("In all", _money),
    "maximumBond": ("Bond, at most", _money),
    "reportId": ("Report", _raw),
    "claimedQuantity": ("Quantity that you claim", _unit("units", 6)),
    "evidence": ("Evidence (sha-256)", _raw),
    "sequence": ("Number in its stream", _raw),
    "attempt": ("Attempt", _raw),
    "previous": ("Report before it", _raw),
    "periodStart": ("From", _date),
    "periodEnd": ("Until", _date),
    "rowCount": ("Rows", _raw),
    "rowsDigest": ("Rows (digest)", _raw),
    "configVersion": ("Version of the attesters", _raw),
    "nonce": ("Number of this signature", _hidden),
    "deadline": ("Can be used until", _date),
}
"""The words for every member of every message, and how its value is shown. None has two meanings."""

GROUPS: Final = {
    "terms": "Terms",
    "rates": "Prices of each allowed use, in their order",
    "split": "Who is paid",
    "fromSplit": "Paid until now",
    "toSplit": "Paid from now on",
    "payees": "Payee",
}
"""The words for members that are structs or lists of structs."""


def descriptor(contract: Contract, chain_id: int, address: str, token: str) -> dict[str, Any]:
    """The ERC-7730 descriptor of the messages for one deployed contract; `token` is the money token.

    Raises KeyError where a message has a member without words.
    """
    messages = [message for message in MESSAGES if message.contract is contract]
    return {
        "$schema": SCHEMA,
        "context": {
            "$id": contract.value,
            "eip712": {
                "domain": {"name": contract.value, "version": DOMAIN_VERSION},
                "deployments": [{"chainId": chain_id, "address": address}],
            },
        },
        "metadata": {"owner": "Obbligato", "contractName": contract.value, "enums": _enums()},
        "display": {
            "formats": {message.type_string: _format(message, token) for message in messages}
        },
    }


def _format(message: type[Message], token: str) -> dict[str, Any]:
    primary = message.primary_type()
    return {
        "$id": primary,
        "intent": INTENTS[primary],
        "fields": _fields(message.struct_types, primary, token),
    }


def _fields(
    structs: Mapping[str, tuple[Member, ...]], struct: str, token: str
) -> list[dict[str, Any]]:
    """The members of a struct in their order; those that are structs are groups of fields."""
    fields: list[dict[str, Any]] = []
    for member in structs[struct]:
        inner = member.type.removesuffix("[]")
        if inner not in structs:
            label, shown = MEMBERS[member.name]
            fields.append({"path": member.name, "label": label, **shown(token)})
            continue
        path = member.name + ".[]" * (inner != member.type)
        nested = _fields(structs, inner, token)
        fields.append({"path": path, "label": GROUPS[member.name], "fields": nested})
    return fields


def _enums() -> dict[str, dict[str, str]]:
    """Words by number; those of masks for every combination, as the format knows no masks."""
    return {
        "tier": {str(tier.value): _word(tier.name) for tier in Tier},
        "metrics": {str(metric.value): _word(metric.name) for metric in Metric},
        "pricings": {str(pricing.value): _word(pricing.name) for pricing in Pricing},
        "roles": {str(role.value): role_word(role) for role in Role},
        "tiers": {
            str(mask): _listed((tier.name for tier in Tier if mask & tier.bit), "no AI use at all")
            for mask in range(ALL_TIERS + 1)
        },
        "conditions": {
            str(mask): _listed((flag.name or "" for flag in Flag if mask & flag), "none")
            for mask in range(ALL_FLAGS + 1)
        },
    }


def _listed(names: Iterable[str], none: str) -> str:
    return ", ".join(map(_word, names)) or none


def _word(name: str) -> str:
    return name.lower().replace("_", " ")
