"""A folder of trajectories by task and level: resumable while it grows, readable when done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import FileFormatError, UnknownNameError
from vlfeedback.types import Trajectory

__all__ = ["Collection"]

_MANIFEST = "collection.json"


@dataclass(frozen=True)
class Collection:
    """Trajectory files `<root>/<task>/<level>.h5`, and the settings they were made with."""

    root: Path
    settings: Mapping[str, Any]

    @classmethod
    def create(cls, root: Path, settings: Mapping[str, Any]) -> Collection:
        """Start a collection, or go on with one that was begun with the same settings.

        Raises:
            FileFormatError: the folder was begun with other settings, or is something else.
        """
        if not (root / _MANIFEST).exists():
            partial = root / f"{_MANIFEST}.partial"
            if root.exists() and any(path != partial for path in root.iterdir()):
                raise FileFormatError(
                    f"{root} is not empty and holds no collection; choose another folder."
                )
            root.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(dict(settings), indent=2) + "\n", encoding="utf-8")
            partial.replace(root / _MANIFEST)
        begun = cls.open(root)
        now = json.loads(json.dumps(dict(settings)))  # as they come back: tuples are lists
        differing = ", ".join(
            f"{name} was {begun.settings.get(name)!r} and is {now.get(name)!r}"
            for name in sorted({*begun.settings, *now})
            if begun.settings.get(name) != now.get(name)
        )
        if differing:
            raise FileFormatError(
                f"{root} was begun with other settings: {differing}. Use the same ones to go on, "
                "or another folder."
            )
        return begun

    @classmethod
    def open(cls, root: Path) -> Collection:
        """Open a folder that `create` began.

        Raises:
            FileNotFoundError: there is no collection at `root`.
            FileFormatError: its manifest cannot be read.
        """
        manifest = root / _MANIFEST
        if not manifest.is_file():
            raise FileNotFoundError(
                f"No collection at {root}; make one with: vlfeedback collect --out {root}"
            )
        try:
            return cls(root, dict(json.loads(manifest.read_text(encoding="utf-8"))))
        except (ValueError, TypeError) as error:
            raise FileFormatError(
                f"{manifest} is no JSON object of settings ({error}). Restore it, or collect into "
                "another folder."
            ) from error

    def path(self, task: str, level: str) -> Path:
        """Where the trajectories of this task and level are, or will be."""
        return self.root / task / f"{level}.h5"

    def missing(self, tasks: Iterable[str], levels: Iterable[str]) -> list[tuple[str, str]]:
        """What is still to be collected, in order."""
        levels = list(levels)
        return [(t, k) for t in tasks for k in levels if not self.path(t, k).exists()]

    def tasks(self) -> list[str]:
        """Tasks that have at least one file."""
        return sorted({path.parent.name for path in self.root.glob("*/*.h5")})

    def load(self, task: str, levels: Iterable[str] | None = None) -> list[Trajectory]:
        """Trajectories of a task, of these levels in their order; default: all, by alphabet.

        Raises:
            FileNotFoundError: nothing was collected for this task, or not all of these levels.
        """
        if levels is None:
            paths = sorted((self.root / task).glob("*.h5"))
        else:
            paths = [self.path(task, level) for level in levels]
        missing = [path.stem for path in paths if not path.is_file()]
        if missing or not paths:
            raise FileNotFoundError(
                f"{self.root} has no {' or '.join(missing) or 'trajectories'} of {task!r}; it has "
                f"{self.tasks()}. Make them with: vlfeedback collect --out {self.root}"
            )
        return [trajectory for path in paths for trajectory in read_trajectories(path)]

    def episode(self, task: str, level: str, number: int) -> Trajectory:
        """One trajectory, by its task, its level and its place among those of that level.

        Raises:
            FileNotFoundError: nothing was collected for this task.
            UnknownNameError: it has no such level, or fewer episodes of it.
        """
        levels = sorted(path.stem for path in (self.root / task).glob("*.h5"))
        if levels and level not in levels:
            raise UnknownNameError(f"{task!r} has no level {level!r}; it has {', '.join(levels)}.")
        episodes = self.load(task, [level])
        if not 0 <= number < len(episodes):
            raise UnknownNameError(
                f"{task!r} has {len(episodes)} episodes of level {level!r}, 0 to "
                f"{len(episodes) - 1}, and no episode {number}."
            )
        return episodes[number]
