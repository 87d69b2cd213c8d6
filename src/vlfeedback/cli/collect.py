"""`vlfeedback collect`: trajectories of three levels; in Meta-World, scattered scenes as well."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vlfeedback.cli.progress import counting_progress
from vlfeedback.cli.task_option import parse_tasks
from vlfeedback.collecting.worker_pool import worker_pool
from vlfeedback.tasks import METAWORLD_TASKS

if TYPE_CHECKING:
    from vlfeedback.types import Trajectory

__all__ = ["collect", "collect_shards"]

_LEVELS = ("expert", "medium", "random")
_MAX_EPISODES = 1000  # so many seeds each task and level has to itself
_METAWORLD = {
    "episodes": 32,
    "horizon": 150,
    "random_actions": "u01",
    "frame_stride": 7,
    "frame_size": 112,
}
# 100,000 transitions a level (our choice, untested: Offline RL-VLM-F states no sizes), and no
# pictures, which `vlfeedback_envs.cartpole_data.with_pictures` draws from the observations.
_CART_POLE = {
    "episodes": 1000,
    "horizon": 100,
    "random_actions": "box",
    "frame_stride": 0,
    "frame_size": 200,
}


def collect(
    out: Annotated[Path, typer.Option(help="Folder to fill; run again to resume.")],
    tasks: Annotated[
        str, typer.Option(help="Comma-separated task names; default: all 50 Meta-World tasks.")
    ] = "",
    episodes: Annotated[
        int | None,
        typer.Option(
            min=1, max=_MAX_EPISODES, help="Trajectories a task and level; default: 32, or 1000."
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=500,
            help="Steps of every trajectory; Meta-World ends at 500, CartPole at 100; default: "
            "150, or 100.",
        ),
    ] = None,
    random_actions: Annotated[
        Literal["u01", "box"] | None,
        typer.Option(
            help="u01: U[0, 1] as the VLP paper prints it; box: the whole box; default: u01, or "
            "box."
        ),
    ] = None,
    frame_stride: Annotated[
        int | None,
        typer.Option(
            min=0, help="Steps between pictures, 0 for none in CartPole; default: 7, or 0."
        ),
    ] = None,
    frame_size: Annotated[
        int | None,
        typer.Option(min=8, help="Side of stored pictures, px; default: 112, or 200."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same trajectories.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Collect an MTVLP-like dataset: expert, medium and random episodes with pictures.

    Scattered scenes come with it, on which `vlfeedback fit vlp` learns to read pictures.

    CartPole, which needs no simulator, goes to a folder of its own: 100,000 steps of each level
    in seconds. Where two defaults are given, its own is the second.

    Example: vlfeedback collect --out mtvlp --tasks drawer-close,door-open --episodes 8

    Example: vlfeedback collect --out cartpole --tasks cart-pole-balance
    """
    from vlfeedback.types import SCATTERED

    names = parse_tasks(tasks) if tasks else [*METAWORLD_TASKS]
    in_metaworld = names[0] in METAWORLD_TASKS
    given = {
        "episodes": episodes,
        "horizon": horizon,
        "random_actions": random_actions,
        "frame_stride": frame_stride,
        "frame_size": frame_size,
    }
    settings = _METAWORLD if in_metaworld else _CART_POLE
    settings = settings | {name: value for name, value in given.items() if value is not None}
    _check(names, settings)
    start = time.monotonic()
    collected = collect_shards(
        out,
        names,
        settings={**settings, "seed": seed},
        workers=workers,
        levels=(*_LEVELS, SCATTERED) if in_metaworld else _LEVELS,
    )
    typer.echo(
        f"{collected} trajectories collected in {time.monotonic() - start:.0f} s; all of "
        f"{len(names)} tasks are in {out}. "
        f"Next: {_next(out, in_metaworld)}"
    )


def _next(out: Path, in_metaworld: bool) -> str:
    if in_metaworld:
        return f"vlfeedback fit vlp --data {out}"
    return f"vlfeedback label --data {out} --labeller teacher --out labels.parquet"


def _check(names: list[str], settings: dict[str, Any]) -> None:
    """Refuse what one simulator or the other cannot do, before anything is written."""
    in_metaworld = [name in METAWORLD_TASKS for name in names]
    if any(in_metaworld) and not all(in_metaworld):
        raise typer.BadParameter(
            "cart-pole-balance has settings of its own; collect it into another folder than "
            "Meta-World's tasks.",
            param_hint="--tasks",
        )
    if any(in_metaworld) and not settings["frame_stride"]:
        raise typer.BadParameter(
            "Meta-World's episodes come with pictures; expected at least 1.",
            param_hint="--frame-stride",
        )
    if not any(in_metaworld) and settings["horizon"] > _CART_POLE["horizon"]:
        raise typer.BadParameter(
            f"{settings['horizon']} steps; CartPole ends at {_CART_POLE['horizon']}.",
            param_hint="--horizon",
        )


def collect_shards(
    out: Path,
    tasks: Iterable[str],
    *,
    settings: dict[str, Any],
    workers: int,
    levels: Iterable[str] = _LEVELS,
) -> int:
    """Collect what is missing in `out`, one file a task and level; returns trajectories made.

    Raises:
        FileFormatError: `out` was begun with other settings.
        OSError: the disk is full, or a worker was killed; every finished file is kept.
    """
    from vlfeedback.data.collection import Collection

    collection = Collection.create(out, settings)
    missing = collection.missing(tasks, levels)
    with (
        counting_progress() as progress,
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

    first = _first_seed(task, level, settings["seed"])
    seeds = range(first, first + settings["episodes"])
    roll_out = _roll_out_metaworld if task in METAWORLD_TASKS else _roll_out_cart_pole
    write_trajectories(path, roll_out(task, level, seeds, settings))


def _roll_out_cart_pole(
    task: str, level: str, seeds: Iterable[int], settings: dict[str, Any]
) -> list[Trajectory]:
    from vlfeedback_envs.cartpole_data import rollout_cart_pole, with_pictures

    trajectories = (
        rollout_cart_pole(
            level,
            seed=seed,
            horizon=settings["horizon"],
            random_actions=settings["random_actions"],
        )
        for seed in seeds
    )
    stride, size = settings["frame_stride"], settings["frame_size"]
    return [with_pictures(t, stride=stride, size=size) if stride else t for t in trajectories]


def _roll_out_metaworld(
    task: str, level: str, seeds: Iterable[int], settings: dict[str, Any]
) -> list[Trajectory]:
    from vlfeedback.types import SCATTERED
    from vlfeedback_envs.metaworld import MetaWorldView
    from vlfeedback_envs.scattered import scatter_scenes
    from vlfeedback_envs.scripted import rollout_level

    size = settings["frame_size"]
    with closing(
        MetaWorldView(task, render_mode="rgb_array", size=size * max(1, 224 // size))
    ) as view:
        return [
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
            for seed in seeds
        ]


def _first_seed(task: str, level: str, seed: int) -> int:
    """Seeds depend on names, not on which tasks are collected, so a subset repeats the whole."""
    n_tasks, n_levels = len(METAWORLD_TASKS), len(_LEVELS)
    if task not in METAWORLD_TASKS:
        shard = n_tasks * (n_levels + 1) + _LEVELS.index(level)
    elif level in _LEVELS:
        shard = METAWORLD_TASKS.index(task) * n_levels + _LEVELS.index(level)
    else:
        shard = n_tasks * n_levels + METAWORLD_TASKS.index(task)
    return (seed * 1000 + shard) * _MAX_EPISODES
