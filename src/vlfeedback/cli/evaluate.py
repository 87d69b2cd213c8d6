"""`vlfeedback eval`: how good are the labels of a model, on fresh clips it has never seen?"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlfeedback.types import RewardSource, Trajectory

__all__ = ["eval_app", "evaluate_labels"]

eval_app = typer.Typer(no_args_is_help=True)

_LENGTH = 50  # steps of a segment (VLP paper, Table 8)
_EPISODES = 32  # a task and level, as in MTVLP
_FRESH = 10_000  # evaluation seeds begin here; collections use small ones


@eval_app.callback()
def _describe() -> None:
    """Measure how good a model's labels are."""


@eval_app.command("vlp")
def eval_vlp(
    tasks: Annotated[
        str, typer.Option(help="Comma-separated tasks; default: the paper's five test tasks.")
    ] = "",
    pairs: Annotated[int, typer.Option(min=1, help="Pairs a task and pairing.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Clips are collected anew for each seed.")] = 0,
    weights: Annotated[str, typer.Option(help="Bundled id such as vlp.mt45, or a path.")] = "",
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write all figures here.")
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(help="Keep the clips in this folder, or take them from it.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Label accuracy against scripted labels, as in Table 15 of the VLP paper.

    100 pairs of 50-step segments a task, paired across K-means clusters (the paper's protocol)
    and at random (harder), beside a trivial baseline on the same pairs.

    Example: vlfeedback eval vlp --weights vlp.mt45 --seed 3 --json figures.json
    """
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.tasks import VLP_TEST_TASKS, get_task

    names = [get_task(n.strip()).name for n in tasks.split(",")] if tasks else [*VLP_TEST_TASKS]
    model: Any = make_reward_source("vlp", **({"weights": weights} if weights else {}))
    sources = {"vlp": model, "picture-energy": make_reward_source("picture-energy")}
    with ExitStack() as stack:
        root = clips or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "clips"
        collection = _collect(root, names, seed, workers)
        rows = {
            name: evaluate_labels(collection.load(name), sources, name, n_pairs=pairs, seed=seed)
            for name in names
        }
    figures = _summarise(rows) | {
        "parameters": model.n_parameters,
        "trained_on": len(model.weights.tasks),
        "unseen_tasks": [name for name in names if name not in model.weights.tasks],
        "segments_per_second": round(_throughput(model), 1),
        "command": "vlfeedback " + " ".join(sys.argv[1:]),
        "settings": {"pairs": pairs, "length": _LENGTH, "seed": seed, "weights": weights},
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "versions": {p: version(p) for p in ("vlfeedback", "torch", "metaworld", "numpy")},
    }
    _print_table(rows, figures)
    if json_path:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def evaluate_labels(
    trajectories: Sequence[Trajectory],
    sources: dict[str, RewardSource],
    task: str,
    *,
    n_pairs: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Accuracy of each source's labels against returns, by pairing.

    Returns:
        ``{"clustered": {source: accuracy, "prior": share}, "random": ...}``. The prior is the
        accuracy of always preferring the same cluster: what the pairing itself gives away.
    """
    import numpy as np

    from vlfeedback.data.sampling import gather_pairs, sample_clustered_pairs, sample_segment_pairs
    from vlfeedback.preferences.accuracy import label_accuracy
    from vlfeedback.preferences.from_reward import PreferenceFromReward
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.tasks import get_task

    scripted = PreferenceFromReward(make_reward_source("env"))
    instruction = get_task(task).instruction
    rng = np.random.default_rng(seed)
    stride = int(np.diff(trajectories[0].frames.times[1:3])[0]) if trajectories[0].frames else 1
    result = {}
    for pairing, sample in (
        ("clustered", sample_clustered_pairs),
        ("random", sample_segment_pairs),
    ):
        pairs = sample(trajectories, n_pairs, _LENGTH, rng=rng, start_multiple=stride)
        truth = scripted.label(gather_pairs(pairs, None, needs=scripted.needs))
        accuracy = {
            name: label_accuracy(
                PreferenceFromReward(source).label(
                    gather_pairs(pairs, instruction, needs=source.needs)
                ),
                truth,
            )
            for name, source in sources.items()
        }
        share = float(np.mean(truth.prefer_second))
        result[pairing] = {**accuracy, "prior": max(share, 1.0 - share)}
    return result


def _collect(root: Path, tasks: list[str], seed: int, workers: int) -> Any:
    from vlfeedback.cli.collect import collect_shards
    from vlfeedback.data.collection import Collection

    settings = {
        "episodes": _EPISODES,
        "horizon": 150,
        "random_actions": "u01",
        "frame_stride": 7,
        "frame_size": 112,
        "seed": _FRESH + seed,
    }
    collect_shards(root, tasks, settings=settings, workers=workers)
    return Collection.open(root)


def _summarise(rows: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    def column(pairing: str, name: str) -> dict[str, float]:
        return {task: round(row[pairing][name], 4) for task, row in rows.items()}

    def mean(values: dict[str, float]) -> float:
        return round(sum(values.values()) / len(values), 4)

    accuracy = column("clustered", "vlp")
    figures: dict[str, Any] = {"mean_label_accuracy": mean(accuracy), "label_accuracy": accuracy}
    for pairing in ("clustered", "random"):
        for name in ("vlp", "picture-energy", "prior"):
            values = column(pairing, name)
            figures.setdefault(f"{pairing}_pairs", {})[name] = {"mean": mean(values), **values}
    return figures


def _throughput(model: Any) -> float:
    """Segments of 8 pictures scored per second on one core, pictures encoded anew."""
    import numpy as np
    import torch

    from vlfeedback.types import SegmentBatch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    size = model.weights.architecture.picture_size
    frames = np.random.default_rng(0).integers(0, 256, (64, 8, size, size, 3), dtype=np.uint8)
    batch = SegmentBatch(
        frames=frames, instructions=["close the drawer"] * 64, frame_steps=np.arange(0, 50, 7)
    )
    model.rewards(batch)
    start = time.process_time()
    model.rewards(batch)
    seconds = time.process_time() - start
    torch.set_num_threads(threads)
    return len(batch) / seconds


def _print_table(rows: dict[str, dict[str, dict[str, float]]], figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Label accuracy against scripted labels, %")
    table.add_column("task")
    for heading in ("VLP", "picture energy", "prior", "VLP, random pairs", "energy, random pairs"):
        table.add_column(heading, justify="right")
    columns = [("clustered", "vlp"), ("clustered", "picture-energy"), ("clustered", "prior")]
    columns += [("random", "vlp"), ("random", "picture-energy")]
    for task, row in rows.items():
        table.add_row(task, *(f"{100 * row[p][n]:.0f}" for p, n in columns))
    means = (figures[f"{p}_pairs"][n]["mean"] for p, n in columns)
    table.add_row("mean", *(f"{100 * value:.1f}" for value in means), style="bold")
    Console().print(table)
