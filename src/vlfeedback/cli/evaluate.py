"""`vlfeedback eval`: how good are the labels of a model, on fresh clips it has never seen?"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vlfeedback.cli.task_option import parse_tasks
from vlfeedback.errors import NeedsError

if TYPE_CHECKING:
    from vlfeedback.data.collection import Collection
    from vlfeedback.evaluation.labels.summary import TaskResult
    from vlfeedback.scoring.segments import SegmentScorer

__all__ = ["eval_app"]

eval_app = typer.Typer(no_args_is_help=True)

_LENGTH = 50  # steps of a segment (VLP paper, Table 8)
_FRESH = 10_000  # evaluation seeds begin here; collections use small ones
_MISTAKES = 6  # contact sheets a task


@eval_app.callback()
def _describe() -> None:
    """Measure how good a model or a reward is."""


@eval_app.command("vlp")
def eval_vlp(
    split: Annotated[
        Literal["vlp", "ml45", "all"],
        typer.Option(help="Test tasks of the paper, of ML45 (paper, Table 18), or all 50."),
    ] = "vlp",
    tasks: Annotated[str, typer.Option(help="Comma-separated tasks in place of a split.")] = "",
    pairs: Annotated[int, typer.Option(min=2, help="Pairs a task and pairing.")] = 100,
    repeats: Annotated[int, typer.Option(min=1, help="Evaluations, each on clips of its own.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first repeat; the next takes +1.")] = 0,
    weights: Annotated[str, typer.Option(help="Bundled id such as vlp.mt45, or a path.")] = "",
    episodes: Annotated[
        int, typer.Option(min=2, max=1000, help="Clips are cut from so many a task and level.")
    ] = 32,
    language: Annotated[
        bool | None,
        typer.Option(
            "--language/--no-language",
            help="Also Table 6: unseen words. Default: where there are two tasks or more.",
        ),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write all figures here.")
    ] = None,
    figures_folder: Annotated[
        Path | None, typer.Option("--figures", file_okay=False, help="Draw plots here.")
    ] = None,
    failures_folder: Annotated[
        Path | None,
        typer.Option(
            "--failures", file_okay=False, help=f"Pictures of {_MISTAKES} wrong labels a task."
        ),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Keep clips in <folder>/<seed>, or take them from it."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Label accuracy against scripted labels, as in Tables 5, 6, 15 and 18 of the VLP paper.

    Pairs across K-means clusters are the paper's protocol. Harder pairings stand beside it, and
    beside every figure what needs no model: always the same side, picture energy, its opposite,
    chance. More than one repeat gives intervals over fresh clips.

    Example: vlfeedback eval vlp --weights vlp.mt45 --repeats 5 --json figures.json --figures plots
    """
    from vlfeedback.cli import evaluation_report as report
    from vlfeedback.evaluation.labels.summary import summarise
    from vlfeedback.reports.vlp_paper import PAPER
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.scoring.segments import SegmentScorer

    names = _choose_tasks(split, tasks)
    if language and len(names) < 2:
        raise NeedsError(f"--language compares tasks and --tasks has only {names}; name another.")
    for folder in (figures_folder, failures_folder):
        report.prepare(folder)
    model: Any = make_reward_source("vlp", **({"weights": weights} if weights else {}))
    scorer = SegmentScorer(model, log_odds_scale=float(model.weights.score_std))
    results = []
    with ExitStack() as stack:
        root = clips or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for repeat in range(repeats):
            collection = _collect(root, names, seed + repeat, episodes, workers)
            speaks = len(names) > 1 if language is None else language
            shown = failures_folder if repeat == 0 else None
            evaluated = _evaluate(collection, names, scorer, pairs, seed + repeat, speaks, shown)
            results.append(dict(evaluated))
            scorer = SegmentScorer(model, log_odds_scale=scorer.log_odds_scale)  # drop its pictures
    figures = summarise(results, source="vlp", log_odds_scale=scorer.log_odds_scale) | {
        "paper": PAPER,
        "parameters": model.n_parameters,
        "trained_on": len(model.weights.tasks),
        "unseen_tasks": [name for name in names if name not in model.weights.tasks],
        "segments_per_second": round(_throughput(model), 1),
        "command": "vlfeedback " + " ".join(sys.argv[1:]),
        "settings": {
            "split": "" if tasks else split,
            "tasks": names,
            "pairs": pairs,
            "length": _LENGTH,
            "repeats": repeats,
            "seed": seed,
            "weights": weights,
            "collections": [_settings(seed + repeat, episodes) for repeat in range(repeats)],
        },
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "versions": {
            p: version(p) for p in ("vlfeedback", "torch", "metaworld", "numpy", "scikit-learn")
        },
    }
    report.print_tables(figures)
    if json_path:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if figures_folder:
        report.draw(figures, figures_folder)


