"""The report of a sweep: one table, as Markdown and on a page of HTML with the curves in it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from string import Template
from typing import Any

from vlfeedback.figures.inline_picture import data_uri
from vlfeedback.reports.learning_curves import draw_curves
from vlfeedback.reports.published import MEAN

__all__ = ["html_page", "markdown_table"]


def markdown_table(results: Mapping[str, Any]) -> str:
    """The table and what is to be said of it, in Markdown.

    Args:
        results: of `vlfeedback.sweeps.results.summarise_sweep`, or read from its JSON.
    """
    header = _header(results)
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2), *_table(results)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, *_notes(results)]) + "\n"


def html_page(results: Mapping[str, Any]) -> str:
    """Everything on one page that needs no other file.

    Args:
        results: of `vlfeedback.sweeps.results.summarise_sweep`.
    """
    head = "".join(f"<th>{html.escape(text)}</th>" for text in _header(results))
    previous, rows = "", []
    for task, *cells in _table(results):
        first = "" if task == previous else ' class="first"'
        name = "" if task == previous else html.escape(task)
        body = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr{first}><th>{name}</th>{body}</tr>")
        previous = task
    return _PAGE.substitute(
        title=html.escape(results["name"]),
        claim=html.escape(results["claim"]),
        head=head,
        rows="\n".join(rows),
        notes="\n".join(f"<p>{html.escape(note)}</p>" for note in _notes(results)),
        curves=data_uri(draw_curves(results)),
    )


def _header(results: Mapping[str, Any]) -> list[str]:
    n = len(results["seeds"])
    what = "success %" if results["metric"] == "success" else "return"
    seeds = f"{n} seed{'s' if n > 1 else ''}"
    return [
        "task",
        "source / learner",
        f"{what}, best mean of 8 neighbouring evaluations, {seeds}",
        "its interquartile mean [95 % interval]",
        f"{what}, mean of the last 8, {seeds}",
        "printed in the paper",
        "label accuracy %",
        "CPU hours",
    ]


def _table(results: Mapping[str, Any]) -> Iterator[list[str]]:
    for task, cells in results["cells"].items():
        for compared, cell in cells.items():
            yield [
                f"mean of {cell['of_tasks']} tasks" if task == MEAN else task,
                compared.replace("/", " / "),
                _spread(cell["best"]) + _lacking(cell),
                _interval(cell["best"]),
                _spread(cell["last"]),
                _printed(cell["paper"]),
                "" if cell["label_accuracy"] is None else f"{100 * cell['label_accuracy']:.1f}",
                f"{cell['cpu_hours']:.2f}" if cell["cpu_hours"] else "",
            ]


def _spread(figures: Mapping[str, Any]) -> str:
    if figures["mean"] is None:
        return "missing"
    spread = "" if figures["std"] is None else f" ± {figures['std']:.1f}"
    return f"{figures['mean']:.1f}{spread}"


def _interval(figures: Mapping[str, Any]) -> str:
    if figures["iqm"] is None:
        return "missing"
    edges = "" if figures["low"] is None else f" [{figures['low']:.1f}, {figures['high']:.1f}]"
    return f"{figures['iqm']:.1f}{edges}"


def _lacking(cell: Mapping[str, Any]) -> str:
    """How many seeds, or tasks, a figure rests on, where it is not all."""
    if "tasks" in cell:
        some, every, unit = cell["tasks"], cell["of_tasks"], "tasks"
    else:
        some, every, unit = len(cell["seeds"]), cell["of_seeds"], "seeds"
    return "" if some == every else f" ({some} of {every} {unit})"


def _printed(paper: Mapping[str, Any] | None) -> str:
    if paper is None:
        return ""
    spread = "" if paper["std"] is None else f" ± {paper['std']:.1f}"
    return f"{paper['mean']:.1f}{spread} ({paper['table']}, {paper['column']})"


def _notes(results: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "± is the standard deviation over seeds; the interval bootstraps seeds, task by task. The "
        "best of many evaluations is optimistic, which the mean of the last ones is not. In the "
        "paper's column data, simulator version and number of seeds are the paper's."
    )
    if results["missing"]:
        shown = ", ".join(results["missing"][:8]) + (" ..." if results["missing"][8:] else "")
        yield f"Missing runs, counted nowhere: {len(results['missing'])} ({shown})."
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
    yield " ".join(_provenance(results))


def _provenance(results: Mapping[str, Any]) -> Iterator[str]:
    yield f"`{results['command']}`;"
    if results["hardware"]:
        yield f"{results['hardware']['processor']}, {results['hardware']['cores']} cores;"
    if results["versions"]:
        yield ", ".join(f"{name} {number}" for name, number in results["versions"].items()) + ";"
    commits = [commit[:10] + commit[40:] for commit in results["commits"]]
    yield f"commit {', '.join(commits)}." if commits else "no commit."


_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 15px/1.4 sans-serif; margin: 2em; color: #222; }
table { border-collapse: collapse; }
th, td { padding: .1em .8em; text-align: left; vertical-align: top; }
td + td { text-align: right; }
.first { border-top: 1px solid #ccc; }
img { max-width: 100%; }
</style>
<h1>$title</h1>
<p>$claim</p>
<table>
<tr>$head</tr>
$rows
</table>
$notes
<h2>Learning curves</h2>
<p>Means over seeds of each evaluation, with one standard deviation; dotted: the paper's result.</p>
<img src="$curves" alt="Learning curves of every task">
</html>
""")
