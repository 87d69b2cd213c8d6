"""What the pages say of the bundled preference model: label accuracy, beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results import WEIGHTS, hardware, load, number, percent, provenance, versions

from vlfeedback.reports.vlp_paper import PAPER

__all__ = ["LABEL_BLOCKS"]


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
    language = result.get("language", {})
    pairings = {
        "random pairs": "itp_accuracy_random_pairs",
        "pairs of the paper's kind": "itp_accuracy",
    }
    lines = [
        "| random pairs of all 50 tasks | accuracy % |",
        "|---|---|",
        f"| mean | {percent(mean)} |",
        *(f"| lowest: {task} | {percent(accuracy[task])} |" for task in worst),
        f"| mean of preferring the stiller clip | {percent(still)} |",
        *(
            f"| {pairing}, {kind} instructions | {percent(row[figure]['mean'])} |"
            for pairing, figure in pairings.items()
            for kind, row in language.items()
        ),
    ]
    return "\n".join([*lines, "", *provenance(result)])


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
    note = f"`{result['command']}`; {hardware(result)}; {versions(result)}."
    return "\n".join([*lines, "", note])


def model_size() -> str:
    """One line on parameters, file size and throughput."""
    result = load("vlp_label_accuracy")
    size = (WEIGHTS / "vlp.mt45.safetensors").stat().st_size
    return (
        f"{result['parameters'] / 1e6:.2f} million parameters, {size / 1e6:.1f} MB on disk, "
        f"{result['segments_per_second']:.0f} segments of 8 pictures a second on one core "
        f"({hardware(result)})."
    )


LABEL_BLOCKS: Mapping[str, Callable[[], str]] = {
    "label-accuracy": label_accuracy,
    "label-pairings": label_pairings,
    "label-correlation": label_correlation,
    "label-language": label_language,
    "ml45-accuracy": ml45_accuracy,
    "all-tasks": all_tasks,
    "vlp-ablations": vlp_ablations,
    "model-size": model_size,
}
