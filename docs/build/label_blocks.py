"""What the pages say of the bundled preference model: label accuracy, beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results import WEIGHTS, load, machine, number, percent, provenance, table

from vlfeedback.reports.published import vlp_label_tables

__all__ = ["LABEL_BLOCKS"]

_PAPER = vlp_label_tables()

# Of Tables 6, 13 and 14 of the VLP paper, each shown as it prints them, and beside it ours.
_METRICS: Mapping[str, Callable[[float | None], str]] = {
    "itp_accuracy": percent,
    "ivp_accuracy": percent,
    "ilp_loss": number,
    "average_loss": number,
}
_BESIDE_PAPER = [
    column
    for metric in ("ITP %", "IVP %", "ILP loss", "average loss")
    for column in (f"{metric}, paper", "ours")
]


def label_accuracy() -> str:
    """Table of label accuracies of the bundled weights on the tasks they never saw."""
    result = load("vlp_label_accuracy")
    clustered, random = result["clustered_pairs"], result["random_pairs"]
    head = ["task (never trained on)", "VLP paper, Table 15", "ours", "picture energy", "prior"]
    head += ["ours, random pairs", "picture energy, random pairs"]
    columns = [(clustered, "vlp"), (clustered, "picture-energy"), (clustered, "prior")]
    columns += [(random, "vlp"), (random, "picture-energy")]
    rows = []
    for task in [*result["label_accuracy"], "mean"]:
        paper = percent(_PAPER["label_accuracy"].get(task))
        rows.append([task, paper, *(percent(pairing[name][task]) for pairing, name in columns)])
    return "\n".join([*table(head, rows), "", *provenance(result)])


def label_pairings() -> str:
    """Every pairing beside what needs no model, means over tasks with 95 % intervals."""
    result = load("vlp_label_accuracy")
    names = list(result["clustered_pairs"])
    rows = []
    for pairing in result["intervals"]:
        cells = []
        for name in names:
            low, high = result["intervals"][pairing][name]["mean"]
            shown = percent(result[f"{pairing}_pairs"][name]["mean"])
            beaten = result["comparisons"][pairing].get(name, {}).get("mean", {}).get("beats")
            mark = " (beaten)" if beaten else ""
            cells.append(f"{shown} [{percent(low)}, {percent(high)}]{mark}")
        rows.append([pairing, *cells])
    lines = table(["pairing", *("ours" if n == "vlp" else n for n in names)], rows)
    note = "Beaten: by more than the 95 % interval of the paired difference."
    return "\n".join([*lines, "", note, *provenance(result)])


def label_correlation() -> str:
    """Correlation of labels with scripted labels, beside the paper's Table 5."""
    result = load("vlp_label_accuracy")
    correlation = result["correlation"]["clustered"]
    kinds = ("label_pearson", "label_pearson_both_orders", "score_pearson", "score_spearman")
    head = ["task", "VLP paper, Table 5", "ours, labels as paired", "ours, labels in both orders"]
    head += ["ours, scores with returns (Pearson)", "(Spearman)"]
    rows = []
    for task in ["mean", *result["label_accuracy"]]:
        cells = [number(_PAPER["label_correlation"].get(task))]
        rows.append([task, *cells, *(number(correlation[kind]["vlp"][task]) for kind in kinds)])
    return "\n".join([*table(head, rows), "", *provenance(result)])


def label_language() -> str:
    """Kinds of instruction beside the paper's Table 6, a row for each pool of other tasks."""
    result = load("vlp_label_accuracy")
    rows = []
    for kind, row in result["language"].items():
        for pool in (key for key in row if not key.startswith("itp")):
            cells = []
            for metric, show in _METRICS.items():
                ours = row[metric] if metric in row else row[pool][metric]
                cells += [show(_PAPER["language"][kind][metric]), show(ours["mean"])]
            rows.append([kind, pool, *cells])
    return "\n".join(
        [*table(["instruction", "other tasks", *_BESIDE_PAPER], rows), "", *provenance(result)]
    )


def ml45_accuracy() -> str:
    """Label accuracy on the ML45 split, by weights that were trained without its tasks."""
    result = load("vlp_label_accuracy_ml45")
    clustered, random = result["clustered_pairs"], result["random_pairs"]
    head = ["task (never trained on)", "VLP paper, Table 18", "ours", "prior", "ours, random pairs"]
    rows = []
    for task in [*result["label_accuracy"], "mean"]:
        paper = percent(_PAPER["label_accuracy"].get("mean_ml45" if task == "mean" else task))
        shares = [clustered["vlp"][task], clustered["prior"][task], random["vlp"][task]]
        rows.append([task, paper, *map(percent, shares)])
    return "\n".join([*table(head, rows), "", *provenance(result)])


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
    rows = [
        ["mean", percent(mean)],
        *([f"lowest: {task}", percent(accuracy[task])] for task in worst),
        ["mean of preferring the stiller clip", percent(still)],
        *(
            [f"{pairing}, {kind} instructions", percent(row[figure]["mean"])]
            for pairing, figure in pairings.items()
            for kind, row in language.items()
        ),
    ]
    lines = table(["random pairs of all 50 tasks", "accuracy %"], rows)
    return "\n".join([*lines, "", *provenance(result)])


def vlp_ablations() -> str:
    """Loss weights and size of the data, beside the paper's Tables 13 and 14."""
    result = load("vlp_ablations")
    rows = []
    for row in result["rows"]:
        cells = []
        for metric, show in _METRICS.items():
            cells += [show(row["paper"][metric]), show(row["ours"][metric])]
        trained = [str(row["ilp_weight"]), str(row["ivp_weight"]), f"{100 * row['share']:.0f}"]
        rows.append([*trained, *cells])
    lines = table(["ILP weight", "IVP weight", "data %", *_BESIDE_PAPER], rows)
    note = f"`{result['command']}`; {machine(result)}."
    return "\n".join([*lines, "", note])


def model_size() -> str:
    """One line on parameters and file size."""
    result = load("vlp_label_accuracy")
    size = (WEIGHTS / "vlp.mt45.safetensors").stat().st_size
    return f"{result['parameters'] / 1e6:.2f} million parameters, {size / 1e6:.1f} MB on disk."


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
