"""Reading result files, and writing their numbers and where they come from, alike on all pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vlfeedback.data.whole_files import read_json
from vlfeedback.reports.provenance import describe_hardware, describe_versions

__all__ = [
    "ROOT",
    "WEIGHTS",
    "hardware",
    "is_there",
    "load",
    "machine",
    "number",
    "percent",
    "provenance",
    "table",
]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
WEIGHTS = ROOT / "src" / "vlfeedback" / "weights"


def is_there(name: str) -> bool:
    """Whether this result file is committed."""
    return (RESULTS / f"{name}.json").is_file()


def load(name: str) -> dict[str, Any]:
    """Read one result file."""
    return read_json(RESULTS / f"{name}.json", advice="Check it out anew, or run its benchmark.")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    first, *others = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return [first, "|" + "---|" * len(head), *others]


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "-" if share is None else f"{100 * share:.1f}"


def number(value: float | None) -> str:
    """A loss or a correlation with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def hardware(result: dict[str, Any]) -> str:
    """The machine of a result, in one phrase."""
    return describe_hardware(result["hardware"])


def machine(result: dict[str, Any]) -> str:
    """The machine and the package versions of a result, in one phrase."""
    return f"{hardware(result)}; {describe_versions(result['versions'])}"


def provenance(result: dict[str, Any]) -> list[str]:
    """How an evaluation of labels was made, in one line."""
    settings = result["settings"]
    repeats = settings.get("repeats", 1)
    repeated = f", mean of {repeats} repeats on fresh clips" if repeats > 1 else ""
    return [
        f"Accuracy in % against scripted labels, {settings['pairs']} pairs of "
        f"{settings['length']}-step segments a task{repeated}, evaluation seed "
        f"{settings['seed']}. `{result['command']}`; {machine(result)}."
    ]
