"""The folder of a sweep: its specification, and one JSON file for each finished part.

``sweep.json`` is the sweep as it was last started, ``runs/<id>.json`` the row of a run,
``feedback/<id>.json`` what is known of its labels, which lie beside in Parquet, and
``unfinished/<id>`` a run that is under way. Files are written beside their final names and renamed
when whole, so a killed process leaves no half row.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vlfeedback.data.foreign_files import path_inside
from vlfeedback.data.locks import is_lock, locked
from vlfeedback.data.store import check_same_settings
from vlfeedback.data.whole_files import is_partial, new_file, read_json, write_json
from vlfeedback.errors import FileFormatError
from vlfeedback.sweeps.specification import Sweep, parse_sweep

__all__ = ["SweepFolder"]

Kind = Literal["runs", "feedback"]

_ADVICE = "Delete it, and the same command makes it again."


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """The folder of a sweep: its specification, labels, rewards, finished rows and logs."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))

    def join(self, sweep: Sweep) -> Sweep:
        """This sweep with the seeds of earlier starts; what is at `root` is left as it is.

        Raises:
            FileFormatError: the folder holds another sweep, or something else.
        """
        if not self._manifest.exists():
            inside = self.root.iterdir() if self.root.exists() else ()
            if any(not (is_lock(path) or is_partial(path)) for path in inside):
                raise FileFormatError(
                    f"{self.root} is not empty and holds no sweep; choose another folder."
                )
            return sweep
        earlier = self.sweep()
        if earlier.name != sweep.name:
            raise FileFormatError(
                f"{self.root} holds the sweep {earlier.name!r}, and {sweep.name!r} is to be run; "
                "choose another folder."
            )
        return replace(sweep, seeds=tuple(sorted({*sweep.seeds, *earlier.seeds})))

    def begin(self, table: Mapping[str, Any], *, name: str, command: str) -> None:
        """Write the specification of this start: the tables of a sweep file, and the command."""
        manifest = {"name": name, "command": command, "table": table}
        write_json(self._manifest, manifest, indent=None)

    def locked(self) -> AbstractContextManager[None]:
        """Keep others from running a sweep in this folder; the lock ends with the process.

        Raises:
            BlockingIOError: somebody else does.
        """
        return locked(self.root, what="runs a sweep in")

    def sweep(self) -> Sweep:
        """The specification of the latest start.

        Raises:
            FileNotFoundError: there is no sweep in this folder.
            FileFormatError: its description is damaged.
        """
        manifest = self._read_manifest()
        return parse_sweep(manifest["table"], name=manifest["name"], where=str(self._manifest))

    def command(self) -> str:
        """The command of the latest start."""
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
        """The path of a row, or of a file beside it with another suffix."""
        return path_inside(self.root, f"{kind}/{name}{suffix}", where="The name of a run")

    def log(self, name: str) -> Path:
        """The path of a run's log: all that it prints."""
        return path_inside(self.root, f"logs/{name}.log", where="The name of a run")

    def progress(self, name: str) -> Path:
        """The path of the file in which a running run writes its number of finished steps."""
        return path_inside(self.root, f"logs/{name}.progress", where="The name of a run")

    def unfinished(self, name: str) -> Path:
        """The path of the folder of a run that is under way."""
        return path_inside(self.root, f"unfinished/{name}", where="The name of a run")

    def finish(self, name: str, row: Mapping[str, Any]) -> None:
        """Write the row of a run, and forget how far it was."""
        self.write_row("runs", name, row)
        shutil.rmtree(self.unfinished(name), ignore_errors=True)

    def note_failure(self, name: str, reason: str) -> None:
        """Keep why a run failed, for the report; an empty reason says that it did not."""
        path = self._failure(name)
        if reason:
            with new_file(path) as partial:
                partial.write_text(f"{reason}\n", encoding="utf-8")
        else:
            path.unlink(missing_ok=True)

    def failure(self, name: str) -> str:
        """Why a run failed when it was last tried; "" where it did not, or was not tried."""
        path = self._failure(name)
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""

    def _failure(self, name: str) -> Path:
        return path_inside(self.root, f"logs/{name}.failed", where="The name of a run")

    @property
    def _manifest(self) -> Path:
        return self.root / "sweep.json"

    def _read_manifest(self) -> dict[str, Any]:
        if not self._manifest.is_file():
            raise FileNotFoundError(
                f"No sweep in {self.root}; make one with: vlfeedback sweep FILE --out {self.root}"
            )
        manifest = read_json(self._manifest, advice=_ADVICE)
        missing = {"name", "command", "table"} - set(manifest)
        if missing:
            raise FileFormatError(
                f"{self._manifest} lacks {', '.join(sorted(missing))}; it is not of a sweep, or "
                "damaged. Choose another folder."
            )
        return manifest
