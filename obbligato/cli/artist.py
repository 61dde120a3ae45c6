"""`obbligato artist`: what artists, labels and societies do through the web backend."""

from __future__ import annotations

import typer
from rich.console import Console

from obbligato.cli import artist_agreements, artist_licenses, artist_money
from obbligato.cli import artist_imports as artist_catalogues
from obbligato.cli.output import AsJson, show
from obbligato.documents.presets import PRESETS
from obbligato.documents.terms_input import terms_from, terms_json
from obbligato.documents.wording import (
    TIER_MEANINGS,
    card_sentence,
    condition_sentences,
    tier_title,
)
from obbligato.protocol.constants import tiers_of

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="For artists, labels and societies: license, get paid, contest.",
)


@app.command("presets")
def show_presets(as_json: AsJson = False) -> None:
    """Show the offers to begin with, their prices and conditions. No backend is asked.

    \b
    Examples:
      obbligato artist presets
      obbligato artist presets --json | jq '.[] | select(.name == "everything").terms' > terms.json
    """
    offers = [(preset, terms_from({"preset": preset.name})) for preset in PRESETS]

    def render(console: Console) -> None:
        for preset, terms in offers:
            console.print(f"{preset.name}: {preset.title}")
            console.print(f"  {preset.words}")
            for tier, card in zip(tiers_of(terms.tiers), terms.rates, strict=True):
                console.print(
                    f"  - {tier_title(tier)} ({TIER_MEANINGS[tier]}): {card_sentence(card)}"
                )
            for sentence in condition_sentences(terms):
                console.print(f"  {sentence}")

    data = [
        {
            "name": preset.name,
            "title": preset.title,
            "words": preset.words,
            "terms": terms_json(terms),
        }
        for preset, terms in offers
    ]
    show(data, as_json=as_json, render=render)


app.command("license")(artist_licenses.license_recording)
app.command("amend")(artist_licenses.amend_license)
app.command("revoke")(artist_licenses.revoke_license)
app.command("reinstate")(artist_licenses.reinstate_license)
app.command("split")(artist_licenses.change_split)
app.command("invitations")(artist_agreements.list_invitations)
app.command("agree")(artist_agreements.agree_to_split)
app.command("operator")(artist_agreements.approve_operator)
app.add_typer(artist_agreements.grant_app, name="grant")
app.command("claim")(artist_money.claim_earnings)
app.command("redirect")(artist_money.redirect_claims)
app.command("contest")(artist_money.contest_row)
app.command("acts")(artist_agreements.list_acts)
app.command("act")(artist_agreements.show_one_act)
app.command("withdraw")(artist_agreements.withdraw_act)
app.command("earnings")(artist_money.show_earnings)
app.command("balance")(artist_money.show_balance)
app.command("statement")(artist_money.save_statement)
app.command("import")(artist_catalogues.import_catalogue)
