"""What `vlfeedback eval` shows: tables, plots, and pictures of wrong labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlfeedback.optional import require

if TYPE_CHECKING:
    from rich.table import Table

    from vlfeedback.evaluation.labels.failures import Mistake

__all__ = ["draw", "picture_mistakes", "prepare", "print_tables"]

_METRICS = ("itp_accuracy", "ivp_accuracy", "ilp_loss", "average_loss")


def prepare(folder: Path | None) -> None:
    """Find out before the work, not after it, that a folder for pictures cannot be filled.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the folder cannot be made.
    """
    if folder is not None:
        require("matplotlib", extra="vision", needed_by="A plot")
        folder.mkdir(parents=True, exist_ok=True)


def draw(figures: Mapping[str, Any], folder: Path) -> None:
    """Draw every plot of these figures into `folder`, and say where they are."""
    from rich.console import Console

    from vlfeedback.figures.label_accuracy import draw_label_figures

    paths = draw_label_figures(figures, folder)
    Console().print(f"Drawn: {', '.join(str(path) for path in paths)}")


def picture_mistakes(mistakes: Sequence[Mistake], task: str, folder: Path) -> None:
    """Write one contact sheet a mistake: the better clip above the one that was preferred."""
    from matplotlib.image import imsave

    from vlfeedback.evaluation.labels.pairings import picture_stride
    from vlfeedback.figures.contact_sheet import contact_sheet

    for number, mistake in enumerate(mistakes):
        rows = (
            ("better", mistake.better, mistake.score_better, mistake.return_better),
            ("worse, preferred", mistake.worse, mistake.score_worse, mistake.return_worse),
        )
        clips, captions = [], []
        for name, clip, score, gained in rows:
            stride = picture_stride([clip.segment.trajectory])
            pictures = clip.segment.read("frames", stride=stride)
            clips.append(pictures[::-1] if clip.reversed else pictures)
            level = clip.segment.trajectory.level
            captions.append(
                f"{name}: {level}, from step {clip.segment.start}"
                + (", backwards" if clip.reversed else "")
                + ("" if gained is None else f", return {gained:.1f}")
                + f", score {score:.2f}, '{clip.instruction}'"
            )
        imsave(folder / f"{task}-{mistake.pairing}-{number}.png", contact_sheet(clips, captions))


def print_tables(figures: Mapping[str, Any]) -> None:
    """Print accuracies, comparisons and Table 6; the paper's figures have a column of their own."""
    from rich.console import Console

    console = Console()
    console.print(_accuracies(figures))
    console.print(_comparisons(figures))
    kinds = figures.get("language", {})
    for pool in (key for key in kinds.get("seen", {}) if not key.startswith("itp")):
        console.print(_language(figures, pool))
    seen = [t for t in figures["label_accuracy"] if t not in figures["unseen_tasks"]]
    if seen:
        console.print(f"These weights were trained on {', '.join(seen)}: no test of new tasks.")


def _accuracies(figures: Mapping[str, Any]) -> Table:
    pairings = _pairings(figures)
    table = _table("task", title="VLP's label accuracy by pairing, %")
    for heading in ("paper", *pairings):
        table.add_column(heading, justify="right")
    paper = figures["paper"]["label_accuracy"]
    for task in figures["label_accuracy"]:
        cells = [_percent(figures[f"{p}_pairs"]["vlp"].get(task)) for p in pairings]
        table.add_row(task, _percent(paper.get(task)), *cells)
    means = [_percent(figures[f"{p}_pairs"]["vlp"]["mean"]) for p in pairings]
    table.add_row("mean", _percent(paper.get(_paper_mean(figures))), *means, style="bold")
    edges = [figures["intervals"][p]["vlp"]["mean"] for p in pairings]
    table.add_row("its 95 % interval", "", *(f"{_percent(a)} to {_percent(b)}" for a, b in edges))
    table.caption = "'paper': Liu et al. 2025, other clips, camera and model; clustered pairs"
    return table


def _table(first: str, *, title: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, collapse_padding=True)
    table.add_column(first, no_wrap=True)
    return table


def _pairings(figures: Mapping[str, Any]) -> list[str]:
    return [key.removesuffix("_pairs") for key in figures if key.endswith("_pairs")]


def _paper_mean(figures: Mapping[str, Any]) -> str:
    """The key of the paper's mean over exactly these tasks, if it prints one."""
    from vlfeedback.tasks import ML45_TEST_TASKS, VLP_TEST_TASKS

    tasks = set(figures["label_accuracy"])
    means = {frozenset(VLP_TEST_TASKS): "mean", frozenset(ML45_TEST_TASKS): "mean_ml45"}
    return means.get(frozenset(tasks), "")


def _comparisons(figures: Mapping[str, Any]) -> Table:
    table = _table("pairing", title="Mean over tasks, %, beside what needs no model")
    names = [name for name in figures["clustered_pairs"] if name != "vlp"]
    for name in ["vlp", *names]:
        table.add_column(name, justify="right")
    for pairing in _pairings(figures):
        shown = figures[f"{pairing}_pairs"]
        beaten = figures["comparisons"][pairing]
        cells = [_percent(shown["vlp"]["mean"])]
        for name in names:
            mark = " +" if beaten[name]["mean"]["beats"] else ""
            cells.append(_percent(shown[name]["mean"]) + mark)
        table.add_row(pairing, *cells)
    table.caption = "+ VLP is better by more than the 95 % interval of the difference"
    return table


def _language(figures: Mapping[str, Any], pool: str) -> Table:
    title = f"Kinds of instruction, as Table 6 of the paper; IVP and ILP against {pool}"
    table = _table("instruction", title=title)
    for heading in ("ITP %", "IVP %", "ILP loss", "mean loss"):
        table.add_column(heading, justify="right")
        table.add_column("paper", justify="right")
    for kind, row in figures["language"].items():
        cells = []
        for metric in _METRICS:
            ours = row[metric] if metric in row else row[pool][metric]
            printed = figures["paper"]["language"].get(kind, {}).get(metric)
            show = _percent if metric.endswith("accuracy") else _number
            cells += [show(ours["mean"]), show(printed)]
        table.add_row(kind, *cells)
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
