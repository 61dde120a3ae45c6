"""`obbligato artist license|amend|revoke|reinstate|split`: licences, from the first to the last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from obbligato.cli.artist_acts import (
    BackendUrl,
    Finally,
    Key,
    LicenseId,
    Timeout,
    Yes,
    carry_out,
    client_of,
    show_act,
)
from obbligato.cli.options import Keystore, PasswordFile
from obbligato.cli.output import AsJson, watching
from obbligato.cli.session import session
from obbligato.client.requests import (
    AmendAsked,
    MintAsked,
    ReinstateAsked,
    RevokeAsked,
    SplitChangeAsked,
)
from obbligato.documents import Recording
from obbligato.documents.file_inputs import named, read_bytes, read_json
from obbligato.documents.split_sheet import read_split_sheet
from obbligato.documents.terms_input import scope_for, terms_from
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import Role
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.types import checked_address, checked_bytes32

Preset = Annotated[
    str | None, typer.Option(metavar="NAME", help="An offer of `obbligato artist presets`.")
]
TermsFile = Annotated[
    Path | None,
    typer.Option(
        "--terms",
        metavar="FILE",
        help="JSON: preset, tiers, term_days, flags, influence_cap_bps; see docs/artist.md.",
    ),
]
Payees = Annotated[
    list[str] | None,
    typer.Option(
        "--payee",
        metavar="0x…:PPM:ROLE",
        help="Who is paid, in parts per million; repeat it. Default: you alone.",
    ),
]
SplitSheet = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Or a split sheet (CSV); its names and IPI numbers stay on this machine.",
    ),
]
Image = Annotated[
    str | None, typer.Option(metavar="URI", help="A cover: ipfs://<cid> or https://….")
]


def license_recording(
    context: typer.Context,
    title: Annotated[str, typer.Option(help="Its title.")],
    artist: Annotated[list[str], typer.Option(metavar="NAME", help="Who made it; repeat it.")],
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The recording: its sha-256 is computed here."),
    ] = None,
    content_hash: Annotated[
        str | None, typer.Option(metavar="HEX", help="Or its sha-256: 0x and 64 digits.")
    ] = None,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Say what the file sounds like. Needs fpcalc.")
    ] = False,
    isrc: Annotated[str | None, typer.Option(help="Its ISRC, if it has one.")] = None,
    iswc: Annotated[str | None, typer.Option(help="The ISWC of the composition.")] = None,
    release_date: Annotated[str | None, typer.Option(help="2026, 2026-05 or 2026-05-17.")] = None,
    contributor: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE:NAME", help="A public credit; repeat it."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What is covered; repeat it. Default: what the terms need."),
    ] = None,
    image: Image = None,
    preset: Preset = None,
    terms: TermsFile = None,
    payee: Payees = None,
    split_sheet: SplitSheet = None,
    key: Key = None,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """License a recording: say what AI may do with it, at what price, and who is paid. Costs nothing.

    The file stays on this machine; what is published is its sha-256, titles and credits. You are shown what
    you are about to sign, and warned where somebody licensed the recording already. Signed is only what this
    command line says: terms, payees, document and contract are computed here and compared. Run again with the
    same options, it goes on where it was and mints nothing twice.

    \b
    Examples:
      obbligato artist license --title Aurora --artist "Nadia Vale" --file aurora.flac --preset train-dont-imitate
      obbligato artist license --title Aurora --artist "Nadia Vale" --isrc USUG12400910 --file aurora.flac \\
        --terms terms.json --payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8:650000:performer \\
        --payee 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC:350000:label --final
    """
    chosen = terms_of(preset, terms)
    if chosen is None:
        raise InputError("say what is allowed: --preset NAME or --terms FILE", field="terms")
    recording = recording_of(
        title=title,
        artists=artist,
        file=file,
        content_hash=content_hash,
        fingerprint=fingerprint,
        facts={"isrc": isrc, "iswc": iswc, "release_date": release_date},
        contributors=contributor or [],
        scope=scope or list(scope_for(chosen)),
    )
    asked = MintAsked(recording, chosen, split_of(payee, split_sheet), image)
    asked.document()  # refuses what no document can say, before anybody is asked
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(
            run,
            client,
            asked,
            yes=yes,
            final=final,
            timeout=timeout,
            key=key or digest_of(asked.body()),
        )
    show_act(act, as_json=as_json)


def amend_license(
    context: typer.Context,
    license_id: LicenseId,
    preset: Preset = None,
    terms: TermsFile = None,
    image: Image = None,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Change the terms of a licence. A tier that is only added counts at once, all else from the next term.

    \b
    Examples:
      obbligato artist amend 1 --preset everything-but-my-voice
      obbligato artist amend 1 --terms terms.json
    """
    chosen = terms_of(preset, terms)
    if chosen is None and image is None:
        raise InputError("say what changes: --preset NAME, --terms FILE or --image URI")
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        document = client.document_of(license_id)
        parts = (*document.recording.scope, *scope_for(chosen or document.terms.terms()))
        covered = document.recording.model_copy(update={"scope": tuple(dict.fromkeys(parts))})
        asked = AmendAsked.of(license_id, document, terms=chosen, recording=covered, image=image)
        act = carry_out(run, client, asked, yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


def revoke_license(
    context: typer.Context,
    license_id: LicenseId,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """End a licence with its running term. Until then use stays allowed and paid for.

    \b
    Examples:
      obbligato artist revoke 1
    """
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(run, client, RevokeAsked(license_id), yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


def reinstate_license(
    context: typer.Context,
    license_id: LicenseId,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a revocation back, before it takes effect.

    \b
    Examples:
      obbligato artist reinstate 1
    """
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(
            run, client, ReinstateAsked(license_id), yes=yes, final=final, timeout=timeout
        )
    show_act(act, as_json=as_json)


def change_split(
    context: typer.Context,
    license_id: LicenseId,
    payee: Payees = None,
    split_sheet: SplitSheet = None,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Change who is paid from now on. Whoever's share shrinks has to agree: see `invitations` and `agree`.

    It is sent once all of them have signed. What was reported before is paid as it was.

    \b
    Examples:
      obbligato artist split 1 --split-sheet sheet.csv
      obbligato artist split 1 --payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8:1000000:performer
    """
    split = split_of(payee, split_sheet)
    if split is None:
        raise InputError("say who is paid: --payee 0x…:PPM:ROLE or --split-sheet FILE")
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        asked = SplitChangeAsked(license_id, split)
        act = carry_out(run, client, asked, yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


def terms_of(preset: str | None, file: Path | None) -> Terms | None:
    """The terms that the options name, if any. Raises InputError."""
    if preset is not None and file is not None:
        raise InputError("give --preset or --terms; a file of terms can name a preset itself")
    if preset is not None:
        return terms_from({"preset": preset})
    return None if file is None else terms_from(read_json(file))


def split_of(payees: list[str] | None, sheet: Path | None) -> Split | None:
    """The split that the options name, if any. Raises InputError."""
    if payees and sheet is not None:
        raise InputError("give --payee or --split-sheet, not both")
    if sheet is not None:
        try:
            text = read_bytes(sheet).decode()
        except UnicodeDecodeError:
            raise InputError(f"{sheet} is not UTF-8", field="split_sheet") from None
        return Split.of(read_split_sheet(text).payees())
    return Split.of([_payee(each) for each in payees]) if payees else None


def recording_of(
    *,
    title: str,
    artists: list[str],
    file: Path | None,
    content_hash: str | None,
    fingerprint: bool,
    facts: dict[str, str | None],
    contributors: list[str],
    scope: list[str],
) -> Recording:
    """The recording that the options describe. Raises InputError."""
    if (file is None) == (content_hash is None):
        raise InputError("name the recording: --file FILE, or --content-hash HEX")
    if fingerprint and file is None:
        raise InputError("a fingerprint is made from the file: give --file FILE")
    heard = {}
    if file is not None:
        # What reads audio is loaded only where there is some.
        from obbligato.recordings import content_hash as hash_of
        from obbligato.recordings import fingerprint as fingerprint_of

        with watching() as watch:
            digest = hash_of(file, watch)
        if fingerprint:
            heard = {"fingerprint": fingerprint_of(file).record().model_dump()}
    else:
        text = content_hash or ""
        digest = checked_bytes32(text if text.startswith("0x") else f"0x{text}")
    return Recording.read(
        {
            "title": title,
            "artists": artists,
            "content_hash": digest,
            "contributors": [_credit(each) for each in contributors],
            "scope": scope,
            **{name: value for name, value in facts.items() if value is not None},
            **heard,
        }
    )


def digest_of(request: dict[str, Any]) -> str:
    """The idempotency key of a request: the same request is the same act."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _payee(text: str) -> Payee:
    words = text.split(":")
    if len(words) != 3 or not (words[1].isascii() and words[1].isdigit() and len(words[1]) < 10):
        raise InputError(f"{text!r} is not 0x…:PPM:ROLE, as 0x…:650000:performer", field="payee")
    return Payee(account=checked_address(words[0]), share=int(words[1]), role=named(Role, words[2]))


def _credit(text: str) -> dict[str, str]:
    role, colon, name = text.partition(":")
    if not colon:
        raise InputError(f"{text!r} is not ROLE:NAME, as composer:Ana", field="contributor")
    return {"role": role_word(named(Role, role)), "name": name}
