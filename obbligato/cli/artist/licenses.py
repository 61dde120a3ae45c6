"""`obbligato artist license|amend|revoke|reinstate|split`: licences, from the first to the last."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from obbligato.cli.artist.acts import Signing
from obbligato.cli.commands import Commands
from obbligato.cli.options import IdempotencyKey, LicenseId
from obbligato.cli.output import Result, progress
from obbligato.documents.file_inputs import named, read_bytes, read_json
from obbligato.documents.license import Recording
from obbligato.documents.split_sheet import read_split_sheet
from obbligato.documents.terms_input import scope_for, terms_from
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import Role
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.types import checked_address, checked_bytes32
from obbligato.schemas import acts

app = Commands("Licences of recordings.")

Preset = Annotated[
    str | None, typer.Option(metavar="NAME", help="An offer of `obbligato artist presets`.")
]
Image = Annotated[
    str | None, typer.Option(metavar="URI", help="A cover: ipfs://<cid> or https://….")
]


@dataclass(frozen=True)
class TermsOptions:
    """What AI may do with a recording."""

    preset: Preset = None
    terms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON: preset, tiers, term_days, flags, influence_cap_bps; see docs/artist.md.",
        ),
    ] = None

    def parse(self) -> Terms | None:
        """The terms that the options name, if any. Raises InputError."""
        if self.preset is not None and self.terms is not None:
            raise InputError("give --preset or --terms; a file of terms can name a preset itself")
        if self.preset is not None:
            return terms_from({"preset": self.preset})
        return None if self.terms is None else terms_from(read_json(self.terms))


@dataclass(frozen=True)
class SplitOptions:
    """Who is paid."""

    payee: Annotated[
        list[str] | None,
        typer.Option(
            metavar="0x…:PPM:ROLE",
            help="Who is paid, in parts per million; repeat it. Default: you alone.",
        ),
    ] = None
    split_sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Or a split sheet (CSV); its names and IPI numbers stay on this machine.",
        ),
    ] = None

    def parse(self) -> Split | None:
        """The split that the options name, if any. Raises InputError."""
        if self.payee and self.split_sheet is not None:
            raise InputError("give --payee or --split-sheet, not both")
        if self.split_sheet is not None:
            try:
                text = read_bytes(self.split_sheet).decode()
            except UnicodeDecodeError:
                raise InputError(f"{self.split_sheet} is not UTF-8", field="split_sheet") from None
            return Split.of(read_split_sheet(text).payees())
        return Split.of([_payee(each) for each in self.payee]) if self.payee else None


@dataclass(frozen=True)
class RecordingOptions:
    """Which recording, and what is public of it."""

    title: Annotated[str, typer.Option(help="The recording's title.")]
    artist: Annotated[list[str], typer.Option(metavar="NAME", help="Who made it; repeat it.")]
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The recording: its sha-256 is computed here."),
    ] = None
    content_hash: Annotated[
        str | None, typer.Option(metavar="HEX", help="Or its sha-256: 0x and 64 digits.")
    ] = None
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Publish what the file sounds like. Needs fpcalc.")
    ] = False
    isrc: Annotated[str | None, typer.Option(help="Its ISRC, if it has one.")] = None
    iswc: Annotated[str | None, typer.Option(help="The ISWC of the composition.")] = None
    release_date: Annotated[str | None, typer.Option(help="2026, 2026-05 or 2026-05-17.")] = None
    contributor: Annotated[
        list[str] | None, typer.Option(metavar="ROLE:NAME", help="A public credit; repeat it.")
    ] = None
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What is covered; repeat it. Default: what the terms need."),
    ] = None

    def parse(self, terms: Terms) -> Recording:
        """The recording that the options describe. Raises InputError."""
        if (self.file is None) == (self.content_hash is None):
            raise InputError("name the recording: --file FILE, or --content-hash HEX")
        if self.fingerprint and self.file is None:
            raise InputError("a fingerprint is made from the file: give --file FILE")
        optional: dict[str, Any] = {
            "isrc": self.isrc,
            "iswc": self.iswc,
            "release_date": self.release_date,
        }
        if self.file is not None:
            # What reads audio is loaded only where there is some.
            from obbligato.recordings import content_hash, fingerprint

            with progress() as watch:
                digest = content_hash(self.file, watch)
            if self.fingerprint:
                optional["fingerprint"] = fingerprint(self.file).record().model_dump()
        else:
            text = self.content_hash or ""
            digest = checked_bytes32(text if text.startswith("0x") else f"0x{text}")
        return Recording.read(
            {
                "title": self.title,
                "artists": self.artist,
                "content_hash": digest,
                "contributors": [_credit(each) for each in self.contributor or ()],
                "scope": self.scope or list(scope_for(terms)),
                **{name: value for name, value in optional.items() if value is not None},
            }
        )


@app.command("license")
def license_recording(
    recording_options: RecordingOptions,
    terms_options: TermsOptions,
    split: SplitOptions,
    signing: Signing,
    image: Image = None,
    key: IdempotencyKey = None,
) -> Result:
    """License a recording: set what AI may do with it, at what price, and who is paid. Costs nothing.

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
    terms = terms_options.parse()
    if terms is None:
        raise InputError("say what is allowed: --preset NAME or --terms FILE", field="terms")
    request = acts.MintRequest.of(recording_options.parse(terms), terms, split.parse(), image)
    request.document()  # refuses what no document can say, before any request is made
    body = json.dumps(request.body(), sort_keys=True).encode()
    with signing.client() as client:
        return signing.carry_out(client, request, key=key or hashlib.sha256(body).hexdigest())


