"""Claim: by as many questions a pair, a graded judge in both orders orders more pairs rightly.

A simulated judge (`vlfeedback.testing.simulated_judge`) sees painted values with a known error and
likes what it is shown first. Labellers ask it over HTTP, as they would a model. Two things are
compared. Of the same pairs, how many are ordered rightly, by how many questions? And with as many
questions in all, so that who asks more about a pair asks about fewer pairs: how well does a
Bradley-Terry model of the labels rank the segments? The bias that is found is set against the one
that was planted. The labeller of single pictures, `rl-vlm-f.score`, is left out: this judge sees
values as well as it sees differences, which models do not, so it would win by construction.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
from measurement import publish
from scipy.optimize import minimize
from scipy.special import expit

from vlfeedback import make_preference_source
from vlfeedback.data.correlation import spearman
from vlfeedback.evaluation.labels import order_bias
from vlfeedback.evaluation.statistics import Estimate, paired_difference, wilson_interval
from vlfeedback.preferences.accuracy import agreement, label_accuracy
from vlfeedback.testing.chat_server import ChatServer
from vlfeedback.testing.simulated_judge import SimulatedJudge, picture_of_value
from vlfeedback.types import PreferenceLabels, SegmentBatch, SegmentPairs

NOISE, BIAS = 0.1, 0.1  # of values that are uniform in [0, 1]
LETTERS_ALONE = {"criteria": ["Which comes nearer to the goal?"], "reason": False}
LABELLERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "one question": ("rl-vlm-f.one-stage", {}),
    "one question, both orders": ("rl-vlm-f.one-stage", {"both_orders": True}),
    "two stages": ("rl-vlm-f", {}),
    "two stages, both orders": ("rl-vlm-f", {"both_orders": True}),
    "two stages, strips": ("plare", {}),
    "graded, one order": ("verifier", {**LETTERS_ALONE, "soft": True, "both_orders": False}),
    "graded, both orders": ("verifier", {**LETTERS_ALONE, "soft": True}),
}
RANKING = ("one question", "one question, both orders", "graded, one order", "graded, both orders")
AS_MANY_QUESTIONS = ("graded, both orders", "two stages, both orders")
RIDGE = 0.1  # of the Bradley-Terry model: ranks hardly depend on it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=200, help="that all are asked about")
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 200, 400, 800])
    parser.add_argument("--draws", type=int, default=20, help="of the pairs that a budget is for")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    values = rng.uniform(0, 1, args.segments)
    most = max(args.pairs, *args.budgets)
    every_pair = np.stack(np.triu_indices(args.segments, 1), axis=1)
    rows = rng.permuted(rng.choice(every_pair, size=most, replace=False), axis=1)
    judge = SimulatedJudge(noise=NOISE, position_bias=BIAS, seed=args.seed)

    compared = rows[: args.pairs]
    truth = truth_of(values, compared)
    labels, accuracy, bias = {}, {}, {}
    for name, (source, settings) in LABELLERS.items():
        n_questions, said = ask(judge, source, settings, values, compared)
        labels[name] = said
        share = wilson_interval(label_accuracy(said, truth), len(said))
        accuracy[name] = {
            "questions a pair": n_questions,
            "rightly ordered": interval(share),
            "not decided": float(np.mean(~said.answered | (said.prefer_second == 0.5))),
        }
        if not settings.get("both_orders", source == "verifier"):
            _, backwards = ask(judge, source, settings, values, compared[:, ::-1])
            found = order_bias(said, backwards)
            bias[name] = {"bias": interval(found.bias), "consistent": found.consistency.mean}
    graded, chosen = (agreement(labels[name], truth) for name in AS_MANY_QUESTIONS)
    gain = interval(paired_difference(graded, chosen))

    ranking: dict[str, Any] = {f"{budget} questions": {} for budget in args.budgets}
    for name in RANKING:
        n_questions = accuracy[name]["questions a pair"]
        n_pairs = round(max(args.budgets) / n_questions)
        if n_pairs > len(compared):
            _, more = ask(judge, *LABELLERS[name], values, rows[len(compared) : n_pairs])
            labels[name] = PreferenceLabels.concatenate([labels[name], more])
        for budget in args.budgets:
            ranking[f"{budget} questions"][name] = rank(
                values, rows, labels[name], round(budget / n_questions), args.draws, rng
            )
    publish(
        "simulated_judge",
        claim="by as many questions a pair, a graded judge in both orders orders more pairs "
        "rightly, and the bias that is found is the one that was planted",
        seed=args.seed,
        figures={
            "judge": {"noise": NOISE, "position bias": BIAS, "values": "uniform in [0, 1]"},
            "segments": args.segments,
            "pairs": args.pairs,
            "of the same pairs": accuracy,
            " less ".join(AS_MANY_QUESTIONS): gain,
            "bias for the first": {"planted": planted_bias(judge, values, compared), **bias},
            "rank correlation": ranking,
        },
    )


def ask(
    judge: SimulatedJudge,
    source: str,
    settings: Mapping[str, Any],
    values: np.ndarray,
    rows: np.ndarray,
) -> tuple[float, PreferenceLabels]:
    """Questions per pair, and labels of these pairs of segments."""
    with ChatServer(otherwise=judge) as server:
        at = {"model": "simulated", "base_url": server.url, "store": "none", "in_flight": 8}
        labeller = make_preference_source(source, **at, **settings)
        parts = [
            labeller.label(SegmentPairs(*[segments(values[side]) for side in part.T]))
            for part in np.array_split(rows, max(1, len(rows) // 50))
        ]
        return len(server.requests) / len(rows), PreferenceLabels.concatenate(parts)


def segments(values: np.ndarray) -> SegmentBatch:
    """Segments of 50 steps, each of which shows one value."""
    steps = np.arange(0, 50, 7)
    frames = np.stack([np.stack([picture_of_value(value)] * len(steps)) for value in values])
    texts = ["reach the goal"] * len(values)
    return SegmentBatch(frames=frames, frame_steps=steps, length=50, instructions=texts)


def truth_of(values: np.ndarray, rows: np.ndarray) -> PreferenceLabels:
    """Which segment has the larger value."""
    prefer_second = (values[rows[:, 1]] > values[rows[:, 0]]).astype(np.float32)
    return PreferenceLabels(prefer_second, np.ones(len(rows), np.bool_))


def planted_bias(judge: SimulatedJudge, values: np.ndarray, rows: np.ndarray) -> float:
    """Share of answers for the first beyond a half, over both orders, that is to be expected."""
    gaps = values[rows[:, 1]] - values[rows[:, 0]]
    both = judge.chance_of_second(np.concatenate([gaps, -gaps]))
    return float(0.5 - both.mean())


def rank(
    values: np.ndarray,
    rows: np.ndarray,
    labels: PreferenceLabels,
    n_pairs: int,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Spearman's correlation of fitted scores and values, over draws of so many labelled pairs."""
    found = []
    for _ in range(draws):
        drawn = rng.choice(len(labels), size=n_pairs, replace=False)
        some = labels.take(drawn)
        scores = bradley_terry(len(values), rows[drawn][some.answered], some.take(some.answered))
        found.append(spearman(scores, values, if_constant=0.0))
    return {"pairs": n_pairs, "mean": float(np.mean(found)), "worst of the draws": min(found)}


def bradley_terry(n: int, rows: np.ndarray, labels: PreferenceLabels) -> np.ndarray:
    """Scores of n segments that make the labels likeliest, soft ones included."""
    wanted = labels.prefer_second.astype(np.float64)

    def loss(scores: np.ndarray) -> tuple[float, np.ndarray]:
        gap = scores[rows[:, 1]] - scores[rows[:, 0]]
        error = expit(gap) - wanted
        gradient = RIDGE * scores
        np.add.at(gradient, rows[:, 1], error)
        np.add.at(gradient, rows[:, 0], -error)
        value = np.sum(np.logaddexp(0, gap) - wanted * gap) + 0.5 * RIDGE * np.sum(scores**2)
        return float(value), gradient

    return np.asarray(minimize(loss, np.zeros(n), jac=True, method="L-BFGS-B").x)


def interval(estimate: Estimate) -> dict[str, float]:
    """A mean and the ends of its 95 % interval."""
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


if __name__ == "__main__":
    main()
