"""What the commands for artists share: their options, the backend, and how an act is shown, agreed to and followed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from obbligato.chain.client import answered
from obbligato.cli.options import signer_of
from obbligato.cli.output import ExitCode, facts, moment, show, stderr, table, warn
from obbligato.cli.session import Session
from obbligato.client.backend import BackendClient
from obbligato.client.requests import AmendAsked, Asked, MintAsked
from obbligato.documents.wording import description, role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import DAY_SECONDS
from obbligato.protocol.splits import Split
from obbligato.schemas.backend import Act, ActState

LONGEST_DAYS: Final = {"change-split": 366}
"""How long a signature may be usable, where others have to sign, too."""
USUAL_DAYS: Final = 8

BackendUrl = Annotated[
    str | None,
    typer.Option("--url", envvar="OBBLIGATO_BACKEND_URL", metavar="URL", help="The web backend."),
]
LicenseId = Annotated[
    int, typer.Argument(metavar="LICENSE", min=1, max=2**32 - 1, help="The licence's number.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Sign without asking.")]
Finally = Annotated[
    bool, typer.Option("--final", help="Wait until its block can no longer change.")
]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Stop waiting after so long.")
]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="Idempotency key: the same request with the same key is one act."
    ),
]


def client_of(
    run: Session,
    url: str | None,
    keystore: Path | None,
    password_file: Path | None,
    *,
    signs: bool = True,
) -> BackendClient:
    """A client of the backend; `signs`: with the keystore's key. Raises InputError.

    Documents come from the store that is named, else from the backend's own gateway; their digests decide.
    """
    if url is None:
        raise InputError("name the backend: --url URL, or set OBBLIGATO_BACKEND_URL")
    stored = run.folder is not None or run.gateways
    return BackendClient(
        url,
        run.deployment(),
        signer=signer_of(keystore, password_file) if signs else None,
        documents=run.store() if stored else None,
    )


def carry_out(
    run: Session,
    client: BackendClient,
    asked: Asked,
    *,
    yes: bool,
    final: bool,
    timeout: float | None,
    key: str | None = None,
) -> Act:
    """Prepare an act, show it, ask, sign exactly what was asked for, and follow it.

    An act that the same key made before goes on where it is. Whoever says no withdraws it.
    """
    act = client.prepare(asked, key=key)
    if key is not None and act.state in (ActState.FAILED, ActState.WITHDRAWN):
        act = client.prepare(asked)  # it came to nothing: begin anew
    for warning in act.warnings:
        warn(warning)
    if act.state is ActState.PREPARED:
        agree(client, act, asked, yes=yes)
        act = client.sign(act, asked, latest_deadline=latest_deadline(run, act.kind))
    wanted = ActState.FINAL if final else ActState.CONFIRMED
    return client.wait(act.id, wanted, timeout_seconds=timeout)


def agree(client: BackendClient, act: Act, asked: Asked, *, yes: bool) -> None:
    """Show what is about to be signed, and ask. Raises InputError where nobody is there, typer.Abort for a no."""
    if yes:
        return
    render_question(stderr(), act, asked)
    confirm("Sign this?", refused=lambda: client.withdraw(act.id))


def confirm(question: str, *, refused: Any = lambda: None) -> None:
    """Ask at the terminal. Raises InputError where nobody is there, typer.Abort for a no."""
    if not sys.stdin.isatty():
        refused()
        raise InputError("nobody is there to ask: look at what it would do, then give --yes")
    if not typer.confirm(question, err=True):
        refused()
        raise typer.Abort


def latest_deadline(run: Session, kind: str) -> int | None:
    """The latest moment, by the chain, that a signature given now may be used; None without a node."""
    if run.rpc is None:
        return None
    chain = run.chain()
    now = int(answered(lambda: chain.web3.eth.get_block("latest"))["timestamp"])
    return now + LONGEST_DAYS.get(kind, USUAL_DAYS) * DAY_SECONDS


def show_act(act: Act, *, as_json: bool) -> None:
    """What became of an act; the exit code is 1 where it failed or was withdrawn."""
    show(act_data(act), as_json=as_json, render=lambda console: render_act(console, act))
    if act.state in (ActState.FAILED, ActState.WITHDRAWN):
        raise typer.Exit(ExitCode.NO)


def act_data(act: Act) -> dict[str, Any]:
    """An act as JSON, without what was to be signed."""
    return act.model_dump(mode="json", exclude={"typed_data"})


def render_act(console: Console, act: Act) -> None:
    """How far it has come."""
    result = act.result or {}
    pairs: list[tuple[str, object]] = [("act", act.id), ("what", act.preview.title)]
    if act.license_id is not None:
        pairs.append(("licence", act.license_id))
    pairs += [
        (name.removesuffix("_units"), value)
        for name, value in result.items()
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
    console.print(facts(pairs))


def render_question(console: Console, act: Act, asked: Asked) -> None:
    """What is about to be signed. A licence is described from what was asked, in words of this program."""
    console.print(act.preview.title)
    if isinstance(asked, MintAsked | AmendAsked):
        recording = asked.recording
        for line in description(recording.title, recording.artists, asked.terms).splitlines():
            console.print(f"  {line}")
    if isinstance(asked, MintAsked):
        render_split(console, asked.split_for(act.account))
    known = isinstance(asked, MintAsked)
    for line in () if known else act.preview.sentences:
        console.print(f"  {line}")
    if known and act.preview.until:
        console.print(f"  {act.preview.until}")
    console.print(f"  Costs: {act.preview.costs}")


def render_split(console: Console, split: Split) -> None:
    """Who is paid."""
    rows = [
        (payee.account, f"{payee.share / 10_000:.4f} %", role_word(payee.role))
        for payee in split.payees
    ]
    console.print(table(("paid to", "share ", "as"), rows))


def render_acts(console: Console, acts: Sequence[Act]) -> None:
    """Acts, one a line."""
    rows = [
        (
            act.id,
            act.kind,
            act.state.value,
            act.license_id or "-",
            moment(act.created_at),
            act.preview.title,
        )
        for act in acts
    ]
    console.print(table(("act", "kind", "state", "licence ", "prepared", "what"), rows))
