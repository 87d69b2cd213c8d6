"""A folder of rewards that are finished, so that relabelling goes on after a sudden stop.

It holds `rewards.json`, the settings the rewards depend on, and `<position>.safetensors`, the
rewards of some consecutive trajectories from that position on. Each file is whole or absent.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vlfeedback.errors import FileFormatError
from vlfeedback.types import Trajectory

__all__ = ["RewardStore"]

_MANIFEST = "rewards.json"
_VERSION = 1


class RewardStore:
    """Rewards of the first trajectories of a dataset."""

    def __init__(self, root: Path) -> None:
        self._root = root
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
        now = json.loads(json.dumps({"version": _VERSION, **settings}))
        manifest = root / _MANIFEST
        there = {path.name for path in root.iterdir()} if root.exists() else set()
        if not {name for name in there if not name.endswith(".partial")} - {_MANIFEST}:
            root.mkdir(parents=True, exist_ok=True)  # nothing was finished: begin anew
            _write(manifest, (json.dumps(now, indent=2) + "\n").encode())
        elif _MANIFEST not in there:
            raise FileFormatError(
                f"{root} is not empty and holds no rewards; choose another folder to resume in."
            )
        try:
            begun = dict(json.loads(manifest.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise FileFormatError(
                f"{manifest} cannot be read ({error}); delete {root} and start again."
            ) from error
        differing = ", ".join(
            f"{name} was {begun.get(name)!r} and is {now.get(name)!r}"
            for name in sorted({*begun, *now})
            if begun.get(name) != now.get(name)
        )
        if differing:
            raise FileFormatError(
                f"{root} was begun with other settings: {differing}. Use the same ones to go on, "
                "or delete it to begin again."
            )
        return cls(root)

    def saved(
        self, trajectories: Iterator[Trajectory]
    ) -> Iterator[tuple[Trajectory, Float32[np.ndarray, " L"]]]:
        """The first trajectories with their rewards, as far as the folder goes.

        Raises:
            FileFormatError: a file is damaged, or belongs to other trajectories.
        """
        while (path := self._path(self._n_saved)).is_file():
            for number, (digest, rewards) in enumerate(_read(path)):
                trajectory = next(trajectories, None)
                if trajectory is None or _digest(trajectory) != digest:
                    named = "missing" if trajectory is None else repr(trajectory.id)
                    raise FileFormatError(
                        f"{path} holds the rewards of another trajectory than number "
                        f"{self._n_saved + number}, which is {named}. Give the same trajectories "
                        f"in the same order, or delete {self._root}."
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
        _write(self._path(self._n_saved), save(rewards, metadata={"digests": digests}))
        self._n_saved += len(relabelled)

    def _path(self, position: int) -> Path:
        return self._root / f"{position:09d}.safetensors"


def _digest(trajectory: Trajectory) -> str:
    """Tells trajectories apart, by id and contents; pictures are not looked at."""
    told = trajectory.instruction or None
    digest = blake2b(json.dumps([trajectory.id, told]).encode(), digest_size=16)
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


def _write(path: Path, contents: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(contents)
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
