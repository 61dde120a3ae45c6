"""The backend's responses about acts, invitations, sign-in and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from obbligato.schemas.act_states import ActKind, ActState, InvitationState
from obbligato.schemas.terms import ACCOUNT_EXAMPLE

Account = Annotated[str, Field(examples=[ACCOUNT_EXAMPLE], pattern="^0x[0-9a-fA-F]{40}$")]


Cid = Annotated[
    str, Field(examples=["bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"])
]


Seconds = Annotated[
    int, Field(ge=0, examples=[1_790_000_000], description="Seconds since 1970, UTC.")
]


class ResponseModel(BaseModel):
    """The base of responses. A client ignores members that a newer server adds; the schema promises none."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", json_schema_extra={"additionalProperties": False}
    )


class AllowedUse(ResponseModel):
    """One thing that is allowed, and what it costs."""

    tier: str
    meaning: str
    prices: list[str]


class PaidTo(ResponseModel):
    """One who is paid."""

    account: str
    share_ppm: int
    percent: str
    role: str


class Preview(ResponseModel):
    """An act in plain words. `sentences` says all of it; the other parts are the same to lay out."""

    model_config = ConfigDict(
        json_schema_extra={
            "additionalProperties": False,
            "examples": [
                {
                    "title": "License “Aurora” by Nadia Vale",
                    "sentences": [
                        "You allow AI to use “Aurora” by Nadia Vale for 3 of 6 purposes."
                    ],
                    "allows": [],
                    "refuses": ["Style", "Stems", "Voice"],
                    "conditions": [],
                    "paid_to": [],
                    "until": "It renews every 365 days until you revoke it.",
                    "legal_text": None,
                    "costs": "Nothing: the transaction is paid for you.",
                }
            ],
        }
    )

    title: str
    sentences: list[str]
    allows: list[AllowedUse] = Field(default_factory=list)
    refuses: list[str] = Field(default_factory=list)
    conditions: list[str] = Field(default_factory=list)
    paid_to: list[PaidTo] = Field(default_factory=list)
    until: str | None = None
    legal_text: str | None = None
    """Where the template agreement is found: a CID."""
    costs: str = "Nothing: the transaction is paid for you."


class CallResponse(ResponseModel):
    """A transaction for the author's own wallet, with gas of its own."""

    to: Account
    data: Annotated[str, Field(pattern="^0x[0-9a-f]*$")]
    value: Literal["0"] = "0"


class ActFailure(ResponseModel):
    """Why an act failed."""

    title: str
    detail: str
    error: str | None = None


class InvitationResponse(ResponseModel):
    """A payee that has to agree."""

    id: str
    act_id: str
    account: Account
    share_before_ppm: int
    share_after_ppm: int
    state: InvitationState
    deadline: Seconds
    preview: Preview
    typed_data: Annotated[dict[str, Any] | None, Field(description="For eth_signTypedData_v4.")]


class ActResponse(ResponseModel):
    """An act: what it does in plain words, what to sign, and how far it has come."""

    id: str
    kind: ActKind
    state: ActState
    account: Annotated[Account, Field(description="Whose signature it takes.")]
    made_by: Account
    license_id: int | None
    document: Cid | None
    preview: Preview
    warnings: list[str]
    deadline: Annotated[Seconds, Field(description="Until when it can be signed and relayed.")]
    typed_data: Annotated[
        dict[str, Any] | None,
        Field(description="For eth_signTypedData_v4, while it waits for that."),
    ]
    transaction_to_send: Annotated[
        CallResponse | None,
        Field(description="The same as a transaction of your own, instead of a signature."),
    ]
    invitations: list[str]
    waiting: str | None
    problem: ActFailure | None
    result: dict[str, Any] | None
    transaction: str | None
    created_at: Seconds
    updated_at: Seconds


class SignInChallenge(ResponseModel):
    """A text to sign in with (EIP-4361)."""

    message: str
    nonce: str = ""
    expires_at: int = 0


class SignedIn(ResponseModel):
    """A session. `token` is a secret; `roles` as the chain has them."""

    token: str = Field(repr=False)
    account: str
    expires_at: int
    roles: dict[str, Any] = Field(default_factory=dict)


class Listed(NamedTuple):
    """A page of a list as JSON, and the cursor of the following page."""

    items: tuple[Mapping[str, Any], ...]
    next: str | None
