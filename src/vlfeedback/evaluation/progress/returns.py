"""Figures of whole episodes: their order, and what idling earns beside an expert."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.diagnosis.rests import held_still, state_half_way, why_no_rest
from vlfeedback.evaluation.progress.scored import ScoredClips
from vlfeedback.evaluation.resampling import Bootstrap, Resampled, combine, resample_mean
from vlfeedback.types import Trajectory

__all__ = ["return_figures"]

_OF_RESTS = ("idle_share", "half_share", "half_between", "expert_over_rest", "expert_over_half")


def return_figures(
    scored: ScoredClips, bootstrap: Bootstrap
) -> dict[str, Resampled | NotApplicable]:
    """``episode_tau``, ``expert_over_random`` and what resting earns, see `FIGURES`.

    Args:
        scored: one source's scores.
        bootstrap: of the clips.
    """
    clips = scored.clips
    pay = {t: scored.pay(t) for t in clips.episodes}
    figures: dict[str, Resampled | NotApplicable] = {
        "episode_tau": _episode_tau(clips.episodes, pay, bootstrap),
        "expert_over_random": _separation(clips.experts, clips.of_level("random"), pay, bootstrap),
    }
    if reason := why_no_rest(scored.source.needs, clips.experts):
        return figures | dict.fromkeys(_OF_RESTS, NotApplicable(reason))
    experts = np.array([pay[t] for t in clips.experts])
    random = np.array([pay[t] for t in clips.of_level("random")])
    idle = np.array([scored.pay(held_still(t, 0)) for t in clips.experts])
    half = np.array([_half_pay(scored, t) for t in clips.experts])
    weights = bootstrap.weights([t.id for t in clips.experts])
    random_weights = bootstrap.weights([t.id for t in clips.of_level("random")])
    of_random, of_experts = resample_mean(random, random_weights), resample_mean(experts, weights)
    between = np.where(np.isnan(half), np.nan, ((idle < half) & (half < experts)).astype(float))
    return figures | {
        "idle_share": _share(resample_mean(idle, weights), of_random, of_experts),
        "half_share": _share(resample_mean(half, weights), of_random, of_experts),
        "half_between": resample_mean(between, weights),
        "expert_over_rest": resample_mean(_above(experts - idle), weights),
        "expert_over_half": resample_mean(_above(experts - half), weights),
    }


def _share(paid: Resampled, random: Resampled, expert: Resampled) -> Resampled:
    """Of the way from random to expert; NaN where the expert is not paid more, beyond chance."""
    n = random.n + expert.n
    way = combine(np.subtract, expert, random)
    if not way.estimate.low > 0:
        return Resampled(float("nan"), np.full_like(way.draws, np.nan), n)

    def share(
        paid: Float64[np.ndarray, " B"],
        random: Float64[np.ndarray, " B"],
        way: Float64[np.ndarray, " B"],
    ) -> Float64[np.ndarray, " B"]:
        shares = np.full_like(way, np.nan)
        return np.asarray(np.divide(paid - random, way, out=shares, where=way > 0))

    return combine(share, paid, random, way, n=n)


def _half_pay(scored: ScoredClips, expert: Trajectory) -> float:
    state = state_half_way(expert)
    return scored.pay(held_still(expert, state)) if state > 0 else float("nan")


def _above(lead: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    """1 where it is above 0, half for a tie; NaN stays."""
    return np.asarray(0.5 + 0.5 * np.sign(lead))


def _episode_tau(
    episodes: Sequence[Trajectory],
    pay: dict[Trajectory, float],
    bootstrap: Bootstrap,
) -> Resampled:
    """Over pairs of episodes of different return."""
    returns = {t: float(t.segment(0, len(t)).read("env_rewards").sum(dtype=float)) for t in pay}
    pairs = [(a, b) for a, b in combinations(episodes, 2) if returns[a] != returns[b]]
    signs = np.array(
        [np.sign(returns[a] - returns[b]) * np.sign(pay[a] - pay[b]) for a, b in pairs],
        dtype=np.float64,
    )
    weights = bootstrap.pair_weights([a.id for a, _ in pairs], [b.id for _, b in pairs])
    return resample_mean(signs, weights, n=len(episodes))


def _separation(
    better: list[Trajectory],
    worse: list[Trajectory],
    pay: dict[Trajectory, float],
    bootstrap: Bootstrap,
) -> Resampled:
    pairs = [(b, w) for b in better for w in worse]
    above = _above(np.array([pay[b] - pay[w] for b, w in pairs], dtype=np.float64))
    weights = bootstrap.pair_weights([b.id for b, _ in pairs], [w.id for _, w in pairs])
    return resample_mean(above, weights, n=len(better) + len(worse))
