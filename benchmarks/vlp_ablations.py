"""Trains VLP with other loss weights and with less data: Tables 13 and 14 of the VLP paper.

Every row is `train_vlp` on the same collection, then `evaluate_labels` on the same fresh episodes
of the five test tasks. Weights and evaluations that are already in the folder are used again, so a
run that was cut off goes on; the evaluation of changed options needs a new one.

    python benchmarks/vlp_ablations.py --data mtvlp --out ablations
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vlfeedback import make_reward_source
from vlfeedback.cli.evaluation_episodes import collect_fresh, load_fresh
from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.data.collection import Collection
from vlfeedback.data.provenance import describe_machine
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.evaluation.labels import evaluate_labels
from vlfeedback.models.vlp import VLPTraining, train_vlp
from vlfeedback.reports.published import vlp_tables_of_training
from vlfeedback.tasks import VLP_TEST_TASKS

RESULT = Path(__file__).parent / "results" / "vlp_ablations.json"
METRICS = ("itp_accuracy", "ivp_accuracy", "ilp_loss", "average_loss")
TABLE_13, TABLE_14 = vlp_tables_of_training()
PAPER_WEIGHTS = (0.1, 0.5)  # of ILP and IVP


@dataclass(frozen=True)
class Row:
    """One model: how it is trained, and what the paper prints for it."""

    table: str
    ilp_weight: float
    ivp_weight: float
    share: float  # of the trajectories that are trained on
    paper: dict[str, float]

    @property
    def name(self) -> str:
        return f"ilp{self.ilp_weight}-ivp{self.ivp_weight}-share{self.share}"


# The paper's own setting is the last row of both tables; it is trained once.
ROWS = [Row("13", *weights, 1.0, figures) for weights, figures in TABLE_13.items()] + [
    Row("14", *PAPER_WEIGHTS, share, figures) for share, figures in TABLE_14.items()
]


def train(row: Row, args: argparse.Namespace) -> Path:
    """Weights of this row, trained unless they are there."""
    path: Path = args.out / f"{row.name}.safetensors"
    if not path.exists():
        settings = {f.name: getattr(args.fit, f.name) for f in fields(VLPTraining)}
        settings |= {"ilp_weight": row.ilp_weight, "ivp_weight": row.ivp_weight, "seed": args.seed}
        with LossBars() as report:
            train_vlp(
                Collection.open(args.data),
                path,
                training=VLPTraining(**settings),
                encoder=args.fit.encoder,
                share=row.share,
                device=args.fit.device,
                threads=args.fit.threads,
                report=report,
            )
    return path


def parse_fit(text: str) -> argparse.Namespace:
    """How all rows are trained, in the words of `vlfeedback fit vlp`."""
    parser = argparse.ArgumentParser(prog="--fit", description="of vlfeedback fit vlp")
    parser.add_argument("--encoder", default="")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    for field in fields(VLPTraining):
        name = field.name.replace("_", "-")
        parser.add_argument(f"--{name}", type=type(field.default), default=field.default)
    return parser.parse_args(text.split())


def evaluate(row: Row, weights: Path, args: argparse.Namespace) -> dict[str, Any]:
    """All figures of these weights on the test tasks, measured unless they are there."""
    path: Path = args.out / f"{row.name}.eval{args.eval_seed}x{args.repeats}.json"
    if not path.exists():
        root = args.evaluate.clips or args.out / "clips"
        fresh = {"seed": args.eval_seed, "repeats": args.repeats}
        episodes, pairs = args.evaluate.episodes, args.evaluate.pairs
        collect_fresh(
            root, VLP_TEST_TASKS, episodes=episodes, workers=args.evaluate.workers, **fresh
        )
        figures = evaluate_labels(
            {"vlp": make_reward_source("vlp", weights=str(weights))},
            lambda seed: load_fresh(root, VLP_TEST_TASKS, seed, others=True),
            tasks=VLP_TEST_TASKS,
            n_pairs=pairs,
            language=True,
            **fresh,
        )["vlp"]
        settings = {"tasks": VLP_TEST_TASKS, "episodes": episodes, "pairs": pairs, **fresh}
        write_json(path, {**figures, "settings": settings, **describe_machine()})
    return read_json(path, advice="Delete it to evaluate again.")


def parse_evaluate(text: str) -> argparse.Namespace:
    """How all rows are evaluated, in the words of `vlfeedback eval vlp`."""
    parser = argparse.ArgumentParser(prog="--evaluate", description="of vlfeedback eval vlp")
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--episodes", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(text.split())


def of_table_6(figures: dict[str, Any]) -> dict[str, float]:
    """The four figures of Tables 13 and 14: seen words, against the other test tasks."""
    seen = figures["language"]["seen"]
    rows = (seen[metric] if metric in seen else seen["test tasks"][metric] for metric in METRICS)
    return {metric: row["mean"] for metric, row in zip(METRICS, rows, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="made by `vlfeedback collect`")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights and clips")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--eval-seed", type=int, default=0, help="of the first repeat")
    parser.add_argument("--repeats", type=int, default=3, help="evaluations on fresh clips")
    parser.add_argument("--fit", type=parse_fit, default="", help="more options: --fit='--steps 9'")
    parser.add_argument("--evaluate", type=parse_evaluate, default="", help="the same for eval")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in ROWS:
        figures = evaluate(row, train(row, args), args)
        rows.append(
            {
                "table": row.table,
                "ilp_weight": row.ilp_weight,
                "ivp_weight": row.ivp_weight,
                "share": row.share,
                "ours": of_table_6(figures),
                "paper": row.paper,
                "language": figures["language"],
                "label_accuracy": figures["label_accuracy"],
            }
        )
    result = {
        "claim": "How the weights of ILP and IVP and the size of the data change the labels",
        "command": "python " + " ".join(["benchmarks/vlp_ablations.py", *sys.argv[1:]]),
        "seed": args.seed,
        "rows": rows,
        "settings": figures["settings"],
        "hardware": figures["hardware"],
        "versions": figures["versions"],
    }
    write_json(RESULT, result)
    show(rows)


def show(rows: list[dict[str, Any]]) -> None:
    table = Table("table", "ILP", "IVP", "data", title="Ours, and in brackets the paper's")
    for metric in METRICS:
        table.add_column(metric.replace("_", " "), justify="right")
    for row in rows:
        cells = [f"{row['ours'][m]:.3f} ({row['paper'][m]:.3f})" for m in METRICS]
        trained = (row["table"], row["ilp_weight"], row["ivp_weight"], row["share"])
        table.add_row(*map(str, trained), *cells)
    Console().print(table, f"Written to {RESULT.relative_to(RESULT.parent.parent.parent)}")


if __name__ == "__main__":
    main()
