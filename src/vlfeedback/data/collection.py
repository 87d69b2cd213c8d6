"""A folder of trajectories by task and level: resumable while it grows, readable when done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlfeedback.data.foreign_files import path_inside, reading
from vlfeedback.data.store import ResumableFolder, check_same_settings
from vlfeedback.data.trajectories import count_trajectories, read_trajectories
from vlfeedback.data.unfinished import tell_unfinished
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.errors import FileFormatError, UnknownNameError
from vlfeedback.tasks import TASKS, TaskSpec, get_task, is_installed
from vlfeedback.types import Trajectory

__all__ = ["Collection"]

_MANIFEST = "collection.json"
_TASK = "task.json"  # beside a task's levels, where its name alone does not say what it is
# Settings that collections of earlier releases do not name, and what they then were.
_ONCE_FIXED = {"medium": "half-way", "ends": "rest", "env_options": {}}
_FACTS = ("env_id", "instruction", "success_key", "camera")  # of a task, as they are written there
_RARE_FACTS = ("instruction_key",)  # written where they are not ""


@dataclass(frozen=True)
class Collection:
    """Trajectory files `<root>/<task>/<level>.h5`, and the settings they were made with."""

    root: Path
    settings: Mapping[str, Any]

    @classmethod
    def create(cls, root: str | Path, settings: Mapping[str, Any]) -> Collection:
        """Start a collection, or go on with one that was begun with the same settings.

        Raises:
            FileFormatError: the folder was begun with other settings, or is something else.
        """
        root = Path(root)
        if (root / _MANIFEST).is_file():
            earlier = cls._opened(root).settings  # which says what to do with a damaged one
            settings = {
                name: value
                for name, value in settings.items()
                if name in earlier or _ONCE_FIXED.get(name) != value
            }
        folder = ResumableFolder.begin(root, settings, manifest=_MANIFEST, holds="collection")
        return cls(root, folder.settings)

    @classmethod
    def open(cls, root: str | Path) -> Collection:
        """Open a folder that `create` began.

        Raises:
            FileNotFoundError: there is no collection at `root`.
            FileFormatError: its manifest cannot be read.

        Warns:
            IncompleteCollectionWarning: files are still to come, see `tell_unfinished`.
        """
        collection = cls._opened(Path(root))
        tell_unfinished(collection.root)
        return collection

    @classmethod
    def _opened(cls, root: Path) -> Collection:
        if not (root / _MANIFEST).is_file():
            raise FileNotFoundError(
                f"{root} is a file; expected a folder that `vlfeedback collect` has made."
                if root.is_file()
                else f"No collection at {root}; make one with: vlfeedback collect --out {root}"
            )
        advice = "Restore it, or collect into another folder."
        return cls(root, ResumableFolder.open(root, manifest=_MANIFEST, advice=advice).settings)

    def setting(self, name: str) -> Any:
        """One of `settings`, as it was where an earlier release did not note it.

        Raises:
            KeyError: it is no setting of a collection.
        """
        return self.settings[name] if name in self.settings else _ONCE_FIXED[name]

    def note_task(self, spec: TaskSpec, policies: Mapping[str, str]) -> None:
        """Store the description of a task that is not installed, and the policy of each level.

        Nothing is written of a task that any process finds by its name, where its own script acts.

        Args:
            spec: the task.
            policies: names of those who act in place of its script, by level.

        Raises:
            FileFormatError: the folder has another task of this name, or another one acted there.
        """
        path = self._inside(f"{spec.name}/{_TASK}")
        stored = self._stored_task(spec.name)
        if stored is None and is_installed(spec) and not policies:
            return
        facts = {name: getattr(spec, name) for name in _FACTS}
        facts |= {name: value for name in _RARE_FACTS if (value := getattr(spec, name))}
        stored_policies = {} if stored is None else stored["policies"]
        if stored is not None:
            check_same_settings(
                _facts_of(stored)
                | {
                    "policies": {
                        k: policy for k, policy in stored_policies.items() if k in policies
                    }
                },
                facts
                | {
                    "policies": {
                        k: policy for k, policy in policies.items() if k in stored_policies
                    }
                },
                where=path,
                advice="Use the same to go on, or another folder.",
            )
        entry = facts | {"policies": {**stored_policies, **policies}}
        if entry != stored:
            write_json(path, entry)

    def task(self, name: str) -> TaskSpec:
        """The description of a task of this folder: its instruction, its environment ...

        Raises:
            UnknownNameError: the folder says nothing of it, and no task has this name.
            FileFormatError: what the folder says is damaged.
        """
        entry = self._stored_task(name)
        if entry is None:
            return get_task(name)
        facts = _facts_of(entry)
        if name in TASKS and all(getattr(TASKS[name], k) == value for k, value in facts.items()):
            return TASKS[name]
        return TaskSpec(name=name, **facts)

    def path(self, task: str, level: str) -> Path:
        """The path of the trajectories of this task and level, written or not yet.

        Raises:
            InvalidValueError: the names lead out of the folder.
        """
        return self._inside(f"{task}/{level}.h5")

    def has(self, task: str, level: str) -> bool:
        """Whether this task and level were collected.

        Raises:
            FileFormatError: there is a file of them, and it is damaged or holds fewer episodes than
                the collection has of each level; the message says what to do.
        """
        path = self.path(task, level)
        if not path.exists():
            return False
        n_episodes, expected = count_trajectories(path), self.settings.get("episodes")
        if isinstance(expected, int) and n_episodes < expected:
            raise FileFormatError(
                f"{path} holds {n_episodes} episodes, and {self.root} has {expected} of each "
                "level. Delete it and run the same command again."
            )
        return True

    def missing(self, tasks: Iterable[str], levels: Iterable[str]) -> list[tuple[str, str]]:
        """What is still to be collected, in order; see `has` for what is raised."""
        levels = list(levels)
        return [(t, k) for t in tasks for k in levels if not self.has(t, k)]

    def tasks(self) -> list[str]:
        """Tasks that have at least one file."""
        return sorted({path.parent.name for path in self.root.glob("*/*.h5")})

    def _inside(self, name: str) -> Path:
        return path_inside(self.root, name, where="The name of a task or level")

    def _stored_task(self, task: str) -> dict[str, Any] | None:
        path = self._inside(f"{task}/{_TASK}")
        if not path.is_file():
            return None
        advice = "Restore it, or collect into another folder."
        entry = read_json(path, advice=advice)
        with reading(path, "description of a task", advice=advice):
            facts = [*(entry[name] for name in _FACTS), *_facts_of(entry).values()]
            policies = [text for pair in entry["policies"].items() for text in pair]
            if not all(isinstance(text, str) for text in facts + policies):
                raise TypeError("one of its values is no text")
        return entry

    def load(self, task: str, levels: Iterable[str] | None = None) -> list[Trajectory]:
        """Trajectories of a task, of these levels in their order; default: all, by alphabet.

        Raises:
            FileNotFoundError: nothing was collected for this task, or not all of these levels.
            InvalidValueError: the names lead out of the folder.
        """
        if levels is None:
            paths = sorted(self._inside(task).glob("*.h5"))
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
        levels = sorted(path.stem for path in self._inside(task).glob("*.h5"))
        if levels and level not in levels:
            raise UnknownNameError(f"{task!r} has no level {level!r}; it has {', '.join(levels)}.")
        episodes = self.load(task, [level])
        if not 0 <= number < len(episodes):
            raise UnknownNameError(
                f"{task!r} has {len(episodes)} episodes of level {level!r}, 0 to "
                f"{len(episodes) - 1}, and no episode {number}."
            )
        return episodes[number]


def _facts_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a folder's description says of a task."""
    return {name: entry[name] for name in (*_FACTS, *_RARE_FACTS) if name in entry}
