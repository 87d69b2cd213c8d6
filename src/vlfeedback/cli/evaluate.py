"""`vlfeedback eval labels`: how often labels are right, and how sure, of any sources."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.evaluation_episodes import (
    choose_tasks,
    collect_fresh,
    load_fresh,
    say_instruction,
)
from vlfeedback.cli.evaluation_options import FiguresFile, SourceSettings, SplitName, TasksInPlace
from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.progress import one_bar

__all__ = ["eval_app", "eval_labels"]

eval_app = typer.Typer(no_args_is_help=True)


@eval_app.callback()
def _describe() -> None:
    """Measure how good a model, a reward or a labeller is."""


@eval_app.command("labels")
def eval_labels(
    source: Annotated[
        list[str],
        typer.Option(
            help="ID, or NAME=ID to call it so: of `vlfeedback list rewards` or `list "
            "preferences`. Repeat to compare."
        ),
    ],
    settings: SourceSettings = None,
    split: SplitName = "vlp",
    tasks: TasksInPlace = "",
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Take episodes of a collection in place of fresh ones."),
    ] = None,
    instruction: Annotated[
        str, typer.Option(help="What the tasks ask for, in place of their own instructions.")
    ] = "",
    pairs: Annotated[int, typer.Option(min=2, help="Pairs a task and pairing.")] = 100,
    length: Annotated[int, typer.Option(min=2, help="Steps of a segment.")] = 50,
    repeats: Annotated[int, typer.Option(min=1, help="Evaluations, for intervals over them.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first repeat; the next takes +1.")] = 0,
    episodes: Annotated[
        int, typer.Option(min=2, max=1000, help="Fresh ones a task and level.")
    ] = 32,
    clips: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep the fresh ones in <folder>/<seed>.")
    ] = None,
    language: Annotated[
        bool, typer.Option("--language", help="Also unseen words, Table 6 of the VLP paper.")
    ] = False,
    json_path: FiguresFile = None,
    figures_folder: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            file_okay=False,
            callback=folder_to_fill,
            help="Draw plots here, by source.",
        ),
    ] = None,
    failures_folder: Annotated[
        Path | None,
        typer.Option(
            "--failures",
            file_okay=False,
            callback=folder_to_fill,
            help="Pictures of the surest mistakes, by source.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Processes that collect.")] = (
        os.cpu_count() or 1
    ),
) -> None:
    """Label accuracy of reward sources and labellers, side by side on the same pairs.

    Five pairings, from the VLP paper's, which always preferring one side nearly solves, to harder
    ones; what needs no model stands beside them. A tie or no answer is half right.

    Example: vlfeedback eval labels --source vlp --source teacher.mistake --tasks drawer-close

    Example: vlfeedback eval labels --source vlp --data my-collection --json labels.json
    """
    from vlfeedback.cli import evaluation_report as report
    from vlfeedback.cli.evaluation_tables import print_comparison
    from vlfeedback.cli.source_choice import parse_sources
    from vlfeedback.cli.task_option import split_names
    from vlfeedback.data.collection import Collection
    from vlfeedback.evaluation.labels import evaluate_labels
    from vlfeedback.evaluation.labels.sources import make_any_source

    choices = parse_sources(source, settings or [])
    sources = {c.name: make_any_source(c.id, device=device, **c.settings) for c in choices}
    for folder in (figures_folder, failures_folder):
        report.prepare(folder, list(sources))
    at_hand = Collection.open(data) if data else None
    if at_hand:
        names = split_names(tasks) if tasks else at_hand.tasks()
    else:
        names = choose_tasks(split, tasks)
    with ExitStack() as stack:
        root = clips or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not at_hand:
            fresh = {"seed": seed, "repeats": repeats, "episodes": episodes}
            collect_fresh(root, names, workers=workers, **fresh)
        figures = evaluate_labels(
            sources,
            at_hand or (lambda number: load_fresh(root, names, number, others=language)),
            tasks=say_instruction(names, instruction),
            n_pairs=pairs,
            length=length,
            repeats=repeats,
            seed=seed,
            language=language,
            inspect=report.show_mistakes(failures_folder, [*sources]),
            report=stack.enter_context(one_bar("evaluating")),
        )
    print_comparison(figures)
    report.draw(figures, figures_folder)
    if json_path:
        report.write_comparison(json_path, figures, sources)
    typer.echo("Next, is one of them worth a training run: vlfeedback eval source --help")
