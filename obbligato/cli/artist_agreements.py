"""`obbligato artist invitations|agree|operator|grant|acts|withdraw`: what others ask, and whom one lets act."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from obbligato.cli.artist_acts import (
    BackendUrl,
    Finally,
    Timeout,
    Yes,
    act_data,
    carry_out,
    client_of,
    confirm,
    latest_deadline,
    render_acts,
    render_split,
    show_act,
)
from obbligato.cli.options import Keystore, PasswordFile
from obbligato.cli.output import AsJson, moment, show, stderr, table
from obbligato.cli.session import session
from obbligato.client.requests import GrantAsked, OperatorAsked
from obbligato.documents.file_inputs import named
from obbligato.protocol.constants import UINT64_MAX, Tier
from obbligato.protocol.types import checked_address
from obbligato.schemas.backend import ActState, Invitation

grant_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Requests of platforms for your approval."
)

ActId = Annotated[str, typer.Argument(metavar="ACT", help="The act's id.")]


def list_invitations(
    context: typer.Context,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """List the changes of shares that wait for your signature.

    \b
    Examples:
      obbligato artist invitations
    """
    with client_of(session(context), url, keystore, password_file) as client:
        found = client.invitations()

    def render(console: Console) -> None:
        rows = [
            (
                each.id,
                f"{each.share_before_ppm / 10_000:.4f} %",
                f"{each.share_after_ppm / 10_000:.4f} %",
                each.state,
                moment(each.deadline),
                each.preview.title,
            )
            for each in found
        ]
        console.print(table(("invitation", "now ", "then ", "state", "until", "what"), rows))

    data = [each.model_dump(mode="json", exclude={"typed_data"}) for each in found]
    show({"invitations": data}, as_json=as_json, render=render)


def agree_to_split(
    context: typer.Context,
    invitation: Annotated[str, typer.Argument(metavar="INVITATION", help="The invitation's id.")],
    decline: Annotated[bool, typer.Option("--decline", help="Say no instead.")] = False,
    yes: Yes = False,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Agree to a smaller share of a licence, or say no.

    What you sign is compared with the payees that you are shown; it counts for this one change alone.

    \b
    Examples:
      obbligato artist agree 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b
      obbligato artist agree 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b --decline
    """
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        asked = client.invitation(invitation)
        if decline:
            found = client.decline(asked)
        elif asked.state == "agreed":
            found = asked
        else:
            latest = latest_deadline(run, "change-split")
            agreement = client.check_invitation(asked, latest_deadline=latest)
            if not yes:
                console = stderr()
                console.print(asked.preview.title)
                render_split(console, agreement.split)
                confirm("Agree to this?")
            found = client.accept(asked, latest_deadline=latest)
    show(
        found.model_dump(mode="json", exclude={"typed_data"}),
        as_json=as_json,
        render=lambda console: console.print(_outcome(found)),
    )


def approve_operator(
    context: typer.Context,
    operator: Annotated[str, typer.Argument(metavar="ADDRESS", help="A society's or label's.")],
    end: Annotated[bool, typer.Option("--end", help="It may act no longer.")] = False,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a society or a label act for all of your licences, or end that. It never receives your money.

    \b
    Examples:
      obbligato artist operator 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC
      obbligato artist operator 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC --end
    """
    asked = OperatorAsked(checked_address(operator), not end)
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(run, client, asked, yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


@grant_app.callback()
def grants() -> None:
    """Requests of platforms for grants, where your terms ask for your approval."""


@grant_app.command("approve")
def approve_grant(
    context: typer.Context,
    request: Annotated[
        int, typer.Argument(metavar="REQUEST", min=1, max=2**32 - 1, help="The request's number.")
    ],
    license_id: Annotated[
        int | None,
        typer.Option("--license", min=1, max=2**32 - 1, help="Only if it is for this licence."),
    ] = None,
    platform: Annotated[
        int | None, typer.Option(min=1, max=2**32 - 1, help="Only if this platform asks.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="Only if it is for this tier.")] = None,
    fee: Annotated[
        int | None,
        typer.Option(min=0, max=UINT64_MAX, help="Only for this fee, in millionths of a dollar."),
    ] = None,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Approve a platform's request for a grant. What you name of it is compared with what is signed.

    \b
    Examples:
      obbligato artist grant approve 1
      obbligato artist grant approve 1 --license 4 --platform 2 --tier STYLE --fee 25000000 --yes
    """
    asked = GrantAsked(
        request, license_id, None if tier is None else named(Tier, tier), platform, fee
    )
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(run, client, asked, yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


def list_acts(
    context: typer.Context,
    state: Annotated[
        ActState | None, typer.Option(metavar="STATE", help="Only those in this state.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="The newest so many.")] = 50,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """List what you prepared and signed, newest first, and how far it has come.

    \b
    Examples:
      obbligato artist acts
      obbligato artist acts --state inviting --json
    """
    with client_of(session(context), url, keystore, password_file) as client:
        found, _ = client.acts(state=state, limit=limit)
    show(
        {"acts": [act_data(each) for each in found]},
        as_json=as_json,
        render=lambda console: render_acts(console, found),
    )


def show_one_act(
    context: typer.Context, act: ActId, url: BackendUrl = None, as_json: AsJson = False
) -> None:
    """Show how far one act has come.

    \b
    Examples:
      obbligato artist act 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b
    """
    with client_of(session(context), url, None, None, signs=False) as client:
        found = client.act(act)
    show_act(found, as_json=as_json)


def withdraw_act(
    context: typer.Context,
    act: ActId,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw an act that was not sent yet.

    \b
    Examples:
      obbligato artist withdraw 3f2a9c51d07b4e8f9a6b0c1d2e3f4a5b
    """
    with client_of(session(context), url, keystore, password_file) as client:
        client.withdraw(act)
    show(
        {"id": act, "state": "withdrawn"},
        as_json=as_json,
        render=lambda console: console.print(f"act {act}: withdrawn"),
    )


def _outcome(found: Invitation) -> str:
    return (
        f"{found.state}: {found.share_before_ppm / 10_000:.4f} % now, "
        f"{found.share_after_ppm / 10_000:.4f} % then"
    )
