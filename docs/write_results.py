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

from diagnosis_blocks import DIAGNOSIS_BLOCKS

from vlfeedback.cli.listing import rows_of_rewards
from vlfeedback.evaluation.paper import PAPER
from vlfeedback.rewards.released import RELEASED
from vlfeedback.sweeps.page import markdown_table
from vlfeedback.tasks import VLP_TEST_TASKS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
WEIGHTS = ROOT / "src" / "vlfeedback" / "weights"
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "choose_a_source.md",
    ROOT / "docs" / "offline.md",
    ROOT / "docs" / "sources.md",
    WEIGHTS / "vlp.mt45.md",
    WEIGHTS / "vlp.mt50.md",
)


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
    for task in [*result["label_accuracy"], "mean"]:
        paper = percent(PAPER["label_accuracy"].get(task))
        cells = " | ".join(percent(table[name][task]) for table, name in columns)
        lines.append(f"| {task} | {paper} | {cells} |")
    return "\n".join([*lines, "", *provenance(result)])


def label_pairings() -> str:
    """Every pairing beside what needs no model, means over tasks with 95 % intervals."""
    result = load("vlp_label_accuracy")
    names = list(result["clustered_pairs"])
    lines = [
        "| pairing | " + " | ".join("ours" if n == "vlp" else n for n in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for pairing in result["intervals"]:
        cells = []
        for name in names:
            low, high = result["intervals"][pairing][name]["mean"]
            shown = percent(result[f"{pairing}_pairs"][name]["mean"])
            beaten = result["comparisons"][pairing].get(name, {}).get("mean", {}).get("beats")
            mark = " (beaten)" if beaten else ""
            cells.append(f"{shown} [{percent(low)}, {percent(high)}]{mark}")
        lines.append(f"| {pairing} | {' | '.join(cells)} |")
    note = "Beaten: by more than the 95 % interval of the paired difference."
    return "\n".join([*lines, "", note, *provenance(result)])


def label_correlation() -> str:
    """Correlation of labels with scripted labels, beside the paper's Table 5."""
    result = load("vlp_label_accuracy")
    correlation = result["correlation"]["clustered"]
    kinds = ("label_pearson", "label_pearson_both_orders", "score_pearson", "score_spearman")
    lines = [
        "| task | VLP paper, Table 5 | ours, labels as paired | ours, labels in both orders "
        "| ours, scores with returns (Pearson) | (Spearman) |",
        "|---|---|---|---|---|---|",
    ]
    for task in ["mean", *result["label_accuracy"]]:
        cells = [number(PAPER["label_correlation"].get(task))]
        cells += [number(correlation[kind]["vlp"][task]) for kind in kinds]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *provenance(result)])


