"""`obbligato artist invitations|agree|operator|grant`: what others request, and who may act for you."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from obbligato.cli import options
from obbligato.cli.artist.acts import Signing, split_table
from obbligato.cli.commands import Commands
from obbligato.cli.output import Result, print_text, share, table
from obbligato.client.requests import KnownGrantRequest
from obbligato.documents.file_inputs import named
from obbligato.protocol.constants import UINT64_MAX, Tier
from obbligato.protocol.types import checked_address
from obbligato.schemas.acts import ChangeSplitRequest, OperatorRequest
from obbligato.schemas.backend import InvitationResponse

app = Commands("Agreements with others.")
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
