"""From the recordings' real counts to usage events, rows and evidence, and what an attester does with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from obbligato.chain.client import Chain
from obbligato.documents import (
    EventChunk,
    EvidenceDocument,
    Period,
    PublicUsageEvent,
    UnlicensedUse,
    UsageEvent,
    aggregate,
    cid_from_digest,
    evidence_document,
    public_form,
    read_chunk,
    write_chunks,
)
from obbligato.errors import RefusedError
from obbligato.rules.rows import Row, pack_rows
from obbligato.store import ContentStore
from obbligato.typed_data import Attestation, Contract, UsageReport, sign
from obbligato.words import PPM, Metric, Pricing, Tier
from scripts.demo.cast import Entry, PlatformPlan


@dataclass(frozen=True)
class Use:
    """What a platform did with one recording: a column of the catalogue counted as one kind of use."""

    column: str
    tier: Tier
    metric: Metric


METERED_USES = (
    Use("tiktok_posts", Tier.GENERATIVE, Metric.GENERATION),
    Use("soundcloud_streams", Tier.ANALYSIS, Metric.PLAYBACK),
    Use("shazam_counts", Tier.GENERATIVE, Metric.PLAYBACK),
)
POOL_USES = (Use("spotify_streams", Tier.TRAINING, Metric.PLAYBACK),)


def events_of(
    entries: Mapping[int, Entry], uses: Sequence[Use], *, model: bytes, moment: int
) -> list[UsageEvent]:
    """One event for each recording and use that the catalogue has a count for."""
    return [
        UsageEvent(
            event_id=f"{entry.facts.isrc}/{use.column}",
            occurred_at=moment,
            license_id=license_id,
            tier=use.tier,
            metric=use.metric,
            units=count,
            influence_ppm=PPM,
            model_id=model,
        )
        for license_id, entry in entries.items()
        for use in uses
        if (count := entry.facts.counts[use.column])
    ]


@dataclass(frozen=True)
class Prepared:
    """Rows that may be reported, and the digest of the evidence for them."""

    rows: list[Row]
    evidence: bytes
    unlicensed: int


def prepare(
    store: ContentStore,
    entries: Mapping[int, Entry],
    events: Sequence[UsageEvent],
    *,
    platform_id: int,
    plan: PlatformPlan,
    period: Period,
    granted: set[int],
) -> Prepared:
    """Divide events into what licences allow and what they do not; store chunks and evidence, read back.

    Consent is asked of the entries' own terms, as the platform knows them before it reports; the
    chain refuses whatever this gets wrong.
    """
    salt = keccak(b"obbligato demo salt" + plan.model)
    licensed: list[PublicUsageEvent] = []
    refused: list[UnlicensedUse] = []
    for event in events:
        entry = entries[event.license_id or 0]
        reason = _reason(entry, event, granted=event.license_id in granted)
        if reason is None:
            licensed.append(public_form(event, salt=salt, boundaries=[period.start]))
        else:
            refused.append(
                UnlicensedUse(
                    license_id=event.license_id,
                    tier=event.tier,
                    metric=event.metric,
                    quantity=event.quantity_millionths,
                    reason=reason,
                )
            )
    chunks = list(write_chunks(licensed))
    rows = aggregate(licensed)
    document = evidence_document(
        platform_id=platform_id,
        model_id=plan.model,
        period=period,
        salt=salt,
        chunks=[EventChunk.of(chunk) for chunk in chunks],
        rows=rows,
        unlicensed=refused,
    )
    for block in [*(chunk.data for chunk in chunks), document.to_bytes()]:
        store.get(store.put(block))
    return Prepared(rows=rows, evidence=document.digest(), unlicensed=len(refused))


def _reason(
    entry: Entry, event: UsageEvent, *, granted: bool
) -> Literal["no consent", "no grant"] | None:
    if not entry.terms.offers(event.tier):
        return "no consent"
    if entry.offer == "By agreement" and not granted:
        return "no grant"
    return None


def attest(
    chain: Chain,
    store: ContentStore,
    header: UsageReport,
    rows: bytes,
    version: int,
    by: LocalAccount,
) -> bytes:
    """What an attester does: fetch the evidence by its digest, compute rows and price again, then sign.

    Raises RefusedError where they differ.
    """
    evidence = EvidenceDocument.from_bytes(store.get(cid_from_digest(header.evidence)))
    events = [
        event
        for chunk in evidence.chunks
        for event in read_chunk(store.get(cid_from_digest(chunk.digest)), PublicUsageEvent)
    ]
    computed = pack_rows(aggregate(events))
    if computed != rows or keccak(computed) != header.rows_digest:
        raise RefusedError("the evidence gives other rows than the report")
    _, total, _ = chain.call(
        "LicenseRegistry",
        "price",
        computed,
        header.period_start,
        header.period_end,
        int(header.pricing),
        header.total if header.pricing is Pricing.POOL else 0,
    )
    if total != header.total:
        raise RefusedError(f"the rows cost {total}, the report says {header.total}")
    domain = chain.domain(Contract.USAGE_ORACLE)
    message = Attestation(report_id=header.digest(domain), config_version=version)
    return sign(message, domain, by)
