"""`vlfeedback eval progress`: does a reward rise while the expert works, on any clips?"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from vlfeedback.cli.evaluation_episodes import choose_tasks, say_instruction
from vlfeedback.cli.evaluation_options import FiguresFile, SourceSettings, SplitName, TasksInPlace
from vlfeedback.cli.progress import one_bar

__all__ = ["eval_progress"]


def eval_progress(
    source: Annotated[
        list[str],
        typer.Option(
            help="ID, or NAME=ID to call it so; see `vlfeedback list rewards`. Repeat to compare."
        ),
    ],
    settings: SourceSettings = None,
    split: SplitName = "vlp",
    tasks: TasksInPlace = "",
    data: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Take episodes of a collection in place of fresh ones; then no protocols.",
        ),
    ] = None,
    instruction: Annotated[
        str, typer.Option(help="What the tasks ask for, in place of their own instructions.")
    ] = "",
    episodes: Annotated[
        int, typer.Option(min=2, max=1000, help="Fresh ones a task, level and way to make them.")
    ] = 8,
    horizon: Annotated[
        int | None, typer.Option(min=2, help="Steps of each; default: as the task is collected.")
    ] = None,
    protocols: Annotated[
        bool, typer.Option(help="Also label accuracy on clips that were made in other ways.")
    ] = True,
    pairs: Annotated[int, typer.Option(min=2, help="Pairs a task, pairing and protocol.")] = 100,
    length: Annotated[int, typer.Option(min=2, help="Steps of a clip.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same clips and pairs.")] = 0,
    camera: Annotated[
        str, typer.Option(help="The other camera, where the task can show it; '' for none.")
    ] = "corner2",
    clips: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep the fresh ones here, to use again.")
    ] = None,
    json_path: FiguresFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Processes that collect.")] = (
        os.cpu_count() or 1
    ),
) -> None:
    """Does a reward rise while the expert works, and is it paid for nothing else?

    Along episodes: order of scores and time, of moments, of whole episodes; what idling earns, and
    half an expert; success in clips that end there or run on; pauses, pictures played backwards,
    another camera, colours and light. By protocol: the pairings of `vlfeedback eval labels` on
    clips that were made in other ways. Rules that know nothing of a task stand beside.

    Example: vlfeedback eval progress --source vlp.mt45 --source env --clips clips --json shape.json

    Example: vlfeedback eval progress --source clip --data my-collection --tasks fold-towel
    """
    from vlfeedback.cli.evaluation_report import write_measured
    from vlfeedback.cli.progress_tables import print_progress
    from vlfeedback.cli.source_choice import parse_sources
    from vlfeedback.cli.task_option import split_names
    from vlfeedback.data.collection import Collection
    from vlfeedback.evaluation.labels.sources import make_any_source
    from vlfeedback.evaluation.progress import evaluate_progress, evaluate_progress_at_hand

    choices = parse_sources(source, settings or [])
    sources: dict[str, Any] = {
        c.name: make_any_source(c.id, device=device, **c.settings) for c in choices
    }
    shared: dict[str, Any] = {"length": length, "seed": seed, "camera": camera}
    with ExitStack() as stack:
        shared["report"] = stack.enter_context(one_bar("measuring"))
        if data is not None:
            collection = Collection.open(data)
            names = split_names(tasks) if tasks else collection.tasks()
            specs = say_instruction(names, instruction)
            figures = evaluate_progress_at_hand(sources, collection, tasks=specs, **shared)
        else:
            specs = say_instruction(choose_tasks(split, tasks), instruction)
            figures = evaluate_progress(
                sources,
                specs,
                clips or Path(stack.enter_context(tempfile.TemporaryDirectory())),
                episodes=episodes,
                n_pairs=pairs,
                horizon=horizon,
                protocols=protocols,
                workers=workers,
                **shared,
            )
    print_progress(figures)
    if json_path is not None:
        write_measured(json_path, figures, sources)
