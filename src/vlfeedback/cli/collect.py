"""`vlfeedback collect`: scripted trajectories of three levels and scattered scenes, rendered."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vlfeedback.cli.task_option import parse_tasks
from vlfeedback.cli.worker_pool import worker_pool
from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import METAWORLD_TASKS

__all__ = ["collect", "collect_shards"]

_MAX_EPISODES = 1000  # so many seeds each task and level has to itself


def collect(
    out: Annotated[Path, typer.Option(help="Folder to fill; run again to resume.")],
    tasks: Annotated[
        str, typer.Option(help="Comma-separated task names; default: all 50 Meta-World tasks.")
    ] = "",
    episodes: Annotated[
        int, typer.Option(min=1, max=_MAX_EPISODES, help="Trajectories a task and level.")
    ] = 32,
    horizon: Annotated[
        int, typer.Option(min=1, max=500, help="Steps of every trajectory; Meta-World ends at 500.")
    ] = 150,
    random_actions: Annotated[
        Literal["u01", "box"],
        typer.Option(help="u01: U[0, 1] as the VLP paper prints it; box: the whole box."),
    ] = "u01",
    frame_stride: Annotated[int, typer.Option(min=1, help="Steps between pictures.")] = 7,
    frame_size: Annotated[int, typer.Option(min=8, help="Side of stored pictures, px.")] = 112,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same trajectories.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Collect an MTVLP-like dataset: expert, medium and random episodes with pictures.

    Scattered scenes come with it, on which `vlfeedback fit vlp` learns to read pictures.

    Example: vlfeedback collect --out mtvlp --tasks drawer-close,door-open --episodes 8
    """
    from vlfeedback.types import SCATTERED
    from vlfeedback_envs.scripted import LEVELS

    names = parse_tasks(tasks) if tasks else [*METAWORLD_TASKS]
    others = [name for name in names if name not in METAWORLD_TASKS]
    if others:
        raise UnknownNameError(
            f"{others[0]!r} is none of Meta-World's {len(METAWORLD_TASKS)} tasks, for which alone "
            "there are scripted policies; leave it out."
        )
    start = time.monotonic()
    collected = collect_shards(
        out,
        names,
        settings={
            "episodes": episodes,
            "horizon": horizon,
            "random_actions": random_actions,
            "frame_stride": frame_stride,
            "frame_size": frame_size,
            "seed": seed,
        },
        workers=workers,
        levels=(*LEVELS, SCATTERED),
    )
    typer.echo(
        f"{collected} trajectories collected in {time.monotonic() - start:.0f} s; all of "
        f"{len(names)} tasks are in {out}. Next: vlfeedback fit vlp --data {out}"
    )


def collect_shards(
    out: Path,
    tasks: Iterable[str],
    *,
    settings: dict[str, Any],
    workers: int,
    levels: Iterable[str] = ("expert", "medium", "random"),
) -> int:
    """Collect what is missing in `out`, one file a task and level; returns trajectories made.

    Raises:
        FileFormatError: `out` was begun with other settings.
        OSError: the disk is full, or a worker was killed; every finished file is kept.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from vlfeedback.data.collection import Collection

    collection = Collection.create(out, settings)
    missing = collection.missing(tasks, levels)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, *times) as progress,
        worker_pool(min(workers, len(missing)) or 1) as pool,
    ):
        bar = progress.add_task("collecting", total=len(missing) * settings["episodes"])
        jobs = {
            pool.submit(_collect_one, task, level, collection.path(task, level), settings): task
            for task, level in missing
        }
        try:
            for job in as_completed(jobs):
                job.result()
                progress.update(bar, advance=settings["episodes"], description=jobs[job])
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A worker was killed, most likely because memory ran out. Finished files are kept; "
                "go on with the same command and fewer --workers."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return len(missing) * int(settings["episodes"])


def _collect_one(task: str, level: str, path: Path, settings: dict[str, Any]) -> None:
    from vlfeedback.data.trajectories import write_trajectories
    from vlfeedback.types import SCATTERED
    from vlfeedback_envs.metaworld import MetaWorldView
    from vlfeedback_envs.scattered import scatter_scenes
    from vlfeedback_envs.scripted import rollout_level

    size = settings["frame_size"]
    first = _first_seed(task, level, settings["seed"])
    with closing(
        MetaWorldView(task, render_mode="rgb_array", size=size * max(1, 224 // size))
    ) as view:
        trajectories = [
            scatter_scenes(view, seed=seed, frame_size=size)
            if level == SCATTERED
            else rollout_level(
                view,
                level,  # type: ignore[arg-type]
                seed=seed,
                horizon=settings["horizon"],
                frame_stride=settings["frame_stride"],
                frame_size=size,
                random_actions=settings["random_actions"],
            )
            for seed in range(first, first + settings["episodes"])
        ]
    write_trajectories(path, trajectories)


def _first_seed(task: str, level: str, seed: int) -> int:
    """Seeds depend on names, not on which tasks are collected, so a subset repeats the whole."""
    from vlfeedback_envs.scripted import LEVELS

    place = METAWORLD_TASKS.index(task)
    if level in LEVELS:
        shard = place * len(LEVELS) + LEVELS.index(level)
    else:
        shard = len(METAWORLD_TASKS) * len(LEVELS) + place
    return (seed * 1000 + shard) * _MAX_EPISODES