@app.command("amend")
def amend_license(
    license_id: LicenseId, terms_options: TermsOptions, signing: Signing, image: Image = None
) -> Result:
    """Change the terms of a licence. A tier that is only added counts at once, all else from the next term.

    \b
    Examples:
      obbligato artist amend 1 --preset everything-but-my-voice
      obbligato artist amend 1 --terms terms.json
    """
    terms = terms_options.parse()
    if terms is None and image is None:
        raise InputError("say what changes: --preset NAME, --terms FILE or --image URI")
    with signing.client() as client:
        document = client.document_of(license_id)
        scope = (*document.recording.scope, *scope_for(terms or document.terms.terms()))
        recording = document.recording.model_copy(update={"scope": tuple(dict.fromkeys(scope))})
        request = acts.AmendRequest.of(
            license_id, document, terms=terms, recording=recording, image=image
        )
        return signing.carry_out(client, request)


@app.command("revoke")
def revoke_license(license_id: LicenseId, signing: Signing) -> Result:
    """End a licence with its running term. Until then use stays allowed and paid for.

    \b
    Examples:
      obbligato artist revoke 1
    """
    return signing.run(acts.RevokeRequest(license_id=license_id))


@app.command("reinstate")
def reinstate_license(license_id: LicenseId, signing: Signing) -> Result:
    """Take a revocation back, before it takes effect.

    \b
    Examples:
      obbligato artist reinstate 1
    """
    return signing.run(acts.ReinstateRequest(license_id=license_id))


@app.command("split")
def change_split(license_id: LicenseId, split_options: SplitOptions, signing: Signing) -> Result:
    """Change who is paid from now on. Whoever's share shrinks has to agree: see `invitations` and `agree`.

    The change is sent once all of them have signed. What was reported before is paid by the old shares.

    \b
    Examples:
      obbligato artist split 1 --split-sheet sheet.csv
      obbligato artist split 1 --payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8:1000000:performer
    """
    split = split_options.parse()
    if split is None:
        raise InputError("say who is paid: --payee 0x…:PPM:ROLE or --split-sheet FILE")
    return signing.run(acts.ChangeSplitRequest.of(license_id, split))


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
