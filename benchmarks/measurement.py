"""Measures workloads side by side, and keeps what is needed to measure them again.

Workloads take turns, forwards then backwards (A B C, C B A, ...), in one process, so that a
neighbour who loads the machine slows all of them alike. Figures are medians. CPU time counts
all threads of the process and is what to compare; wall time is what a user waits for.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vlfeedback.data.provenance import describe_machine

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("vlfeedback", "gymnasium", "metaworld", "mujoco", "numpy", "torch")


def measure(workloads: Mapping[str, Callable[[], int]], *, repeats: int) -> dict[str, Any]:
    """Run each workload `repeats` times after one warm-up; a workload returns its units done.

    Returns:
        By name: median units per CPU-second and per wall second, and the list of each.
    """
    per_cpu: dict[str, list[float]] = {name: [] for name in workloads}
    per_wall: dict[str, list[float]] = {name: [] for name in workloads}
    names = list(workloads)
    for name in names:
        workloads[name]()
    for repeat in range(repeats):
        for name in names if repeat % 2 == 0 else reversed(names):
            wall, cpu = time.perf_counter(), time.process_time()
            units = workloads[name]()
            per_cpu[name].append(units / (time.process_time() - cpu))
            per_wall[name].append(units / (time.perf_counter() - wall))
    return {
        name: {
            "per_cpu_second": statistics.median(per_cpu[name]),
            "per_wall_second": statistics.median(per_wall[name]),
            "repeats_per_cpu_second": per_cpu[name],
            "repeats_per_wall_second": per_wall[name],
        }
        for name in names
    }


def ratio(figures: Mapping[str, Any], fast: str, slow: str) -> dict[str, float]:
    """How many times the work of `slow` the workload `fast` does in the same time."""
    return {
        unit: figures[fast][unit] / figures[slow][unit]
        for unit in ("per_cpu_second", "per_wall_second")
    }


def publish(
    name: str,
    *,
    claim: str,
    seed: int | None,
    figures: dict[str, Any],
    packages: Sequence[str] = PACKAGES,
    printed: bool = True,
) -> None:
    """Write the figures to ``results/<name>.json`` with how they came about, and print them."""
    result = {
        "claim": claim,
        "command": " ".join(["python", *map(_relative, sys.argv)]),
        "seed": seed,
        "figures": _rounded(figures),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "hardware": {
            **describe_machine()["hardware"],
            "load_average": os.getloadavg()[0],
            "opengl": os.environ.get("MUJOCO_GL", ""),
            "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        },
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if not printed:
        Console().print(f"Written to {_relative(str(path))}")
        return
    table = Table(title=f"{name}: {claim}", show_header=False)
    for key, value in _flat(result["figures"]):
        table.add_row(key, str(value))
    Console().print(table, f"Written to {_relative(str(path))}")


def _relative(text: str) -> str:
    path = Path(text)
    root = Path(__file__).parent.parent
    return str(path.resolve().relative_to(root)) if path.resolve().is_relative_to(root) else text


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _flat(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows = []
    for key, value in figures.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key} / ")
        elif not isinstance(value, list):
            rows.append((prefix + key, value))
    return rows
