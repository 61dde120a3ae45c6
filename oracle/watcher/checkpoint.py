"""The watcher's checkpoint: a small file, replaced as a whole, from which a restart goes on."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from obbligato.errors import InputError
from oracle.watcher.findings import UNSEEN, Finding

VERSION: Final = 1
FILE_NAME: Final = "watching.json"


@dataclass(slots=True)
class ReportFindings:
    """A report with findings, in the block of its submission.

    `closed` holds, by the name of a row, what became of it where nothing is left to do.
    """

    block: int
    findings: list[Finding]
    closed: dict[str, str] = field(default_factory=dict)

    @property
    def unseen(self) -> bool:
        """Whether its evidence could not be read and must be looked at again."""
        return any(finding.kind in UNSEEN for finding in self.findings)


@dataclass(slots=True)
class Checkpoint:
    """How far the watcher has come on one deployment.

    `checked` is the last block whose reports were checked and `checked_hash` its hash; `bonds` are
    money units put up by day, days counted from 1970 by the chain's time.
    """

    deployment: str
    checked: int
    checked_hash: str | None = None
    reports: int = 0
    found: dict[str, ReportFindings] = field(default_factory=dict)
    bonds: dict[int, int] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it to the folder's file, which is there whole or not changed."""
        data = json.dumps(self._as_json(), indent=1, sort_keys=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(folder / FILE_NAME)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    @classmethod
    def load(cls, folder: Path, *, deployment: str) -> Self | None:
        """What the folder's file says; None where there is none.

        Raises InputError for a file of another deployment, or one that is no such file.
        """
        path = folder / FILE_NAME
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["version"] != VERSION or data["deployment"] != deployment:
                raise InputError(f"{path} is of another deployment: name another --folder")
            return cls(
                deployment=deployment,
                checked=int(data["checked"]),
                checked_hash=data["checked_hash"],
                reports=int(data["reports"]),
                found={name: _report_findings(each) for name, each in data["found"].items()},
                bonds={int(day): int(units) for day, units in data["bonds"].items()},
            )
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise InputError(f"{path} was not written by the watcher: remove it") from error

    def _as_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "deployment": self.deployment,
            "checked": self.checked,
            "checked_hash": self.checked_hash,
            "reports": self.reports,
            "found": {
                name: {
                    "block": found.block,
                    "findings": [finding.as_json() for finding in found.findings],
                    "closed": found.closed,
                }
                for name, found in self.found.items()
            },
            "bonds": {str(day): str(units) for day, units in self.bonds.items()},
        }


def _report_findings(data: dict[str, Any]) -> ReportFindings:
    findings = [Finding.read(each) for each in data["findings"]]
    return ReportFindings(int(data["block"]), findings, dict(data["closed"]))
