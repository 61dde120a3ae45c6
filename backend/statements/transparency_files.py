"""A transparency report as CSV: one figure a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from backend.statements.files import hexadecimal, inert
from backend.statements.transparency_answers import TransparencyReport

COLUMNS = ("section", "platform_id", "model_id", "tier", "metric", "figure", "value")

Line = tuple[Any, ...]


def transparency_csv(report: TransparencyReport) -> str:
    """RFC 4180: where each figure belongs, its name as in the JSON, and its value."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in _lines(report):
        writer.writerow([inert(value) for value in line])
    return text.getvalue()


def _lines(report: TransparencyReport) -> Iterator[Line]:
    for name in ("period", "start", "end", "over", "as_of_block", "as_of_time", "certainty"):
        value = getattr(report, name)
        yield (
            "report", None, None, None, None, name,
            str(value).lower() if isinstance(value, bool) else value,
        )  # fmt: skip
    for stream in report.streams.items:
        of = ("streams", stream.platform_id, hexadecimal(stream.model_id))
        for name, value in stream:
            if name not in ("platform_id", "model_id", "uses"):
                yield (*of, None, None, name, value)
        for use in stream.uses:
            yield (*of, use.tier, use.metric, "quantity", use.quantity)
            yield (*of, use.tier, use.metric, "credited_units", use.credited_units)
    for tier in report.consents.tiers:
        yield "consents", None, None, tier.tier, None, "licenses", tier.licenses
    for section in ("licenses", "consents", "money", "grants"):
        for name, value in getattr(report, section):
            if name not in ("meaning", "tiers"):
                yield section, None, None, None, None, name, value
