"""`vlfeedback eval bench`: public exams of reward and preference sources, and one of our own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vlfeedback.cli.evaluation_options import SourceSettings
from vlfeedback.cli.output_options import file_to_write, folder_to_fill
from vlfeedback.errors import InvalidValueError

if TYPE_CHECKING:
    from vlfeedback.data.video_sampling import VideoSampling
    from vlfeedback.evaluation.bench import Exam

__all__ = ["eval_bench"]

ExamName = Literal["roborewardbench", "rbm-eval-ood", "own"]


def _files_to_write(paths: list[Path] | None) -> list[Path]:
    """Callback of ``--out``."""
    for path in paths or []:
        file_to_write(path)
        if path.suffix not in (".html", ".json"):
            raise InvalidValueError(f"out={str(path)!r}; expected a name in .html or .json.")
    return paths or []


def eval_bench(
    exam: Annotated[
        ExamName, typer.Option(help="A public exam that you have downloaded, or your own clips.")
    ],
    data: Annotated[
        Path, typer.Option(help="The exam's folder; of `own` one of `vlfeedback collect`.")
    ],
    source: Annotated[
        list[str],
        typer.Option(
            help="ID, or NAME=ID to call it so: of `vlfeedback list rewards` or `list "
            "preferences`. Repeat to compare."
        ),
    ],
    settings: SourceSettings = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            dir_okay=False,
            callback=_files_to_write,
            help="page.html for one page with pictures, results.json for all figures; may be given "
            "twice.",
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            callback=folder_to_fill,
            help="Folder that keeps each answer as it comes; run again to go on.",
        ),
    ] = None,
    tasks: Annotated[
        str, typer.Option(help="Of `own`: comma-separated; default: all of the collection.")
    ] = "",
    pairs: Annotated[
        int | None,
        typer.Option(min=1, help="Pairs of clips; default: 500 of roborewardbench, else all."),
    ] = None,
    score: Annotated[
        Literal["last", "mean"],
        typer.Option(help="Of a clip: what is said at its end, or on average along it."),
    ] = "last",
    fps: Annotated[
        float | None,
        typer.Option(help="Pictures a second of a video; default: 1 of roborewardbench."),
    ] = None,
    pictures: Annotated[
        int | None,
        typer.Option(min=2, help="Pictures of a video, evenly spaced; default: 8 of rbm-eval-ood."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of pairs, chance and intervals.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
) -> None:
    """Examine reward sources and labellers on clips with known scores, ranks and progress.

    RoboRewardBench asks which of two real-robot clips is better and for scores from 1 to 5;
    RBM-EVAL-OOD for the rank of successes, suboptimal clips and failures; your own clips for that
    of experts, half-way episodes and random actions. Rules that know nothing of a task sit beside
    every source, and what papers print stands in a column of its own.

    Example: vlfeedback eval bench --exam own --data mtvlp --source vlp --source env --out page.html

    Example: vlfeedback eval bench --exam roborewardbench --data RoboReward --source clip
    --out results.json --answers answers
    """
    from vlfeedback.cli.bench_tables import print_bench
    from vlfeedback.cli.progress import one_bar
    from vlfeedback.cli.source_choice import parse_sources
    from vlfeedback.data.whole_files import write_json
    from vlfeedback.evaluation.bench import take_exam
    from vlfeedback.evaluation.labels.sources import make_any_source
    from vlfeedback.optional import require
    from vlfeedback.reports.bench_page import write_bench_page
    from vlfeedback.reports.published import published_figures

    outputs = out or []
    if any(path.suffix == ".html" for path in outputs):
        require("matplotlib", extra="vision", needed_by="A page")
    choices = parse_sources(source, settings or [])
    paper = _read(exam, data, tasks, pairs, _sampling(exam, fps, pictures), seed)
    sources = {c.name: make_any_source(c.id, device=device, **c.settings) for c in choices}
    with one_bar("asking") as report:
        taken = take_exam(
            paper, sources, clip_score=score, seed=seed, answers=answers, report=report
        )
    results = {
        **taken.results,
        "published": published_figures(paper.name),
        "command": "vlfeedback " + " ".join(sys.argv[1:]),
    }
    print_bench(results)
    for path in outputs:
        if path.suffix == ".json":
            write_json(path, results)
        else:
            write_bench_page(path, taken, results)
            typer.echo(f"Look at {path}")


def _sampling(exam: str, fps: float | None, pictures: int | None) -> VideoSampling | None:
    """Which pictures are read, where it is said; of our own clips it cannot be."""
    from vlfeedback.data.video_sampling import VideoSampling

    if fps is None and pictures is None:
        return None
    if exam == "own":
        raise InvalidValueError("--fps and --pictures are of videos; a collection has pictures.")
    return VideoSampling(fps, pictures)


def _read(
    exam: str,
    data: Path,
    tasks: str,
    pairs: int | None,
    sampling: VideoSampling | None,
    seed: int,
) -> Exam:
    """The exam; an option that is not given keeps the reader's default."""
    from vlfeedback.cli.task_option import split_names
    from vlfeedback.evaluation.bench import (
        read_own_clips,
        read_rbm_eval_ood,
        read_roborewardbench,
    )

    given = {} if pairs is None else {"n_pairs": pairs}
    if exam == "own":
        return read_own_clips(data, tasks=split_names(tasks) if tasks else None, seed=seed, **given)
    if tasks:
        raise InvalidValueError(f"tasks={tasks!r} are of the exam 'own'; {exam!r} has its own.")
    if exam == "roborewardbench":
        return read_roborewardbench(data, sampling=sampling, seed=seed, **given)
    return read_rbm_eval_ood(data, sampling=sampling, seed=seed, **given)
