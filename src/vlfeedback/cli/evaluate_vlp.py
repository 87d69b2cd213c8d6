"""`vlfeedback eval vlp`: the VLP paper's tables of labels, for weights of the bundled model."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from vlfeedback.cli.evaluation_episodes import Split, choose_tasks, collect_fresh, load_fresh
from vlfeedback.cli.evaluation_options import FiguresFile
from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.progress import one_bar
from vlfeedback.errors import NeedsError

__all__ = ["eval_vlp"]

_ALONG = 8  # episodes a level that are scored from beginning to end


def eval_vlp(
    split: Annotated[
        Split, typer.Option(help="Test tasks of the paper, of ML45 (paper, Table 18), or all 50.")
    ] = "vlp",
    tasks: Annotated[str, typer.Option(help="Comma-separated tasks in place of a split.")] = "",
    pairs: Annotated[int, typer.Option(min=2, help="Pairs a task and pairing.")] = 100,
    repeats: Annotated[
        int, typer.Option(min=1, help="Evaluations, each on episodes of its own.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first repeat; the next takes +1.")] = 0,
    weights: Annotated[str, typer.Option(help="Bundled id such as vlp.mt45, or a path.")] = "",
    episodes: Annotated[
        int, typer.Option(min=2, max=1000, help="Segments are cut from so many a task and level.")
    ] = 32,
    language: Annotated[
        bool | None,
        typer.Option(
            "--language/--no-language",
            help="Also Table 6: unseen words. Default: where there are two tasks or more.",
        ),
    ] = None,
    progress: Annotated[
        bool,
        typer.Option(
            "--progress",
            help="Also all of `eval progress`: along at most 8 episodes a level, and by protocol.",
        ),
    ] = False,
    json_path: FiguresFile = None,
    figures_folder: Annotated[
        Path | None,
        typer.Option(
            "--figures", file_okay=False, callback=folder_to_fill, help="Draw plots here."
        ),
    ] = None,
    failures_folder: Annotated[
        Path | None,
        typer.Option(
            "--failures",
            file_okay=False,
            callback=folder_to_fill,
            help="Pictures of 6 wrong labels a task.",
        ),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Keep episodes in <folder>/<seed>, or take them from it."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Label accuracy against scripted labels, as in Tables 5, 6, 15 and 18 of the VLP paper.

    Pairs across K-means clusters are the paper's protocol. Harder pairings stand beside it, and
    beside every figure what needs no model: always the same side, picture energy, its opposite,
    chance. More than one repeat gives intervals over fresh episodes. `vlfeedback eval labels`
    measures any other source so.

    Example: vlfeedback eval vlp --weights vlp.mt45 --repeats 5 --json figures.json --figures plots
    """
    from vlfeedback.cli import evaluation_report as report
    from vlfeedback.cli.evaluation_tables import print_tables
    from vlfeedback.cli.progress_tables import print_progress
    from vlfeedback.data.provenance import describe_machine
    from vlfeedback.data.whole_files import write_json
    from vlfeedback.evaluation.labels import evaluate_labels
    from vlfeedback.evaluation.labels.episodes import fresh_settings
    from vlfeedback.evaluation.labels.throughput import segments_per_cpu_second
    from vlfeedback.evaluation.progress import evaluate_progress
    from vlfeedback.reports.published import vlp_label_tables
    from vlfeedback.rewards import make_reward_source

    names = choose_tasks(split, tasks)
    if language and len(names) < 2:
        raise NeedsError(f"--language compares tasks and --tasks has only {names}; name another.")
    with_language = len(names) > 1 if language is None else language
    for folder in (figures_folder, failures_folder):
        report.prepare(folder, ["vlp"])
    model: Any = make_reward_source("vlp", **({"weights": weights} if weights else {}))
    with ExitStack() as stack:
        root = clips or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fresh = {"seed": seed, "repeats": repeats, "episodes": episodes}
        collect_fresh(root, names, workers=workers, **fresh)
        bar = stack.enter_context(one_bar("evaluating"))
        figures = evaluate_labels(
            {"vlp": model},
            lambda repeat_seed: load_fresh(root, names, repeat_seed, others=with_language),
            tasks=names,
            n_pairs=pairs,
            repeats=repeats,
            seed=seed,
            language=with_language,
            inspect=report.show_mistakes(failures_folder, ["vlp"]),
            report=bar,
        )["vlp"]
        if progress:
            figures["progress"] = evaluate_progress(
                {"vlp": model},
                names,
                root / "progress",
                episodes=min(episodes, _ALONG),
                n_pairs=pairs,
                seed=seed,
                camera="corner2",
                workers=workers,
                report=bar,
            )
    figures |= {
        "paper": vlp_label_tables(),
        "parameters": model.n_parameters,
        "trained_on": len(model.weights.tasks),
        "unseen_tasks": [name for name in names if name not in model.weights.tasks],
        "segments_per_second": round(
            segments_per_cpu_second(model, picture_size=model.weights.architecture.picture_size), 1
        ),
        "command": "vlfeedback " + " ".join(sys.argv[1:]),
        "settings": {
            "split": "" if tasks else split,
            "tasks": names,
            "pairs": pairs,
            "length": 50,
            "repeats": repeats,
            "seed": seed,
            "weights": weights,
            "collections": [
                fresh_settings(names, seed=seed + repeat, episodes=episodes)
                for repeat in range(repeats)
            ],
        },
        **describe_machine(),
    }
    print_tables(figures)
    if progress:
        print_progress(figures["progress"])
    if json_path:
        write_json(json_path, figures)
    report.draw({"vlp": figures}, figures_folder)
