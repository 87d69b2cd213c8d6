"""What the pages say of cascades: accuracy by the number of answers that cost something."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results import load, machine, percent, table

__all__ = ["CASCADE_BLOCKS"]

_WAYS = {
    "least sure first": "where the model is least sure",
    "at random": "about pairs at random",
    "oracle only": "at random, the other pairs without a label",
}


def cascade() -> str:
    """Accuracies of three ways to spend answers of an oracle, and how many each of them needs."""
    result = load("cascade")
    figures = result["figures"]
    n = figures["pairs of each task"]
    by_answers = figures["accuracy by answers of the oracle for each task"]
    rows = [[answers, *(percent(row[way]) for way in _WAYS)] for answers, row in by_answers.items()]
    lines = table([f"of {n} pairs a task, the oracle is asked about", *_WAYS.values()], rows)
    needed = figures["answers of the oracle, for all tasks, that reach an accuracy"]
    n_tasks = len(figures["by task"])
    words = "; ".join(
        f"{100 * float(accuracy):g} % take {row['least sure first']:,} of {n * n_tasks:,} answers "
        f"where the model is least sure, {row['at random']:,} at random"
        for accuracy, row in needed.items()
    )
    sure = figures["sure from"]["0.9"]
    error = figures["calibration error"]
    return "\n".join(
        [
            *lines,
            "",
            f"Accuracy in %, mean of {n_tasks} tasks. {words}. Of the model's answers that are "
            f"sure from 0.9, {percent(sure['accuracy of what stays'])} % are right, and "
            f"{percent(sure['goes on'])} % of the pairs go on. Its calibration error is "
            f"{percent(error['as it is'])} points, and after a temperature, fitted to 50 pairs a "
            f"task, {percent(error['after a temperature'])} on the other pairs. "
            f"`{result['command']}`; {machine(result)}.",
        ]
    )


CASCADE_BLOCKS: Mapping[str, Callable[[], str]] = {"cascade": cascade}
"""By the name that a page calls them."""