def label_language() -> str:
    """Kinds of instruction beside the paper's Table 6, a row for each pool of other tasks."""
    result = load("vlp_label_accuracy")
    metrics = ("itp_accuracy", "ivp_accuracy", "ilp_loss", "average_loss")
    lines = [
        "| instruction | other tasks | ITP %, paper | ours | IVP %, paper | ours "
        "| ILP loss, paper | ours | average loss, paper | ours |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, row in result["language"].items():
        for pool in (key for key in row if not key.startswith("itp")):
            cells = []
            for metric in metrics:
                show = percent if metric.endswith("accuracy") else number
                ours = row[metric] if metric in row else row[pool][metric]
                cells += [show(PAPER["language"][kind][metric]), show(ours["mean"])]
            lines.append(f"| {kind} | {pool} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *provenance(result)])


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "-" if share is None else f"{100 * share:.1f}"


def number(value: float | None) -> str:
    """A loss or a correlation with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def provenance(result: dict[str, Any]) -> list[str]:
    """How an evaluation of labels was made, in one line."""
    settings = result["settings"]
    repeats = settings.get("repeats", 1)
    repeated = f", mean of {repeats} repeats on fresh clips" if repeats > 1 else ""
    return [
        f"Accuracy in % against scripted labels, {settings['pairs']} pairs of "
        f"{settings['length']}-step segments a task{repeated}, evaluation seed "
        f"{settings['seed']}. `{result['command']}`; {result['hardware']}; {versions(result)}."
    ]


def vlp_ablations() -> str:
    """Loss weights and size of the data, beside the paper's Tables 13 and 14."""
    result = load("vlp_ablations")
    metrics = ("itp_accuracy", "ivp_accuracy", "ilp_loss", "average_loss")
    lines = [
        "| ILP weight | IVP weight | data % | ITP %, paper | ours | IVP %, paper | ours "
        "| ILP loss, paper | ours | average loss, paper | ours |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        cells = []
        for metric in metrics:
            show = percent if metric.endswith("accuracy") else number
            cells += [show(row["paper"][metric]), show(row["ours"][metric])]
        trained = f"{row['ilp_weight']} | {row['ivp_weight']} | {100 * row['share']:.0f}"
        lines.append(f"| {trained} | {' | '.join(cells)} |")
    note = f"`{result['command']}`; {result['hardware']}; {versions(result)}."
    return "\n".join([*lines, "", note])


def ml45_accuracy() -> str:
    """Label accuracy on the ML45 split, by weights that were trained without its tasks."""
    result = load("vlp_label_accuracy_ml45")
    table, random = result["clustered_pairs"], result["random_pairs"]
    lines = [
        "| task (never trained on) | VLP paper, Table 18 | ours | prior | ours, random pairs |",
        "|---|---|---|---|---|",
    ]
    for task in [*result["label_accuracy"], "mean"]:
        paper = percent(PAPER["label_accuracy"].get("mean_ml45" if task == "mean" else task))
        cells = [table["vlp"][task], table["prior"][task], random["vlp"][task]]
        lines.append(f"| {task} | {paper} | {' | '.join(map(percent, cells))} |")
    return "\n".join([*lines, "", *provenance(result)])


def all_tasks() -> str:
    """Random pairs of all tasks by the weights trained on all of them, fresh episodes."""
    result = load("vlp_label_accuracy_all")
    accuracy = dict(result["random_pairs"]["vlp"])
    mean = accuracy.pop("mean")
    worst = sorted(accuracy, key=lambda task: accuracy[task])[:5]
    still = result["random_pairs"]["still"]["mean"]
    language = {
        kind: percent(row["itp_accuracy"]["mean"])
        for kind, row in result.get("language", {}).items()
    }
    lines = [
        "| random pairs of all 50 tasks | accuracy % |",
        "|---|---|",
        f"| mean | {percent(mean)} |",
        *(f"| lowest: {task} | {percent(accuracy[task])} |" for task in worst),
        f"| mean of preferring the stiller clip | {percent(still)} |",
        *(
            f"| pairs of the paper's kind, {kind} instructions | {x} |"
            for kind, x in language.items()
        ),
    ]
    return "\n".join([*lines, "", *provenance(result)])


def speed() -> str:
    """The compact model against the paper's network at its true size."""
    result = load("vlp_speed")
    figures = result["figures"]["cpu"]
    rate = {name: row["per_cpu_second"] for name, row in figures["segments"].items()}
    return (
        f"On one CPU thread the compact model scores {rate['vlp, pictures']:.0f} segments a second "
        f"from pictures and the paper's network, at its true size with random weights, "
        f"{rate['vlp.clip, pictures']:.2f}: "
        f"{figures['ratio from pictures']['per_cpu_second']:.0f} times as many "
        f"(`{result['command']}`; {result['hardware']['processor']}, "
        f"{result['hardware']['cores']} cores; {versions(result)})."
    )


def encoder_speed() -> str:
    """What it costs to score segments with CLIP, against the obvious loop of the same run."""
    result = load("encoder_speed")
    figures = dict(result["figures"])
    segments, preprocessing = figures.pop("segments"), figures.pop("preprocessing")
    lines = [
        "| on one CPU thread, pictures per CPU-second | the obvious loop | ours, float32 "
        "| ours, bfloat16 | ratio |",
        "|---|---|---|---|---|",
    ]
    for architecture, figure in figures.items():
        rates = [
            f"{figure['pictures'][name]['per_cpu_second']:.1f}"
            for name in ("the obvious loop", "ours, float32", "ours")
        ]
        gain = figure["ratio for each picture"]["per_cpu_second"]
        lines.append(f"| {architecture} | {' | '.join(rates)} | {gain:.1f} |")
    first = segments["CPU-seconds, first prompt (model made ready, hashed, encoded, written)"]
    again = segments["CPU-seconds, each prompt after it (hashed, read)"]
    larger = preprocessing["ratio, 480 px"]["per_cpu_second"]
    lines += [
        "",
        f"All of {result['claim'].split()[1]} segments of 50 steps with {next(iter(figures))}: "
        f"{first:.0f} CPU-seconds, {segments['ratio of all segments']:.0f} times less than the "
        f"loop's (computed from its rate above), since {segments['pictures that are encoded']:,} "
        f"pictures are encoded and not {segments['pictures the loop scores']:,}. Another prompt: "
        f"{again:.2f} CPU-seconds, {segments['ratio of a second prompt']:.0f} times less than the "
        f"first. Pictures of 480 px are prepared {larger:.1f} times as fast as by PIL, one by one. "
        f"Random weights. `{result['command']}`; {result['hardware']['processor']}, "
        f"{result['hardware']['cores']} cores; {versions(result)}.",
    ]
    return "\n".join(lines)


def offline_speed() -> str:
    """What IQL, CPL and relabelling cost, each against the other side of the same run."""
    iql, cpl, relabel = load("iql_speed"), load("cpl_speed"), load("relabel_speed")
    small, large = (iql["figures"][f"batch {n}"]["ratio"]["per_cpu_second"] for n in (64, 256))
    plain, bfloat16 = (
        cpl["figures"][name]["per_cpu_second"] for name in ("ratio", "ratio, bfloat16")
    )
    whole = [f for f in relabel["figures"].values() if isinstance(f, dict)][-1]
    growth = relabel["figures"]["peak memory, largest by smallest size"]
    lines = [
        f"On one CPU thread, in steps per CPU-second: IQL {small:.2f} times d3rlpy's at batch 64 "
        f"and {large:.2f} times at batch 256 (`{iql['command']}`); CPL {plain:.2f} times the "
        f"obvious loop, in bfloat16 {bfloat16:.2f} times (`{cpl['command']}`).",
        f"Relabelling {relabel['claim'].split()[1]} transitions of 39 numbers with three networks: "
        f"{whole['transitions per CPU-second, file to file']:,.0f} a CPU-second from file to "
        f"file, at a peak of {whole['peak memory, MB']:.0f} MB, {growth:.3f} times that of a tenth "
        f"as many (`{relabel['command']}`).",
        f"{iql['hardware']['processor']}, {iql['hardware']['cores']} cores; {versions(iql)}.",
    ]
    return "\n".join(lines)


def sweep_cartpole() -> str:
    """The table of the sweep, as its report has it."""
    result = load("sweep_cartpole")
    return markdown_table(result).strip()


def model_size() -> str:
    """One line on parameters, file size and throughput."""
    result = load("vlp_label_accuracy")
    size = (WEIGHTS / "vlp.mt45.safetensors").stat().st_size
    return (
        f"{result['parameters'] / 1e6:.2f} million parameters, {size / 1e6:.1f} MB on disk, "
        f"{result['segments_per_second']:.0f} segments of 8 pictures a second on one core "
        f"({result['hardware']})."
    )


def reward_sources() -> str:
    """All reward sources: what each reads and returns, what it costs, and under which licence."""
    lines = [
        "| source | reads | one score a | parameters, millions | TFLOP for 1,000 pictures "
        "| licence of the weights | what it is |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows_of_rewards():
        released = RELEASED.get(row["source"])
        reads = ", ".join(need.replace("_", " ") for need in row["needs"]) or "-"
        cost = ("-", "-", "-")
        if released is not None:
            cost = (released.parameters, f"{released.teraflops:g}", released.weights_licence)
        cells = [f"`{row['source']}`", reads, row["granularity"] or "-", *cost, row["summary"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def printed_sources() -> str:
    """What the VLP paper prints of the same sources: label accuracy and correlation."""
    accuracy = {**PAPER["baseline_label_accuracy"], "VLP": PAPER["label_accuracy"]}
    correlation = {**PAPER["baseline_correlation"], "VLP": PAPER["label_correlation"]}
    tasks = [*VLP_TEST_TASKS, "mean"]
    lines = ["| task | " + " | ".join(accuracy) + " |", "|---" * (len(accuracy) + 1) + "|"]
    for task in tasks:
        cells = [
            f"{percent(row[task])} / {number(correlation.get(name, {}).get(task))}"
            for name, row in accuracy.items()
        ]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    return "\n".join(lines)


def released_weights() -> str:
    """Where the weights of others come from, and how a source is given them."""
    lines = [
        "| source | file | MB, about | passed as | from |",
        "|---|---|---|---|---|",
    ]
    for released in RELEASED.values():
        for file in released.files:
            given = "" if file.setting == "pretrained" else f"{file.setting}=..."
            passed = " ".join(filter(None, [given, file.choose]))
            cells = [f"`{released.source}`", f"`{file.name}`", f"{file.megabytes:g}"]
            lines.append(f"| {' | '.join([*cells, f'`{passed}`', file.where])} |")
    return "\n".join(lines)


def versions(result: dict[str, Any]) -> str:
    """Package versions of a result, in one phrase."""
    return ", ".join(f"{name} {number}" for name, number in result["versions"].items())


BLOCKS: dict[str, Callable[[], str]] = {
    "label-accuracy": label_accuracy,
    "label-pairings": label_pairings,
    "label-correlation": label_correlation,
    "label-language": label_language,
    "ml45-accuracy": ml45_accuracy,
    "all-tasks": all_tasks,
    "vlp-speed": speed,
    "vlp-ablations": vlp_ablations,
    "model-size": model_size,
    "encoder-speed": encoder_speed,
    "offline-speed": offline_speed,
    "sweep-cartpole": sweep_cartpole,
    "reward-sources": reward_sources,
    "released-weights": released_weights,
    "printed-sources": printed_sources,
    **DIAGNOSIS_BLOCKS,
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
