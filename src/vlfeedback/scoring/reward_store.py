"""A folder of rewards that are finished, so that relabelling goes on after a sudden stop.

It holds `rewards.json`, the settings the rewards depend on, and `<position>.safetensors`, the
rewards of some consecutive trajectories from that position on. Each file is whole or absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from safetensors import safe_open
from safetensors.numpy import save

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.locks import locked
from vlfeedback.data.seals import check_seal, sealed
from vlfeedback.data.store import ResumableFolder
from vlfeedback.data.whole_files import read_json
from vlfeedback.data.writable import check_writable
from vlfeedback.errors import BusyError, FileFormatError
from vlfeedback.types import Trajectory

__all__ = ["RewardStore"]

_MANIFEST = "rewards.json"
_PART = re.compile(r"\d{9}\.safetensors")
_VERSION = 2  # 2: what was read is known by content, pictures too
_WHAT = "keeps rewards in"
_stores: dict[Path, RewardStore] = {}  # that are open in this process, by folder


class RewardStore:
    """Rewards of the first trajectories of a dataset, which one process alone adds to.

    Args:
        folder: that holds them.
        digest: tells trajectories apart by all that rewards depend on.
        lock: of the folder.
    """

    def __init__(
        self, folder: ResumableFolder, digest: Callable[[Trajectory], str], lock: ExitStack
    ) -> None:
        self._folder = folder
        self._digest = digest
        self._lock = lock
        self._n_saved = 0

    @classmethod
    @contextmanager
    def opened(
        cls, root: Path, settings: Mapping[str, Any], digest: Callable[[Trajectory], str]
    ) -> Iterator[RewardStore]:
        """Start a folder, or go on with one that was begun with the same settings.

        Within one process whoever opens it last has it, and the one before can add no more.

        Args:
            root: the folder.
            settings: JSON values.
            digest: see above.

        Raises:
            BusyError: another process adds to it.
            FileFormatError: the folder was begun with other settings, or is something else.
            WriteError: it cannot be written.
        """
        key = root.resolve()
        if (earlier := _stores.pop(key, None)) is not None:
            earlier._lock.close()  # a notebook may hold on to what nobody goes on with
        with ExitStack() as lock:
            lock.enter_context(locked(root, what=_WHAT))
            folder = ResumableFolder.begin(root, **_folder(root, settings))
            _stores[key] = store = cls(folder, digest, lock)
            try:
                yield store
            finally:
                if _stores.get(key) is store:
                    del _stores[key]

    @staticmethod
    def check(root: Path, settings: Mapping[str, Any]) -> None:
        """Refuse, before anything is read, a folder that `opened` refuses; nothing is changed.

        Raises:
            FileFormatError: the folder was begun with other settings, or is something else.
            WriteError: it cannot be written.
        """
        check_writable(root, folder=True)
        advice = f"Delete {root} and start again."
        has_parts = (root / _part(0)).exists() and (root / _MANIFEST).exists()
        if has_parts and read_json(root / _MANIFEST, advice=advice).get("version") == 1:
            raise FileFormatError(
                f"{root} was begun by an earlier release, which did not note the contents of what "
                "was read. Delete it to begin again."
            )
        ResumableFolder.check(root, **_folder(root, settings))

    @staticmethod
    def remove(root: Path) -> None:
        """Delete the rewards in a folder, and the folder if nothing else is in it.

        Raises:
            BusyError: a process adds to it.
        """
        if root.is_dir():
            with locked(root, what=_WHAT):
                ResumableFolder(root, {}).remove(_MANIFEST, _PART)

    def saved(
        self, trajectories: Iterator[Trajectory]
    ) -> Iterator[tuple[Trajectory, Float32[np.ndarray, " L"]]]:
        """The first trajectories with their rewards, as far as the folder goes.

        Raises:
            FileFormatError: a file is damaged, or belongs to other trajectories.
        """
        while (path := self._folder.root / _part(self._n_saved)).is_file():
            for number, (digest, rewards) in enumerate(_read(path)):
                trajectory = next(trajectories, None)
                if trajectory is None or self._digest(trajectory) != digest:
                    named = "missing" if trajectory is None else repr(trajectory.id)
                    raise FileFormatError(
                        f"{path} holds the rewards of another trajectory than number "
                        f"{self._n_saved + number}, which is {named}. Give the same trajectories "
                        f"in the same order, or delete {self._folder.root}."
                    )
                yield trajectory, rewards
            self._n_saved += number + 1

    def append(self, relabelled: Sequence[Trajectory]) -> None:
        """Keep the rewards of the next trajectories.

        Raises:
            BusyError: the folder was opened again in this process.
            WriteError: the disk is full or not writable; what was kept before is whole.
        """
        if self not in _stores.values():
            raise BusyError(
                f"{self._folder.root} was opened again meanwhile, and rewards go on there; go on "
                "with the newer ones, or choose another folder."
            )
        rewards = {
            f"{number:06d}": np.asarray(trajectory.rewards)
            for number, trajectory in enumerate(relabelled)
        }
        digests = json.dumps([self._digest(trajectory) for trajectory in relabelled])
        contents = sealed(save(rewards, metadata={"digests": digests}))
        self._folder.write(_part(self._n_saved), contents)
        self._n_saved += len(relabelled)


def _folder(root: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """How the folder is begun."""
    return {
        "settings": {"version": _VERSION, **settings},
        "manifest": _MANIFEST,
        "holds": "rewards",
        "advice": "Use the same ones to go on, or delete it to begin again.",
        "anew": not (root / _part(0)).exists(),
    }


def _part(position: int) -> str:
    return f"{position:09d}.safetensors"


def _read(path: Path) -> list[tuple[str, Float32[np.ndarray, " L"]]]:
    advice = "Delete it and those after it, and run the same again."
    check_seal(path, advice=advice)
    with reading(path, "file of rewards", advice=advice), safe_open(path, framework="np") as file:
        digests = json.loads(file.metadata()["digests"])
        finished = [(d, file.get_tensor(f"{n:06d}")) for n, d in enumerate(digests)]
        if not finished:
            raise ValueError("it holds no rewards")
        if not all(np.isfinite(rewards).all() for _, rewards in finished):
            raise ValueError("a reward is NaN or infinite")
        return finished
