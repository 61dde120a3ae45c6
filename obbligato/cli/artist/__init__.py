"""`obbligato artist`: what artists, labels and societies do through the web backend."""

from __future__ import annotations

from obbligato.cli.artist import acts, imports, licenses, money
from obbligato.cli.commands import Commands
from obbligato.cli.output import Result
from obbligato.documents.presets import PRESETS
from obbligato.documents.terms_input import terms_from, terms_json
from obbligato.documents.wording import (
    TIER_MEANINGS,
    card_sentence,
    condition_sentences,
    tier_title,
)
from obbligato.protocol.constants import tiers_of

app = Commands("For artists, labels and societies: license, get paid, contest.")


@app.command("presets")
def show_presets() -> Result:
    """Show the ready-made offers with their prices and conditions. Needs no backend.

    \b
    Examples:
      obbligato artist presets
      obbligato artist presets --json | jq '.[] | select(.name == "everything").terms' > terms.json
    """
    data, text = [], []
    for preset in PRESETS:
        terms = terms_from({"preset": preset.name})
        data.append(
            {
                "name": preset.name,
                "title": preset.title,
                "words": preset.words,
                "terms": terms_json(terms),
            }
        )
        text += [f"{preset.name}: {preset.title}", f"  {preset.words}"]
        text += [
            f"  - {tier_title(tier)} ({TIER_MEANINGS[tier]}): {card_sentence(card)}"
            for tier, card in zip(tiers_of(terms.tiers), terms.rates, strict=True)
        ]
        text += [f"  {sentence}" for sentence in condition_sentences(terms)]
    return Result(data, *text)


for group in (licenses, money, acts, imports):
    app.add_typer(group.app)
