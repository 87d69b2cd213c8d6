"""Fresh episodes for a diagnosis: a task's own scripts, pictures in a rhythm that serves all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlfeedback.collecting import collect, complete_settings
from vlfeedback.data.collection import Collection
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.inputs import LEVELS
from vlfeedback.scoring.paced import PICTURE_EVERY
from vlfeedback.tasks import TaskSpec, is_installed
from vlfeedback.types import Report, SourceNeeds, Trajectory

__all__ = ["collect_fresh", "fresh_settings"]

_FRESH = 20_000  # seeds begin here; collections use small ones, `eval vlp` those from 10,000


def fresh_settings(
    task: TaskSpec,
    needs: Sequence[SourceNeeds],
    *,
    episodes: int,
    horizon: int | None,
    frame_size: int,
    seed: int,
) -> dict[str, Any]:
    """Settings of a collection whose pictures serve all sources; one episode more for goals.

    Args:
        task: whose scripts act.
        needs: of the sources.
        episodes: that are evaluated, of each level.
        horizon: steps of an episode; None: as the task is collected.
        frame_size: side of pictures, px.
        seed: 0 or more.

    Raises:
        NeedsError: the task has no scripted expert.
    """
    if "expert" not in task.levels:
        raise NeedsError(_how_to_collect(task))
    rhythms = [n.frame_stride for n in needs if n.frames and n.granularity != "step"]
    settings: dict[str, Any] = {
        "episodes": episodes + 1,
        "frame_stride": math.gcd(*rhythms) if rhythms else PICTURE_EVERY,
        "frame_size": frame_size,
        "seed": _FRESH + seed,
    }
    return complete_settings([task], settings | ({} if horizon is None else {"horizon": horizon}))


def collect_fresh(
    root: str | Path,
    task: TaskSpec,
    settings: Mapping[str, Any],
    *,
    workers: int,
    report: Report | None = None,
) -> list[Trajectory]:
    """The episodes that such settings make, kept below `root` to be used again.

    Args:
        root: a folder of collections.
        task: whose scripts act.
        settings: of `fresh_settings`.
        workers: processes.
        report: see `vlfeedback.collecting.collect`.
    """
    folder = Path(root) / f"{settings['seed']}-every-{settings['frame_stride']}"
    levels = [level for level in LEVELS if level in (*task.levels, "random")]
    collect(folder, [task], settings=settings, workers=workers, levels=levels, report=report)
    return Collection.open(folder).load(task.name, levels)


def _how_to_collect(task: TaskSpec) -> str:
    options = f"--tasks {task.name}"
    if not is_installed(task):
        env_id, words = task.env_id or "my_package:MyEnv-v0", json.dumps(task.instruction)
        options = f"--env-id {env_id} --instruction {words} --name {task.name}"
    return (
        f"Task {task.name!r} has no scripted expert to collect episodes of, and a diagnosis "
        "compares experts with random actions. Collect both with a policy of yours, and pass "
        f"--data FOLDER: vlfeedback collect --out FOLDER {options} --policy my_module:act. Or "
        f"write episodes of your own there, {task.name}/expert.h5 and {task.name}/random.h5 of a "
        "`vlfeedback.data.collection.Collection`, with pictures and the environment's rewards."
    )
