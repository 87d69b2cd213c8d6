"""The trajectories of a sweep: what pairs are drawn from, and what policies learn from."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.collection import Collection
from vlfeedback.data.contents import CONTENTS, file_digest
from vlfeedback.data.cut_off import without_rest
from vlfeedback.data.sampling import (
    SegmentPairList,
    sample_clustered_pairs,
    sample_segment_pairs,
)
from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import FileFormatError, NeedsError, UnknownNameError
from vlfeedback.registry import suggest
from vlfeedback.sweeps.specification import Sweep, is_collection
from vlfeedback.types import Trajectory

__all__ = [
    "check_data",
    "describe_data",
    "draw_pairs",
    "load_task",
]


def check_data(sweep: Sweep) -> None:
    """Check before anything runs that all trajectories are there.

    Raises:
        NeedsError: the sweep names no data, or a file lacks a task.
        FileNotFoundError: the data is not there, or a task or level of it is not.
        FileFormatError: it cannot be read, or was collected with other settings than the sweep
            asks for.
    """
    if not sweep.data:
        raise NeedsError(f"{sweep.name} names no data; add --data FOLDER, or data = ... to it.")
    if not is_collection(sweep.data):
        for task in sweep.tasks:
            load_task(sweep, task)
        return
    missing = Collection.open(Path(sweep.data)).missing(sweep.tasks, sweep.levels)
    _check_collected(sweep, Collection.open(Path(sweep.data)))
    if missing:
        examples = ", ".join(f"{task}/{level}.h5" for task, level in missing[:3])
        raise FileNotFoundError(
            f"{sweep.data} lacks {len(missing)} of {len(sweep.tasks) * len(sweep.levels)} files, "
            f"such as {examples}. Collect them: vlfeedback collect --out {sweep.data}"
        )


def describe_data(sweep: Sweep, task: str) -> dict[str, Any]:
    """What a result depends on: the collection's settings and levels, or the file's name.

    And the contents of the files that are read for this task, so that data which was replaced is
    other data.
    """
    path = Path(sweep.data)
    if not is_collection(sweep.data):
        files = [path]
        description: dict[str, Any] = {"file": path.name}
    else:
        collection = Collection.open(path)
        files = [collection.path(task, level) for level in sweep.levels]
        description = {"collection": dict(collection.settings), "levels": list(sweep.levels)}
    contents = {file.name: file_digest(file) for file in files}
    return {"rest": sweep.rest, **description, CONTENTS: contents}


def _check_collected(sweep: Sweep, collection: Collection) -> None:
    """Refuse data that were made otherwise than the sweep says, such as from other starts."""
    names = set(collection.settings) | {"medium", "ends", "env_options"}
    for name, expected in sweep.collected.items():
        if name not in names:
            raise UnknownNameError(
                f"{sweep.name} [collected]: a collection has no setting {name!r}. "
                f"{suggest(name, sorted(names))}It has: {', '.join(sorted(names))}."
            )
        found = collection.setting(name)
        if found != expected:
            by_protocol = f"--protocol {sweep.protocol} " if sweep.protocol else ""
            raise FileFormatError(
                f"{sweep.data} was collected with {name}={found!r}, and {sweep.name} asks for "
                f"{expected!r}. Collect its data: vlfeedback collect {by_protocol}--tasks "
                f"{','.join(sweep.tasks)} --out FOLDER; or say {name} = ... in its [collected]."
            )


def load_task(sweep: Sweep, task: str) -> list[Trajectory]:
    """All trajectories of a task that pairs are drawn from and rewards are given to.

    With ``rest = false`` they have no more rest than one segment needs.

    Raises:
        FileNotFoundError: they are not there.
        NeedsError: the file holds none of this task.
    """
    trajectories = _read(sweep, task)
    if sweep.rest:
        return trajectories
    return [without_rest(t, least=sweep.pairs.length) for t in trajectories]


def _read(sweep: Sweep, task: str) -> list[Trajectory]:
    path = Path(sweep.data)
    if is_collection(sweep.data):
        return Collection.open(path).load(task, sweep.levels)
    trajectories = read_trajectories(path)
    matches = [t for t in trajectories if t.task == task]
    if not matches:
        tasks = sorted({t.task for t in trajectories})
        raise NeedsError(f"{path} holds trajectories of {tasks} and none of {task!r}.")
    return matches


def draw_pairs(
    sweep: Sweep, task: str, seed: int, trajectories: list[Trajectory]
) -> SegmentPairList:
    """Pairs that depend on task and seed alone: every source labels the same ones."""
    sample: Callable[..., SegmentPairList] = sample_clustered_pairs  # never of one trajectory
    if sweep.pairs.sampler == "uniform":
        sample = partial(sample_segment_pairs, min_gap=sweep.pairs.min_gap)
    return sample(
        trajectories,
        sweep.pairs.count,
        sweep.pairs.length,
        rng=np.random.default_rng([zlib.crc32(task.encode()), seed]),
        start_multiple=sweep.pairs.start_multiple,
    )
