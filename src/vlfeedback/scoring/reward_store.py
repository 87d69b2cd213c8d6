"""A folder of rewards that are finished, so that relabelling goes on after a sudden stop.

It holds `rewards.json`, the settings the rewards depend on, and `<position>.safetensors`, the
rewards of some consecutive trajectories from that position on. Each file is whole or absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vlfeedback.data.store import ResumableFolder
from vlfeedback.errors import FileFormatError
from vlfeedback.types import Trajectory

__all__ = ["RewardStore"]

_MANIFEST = "rewards.json"
_VERSION = 1


class RewardStore:
    """Rewards of the first trajectories of a dataset."""

    def __init__(self, folder: ResumableFolder) -> None:
        self._folder = folder
        self._n_saved = 0

    @classmethod
    def create(cls, root: Path, settings: Mapping[str, Any]) -> RewardStore:
        """Start a folder, or go on with one that was begun with the same settings.

        Args:
            root: the folder.
            settings: JSON values.

        Raises:
            FileFormatError: the folder was begun with other settings, or is something else.
        """
        if not (root / _part(0)).exists():
            (root / _MANIFEST).unlink(missing_ok=True)  # nothing was finished: begin anew
        folder = ResumableFolder.begin(
            root,
            {"version": _VERSION, **settings},
            manifest=_MANIFEST,
            holds="rewards",
            advice="Use the same ones to go on, or delete it to begin again.",
        )
        return cls(folder)

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
                if trajectory is None or _digest(trajectory) != digest:
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
            OSError: the disk is full or not writable; what was kept before is whole.
        """
        rewards = {
            f"{number:06d}": np.asarray(trajectory.rewards)
            for number, trajectory in enumerate(relabelled)
        }
        digests = json.dumps([_digest(trajectory) for trajectory in relabelled])
        self._folder.write(_part(self._n_saved), save(rewards, metadata={"digests": digests}))
        self._n_saved += len(relabelled)


def _part(position: int) -> str:
    return f"{position:09d}.safetensors"


def _digest(trajectory: Trajectory) -> str:
    """Tells trajectories apart, by id and contents; pictures are not looked at."""
    instruction = trajectory.instruction or None
    digest = blake2b(json.dumps([trajectory.id, instruction]).encode(), digest_size=16)
    for array in (trajectory.observations, trajectory.actions):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(path: Path) -> list[tuple[str, Float32[np.ndarray, " L"]]]:
    try:
        with safe_open(path, framework="np") as file:
            digests = json.loads(file.metadata()["digests"])
            return [(d, file.get_tensor(f"{n:06d}")) for n, d in enumerate(digests)]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path} cannot be read ({error}): it was damaged. Delete it and those after it, and "
            "run the same again."
        ) from error
