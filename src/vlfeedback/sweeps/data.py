"""The trajectories of a sweep, and the pairs of segments drawn from them."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.collection import Collection
from vlfeedback.data.contents import CONTENTS, file_digest
from vlfeedback.data.cut_off import cut_off
from vlfeedback.data.sampling import (
    SegmentPairList,
    sample_clustered_pairs,
    sample_segment_pairs,
)
from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import NeedsError
from vlfeedback.sweeps.specification import Sweep, is_collection
from vlfeedback.types import Trajectory

__all__ = ["check_data", "describe_data", "draw_pairs", "load_task"]


def check_data(sweep: Sweep) -> None:
    """Check before anything runs that all trajectories are there.

    Raises:
        NeedsError: the sweep names no data, or a file lacks a task.
        FileNotFoundError: the data is not there, or a task or level of it is not.
        FileFormatError: it cannot be read.
    """
    if not sweep.data:
        raise NeedsError(f"{sweep.name} names no data; add --data FOLDER, or data = ... to it.")
    if not is_collection(sweep.data):
        for task in sweep.tasks:
            load_task(sweep, task)
        return
    missing = Collection.open(Path(sweep.data)).missing(sweep.tasks, sweep.levels)
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


def load_task(sweep: Sweep, task: str) -> list[Trajectory]:
    """All trajectories of a task; with ``rest = false`` they are cut where a script stopped.

    Raises:
        FileNotFoundError: they are not there.
        NeedsError: the file holds none of this task.
    """
    trajectories = _read(sweep, task)
    if sweep.rest:
        return trajectories
    least = sweep.pairs.length
    stops = [len(t) if t.stopped_at is None else t.stopped_at for t in trajectories]
    return [cut_off(t, max(s, least)) for t, s in zip(trajectories, stops, strict=True)]


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
    sample = sample_clustered_pairs if sweep.pairs.sampler == "clustered" else sample_segment_pairs
    return sample(
        trajectories,
        sweep.pairs.count,
        sweep.pairs.length,
        rng=np.random.default_rng([zlib.crc32(task.encode()), seed]),
        start_multiple=sweep.pairs.start_multiple,
    )
