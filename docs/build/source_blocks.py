"""What the pages say of reward sources: what there is, where weights are, what a paper prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results import number, percent

from vlfeedback.cli.listing import rows_of_rewards
from vlfeedback.reports.published import vlp_label_tables
from vlfeedback.rewards import released
from vlfeedback.tasks import VLP_TEST_TASKS

__all__ = ["SOURCE_BLOCKS"]


def reward_sources() -> str:
    """All reward sources: what each reads and returns, what it costs, and under which licence."""
    lines = [
        "| source | reads | one score a | parameters, millions | TFLOP for 1,000 pictures "
        "| licence of the weights | what it is |",
        "|---|---|---|---|---|---|---|",
    ]
    weights, _ = released.released_weights()
    for row in rows_of_rewards():
        card = weights.get(row["source"])
        reads = ", ".join(need.replace("_", " ") for need in row["needs"]) or "-"
        cost = ("-", "-", "-")
        if card is not None:
            cost = (card.parameters, f"{card.teraflops:g}", card.weights_licence)
        cells = [f"`{row['source']}`", reads, row["granularity"] or "-", *cost, row["summary"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def printed_sources() -> str:
    """What the VLP paper prints of the same sources: label accuracy and correlation."""
    paper = vlp_label_tables()
    accuracy = {**paper["baseline_label_accuracy"], "VLP": paper["label_accuracy"]}
    correlation = {**paper["baseline_correlation"], "VLP": paper["label_correlation"]}
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
    for source, card in released.released_weights()[0].items():
        for file in card.files:
            given = "" if file.setting == "pretrained" else f"{file.setting}=..."
            passed = " ".join(filter(None, [given, file.choose]))
            cells = [f"`{source}`", f"`{file.name}`", f"{file.megabytes:g}"]
            lines.append(f"| {' | '.join([*cells, f'`{passed}`', file.where])} |")
    return "\n".join(lines)


SOURCE_BLOCKS: Mapping[str, Callable[[], str]] = {
    "reward-sources": reward_sources,
    "printed-sources": printed_sources,
    "released-weights": released_weights,
}
