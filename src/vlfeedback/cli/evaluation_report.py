"""What `vlfeedback eval vlp`, `labels` and `progress` draw and write: plots, pictures, figures."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlfeedback.optional import require

if TYPE_CHECKING:
    from vlfeedback.data.pairings import RankedPairs
    from vlfeedback.evaluation.labels.answers import PairAnswers
    from vlfeedback.evaluation.labels.evaluate import Inspect

__all__ = [
    "MISTAKES",
    "draw",
    "prepare",
    "show_mistakes",
    "write_comparison",
    "write_measured",
]

MISTAKES = 6
"""Pictures of wrong labels a source and task."""


def prepare(folder: Path | None, sources: Sequence[str]) -> None:
    """Check before the evaluation, not after it, that the folders for pictures can be written.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidValueError: a source's name leads out of the folder.
        OSError: a folder cannot be made.
    """
    if folder is not None:
        require("matplotlib", extra="vision", needed_by="A plot")
        _folders(folder, sources)


def draw(figures: Mapping[str, Mapping[str, Any]], folder: Path | None) -> None:
    """Draw every plot of what `evaluate_labels` returns, and say where they are.

    Args:
        figures: by source.
        folder: of one source's plots, or with a folder for each; None draws nothing.
    """
    from vlfeedback.cli.console import console
    from vlfeedback.figures.label_accuracy import draw_label_figures

    for path, source in _folders(folder, list(figures)):
        paths = draw_label_figures(figures[source], path, source=source)
        console().print(f"Drawn: {', '.join(map(str, paths))}")


def show_mistakes(folder: Path | None, sources: Sequence[str]) -> Inspect:
    """For `evaluate_labels`: draws the surest mistakes of the first repeat, some a task.

    Args:
        folder: of one source's pictures, or with a folder for each; None draws nothing.
        sources: their names.
    """

    def inspect(
        repeat: int,
        task: str,
        pairs: Mapping[str, RankedPairs],
        answers: Mapping[str, PairAnswers],
    ) -> None:
        from vlfeedback.evaluation.labels.failures import surest_mistakes
        from vlfeedback.reports.label_mistakes import write_mistake_sheets

        for path, source in _folders(folder if repeat == 0 else None, sources):
            mistakes = surest_mistakes(pairs, answers, source, at_most=MISTAKES)
            write_mistake_sheets(mistakes, task, path)

    return inspect


def _folders(folder: Path | None, sources: Sequence[str]) -> list[tuple[Path, str]]:
    """The output folder of each source."""
    from vlfeedback.data.foreign_files import path_inside

    if folder is None:
        return []
    if len(sources) == 1:
        folders = [(folder, source) for source in sources]
    else:
        folders = [(path_inside(folder, s, where="A source's name"), s) for s in sources]
    for path, _ in folders:
        path.mkdir(parents=True, exist_ok=True)
    return folders


def write_comparison(
    path: Path, figures: Mapping[str, Mapping[str, Any]], sources: Mapping[str, Any]
) -> None:
    """Write what `evaluate_labels` returns of these sources, and on which machine it was."""
    write_measured(path, {"sources": figures}, sources)


def write_measured(path: Path, figures: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    """Write figures whose ``sources`` are by name, what these are, and on which machine it was.

    Args:
        path: of a JSON file.
        figures: of sources, and of rules that stand beside them.
        sources: those that are more than a rule, by name.
    """
    from vlfeedback.data.provenance import describe_machine
    from vlfeedback.data.whole_files import write_json
    from vlfeedback.types import class_and_settings

    results = dict(figures["sources"])
    for name, source in sources.items():
        source_class, settings = class_and_settings(source)
        results[name] = {"class": source_class, "settings": settings, **results.get(name, {})}
    command = "vlfeedback " + " ".join(sys.argv[1:])
    write_json(path, {**figures, "sources": results, "command": command, **describe_machine()})
