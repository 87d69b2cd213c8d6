"""Reading result files, and writing their numbers, alike on all pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "WEIGHTS", "hardware", "load", "number", "percent", "provenance", "versions"]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
WEIGHTS = ROOT / "src" / "vlfeedback" / "weights"


def load(name: str) -> dict[str, Any]:
    """Read one result file."""
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "-" if share is None else f"{100 * share:.1f}"


def number(value: float | None) -> str:
    """A loss or a correlation with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def versions(result: dict[str, Any]) -> str:
    """Package versions of a result, in one phrase."""
    return ", ".join(f"{name} {number}" for name, number in result["versions"].items())


def hardware(result: dict[str, Any]) -> str:
    """The machine of a result, in one phrase: as earlier releases wrote it, or by its parts."""
    machine = result["hardware"]
    if isinstance(machine, str):
        return machine
    return f"{machine['processor']}, {machine['cores']} cores"


def provenance(result: dict[str, Any]) -> list[str]:
    """How an evaluation of labels was made, in one line."""
    settings = result["settings"]
    repeats = settings.get("repeats", 1)
    repeated = f", mean of {repeats} repeats on fresh clips" if repeats > 1 else ""
    return [
        f"Accuracy in % against scripted labels, {settings['pairs']} pairs of "
        f"{settings['length']}-step segments a task{repeated}, evaluation seed "
        f"{settings['seed']}. `{result['command']}`; {hardware(result)}; {versions(result)}."
    ]
