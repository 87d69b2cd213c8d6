"""The report of a sweep: one table, as Markdown and on a page of HTML with the curves in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vlfeedback.figures.inline_picture import data_uri
from vlfeedback.reports.learning_curves import draw_curves
from vlfeedback.reports.pages import render_page
from vlfeedback.reports.provenance import describe_provenance
from vlfeedback.reports.published import MEAN

__all__ = ["html_page", "markdown_table"]

_EXAMPLES = 8  # missing runs that are named for each reason
_NOT_BEATEN = "does not beat cloning"
_SMALL = 10.0  # returns below this are printed with two decimals


def markdown_table(results: Mapping[str, Any]) -> str:
    """The table and what is to be said of it, in Markdown.

    Args:
        results: of `vlfeedback.sweeps.results.summarise_sweep`, or read from its JSON.
    """
    header = _header(results)
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2), *_table(results)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, *_notes(results), describe_provenance(results, quote="`")]) + "\n"


def html_page(results: Mapping[str, Any]) -> str:
    """Everything on one page that needs no other file.

    Args:
        results: of `vlfeedback.sweeps.results.summarise_sweep`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    rows: list[dict[str, Any]] = []
    for task, *cells in _table(results):
        begins = not rows or rows[-1]["task"] != task
        rows.append({"task": task, "begins": begins, "cells": cells})
    return render_page(
        "sweep",
        title=results["name"],
        claim=results["claim"],
        head=_header(results),
        rows=rows,
        notes=list(_notes(results)),
        curves=data_uri(draw_curves(results)),
        provenance=describe_provenance(results),
    )


def _header(results: Mapping[str, Any]) -> list[str]:
    n = len(results["seeds"])
    measure = "success %" if results["metric"] == "success" else "return"
    seeds = f"{n} seed{'s' if n > 1 else ''}"
    return [
        "task",
        "source / learner",
        f"{measure}, best mean of 8 neighbouring evaluations, {seeds}",
        "its interquartile mean [95 % interval]",
        f"{measure}, mean of the last 8, {seeds}",
        "printed in the paper",
        "label accuracy %",
        "CPU hours",
    ]


def _why_missing(results: Mapping[str, Any]) -> str:
    """Missing runs by reason, some of each; results of earlier releases know none."""
    by_reason: dict[str, list[str]] = {}
    for name in results["missing"]:
        reason = results.get("why_missing", {}).get(name, "")
        by_reason.setdefault(reason.rstrip(".") or "not finished yet", []).append(name)
    return "; ".join(
        f"{', '.join(names[:_EXAMPLES])}{' ...' if names[_EXAMPLES:] else ''}: {reason}"
        for reason, names in by_reason.items()
    )


def _table(results: Mapping[str, Any]) -> Iterator[list[str]]:
    cloning, places = _cloning(results), _decimals(results)
    for task, cells in results["cells"].items():
        for compared, cell in cells.items():
            beaten = compared == cloning or _beats(cell, cells.get(cloning))
            yield [
                f"mean of {cell['of_tasks']} tasks" if task == MEAN else task,
                compared.replace("/", " / "),
                _spread(cell["best"], places)
                + _lacking(cell)
                + ("" if beaten else f", {_NOT_BEATEN}"),
                _interval(cell["best"], places),
                _spread(cell["last"], places),
                _printed(cell["paper"], places),
                "" if cell["label_accuracy"] is None else f"{100 * cell['label_accuracy']:.1f}",
                f"{cell['cpu_hours']:.2f}" if cell["cpu_hours"] else "",
            ]


def _cloning(results: Mapping[str, Any]) -> str:
    """The row that clones all data of the sweep; empty where there is none."""
    for row in results["runs"].values():
        learner = row["settings"]["learner"]
        if learner["learner"] == "bc" and not learner.get("levels"):
            return str(row["compared"])
    return ""


def _beats(cell: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    """Whether its mean is higher; True where it is not known, since not all runs are finished."""
    if other is None or _lacking(cell) or _lacking(other):
        return True
    means = cell["best"]["mean"], other["best"]["mean"]
    return None in means or means[0] > means[1]


def _decimals(results: Mapping[str, Any]) -> int:
    """Of what is printed: one, or two where returns are so small that one would hide them."""
    means = [c["best"]["mean"] for cells in results["cells"].values() for c in cells.values()]
    is_small = max((abs(mean) for mean in means if mean is not None), default=0.0) < _SMALL
    return 2 if results["metric"] == "return" and is_small else 1


def _spread(figures: Mapping[str, Any], places: int) -> str:
    if figures["mean"] is None:
        return "missing"
    spread = "" if figures["std"] is None else f" ± {figures['std']:.{places}f}"
    return f"{figures['mean']:.{places}f}{spread}"


def _interval(figures: Mapping[str, Any], places: int) -> str:
    if figures["iqm"] is None:
        return "missing"
    low, high = figures["low"], figures["high"]
    edges = "" if low is None else f" [{low:.{places}f}, {high:.{places}f}]"
    return f"{figures['iqm']:.{places}f}{edges}"


def _lacking(cell: Mapping[str, Any]) -> str:
    """How many of the seeds, or tasks, a figure covers, where it is not all."""
    if "tasks" in cell:
        n_present, n_expected, unit = cell["tasks"], cell["of_tasks"], "tasks"
    else:
        n_present, n_expected, unit = len(cell["seeds"]), cell["of_seeds"], "seeds"
    return "" if n_present == n_expected else f" ({n_present} of {n_expected} {unit})"


def _printed(paper: Mapping[str, Any] | None, places: int) -> str:
    if paper is None:
        return ""
    spread = "" if paper["std"] is None else f" ± {paper['std']:.{places}f}"
    return f"{paper['mean']:.{places}f}{spread} ({paper['table']}, {paper['column']})"


def _notes(results: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "± is the standard deviation over seeds; the interval bootstraps seeds, task by task. The "
        "best of many evaluations is optimistic, which the mean of the last ones is not. In the "
        "paper's column data, simulator version and number of seeds are the paper's."
    )
    cloning = _cloning(results)
    if cloning:
        yield (
            f'"{_NOT_BEATEN}": the mean over seeds in that column is no higher than that of '
            f"{cloning}, which imitates all data, good or bad, and reads no label and no reward."
        )
    if results["missing"]:
        yield f"Missing runs, counted nowhere: {len(results['missing'])} ({_why_missing(results)})."
    shared = sum(bool(row["same_labels_as"]) for row in results["runs"].values())
    if shared:
        yield (
            f"Runs whose labels equal another source's, pair by pair, and which share its policy: "
            f"{shared}. Training it again would give the same one."
        )
    determinism = results["determinism"]
    if determinism["compared"]:
        different = "; ".join(" and ".join(pair) for pair in determinism["different"])
        verdict = (
            f"they differ, and should not: {different}."
            if different
            else "all their evaluations are bit for bit the same."
        )
        yield f"Pairs of runs of equal labels, each trained: {determinism['compared']}; {verdict}"
