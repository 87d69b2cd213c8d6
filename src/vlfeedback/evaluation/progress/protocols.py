"""The pairings of labels on clips that were made in several ways: a figure by protocol.

Source: the pairings are those of `vlfeedback.evaluation.labels.pairings`, the first of them the VLP
        paper's (Liu et al. 2025, Table 15)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlfeedback.evaluation.bench.baselines import ColourChangeReward
from vlfeedback.evaluation.labels import evaluate_labels
from vlfeedback.evaluation.labels.sources import AnySource
from vlfeedback.evaluation.progress.clips import PROTOCOLS, FreshClips
from vlfeedback.tasks import TaskSpec, get_task
from vlfeedback.types import Report

__all__ = ["labels_by_protocol"]

_COLOUR_CHANGE = "colour-change"


def labels_by_protocol(
    sources: Mapping[str, AnySource],
    clips: FreshClips,
    tasks: Sequence[str | TaskSpec],
    *,
    n_pairs: int = 100,
    length: int = 50,
    seed: int = 0,
    report: Report | None = None,
) -> dict[str, Any]:
    """Label accuracy of every source and baseline, by pairing and `PROTOCOLS`.

    Clips that are the same in two protocols are encoded anew unless the sources remember them, as
    `vlfeedback.scoring.cached_embeddings.CachedEmbeddings` do.

    Args:
        sources: of rewards or of preferences, by name.
        clips: collected with ``protocols=True``.
        tasks: that were collected.
        n_pairs: of each task, pairing and protocol.
        length: steps of a segment. Where episodes end at success, those that are over sooner go on
            until they are as long.
        seed: of the pairs.
        report: called with ("PROTOCOL", tasks done, tasks in all, nan).

    Returns:
        ``legend``, what each protocol is; and ``accuracy``: by pairing, source and protocol
        ``mean`` over tasks, ``interval`` (Wilson's, over pairs), ``by_task``, and of what is no
        baseline ``beats_energy``: it beats picture energy by more than the interval of the
        difference. A pairing that a protocol cannot give is left out there.

    Raises:
        NeedsError: clips were collected without protocols, or lack what a source reads.
    """
    panel = {**sources, _COLOUR_CHANGE: ColourChangeReward()}
    names = {spec.name: spec for spec in map(get_task, tasks)}
    accuracy: dict[str, dict[str, dict[str, Any]]] = {}
    for protocol in PROTOCOLS:
        figures = evaluate_labels(
            panel,
            {name: clips.load(name, protocol, least=length) for name in names},
            tasks=[*names.values()],
            n_pairs=n_pairs,
            length=length,
            seed=seed,
            report=None if report is None else _named(protocol, report),
        )
        for name, of_source in figures.items():
            for pairing in of_source["intervals"]:
                of_pairing = accuracy.setdefault(pairing, {})
                for shown in _shown(name, of_source, pairing, panel):
                    cell = _cell(of_source, pairing, shown)
                    if shown == name:
                        cell["beats_energy"] = _beats_energy(of_source, pairing)
                    of_pairing.setdefault(shown, {})[protocol] = cell
    for of_pairing in accuracy.values():  # sources first
        for name in [name for name in of_pairing if name not in sources]:
            of_pairing[name] = of_pairing.pop(name)
    legend = {name: protocol.meaning for name, protocol in PROTOCOLS.items()}
    return {"legend": legend, "accuracy": accuracy, "pairs": n_pairs, "length": length}


def _shown(
    name: str, of_source: Mapping[str, Any], pairing: str, panel: Mapping[str, Any]
) -> list[str]:
    """The source itself and the baselines that stand beside it, none of the other sources."""
    beside = of_source[f"{pairing}_pairs"]
    return [name, *(other for other in beside if other not in panel)]


def _cell(of_source: Mapping[str, Any], pairing: str, name: str) -> dict[str, Any]:
    shares = dict(of_source[f"{pairing}_pairs"][name])
    return {
        "mean": shares.pop("mean"),
        "interval": of_source["intervals"][pairing][name]["mean"],
        "by_task": shares,
    }


def _beats_energy(of_source: Mapping[str, Any], pairing: str) -> bool | None:
    """None where there is no such baseline."""
    energy = of_source["comparisons"][pairing].get("picture-energy")
    return None if energy is None else bool(energy["mean"]["beats"])


def _named(protocol: str, report: Report) -> Report:
    return lambda _, done, total, loss: report(protocol, done, total, loss)
