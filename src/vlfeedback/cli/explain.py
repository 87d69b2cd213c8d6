"""`vlfeedback explain`: what a model looks at in a window, and its score along an episode."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlfeedback.cli.one_task import parse_task
from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.settings import check_no_argument, parse_json_object
from vlfeedback.errors import NeedsError

if TYPE_CHECKING:
    from vlfeedback.figures.explain_window import Explanation
    from vlfeedback.types import Trajectory

__all__ = ["explain"]

_VIDEO_RATE = 2.0  # pictures per second: slow enough to look at each


def explain(
    out: Annotated[
        Path, typer.Option(file_okay=False, callback=folder_to_fill, help="Folder to fill.")
    ],
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
            min=0, help="First step of the window; default: it ends with success or a stop."
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
    from vlfeedback.data.whole_files import new_file
    from vlfeedback.figures.explain_window import choose_end, explain_window
    from vlfeedback.figures.reward_curve import draw_reward_curve
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.rewards.vlp import VLPReward
    from vlfeedback.scoring.steps import score_along
    from vlfeedback.scoring.timing import steps_with_pictures

    trajectory = _episode(data, task, level, episode, video, every)
    texts = list(dict.fromkeys(instruction or ()))
    if task and not texts:
        texts = [parse_task(task, env_id="", instruction="", data=data).instruction]
    if not texts:
        raise NeedsError("Say what should happen: --instruction 'close the drawer'.")
    settings = parse_json_object("--source-config", source_config)
    check_no_argument(settings, make_reward_source, of="the source")
    if weights:
        settings["weights"] = weights
    scorer: Any = make_reward_source(source, **settings)
    steps = steps_with_pictures(trajectory)
    scores = score_along(scorer, trajectory, texts, steps)
    figure = draw_reward_curve(
        trajectory,
        steps,
        {f"“{text}”": row for text, row in zip(texts, scores, strict=True)},
        title=trajectory.id,
        unit=f"reward of {source}",
    )
    paths = [out / "rewards.png"]
    with new_file(paths[0]) as partial:
        figure.savefig(partial, dpi=150, format="png")
    if isinstance(scorer, VLPReward):
        end = choose_end(trajectory)
        if start is not None:
            end = min(start + scorer.needs.context, len(trajectory)) - 1
        for number, text in enumerate(texts, start=1):
            slug = re.sub(r"\W+", "-", text.lower()).strip("-")[:50]
            explanation = explain_window(scorer, trajectory, end, text, word=word or None)
            paths += _write(explanation, out / f"attention-{number}-{slug}")
    typer.echo("Look at:\n" + "\n".join(f"  {path}" for path in paths))


def _episode(
    data: Path | None, task: str, level: str, number: int, video: Path | None, every: int
) -> Trajectory:
    from vlfeedback.data.collection import Collection
    from vlfeedback.data.video import read_video_episode

    if data is None:
        if video is None:
            raise NeedsError("Say what to explain: --data FOLDER --task NAME, or --video FILE.")
        return read_video_episode(video, every=every)
    collection = Collection.open(data)
    if not task:
        raise NeedsError(f"--data needs --task; {data} has {', '.join(collection.tasks())}.")
    return collection.episode(task, level, number)


def _write(explanation: Explanation, stem: Path) -> list[Path]:
    from PIL import Image

    from vlfeedback.data.video import write_video
    from vlfeedback.data.whole_files import new_file

    sheet, video = (stem.with_name(stem.name + ending) for ending in (".png", ".mp4"))
    with new_file(sheet) as partial:
        Image.fromarray(explanation.sheet).save(partial, format="png")
    write_video(video, explanation.film, fps=_VIDEO_RATE)
    return [sheet, video]
