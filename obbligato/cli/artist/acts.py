"""`obbligato artist acts|act|withdraw|invitations|agree|operator|grant`: acts, and agreements with others.

How every act is shown, agreed to, signed and followed is here, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from obbligato.cli import options
from obbligato.cli.commands import Commands
from obbligato.cli.output import ExitCode, Result, facts, moment, print_text, share, table, warn
from obbligato.client.backend import BackendClient
from obbligato.client.verify_acts import KnownGrantRequest
from obbligato.documents.file_inputs import named
from obbligato.documents.wording import description, role_word
from obbligato.protocol.constants import UINT64_MAX, Tier
from obbligato.protocol.splits import Split
from obbligato.protocol.types import checked_address
from obbligato.schemas.act_states import ActState
from obbligato.schemas.acts import (
    ActRequest,
    AmendRequest,
    ChangeSplitRequest,
    MintRequest,
    OperatorRequest,
)
from obbligato.schemas.backend import ActResponse, InvitationResponse

app = Commands("Acts: what you prepared and signed, and agreements with others.")

_ENDED_BADLY = (ActState.FAILED, ActState.WITHDRAWN)

ActId = Annotated[str, typer.Argument(metavar="ACT", help="The act's id.")]


@dataclass(frozen=True)
class Signing:
    """How an act is signed and followed."""

    signed: options.SignedBackend
    yes: options.Yes = False
    final: Annotated[
        bool, typer.Option("--final", help="Wait until its block can no longer change.")
    ] = False
    timeout: options.Timeout = None

    def client(self) -> BackendClient:
        """A client of the backend that signs. Raises InputError."""
        return self.signed.client()

    def run(self, request: ActRequest) -> Result:
        """Carry an act out, with a client of its own."""
        with self.client() as client:
            return self.carry_out(client, request)

    def carry_out(
        self, client: BackendClient, request: ActRequest, *, key: str | None = None
    ) -> Result:
        """Prepare an act, show it, ask, sign exactly what was requested, and follow it.

        An act that the same key made before goes on where it is. Whoever says no withdraws it.
        """
        act = client.prepare(request, key=key)
        if key is not None and act.state in _ENDED_BADLY:
            act = client.prepare(request)  # nothing came of it: begin anew
        for warning in act.warnings:
            warn(warning)
        if act.state is ActState.PREPARED:
            if not self.yes:
                print_text(_question(act, request), to_stderr=True)
                options.confirm("Sign this?", refused=lambda: client.withdraw(act.id))
            latest = options.latest_deadline(self.signed.backend.session, request.signature_days)
            act = client.sign(act, request, latest_deadline=latest)
        until = ActState.FINAL if self.final else ActState.CONFIRMED
        return act_result(client.wait(act.id, until, timeout_seconds=self.timeout))


def split_table(split: Split) -> Table:
    """Who is paid."""
    payees = [
        {"account": each.account, "share": share(each.share), "role": role_word(each.role)}
        for each in split.payees
    ]
    return table(payees, "account share role")


def act_result(act: ActResponse) -> Result:
    """How far an act has come; exit code 1 where it failed or was withdrawn."""
    pairs: list[tuple[str, object]] = [("act", act.id), ("what", act.preview.title)]
    if act.license_id is not None:
        pairs.append(("licence", act.license_id))
    pairs += [
        (name.removesuffix("_units"), str(value))
        for name, value in (act.result or {}).items()
        if name != "license_id"
    ]
    pairs.append(("state", act.state.value))
    if act.state is ActState.PREPARED:
        pairs.append(("sign until", moment(act.deadline)))
    if act.waiting:
        pairs.append(("waiting", act.waiting))
    if act.invitations and act.state is ActState.INVITING:
        pairs += [("has to agree", each) for each in act.invitations]
    if act.transaction:
        pairs.append(("transaction", act.transaction))
    if act.problem is not None:
        pairs.append(("problem", f"{act.problem.title}: {act.problem.detail}"))
    code = ExitCode.NO if act.state in _ENDED_BADLY else ExitCode.OK
    return Result(_act_json(act), facts(pairs), code=code)


@app.command("acts")
def list_acts(
    signed: options.SignedBackend,
    state: Annotated[
        ActState | None, typer.Option(metavar="STATE", help="Only those in this state.")
    ] = None,
    limit: options.Limit = 50,
) -> Result:
    """List what you prepared and signed, newest first, and how far it has come.

    \b
    Examples:
      obbligato artist acts
      obbligato artist acts --state inviting --json
    """
    with signed.client() as client:
        acts, _ = client.acts(state=state, limit=limit)
    data = [_act_json(act) for act in acts]
    return Result(
        {"acts": data},
        table(
            [{**each, **each["preview"]} for each in data],
            "id kind state license_id created_at title",
        ),
    )


@app.command("act")
def show_act(act: ActId, backend: options.Backend) -> Result:
    """Show how far one act has come.

    \b
    Examples:
      obbligato artist act 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b
    """
    with backend.client() as client:
        return act_result(client.act(act))


@app.command("withdraw")
def withdraw_act(act: ActId, signed: options.SignedBackend) -> Result:
    """Withdraw an act that is not sent yet.

    \b
    Examples:
      obbligato artist withdraw 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b
    """
    with signed.client() as client:
        client.withdraw(act)
    return Result({"id": act, "state": "withdrawn"}, f"act {act}: withdrawn")


def _act_json(act: ActResponse) -> dict[str, Any]:
    """An act as JSON, without what was to be signed."""
    return act.model_dump(mode="json", exclude={"typed_data", "transaction_to_send"})


def _question(act: ActResponse, request: ActRequest) -> list[str | Table]:
    """What is about to be signed. A licence is described from the request, in words of this program."""
    text: list[str | Table] = [act.preview.title]
    if isinstance(request, MintRequest | AmendRequest):
        document = request.document()
        recording, terms = document.recording, document.terms.terms()
        words = description(recording.title, recording.artists, terms)
        text += [f"  {line}" for line in words.splitlines()]
    if isinstance(request, MintRequest):
        text.append(split_table(request.split(act.account)))
        if act.preview.until:
            text.append(f"  {act.preview.until}")
    else:
        text += [f"  {sentence}" for sentence in act.preview.sentences]
    return [*text, f"  Costs: {act.preview.costs}"]


grant_app = Commands("Requests of platforms for your approval.")
app.add_typer(grant_app, name="grant")


@app.command("invitations")
def list_invitations(signed: options.SignedBackend) -> Result:
    """List the changes of shares that wait for your signature.

    \b
    Examples:
      obbligato artist invitations
    """
    with signed.client() as client:
        invitations = client.invitations()
    rows = [
        {
            **_invitation_json(each),
            "title": each.preview.title,
            "now": share(each.share_before_ppm),
            "then": share(each.share_after_ppm),
        }
        for each in invitations
    ]
    data = [_invitation_json(each) for each in invitations]
    return Result({"invitations": data}, table(rows, "id now then state deadline title"))


@app.command("agree")
def agree_to_split(
    invitation_id: Annotated[
        str, typer.Argument(metavar="INVITATION", help="The invitation's id.")
    ],
    signed: options.SignedBackend,
    decline: Annotated[bool, typer.Option("--decline", help="Say no instead.")] = False,
    yes: options.Yes = False,
) -> Result:
    """Agree to a smaller share of a licence, or say no.

    What you sign is compared with the payees that you are shown; it counts for this one change alone.

    \b
    Examples:
      obbligato artist agree 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b
      obbligato artist agree 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b --decline
    """
    with signed.client() as client:
        invitation = client.invitation(invitation_id)
        if decline:
            invitation = client.decline(invitation)
        elif invitation.state != "agreed":
            latest = options.latest_deadline(
                signed.backend.session, ChangeSplitRequest.signature_days
            )
            agreement = client.check_invitation(invitation, latest_deadline=latest)
            if not yes:
                question = (invitation.preview.title, split_table(agreement.split))
                print_text(question, to_stderr=True)
                options.confirm("Agree to this?")
            invitation = client.accept(invitation, latest_deadline=latest)
    before, after = share(invitation.share_before_ppm), share(invitation.share_after_ppm)
    return Result(_invitation_json(invitation), f"{invitation.state}: {before} now, {after} then")


@app.command("operator")
def approve_operator(
    operator: options.Account,
    signing: Signing,
    end: Annotated[bool, typer.Option("--end", help="End its right to act for you.")] = False,
) -> Result:
    """Let a society or a label act for all of your licences, or end that. It never receives your money.

    \b
    Examples:
      obbligato artist operator 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC
      obbligato artist operator 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC --end
    """
    return signing.run(OperatorRequest(operator=checked_address(operator), approved=not end))


@grant_app.callback()
def grants() -> None:
    """Requests of platforms for grants, where your terms ask for your approval."""


@grant_app.command("approve")
def approve_grant(
    request: Annotated[
        int, typer.Argument(metavar="REQUEST", min=1, max=2**32 - 1, help="The request's number.")
    ],
    signing: Signing,
    license_id: options.LicenseOption = None,
    platform: Annotated[
        int | None, typer.Option(min=1, max=2**32 - 1, help="Only if this platform asks.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="Only if it is for this tier.")] = None,
    fee: Annotated[
        int | None,
        typer.Option(min=0, max=UINT64_MAX, help="Only for this fee, in millionths of a dollar."),
    ] = None,
) -> Result:
    """Approve a platform's request for a grant. What you name of it is compared with what is signed.

    \b
    Examples:
      obbligato artist grant approve 1
      obbligato artist grant approve 1 --license 4 --platform 2 --tier STYLE --fee 25000000 --yes
    """
    tier_named = None if tier is None else named(Tier, tier)
    approval = KnownGrantRequest(
        request_id=request,
        license_id=license_id,
        tier=tier_named,
        platform_id=platform,
        fee_units=fee,
    )
    return signing.run(approval)


def _invitation_json(invitation: InvitationResponse) -> dict[str, Any]:
    return invitation.model_dump(mode="json", exclude={"typed_data"})
