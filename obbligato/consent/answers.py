"""What licences allow in a period, from their histories and grants: the rules of pricing, with no price.

Pure. Source: docs/rules.md, "Licences in time" and "Pricing".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from obbligato.audit.ledger import Ledger
from obbligato.documents.evidence import Period
from obbligato.metering.workbench import ConsentInterval, Reason
from obbligato.protocol.constants import NOT_OFFERED, Flag, Metric, Pricing, Tier
from obbligato.protocol.grants import Grant
from obbligato.protocol.history import LicenseHistory, Version
from obbligato.protocol.terms import PeriodTerms


class Span(NamedTuple):
    """A version in force in `[start, end)`, clipped to a period."""

    version: Version
    start: int
    end: int


class Allowed(NamedTuple):
    """The intervals and withheld uses of `Consents`; licences minted before the period's end.

    Ids follow the order of minting, so later licences do not change any of it.
    """

    license_count: int
    intervals: tuple[ConsentInterval, ...]
    withheld: Mapping[tuple[int, Tier, Metric], Reason]


class Named(NamedTuple):
    """Licences by the ISRC that their documents name, and those with a document nobody has read."""

    licenses_of: Mapping[str, tuple[int, ...]]
    unread: tuple[int, ...]


def spans_of(history: LicenseHistory, period: Period) -> Iterator[Span]:
    """The versions in force at some moment of the period, in order."""
    last = period.end if history.ends_at is None else min(period.end, history.ends_at)
    ends = [version.start for version in history.versions[1:]] + [last]
    for version, end in zip(history.versions, ends, strict=True):
        span = Span(version, max(version.start, period.start), min(end, last))
        if span.start < span.end:
            yield span


def allowed_in(
    ledger: Ledger, *, period: Period, platform_id: int, model_id: bytes, pricing: Pricing
) -> Allowed:
    """Every (licence, tier) with consent in the period, and which of its uses make no row."""
    granted = {
        (license_id, tier): [each for each in sold if each.overlaps(period.start, period.end)]
        for (license_id, tier, holder), sold in ledger.grants.items()
        if holder == platform_id
    }
    reasons: dict[tuple[int, int, Tier, bool], dict[Metric, Reason]] = {}
    intervals: list[ConsentInterval] = []
    withheld: dict[tuple[int, Tier, Metric], Reason] = {}
    for license_id, known in sorted(ledger.licenses.items()):
        spans = list(spans_of(known.history, period))
        for tier in Tier:
            consented = [span for span in spans if span.version.terms.tiers & tier.bit]
            if not consented:
                continue
            first, last = consented[0].version, consented[-1].version  # their terms price the row
            bound = PeriodTerms(first.terms, last.terms).has(Flag.MODEL_BOUND)
            grants = [
                grant
                for grant in granted.get((license_id, tier), [])
                if grant.serves_model(model_id, bound=bound)
            ]
            intervals += _merged(license_id, tier, _granted(consented, grants))
            case = (first.terms_id, last.terms_id, tier, bool(grants))
            if case not in reasons:
                terms = PeriodTerms(first.terms, last.terms)
                reasons[case] = _withheld(terms, tier, granted=bool(grants), pricing=pricing)
            for metric, reason in reasons[case].items():
                withheld[license_id, tier, metric] = reason
    minted = sum(known.history.minted_at < period.end for known in ledger.licenses.values())
    return Allowed(minted, tuple(intervals), withheld)


def named_in(ledger: Ledger, period: Period, isrcs: Mapping[bytes, str | None]) -> Named:
    """Which licences in force at some moment of the period name which recording then.

    `isrcs` gives the ISRC of every document that was read, by its digest.
    """
    licenses_by_isrc: dict[str, dict[int, None]] = {}
    unread: dict[int, None] = {}
    for license_id, known in sorted(ledger.licenses.items()):
        for span in spans_of(known.history, period):
            document = span.version.document
            if document not in isrcs:
                unread[license_id] = None
            elif (isrc := isrcs[document]) is not None:
                licenses_by_isrc.setdefault(isrc, {})[license_id] = None
    return Named(
        {isrc: tuple(licenses) for isrc, licenses in licenses_by_isrc.items()}, tuple(unread)
    )


def _merged(license_id: int, tier: Tier, spans: list[Span]) -> list[ConsentInterval]:
    """The spans as intervals; those that touch are one."""
    merged: list[list[int]] = []
    for span in spans:
        if merged and merged[-1][1] == span.start:
            merged[-1][1] = span.end
        else:
            merged.append([span.start, span.end])
    return [ConsentInterval(license_id, tier, start, end) for start, end in merged]


def _granted(spans: list[Span], grants: list[Grant]) -> list[Span]:
    """The spans, those of terms that ask for a grant only while one runs; all of them without any.

    Without a grant in the whole period the uses are withheld as such, whenever they happened.
    """
    clipped: list[Span] = []
    for span in spans:
        if not grants or not span.version.terms.has(Flag.GRANT_REQUIRED):
            clipped.append(span)
            continue
        for grant in sorted(grants, key=lambda grant: grant.start):
            after = max(span.start, grant.start, clipped[-1].end if clipped else 0)
            if after < (end := min(span.end, grant.end)):
                clipped.append(Span(span.version, after, end))
    return clipped


def _withheld(
    terms: PeriodTerms, tier: Tier, *, granted: bool, pricing: Pricing
) -> dict[Metric, Reason]:
    """Why uses that these terms consent to make no row, by metric."""
    if terms.has(Flag.GRANT_REQUIRED) and not granted:
        return dict.fromkeys(Metric, "no grant")
    if pricing is Pricing.POOL:
        return {} if terms.has(Flag.POOL) else dict.fromkeys(Metric, "no pool")
    return {metric: "not offered" for metric in Metric if terms.rate(tier, metric) == NOT_OFFERED}
