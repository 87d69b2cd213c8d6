"""The folder of a sweep: what was asked for, and one JSON file for each thing that is finished.

``sweep.json`` is the sweep as it was last started, ``runs/<id>.json`` the row of a run,
``feedback/<id>.json`` what is known of its labels, which lie beside in Parquet. Files are written
beside their final names and renamed when whole, so a killed process leaves no half row.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vlfeedback.errors import FileFormatError
from vlfeedback.sweeps.specification import Sweep, parse_sweep

__all__ = ["SweepFolder"]

Kind = Literal["runs", "feedback"]

_LOCK = ".lock"


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
            if self.root.exists() and any(path.name != _LOCK for path in self.root.iterdir()):
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
        _write(self._manifest, {"name": name, "command": command, "table": table})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from running a sweep in this folder; the lock ends with the process.

        Raises:
            BlockingIOError: somebody else does.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    f"Another process runs a sweep in {self.root}; wait for it, or choose another "
                    "folder."
                ) from error
            yield

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
        now = json.loads(json.dumps(settings))  # as they come back: tuples are lists
        then = row.get("settings", {})
        differing = ", ".join(_differences(then, now))
        if differing:
            raise FileFormatError(
                f"{self.path(kind, name)} is of other settings: {differing}. Use the same ones to "
                "go on, or another folder."
            )
        return row

    def find(self, kind: Kind, name: str) -> dict[str, Any] | None:
        """A finished row, whatever its settings.

        Raises:
            FileFormatError: it is damaged.
        """
        path = self.path(kind, name)
        return _read(path) if path.is_file() else None

    def write_row(self, kind: Kind, name: str, row: Mapping[str, Any]) -> None:
        """Write a row, whole or not at all."""
        _write(self.path(kind, name), row)

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
        begun = _read(self._manifest)
        missing = {"name", "command", "table"} - set(begun)
        if missing:
            raise FileFormatError(
                f"{self._manifest} lacks {', '.join(sorted(missing))}; it is not of a sweep, or "
                "damaged. Choose another folder."
            )
        return begun


def _differences(then: Any, now: Any, name: str = "") -> list[str]:
    """``"steps was 200 and is 100"`` for each leaf that is not the same."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted({*then, *now})
            for line in _differences(then.get(key), now.get(key), f"{name} {key}".strip())
        ]
    return [] if then == now else [f"{name} was {then!r} and is {now!r}"]


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileFormatError(
            f"{path} is no JSON ({error}); delete it, and the same command makes it again."
        ) from error
    if not isinstance(read, dict):
        raise FileFormatError(f"{path} holds no JSON object; delete it.")
    return read


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(value, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)