def _choose_tasks(split: str, tasks: str) -> list[str]:
    from vlfeedback.tasks import METAWORLD_TASKS, ML45_TEST_TASKS, VLP_TEST_TASKS

    if tasks:
        return parse_tasks(tasks)
    splits = {"vlp": VLP_TEST_TASKS, "ml45": ML45_TEST_TASKS, "all": METAWORLD_TASKS}
    return [*splits[split]]


def _settings(seed: int, episodes: int) -> dict[str, Any]:
    return {
        "episodes": episodes,
        "horizon": 150,
        "random_actions": "u01",
        "frame_stride": 7,
        "frame_size": 112,
        "seed": _FRESH + seed,
    }


def _collect(root: Path, tasks: list[str], seed: int, episodes: int, workers: int) -> Collection:
    from vlfeedback.cli.progress import one_bar
    from vlfeedback.collecting import collect
    from vlfeedback.data.collection import Collection
    from vlfeedback_envs.scripted import LEVELS

    settings = _settings(seed, episodes)
    folder = root / str(settings["seed"])
    with one_bar("collecting") as report:
        collect(folder, tasks, settings=settings, workers=workers, levels=LEVELS, report=report)
    return Collection.open(folder)


def _evaluate(
    collection: Collection,
    tasks: list[str],
    scorer: SegmentScorer,
    n_pairs: int,
    seed: int,
    language: bool,
    failures: Path | None,
) -> Iterator[tuple[str, TaskResult]]:
    """Each task of one repeat, with a progress bar."""
    from rich.progress import track

    from vlfeedback.cli import evaluation_report as report
    from vlfeedback.evaluation.labels.failures import surest_mistakes
    from vlfeedback.evaluation.labels.language import evaluate_language
    from vlfeedback.evaluation.labels.pairings import draw_pairings, score_pairs
    from vlfeedback.evaluation.labels.summary import TaskResult
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.scoring.segments import SegmentScorer
    from vlfeedback_envs.scripted import LEVELS

    at_hand = [t for t in collection.tasks() if not collection.missing([t], LEVELS)]
    trajectories = {t: collection.load(t) for t in (at_hand if language else tasks)}
    for task in track(tasks, description=f"evaluating, seed {seed}"):
        posed = draw_pairings(trajectories[task], task, n_pairs=n_pairs, length=_LENGTH, seed=seed)
        baselines = {
            "picture-energy": SegmentScorer(make_reward_source("picture-energy")),
            # Arms at rest share one action and its one random reward: each seed draws another.
            "random": SegmentScorer(make_reward_source("random", seed=seed)),
        }
        judged = {k: score_pairs(p, {"vlp": scorer, **baselines}) for k, p in posed.items()}
        spoken: Mapping[str, Any] = {}
        if language:
            pools = {
                "test tasks": {t: trajectories[t] for t in tasks if t != task},
                "all tasks at hand": {t: trajectories[t] for t in at_hand if t != task},
            }
            if set(tasks) == set(at_hand):
                del pools["all tasks at hand"]
            spoken = evaluate_language(
                scorer,
                posed["clustered"],
                task,
                pools,
                random_pairs=posed["random"],
                seed=seed,
            )
        if failures:
            mistakes = surest_mistakes(posed, judged, "vlp", at_most=_MISTAKES)
            report.picture_mistakes(mistakes, task, failures)
        yield task, TaskResult(judged, spoken)


def _throughput(model: Any) -> float:
    """Segments of 8 pictures scored per second on one core, pictures encoded anew."""
    import numpy as np
    import torch

    from vlfeedback.types import SegmentBatch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    size = model.weights.architecture.picture_size
    frames = np.random.default_rng(0).integers(0, 256, (64, 8, size, size, 3), dtype=np.uint8)
    batch = SegmentBatch(
        frames=frames, instructions=["close the drawer"] * 64, frame_steps=np.arange(0, 50, 7)
    )
    model.rewards(batch)
    start = time.process_time()
    model.rewards(batch)
    seconds = time.process_time() - start
    torch.set_num_threads(threads)
    return len(batch) / seconds
