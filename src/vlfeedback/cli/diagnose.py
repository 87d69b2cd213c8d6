"""`vlfeedback eval source`: is this reward any good on this task? Measured before any training."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.evaluation_options import FiguresFile, SourceSettings
from vlfeedback.cli.output_options import file_to_write

__all__ = ["eval_source"]


def eval_source(
    source: Annotated[
        list[str],
        typer.Option(
            help="ID, or NAME=ID to call it so; see `vlfeedback list rewards`. Repeat to compare."
        ),
    ],
    task: Annotated[
        str, typer.Option(help="See `vlfeedback list tasks`; or the task's folder in --data.")
    ] = "",
    settings: SourceSettings = None,
    episodes: Annotated[int, typer.Option(min=2, max=999, help="Episodes a level.")] = 8,
    horizon: Annotated[
        int | None, typer.Option(min=2, help="Steps of each; default: as the task is collected.")
    ] = None,
    size: Annotated[int, typer.Option(min=8, help="Side of pictures, px.")] = 112,
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of segments, of each kind.")] = 200,
    length: Annotated[int, typer.Option(min=2, help="Steps of a segment.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same episodes and pairs.")] = 0,
    camera: Annotated[
        str,
        typer.Option(help="The other camera, where the task can show it; '' for none."),
    ] = "corner2",
    data: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Take episodes from a folder of `vlfeedback collect` instead."
        ),
    ] = None,
    env_id: Annotated[
        str, typer.Option(help="A task of your own: its Gymnasium id, my_package:MyEnv-v0.")
    ] = "",
    instruction: Annotated[
        str, typer.Option(help="What is to be done, in place of the task's own words.")
    ] = "",
    clips: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep the episodes here, to use again.")
    ] = None,
    json_path: FiguresFile = None,
    page: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            callback=file_to_write,
            help="Write one page of HTML, pictures included.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Processes that collect.")] = (
        os.cpu_count() or 1
    ),
) -> None:
    """Say whether a reward is good, weak or useless here, before a policy is trained on it.

    Fresh scripted episodes (expert, medium, random actions) are scored by every source: does it
    tell better segments from worse, success from failure, an expert from one who does nothing or
    stops half-way, forwards from backwards, the right instruction from a wrong one; does another
    camera or wording change its mind; how fast is it. A source that compares with a picture of the
    goal and is given none gets the end of an expert episode that is not evaluated.

    Example: vlfeedback eval source --source vlp --task drawer-close --page diagnosis.html

    Example: vlfeedback eval source --source vlp --source chance=random --set chance.seed=3 --task
    drawer-close
    """
    from vlfeedback.cli.diagnosis_tables import print_tables
    from vlfeedback.cli.loss_bars import LossBars
    from vlfeedback.cli.one_task import parse_task
    from vlfeedback.cli.source_choice import parse_sources
    from vlfeedback.data.whole_files import write_json
    from vlfeedback.evaluation.diagnosis import diagnose_sources, load_episodes
    from vlfeedback.optional import require
    from vlfeedback.reports.diagnosis_page import write_diagnosis_page

    spec = parse_task(task, env_id=env_id, instruction=instruction, data=data)
    if page is not None:
        require("matplotlib", extra="vision", needed_by="A page")
    with LossBars() as bars:
        diagnosed = diagnose_sources(
            {choice.name: choice for choice in parse_sources(source, settings or [])},
            spec,
            trajectories=None if data is None else load_episodes(data, spec.name),
            episodes=episodes,
            n_pairs=pairs,
            length=length,
            seed=seed,
            horizon=horizon,
            frame_size=size,
            camera=camera,
            clips=clips,
            goals=next((path.parent for path in (page, json_path) if path is not None), None),
            device=device,
            workers=workers,
            report=bars,
        )
    results = diagnosed.results | {"command": "vlfeedback " + " ".join(sys.argv[1:])}
    if data is not None:
        results["settings"] |= {"data": str(data)}
    print_tables(results)
    if diagnosed.inputs.why_not_retaken:
        typer.echo(
            f"There are no figures of another camera. {diagnosed.inputs.why_not_retaken}", err=True
        )
    if json_path is not None:
        write_json(json_path, results)
    if page is not None:
        write_diagnosis_page(page, diagnosed, results)
        typer.echo(f"Look at {page}")
