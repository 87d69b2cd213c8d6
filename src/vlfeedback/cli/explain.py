"""`vlfeedback explain`: what a model looks at in a clip, and its score along an episode."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlfeedback.errors import NeedsError, UnknownNameError

if TYPE_CHECKING:
    from vlfeedback.rewards.vlp import VLPReward
    from vlfeedback.types import Trajectory

__all__ = ["explain"]

_FILM_RATE = 2.0  # pictures per second: slow enough to look at each


def explain(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder to fill.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder made by `vlfeedback collect`, or use --video.")
    ] = None,
    task: Annotated[str, typer.Option(help="Task of --data; gives the instruction too.")] = "",
    level: Annotated[str, typer.Option(help="Level of --data.")] = "expert",
    episode: Annotated[int, typer.Option(min=0, help="Which episode of that level.")] = 0,
    video: Annotated[
        Path | None, typer.Option(help="A video in place of --data; each picture is a step.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Steps of --video are every so many.")] = 1,
    instruction: Annotated[
        list[str] | None, typer.Option(help="Repeat for several; default: the task's own.")
    ] = None,
    start: Annotated[
        int | None,
        typer.Option(
            min=0, help="First step of the clip; default: it ends with success or a stop."
        ),
    ] = None,
    word: Annotated[
        str, typer.Option(help="Show the attention of this word; default: the mean of all.")
    ] = "",
    source: Annotated[str, typer.Option(help="Source of the curve: `vlfeedback list rewards`.")] = (
        "vlp"
    ),
    weights: Annotated[str, typer.Option(help="Weights of vlp: bundled name or path.")] = "",
    source_config: Annotated[str, typer.Option(help="Settings of the source, as JSON.")] = "{}",
) -> None:
    """Draw where the preference model looks, and how its score goes along an episode.

    rewards.png shows the score of the window that ends at each step, one curve an instruction.
    attention-*.png and .mp4 show one window: the attention of the instruction's words to places
    of each picture (Figure 4 of the VLP paper), and which places raise the score. They are drawn
    for `vlp` alone; the curve is drawn for every source.

    Example: vlfeedback explain --data mtvlp --task drawer-close --instruction "close the drawer"
    --instruction "open the window" --out explained
    """
    from vlfeedback.figures.reward_curve import draw_reward_curve
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.rewards.vlp import VLPReward
    from vlfeedback.scoring.steps import score_along
    from vlfeedback.scoring.timing import steps_with_pictures
    from vlfeedback.tasks import get_task

    trajectory = _from_data(data, task, level, episode) if data else _from_video(video, every)
    texts = list(dict.fromkeys(instruction or ([get_task(task).instruction] if task else [])))
    if not texts:
        raise NeedsError("Say what should happen: --instruction 'close the drawer'.")
    made: Any = make_reward_source(source, **_settings(source_config, weights))
    steps = steps_with_pictures(trajectory)
    scores = score_along(made, trajectory, texts, steps)
    figure = draw_reward_curve(
        trajectory,
        steps,
        {f"“{text}”": row for text, row in zip(texts, scores, strict=True)},
        title=trajectory.id,
        unit=f"reward of {source}",
    )
    out.mkdir(parents=True, exist_ok=True)
    written = [out / "rewards.png"]
    figure.savefig(written[0], dpi=150)
    if isinstance(made, VLPReward):
        end = _end_of_clip(trajectory, made.needs.context, start)
        for number, text in enumerate(texts, start=1):
            slug = re.sub(r"\W+", "-", text.lower()).strip("-")[:50]
            stem = out / f"attention-{number}-{slug}"
            written += _draw_attention(made, trajectory, text, end, word or None, stem)
    typer.echo("Look at:\n" + "\n".join(f"  {path}" for path in written))


def _settings(source_config: str, weights: str) -> dict[str, Any]:
    try:
        settings = dict(json.loads(source_config))
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(
            f"--source-config is {source_config!r}; expected a JSON object ({error})."
        ) from error
    return settings | ({"weights": weights} if weights else {})


def _from_data(data: Path, task: str, level: str, episode: int) -> Trajectory:
    from vlfeedback.data.collection import Collection

    collection = Collection.open(data)
    if not task:
        raise NeedsError(f"--data needs --task; {data} has {', '.join(collection.tasks())}.")
    trajectories = collection.load(task)
    of_level = [t for t in trajectories if t.level == level]
    if not of_level:
        levels = dict.fromkeys(t.level for t in trajectories)
        raise UnknownNameError(f"{task!r} has no level {level!r}; it has {', '.join(levels)}.")
    if episode >= len(of_level):
        raise UnknownNameError(
            f"{task!r} has {len(of_level)} episodes of level {level!r}; --episode counts from 0 "
            f"to {len(of_level) - 1}."
        )
    return of_level[episode]


def _from_video(video: Path | None, every: int) -> Trajectory:
    """A video as an episode: its first picture is the reset, each of the others a step."""
    import numpy as np

    from vlfeedback.data.video import read_video
    from vlfeedback.types import ArrayFrames, Trajectory

    if video is None:
        raise NeedsError("Say what to explain: --data FOLDER --task NAME, or --video FILE.")
    frames = read_video(video, every=every)
    if len(frames) < 2:
        raise NeedsError(f"{video} has {len(frames)} picture at --every {every}; expected 2.")
    return Trajectory(
        observations=np.zeros((len(frames), 1), dtype=np.float32),
        actions=np.zeros((len(frames) - 1, 1), dtype=np.float32),
        frames=ArrayFrames(np.arange(len(frames)), frames),
        id=video.name,
    )


def _end_of_clip(trajectory: Trajectory, context: int, start: int | None) -> int:
    """Last step of the clip: as asked, or where the task is first done or the actor stopped."""
    from vlfeedback.scoring.timing import steps_with_pictures

    if start is not None:
        return min(start + context, len(trajectory)) - 1
    steps = steps_with_pictures(trajectory)
    event = trajectory.rests_from
    if trajectory.successes is not None and trajectory.successes.any():
        event = int(trajectory.successes.argmax())
    later = steps[steps >= event] if event is not None else steps[-1:]
    return int(later[0] if len(later) else steps[-1])


def _draw_attention(
    source: VLPReward,
    trajectory: Trajectory,
    instruction: str,
    end: int,
    word: str | None,
    to: Path,
) -> list[Path]:
    import numpy as np
    from PIL import Image

    from vlfeedback.data.video import write_video
    from vlfeedback.figures.explain import explanation_film, explanation_sheet
    from vlfeedback.models.vlp.attention import read_attention
    from vlfeedback.scoring.timing import states_back_from
    from vlfeedback.scoring.windows import window_ending_at

    window = window_ending_at(trajectory, end, needs=source.needs)
    clip = replace(window, instructions=[instruction])
    if clip.frames is None:
        raise NeedsError("There are no pictures to show.")
    attention = read_attention(source.config.weights, clip)
    score = source.rewards(clip)[0, -1]
    (times,) = states_back_from(np.array([end]), source.needs)
    captions = [f"step {time - 1}" if time else "reset" for time in times]
    title = f"“{instruction}”: score {score:.2f}, {trajectory.id}, steps up to {end}"
    frames = clip.frames[0]
    sheet = explanation_sheet(frames, attention, captions, title=title, word=word)
    film = explanation_film(frames, attention, captions, title=title, word=word)
    picture, video = (to.with_name(to.name + ending) for ending in (".png", ".mp4"))
    Image.fromarray(sheet).save(picture)
    write_video(video, film, fps=_FILM_RATE)
    return [picture, video]
