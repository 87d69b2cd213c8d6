"""Claim: an expensive labeller is worth more where the bundled model is least sure.

More than on pairs drawn at random, on the five tasks that the model, `vlp.mt45`, never saw. It
labels pairs drawn at random from all levels; the expensive labeller is an oracle, which reads the
environment's reward and is right where there is an order. Clips are those of
`vlfeedback collect --protocol vlp --seed 1`, and are collected where they are not there.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measurement import publish

from vlfeedback import label_pairs, make_preference_source
from vlfeedback.collecting import collect, complete_settings
from vlfeedback.data.calibration import expected_calibration_error, reliability_bins
from vlfeedback.data.collection import Collection
from vlfeedback.data.recalibration import fit_temperature
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.evaluation.labels.cost_curve import CostCurve, cost_curve
from vlfeedback.preferences.accuracy import label_accuracy
from vlfeedback.protocols import get_protocol
from vlfeedback.tasks import VLP_TEST_TASKS, get_task, task_seed
from vlfeedback.types import PreferenceLabels

LEVELS = ("expert", "medium", "random")
LENGTH, START_MULTIPLE = 50, 7  # steps of a segment, and between pictures
CALIBRATION_PAIRS = 50  # as a cascade draws by default
SURE_FROM = (0.8, 0.9, 0.95)
ACCURACIES = (0.9, 0.95, 0.99)
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # of the pairs that the oracle is asked about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("outputs/vlp-test"))
    parser.add_argument("--pairs", type=int, default=400, help="of each task")
    parser.add_argument("--seed", type=int, default=0, help="of the pairs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="that collect")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.clips.exists():
        tasks = [get_task(name) for name in VLP_TEST_TASKS]
        settings = complete_settings(tasks, {**get_protocol("vlp").collecting, "seed": 1})
        collect(args.clips, tasks, settings=settings, workers=args.workers, levels=LEVELS)
    labels = {task: label(args.clips, task, args.pairs, args.seed) for task in VLP_TEST_TASKS}
    curves = {task: cost_curve(*three, seed=args.seed) for task, three in labels.items()}
    publish(
        "cascade",
        claim="an oracle's answers are worth more where the bundled model is least sure than on "
        "pairs drawn at random",
        seed=args.seed,
        figures={
            "pairs of each task": args.pairs,
            "accuracy by answers of the oracle for each task": {
                str(round(share * args.pairs)): row(list(curves.values()), share)
                for share in SHARES
            },
            "answers of the oracle, for all tasks, that reach an accuracy": {
                str(accuracy): needed(list(curves.values()), accuracy) for accuracy in ACCURACIES
            },
            "by task": {task: by_task(*labels[task], curves[task]) for task in labels},
            "calibration error": calibration(list(labels.values()), args.seed),
            "sure from": {
                str(sure_from): sure(list(labels.values()), sure_from) for sure_from in SURE_FROM
            },
        },
    )


Labels = tuple[PreferenceLabels, PreferenceLabels, PreferenceLabels]  # cheap, expensive, true


def label(clips: Path, task: str, n_pairs: int, seed: int) -> Labels:
    """Labels of the model and of the oracle, and the truth, which is the oracle's."""
    trajectories = Collection.open(clips).load(task, LEVELS)
    rng = np.random.default_rng([seed, task_seed(task)])
    pairs = sample_segment_pairs(
        trajectories, n_pairs, LENGTH, rng=rng, start_multiple=START_MULTIPLE
    )
    model = make_preference_source("vlp.mt45", soft=True)
    cheap = label_pairs(pairs, model, instruction=get_task(task).instruction).labels
    truth = label_pairs(pairs, "teacher").labels
    print(f"{task}: {label_accuracy(cheap, truth):.3f}", flush=True)
    return cheap, truth, truth


def row(curves: list[CostCurve], share: float) -> dict[str, float]:
    """Mean accuracies over the tasks where the oracle is asked about this share of the pairs."""
    return {
        "least sure first": mean_at([c.least_sure_first for c in curves], share),
        "at random": mean_at([c.at_random for c in curves], share),
        "oracle only": mean_at([c.expensive_only for c in curves], share),
    }


def mean_at(curves: list[np.ndarray], share: float) -> float:
    return float(np.mean([curve[round(share * (len(curve) - 1))] for curve in curves]))


def needed(curves: list[CostCurve], accuracy: float) -> dict[str, int | None]:
    """Answers for all tasks together, as many of each, that bring the mean to this accuracy."""
    mean = CostCurve(
        *(
            np.mean([getattr(curve, name) for curve in curves], axis=0)
            for name in ("least_sure_first", "at_random", "expensive_only")
        )
    )
    names = ("least sure first", "at random", "oracle only")
    counts = mean.answers_for(accuracy)
    return {n: k if k is None else k * len(curves) for n, k in zip(names, counts, strict=True)}


def by_task(
    cheap: PreferenceLabels, expensive: PreferenceLabels, truth: PreferenceLabels, curve: CostCurve
) -> dict[str, Any]:
    return {
        "pairs with an order": int(np.sum(truth.prefer_second != 0.5)),
        "accuracy of the model": label_accuracy(cheap, truth),
        "a tenth to the oracle, least sure first": mean_at([curve.least_sure_first], 0.1),
        "a tenth to the oracle, at random": mean_at([curve.at_random], 0.1),
        "half to the oracle, least sure first": mean_at([curve.least_sure_first], 0.5),
        "half to the oracle, at random": mean_at([curve.at_random], 0.5),
    }


def calibration(labels: list[Labels], seed: int) -> dict[str, float]:
    """On the pairs that no correction was fitted to: before one, and after."""
    rng = np.random.default_rng(seed)
    before, after, true = [], [], []
    for cheap, _, truth in labels:
        fitted, rest = np.split(rng.permutation(len(truth)), [CALIBRATION_PAIRS])
        correct = fit_temperature(cheap.prefer_second[fitted], truth.prefer_second[fitted])
        before.append(cheap.prefer_second[rest])
        after.append(correct(cheap.prefer_second[rest]))
        true.append(truth.prefer_second[rest])
    all_true = np.concatenate(true)
    return {
        name: expected_calibration_error(reliability_bins(np.concatenate(p), all_true))
        for name, p in (("as it is", before), ("after a temperature", after))
    }


def sure(labels: list[Labels], sure_from: float) -> dict[str, float]:
    """What a threshold does: the share that goes on, and how right the model is on the rest."""
    goes_on, kept_right, n_kept = [], 0.0, 0
    for cheap, _, truth in labels:
        kept = cheap.confidence >= sure_from
        goes_on.append(1 - kept.mean())
        n = int(np.sum(truth.prefer_second[kept] != 0.5))
        if n:
            kept_right += n * label_accuracy(cheap.take(kept), truth.take(kept))
            n_kept += n
    return {
        "goes on": float(np.mean(goes_on)),
        "accuracy of what stays": kept_right / max(n_kept, 1),
    }


if __name__ == "__main__":
    main()
