"""The tables that `vlfeedback eval vlp` and `eval labels` print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlfeedback.cli.console import console

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["print_comparison", "print_tables"]

_METRICS = ("itp_accuracy", "ivp_accuracy", "ilp_loss", "average_loss")


def print_tables(figures: Mapping[str, Any]) -> None:
    """Print accuracies, comparisons and Table 6; the paper's figures have a column of their own."""
    screen = console()
    screen.print(_accuracies(figures))
    screen.print(_comparisons(figures))
    kinds = figures.get("language", {})
    for pool in (key for key in kinds.get("seen", {}) if not key.startswith("itp")):
        screen.print(_language(figures, pool))
    training_tasks = [t for t in figures["label_accuracy"] if t not in figures["unseen_tasks"]]
    if training_tasks:
        screen.print(
            f"These weights were trained on {', '.join(training_tasks)}: no test of new tasks."
        )


def print_comparison(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what `evaluate_labels` returns: all sources in one table, and how sure each is."""
    screen = console()
    screen.print(_by_pairing(figures))
    screen.print(_by_task(figures))
    screen.print(_confidence(figures))
    for name, of_source in figures.items():
        for pairing, reason in of_source.get("not_applicable", {}).items():
            screen.print(f"{name}, {pairing} pairs: not applicable. {reason}", highlight=False)


def _by_pairing(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("source", title="Label accuracy by pairing, mean over tasks, %")
    first = next(iter(figures.values()))
    baselines = [name for name in first["clustered_pairs"] if name not in figures]
    pairings = list(dict.fromkeys(p for of in figures.values() for p in _pairings(of)))
    for pairing in pairings:
        table.add_column(pairing, justify="right", no_wrap=True)
    for name, of_source in figures.items():
        table.add_row(name, *(_accuracy(of_source, p, name, baselines) for p in pairings))
    for name in baselines:
        figures_by_pairing = [
            next(of for of in figures.values() if p in of["intervals"]) for p in pairings
        ]
        rows = [
            of[f"{p}_pairs"].get(name, {})
            for of, p in zip(figures_by_pairing, pairings, strict=True)
        ]
        table.add_row(name, *(_percent(row.get("mean")) for row in rows), style="dim")
    table.caption = (
        "[95 % interval]; + better than what needs no model, by more than the interval of the "
        "difference; n/a: not applicable"
    )
    return table


def _accuracy(
    of_source: Mapping[str, Any], pairing: str, name: str, baselines: Sequence[str]
) -> str:
    if pairing not in of_source["intervals"]:
        return "n/a"
    against = of_source["comparisons"][pairing]
    better = all(against[b]["mean"]["beats"] for b in baselines if b in against)
    low, high = (
        "-" if edge is None else f"{100 * edge:.0f}"
        for edge in of_source["intervals"][pairing][name]["mean"]
    )
    mean = _percent(of_source[f"{pairing}_pairs"][name]["mean"])
    return f"{mean}{' +' if better else ''}\n[{low}, {high}]"


def _by_task(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("task", title="Label accuracy by task, clustered | random pairs, %")
    for name in figures:
        table.add_column(name, justify="right")
    for task in next(iter(figures.values()))["label_accuracy"]:
        cells = [
            " | ".join(_percent(of[f"{p}_pairs"][name].get(task)) for p in ("clustered", "random"))
            for name, of in figures.items()
        ]
        table.add_row(task, *cells)
    return table


def _confidence(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("source", title="Random pairs: how sure, and how often without an answer")
    for heading in ("calibration error %", "label correlation", "ties %", "not answered %"):
        table.add_column(heading, justify="right")
    for name, of_source in figures.items():
        calibration = of_source.get("calibration", {}).get("random", {})
        correlation = of_source["correlation"]["random"]["label_pearson_both_orders"][name]
        outcomes = dict(of_source.get("outcomes", {}).get("random", {}))
        ties = outcomes.pop("ties", {}).get("mean")
        unanswered = {word: share["mean"] for word, share in outcomes.items() if share["mean"]}
        reasons = ", ".join(f"{word} {_percent(share)}" for word, share in unanswered.items())
        table.add_row(
            name,
            _percent(calibration.get("expected_calibration_error")),
            _number(correlation["mean"]),
            _percent(ties),
            reasons or ("0.0" if outcomes else "-"),
        )
    table.caption = "'-': it gives no probabilities, or scores, which are never without an answer"
    return table


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
    table.caption = "'paper': Liu et al. 2025, other segments, camera and model; clustered pairs"
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
        accuracies = figures[f"{pairing}_pairs"]
        beaten = figures["comparisons"][pairing]
        cells = [_percent(accuracies["vlp"]["mean"])]
        for name in names:
            mark = " +" if beaten[name]["mean"]["beats"] else ""
            cells.append(_percent(accuracies[name]["mean"]) + mark)
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
            published = figures["paper"]["language"].get(kind, {}).get(metric)
            show = _percent if metric.endswith("accuracy") else _number
            cells += [show(ours["mean"]), show(published)]
        table.add_row(kind, *cells)
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
