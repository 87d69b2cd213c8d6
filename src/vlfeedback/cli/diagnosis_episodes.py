"""Episodes that a diagnosis scores: fresh or at hand, and their states seen by another camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vlfeedback.errors import MissingExtraError, NeedsError, RenderError

if TYPE_CHECKING:
    from vlfeedback.types import SourceNeeds, Trajectory

__all__ = ["collect_fresh", "collecting", "load_episodes", "retake_episodes", "write_goal"]

_FRESH = 20_000  # seeds begin here; collections use small ones, `eval vlp` those from 10,000
_CART_POLE = "cart-pole-balance"


def collecting(
    task: str,
    needs: Sequence[SourceNeeds],
    episodes: int,
    horizon: int | None,
    size: int,
    seed: int,
) -> dict[str, Any]:
    """Settings of a collection whose pictures serve all sources; one episode more for goals.

    Raises:
        NeedsError: the task has no scripted levels.
    """
    from vlfeedback.scoring.paced import PICTURE_EVERY
    from vlfeedback.tasks import METAWORLD_TASKS

    if task not in (*METAWORLD_TASKS, _CART_POLE):
        raise NeedsError(
            f"Task {task!r} has no scripted experts to collect episodes of. Record some with "
            "level 'expert' and 'random', pictures and rewards, write them to "
            f"FOLDER/{task}/expert.h5 and random.h5 of a `vlfeedback.data.collection.Collection`, "
            "and pass --data FOLDER."
        )
    rhythms = [n.frame_stride for n in needs if n.frames and n.granularity != "step"]
    metaworld = task in METAWORLD_TASKS
    return {
        "episodes": episodes + 1,
        "horizon": horizon or (150 if metaworld else 100),
        "random_actions": "u01" if metaworld else "box",
        "frame_stride": math.gcd(*rhythms) if rhythms else PICTURE_EVERY,
        "frame_size": size,
        "seed": _FRESH + seed,
    }


def collect_fresh(
    root: Path, task: str, settings: dict[str, Any], workers: int
) -> list[Trajectory]:
    """The episodes that such settings make, kept below `root` to be used again."""
    from vlfeedback.cli.collect import collect_shards
    from vlfeedback.data.collection import Collection
    from vlfeedback.evaluation.diagnosis.inputs import LEVELS

    folder = root / f"{settings['seed']}-every-{settings['frame_stride']}"
    collect_shards(folder, [task], settings=settings, workers=workers, levels=LEVELS)
    return Collection.open(folder).load(task, LEVELS)


def load_episodes(data: Path, task: str) -> list[Trajectory]:
    """The task's episodes in a folder of `vlfeedback collect`.

    Raises:
        FileNotFoundError: there are none.
    """
    from vlfeedback.data.collection import Collection
    from vlfeedback.types import SCATTERED

    return [t for t in Collection.open(data).load(task) if t.level != SCATTERED]


def retake_episodes(
    evaluated: Sequence[Trajectory], task: str, camera: str
) -> dict[Trajectory, Trajectory]:
    """Some episodes with the same states seen by another camera; none where that cannot be had.

    Raises:
        RenderError: there is no such camera.
    """
    from rich.progress import track

    from vlfeedback.evaluation.diagnosis.inputs import probed
    from vlfeedback.tasks import METAWORLD_TASKS

    frames = evaluated[0].frames
    if task not in METAWORLD_TASKS or not camera or frames is None:
        return {}
    size = int(frames.read(frames.times[:1]).shape[1])
    larger = size * max(1, 224 // size)
    try:
        from vlfeedback_envs.metaworld import MetaWorldView
        from vlfeedback_envs.replay import retake
    except (MissingExtraError, RenderError) as error:
        return _without_camera(error)
    with closing(MetaWorldView(task, render_mode="rgb_array", size=larger, camera=camera)) as view:
        try:
            return {
                t: retake(view, t, frame_size=size)
                for t in track(probed(evaluated), description=f"seen by {camera}")
            }
        except (NeedsError, RenderError) as error:
            return _without_camera(error)


def _without_camera(error: Exception) -> dict[Trajectory, Trajectory]:
    typer.echo(f"There will be no figures of another camera. {error}", err=True)
    return {}


def write_goal(shown: Trajectory, folder: Path) -> Path:
    """Write an episode's last picture as PNG, and say where.

    Raises:
        NeedsError: the episode has no pictures.
    """
    from PIL import Image

    from vlfeedback.scoring.pictures import pictures_of

    frames = pictures_of(shown)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"goal-{shown.task}.png"
    Image.fromarray(frames.read(frames.times[-1:])[0]).save(path)
    return path
