"""Offers to begin with."""

from __future__ import annotations

from fastapi import APIRouter

from backend.actions.previews import allowed_uses, refused_uses, renewal_sentence
from backend.http.schemas import AnswerModel, problems
from obbligato.documents.presets import PRESETS, Preset
from obbligato.documents.wording import condition_sentences, terms_with_legal_text
from obbligato.protocol.constants import Flag
from obbligato.schemas.backend import AllowedUse

presets_router = APIRouter(prefix="/v1/presets", tags=["acts"])


class PresetResponse(AnswerModel):
    """An offer in plain words."""

    name: str
    title: str
    words: str
    allows: list[AllowedUse]
    refuses: list[str]
    conditions: list[str]
    until: str
    term_days: int
    flags: list[str]
    influence_cap_bps: int


@presets_router.get("", operation_id="list_presets", responses=problems())
def list_presets() -> list[PresetResponse]:
    """Five offers to begin with.

    Name one in the terms of a mint, and change what you want to be different.
    """
    return [_response(preset) for preset in PRESETS]


def _response(preset: Preset) -> PresetResponse:
    terms = terms_with_legal_text(
        preset.cards,
        term_days=preset.term_days,
        flags=preset.flags,
        influence_cap_bps=preset.influence_cap_bps,
    )
    return PresetResponse(
        name=preset.name,
        title=preset.title,
        words=preset.words,
        allows=allowed_uses(terms),
        refuses=refused_uses(terms),
        conditions=list(condition_sentences(terms)),
        until=renewal_sentence(terms),
        term_days=preset.term_days,
        flags=[str(flag.name) for flag in Flag if terms.has(flag)],
        influence_cap_bps=preset.influence_cap_bps,
    )
