"""The folder of a sweep: what was asked for, and one JSON file for each thing that is finished.

``sweep.json`` is the sweep as it was last started, ``runs/<id>.json`` the row of a run,
``feedback/<id>.json`` what is known of its labels, which lie beside in Parquet. Files are written
beside their final names and renamed when whole, so a killed process leaves no half row.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vlfeedback.data.store import LOCK, check_same_settings, locked
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.errors import FileFormatError
from vlfeedback.sweeps.specification import Sweep, parse_sweep

__all__ = ["SweepFolder"]

Kind = Literal["runs", "feedback"]

_ADVICE = "Delete it, and the same command makes it again."


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """Where a sweep keeps everything."""

    root: Path

    def join(self, sweep: Sweep) -> Sweep:
        """This sweep with the seeds of earlier starts; what is at `root` is left as it is.

        Raises:
            FileFormatError: the folder holds another sweep, or something else.
        """
        if not self._manifest.exists():
            if self.root.exists() and any(path.name != LOCK for path in self.root.iterdir()):
                raise FileFormatError(
                    f"{self.root} is not empty and holds no sweep; choose another folder."
                )
            return sweep
        begun = self.sweep()
        if begun.name != sweep.name:
            raise FileFormatError(
                f"{self.root} holds the sweep {begun.name!r}, and {sweep.name!r} is to be run; "
                "choose another folder."
            )
        return replace(sweep, seeds=tuple(sorted({*sweep.seeds, *begun.seeds})))

    def begin(self, table: Mapping[str, Any], *, name: str, command: str) -> None:
        """Write down what is asked for: the tables of a sweep file, and what was typed."""
        manifest = {"name": name, "command": command, "table": table}
        write_json(self._manifest, manifest, indent=None)

    def locked(self) -> AbstractContextManager[None]:
        """Keep others from running a sweep in this folder; the lock ends with the process.

        Raises:
            BlockingIOError: somebody else does.
        """
        return locked(self.root, what="runs a sweep in")

    def sweep(self) -> Sweep:
        """What was asked for last.

        Raises:
            FileNotFoundError: there is no sweep in this folder.
            FileFormatError: its description is damaged.
        """
        begun = self._read_manifest()
        return parse_sweep(begun["table"], name=begun["name"], where=str(self._manifest))

    def command(self) -> str:
        """What was typed last."""
        return str(self._read_manifest()["command"])

    def row(self, kind: Kind, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """A finished row; None where there is none yet.

        Raises:
            FileFormatError: it is damaged, or of other settings.
        """
        row = self.find(kind, name)
        if row is None:
            return None
        check_same_settings(
            row.get("settings", {}),
            settings,
            where=self.path(kind, name),
            advice="Use the same ones to go on, or another folder.",
        )
        return row

    def find(self, kind: Kind, name: str) -> dict[str, Any] | None:
        """A finished row, whatever its settings.

        Raises:
            FileFormatError: it is damaged.
        """
        path = self.path(kind, name)
        return read_json(path, advice=_ADVICE) if path.is_file() else None

    def write_row(self, kind: Kind, name: str, row: Mapping[str, Any]) -> None:
        """Write a row, whole or not at all."""
        write_json(self.path(kind, name), row, indent=None)

    def path(self, kind: Kind, name: str, suffix: str = ".json") -> Path:
        """Where a row is, or what lies beside it under another suffix."""
        return self.root / kind / f"{name}{suffix}"

    def log(self, name: str) -> Path:
        """Where everything goes that a run prints."""
        return self.root / "logs" / f"{name}.log"

    def progress(self, name: str) -> Path:
        """Where a run that is at work says how many steps are done."""
        return self.root / "logs" / f"{name}.progress"

    @property
    def _manifest(self) -> Path:
        return self.root / "sweep.json"

    def _read_manifest(self) -> dict[str, Any]:
        if not self._manifest.is_file():
            raise FileNotFoundError(
                f"No sweep in {self.root}; make one with: vlfeedback sweep FILE --out {self.root}"
            )
        begun = read_json(self._manifest, advice=_ADVICE)
        missing = {"name", "command", "table"} - set(begun)
        if missing:
            raise FileFormatError(
                f"{self._manifest} lacks {', '.join(sorted(missing))}; it is not of a sweep, or "
                "damaged. Choose another folder."
            )
        return begun
