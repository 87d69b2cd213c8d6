"""Write the measured figures into README.md and the model card, from benchmarks/results/*.json.

Run it after a benchmark: `.venv/bin/python docs/write_results.py`. With `--check` it only says
whether a page is out of date. A figure never enters a page by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "src" / "vlfeedback" / "weights" / "vlp.mt45.md")

# VLP paper (Liu et al. 2025), Table 15, label accuracy of the paper's own model, %.
PAPER = {
    "button-press": 93.0,
    "door-close": 100.0,
    "drawer-close": 96.0,
    "faucet-close": 100.0,
    "window-open": 98.0,
}


def load(name: str) -> dict[str, Any]:
    """Read one result file."""
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def label_accuracy() -> str:
    """Table of label accuracies of the bundled weights on the tasks they never saw."""
    result = load("vlp_label_accuracy")
    clustered, random = result["clustered_pairs"], result["random_pairs"]
    lines = [
        "| task (never trained on) | VLP paper, Table 15 | ours | picture energy | prior "
        "| ours, random pairs | picture energy, random pairs |",
        "|---|---|---|---|---|---|---|",
    ]
    columns = [(clustered, "vlp"), (clustered, "picture-energy"), (clustered, "prior")]
    columns += [(random, "vlp"), (random, "picture-energy")]
    for task in [*PAPER, "mean"]:
        paper = PAPER.get(task, sum(PAPER.values()) / len(PAPER))
        cells = " | ".join(f"{100 * table[name][task]:.1f}" for table, name in columns)
        lines.append(f"| {task} | {paper:.1f} | {cells} |")
    settings = result["settings"]
    lines.append("")
    lines.append(
        f"Accuracy in % against scripted labels, {settings['pairs']} pairs of "
        f"{settings['length']}-step segments a task, evaluation seed {settings['seed']}. "
        f"`{result['command']}`; {result['hardware']}; {versions(result)}."
    )
    return "\n".join(lines)


def model_size() -> str:
    """One line on parameters, file size and throughput."""
    result = load("vlp_label_accuracy")
    size = (ROOT / "src/vlfeedback/weights/vlp.mt45.safetensors").stat().st_size
    return (
        f"{result['parameters'] / 1e6:.2f} million parameters, {size / 1e6:.1f} MB on disk, "
        f"{result['segments_per_second']:.0f} segments of 8 pictures a second on one core "
        f"({result['hardware']})."
    )


def versions(result: dict[str, Any]) -> str:
    """Package versions of a result, in one phrase."""
    return ", ".join(f"{name} {number}" for name, number in result["versions"].items())


BLOCKS: dict[str, Callable[[], str]] = {
    "label-accuracy": label_accuracy,
    "model-size": model_size,
}


def rewrite(page: str) -> str:
    """Fill every `<!-- results:NAME -->` ... `<!-- end -->` block of a page."""

    def fill(match: re.Match[str]) -> str:
        return f"<!-- results:{match[1]} -->\n{BLOCKS[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- results:([a-z-]+) -->\n.*?<!-- end -->", fill, page, flags=re.DOTALL)


def main() -> int:
    """Rewrite or check all pages; the exit status is 1 where --check finds an old figure."""
    stale = []
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        new = rewrite(old)
        if new != old:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    for name in stale:
        print(f"{name}: figures {'are out of date' if '--check' in sys.argv else 'rewritten'}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
