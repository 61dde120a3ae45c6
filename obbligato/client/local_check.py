"""A platform's own files, read as the oracle will read them, before anything is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from obbligato.client.checking import Sums
from obbligato.client.usage import Progress, Usage
from obbligato.documents.evidence import Period
from obbligato.metering.dry_check import check_files
from obbligato.metering.files import UsageFile


def checked_sums(paths: Sequence[Path], usage: Usage, progress: Progress | None = None) -> Sums:
    """What the files hold, by licence or ISRC, tier and metric, in millionths of a unit.

    Raises RejectedLines naming every wrong line, unless the usage leaves wrong lines out, and
    InputError for what is wrong as a whole. Consent is for the oracle to judge.
    """

    def watch(stage: str, events: int) -> None:
        if progress is not None:
            progress(f"check, {stage}", events, events)

    with tempfile.TemporaryDirectory(prefix="obbligato-") as folder:
        checked = check_files(
            [UsageFile(path, path.name) for path in paths],
            folder=Path(folder),
            model_id=usage.model_id,
            period=Period(start=usage.start, end=usage.end),
            skip_invalid=usage.skip_invalid,
            watch=watch,
        )
    return {
        (each.license_id or str(each.isrc), each.tier, each.metric): each.quantity_millionths
        for each in checked.sums
    }
