"""Trajectories in one npz file with flat arrays; see `vlfeedback.adapters.flat` for their names.

Such a file is read and written as a whole. For data larger than memory use HDF5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from vlfeedback.adapters import flat
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.types import Trajectory

__all__ = ["read", "write"]


def read(path: Path, *, trust_terminals: bool = False) -> Iterator[Trajectory]:
    """Read the episodes of a file, in order.

    Args:
        path: ends in ``.npz``.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, holds Python objects, or lacks observations or actions.
        InvalidValueError: a number is not finite, or time-outs are marked as terminals.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No dataset {path}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in {*file.files} & {*flat.READ, *flat.FLAGS}}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise FileFormatError(
            f"{path} cannot be read ({error}): damaged, or with Python objects in it, which are "
            "never loaded because they may run code. Save plain arrays."
        ) from error
    return _episodes(path, arrays, trust_terminals)


def _episodes(
    path: Path, arrays: dict[str, np.ndarray], trust_terminals: bool
) -> Iterator[Trajectory]:
    episodes = flat.find_episodes(arrays, where=str(path), trust_terminals=trust_terminals)
    for episode in episodes:
        rows = {key: arrays[key][episode.rows] for key in flat.READ if key in arrays}
        yield flat.trajectory_of(episode, rows, name=path.stem, where=str(path))


def write(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Write trajectories to a file, whole or not at all; their pictures and tasks are left out.

    Raises:
        NeedsError: there is no trajectory; or some were relabelled, or have successes, and others
            not.
    """
    parts: list[dict[str, np.ndarray]] = []
    for trajectory in trajectories:
        parts.append(flat.rows_of(trajectory, parts[0] if parts else None))
    if not parts:
        raise NeedsError("No trajectory was given; a flat file needs at least one.")
    with new_file(path) as partial, partial.open("wb") as file:
        arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
