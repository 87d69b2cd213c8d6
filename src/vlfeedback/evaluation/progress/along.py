"""Figures along episodes: does the score rise with time and with the environment's reward?

Sources: value-order correlation from GVL (Ma et al. 2024, section 4), up to the first success,
         as in `vlfeedback.evaluation.diagnosis.diagnose`; Kendall's tau_a (Kendall 1938) over the
         pairs that are known to be ordered, score ties counting as neither
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from vlfeedback.data.correlation import spearman
from vlfeedback.evaluation.diagnosis.episode_curves import until_success
from vlfeedback.evaluation.diagnosis.episode_scores import played_backwards
from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.diagnosis.rests import held_still, state_half_way, why_no_rest
from vlfeedback.evaluation.progress.scored import ScoredClips
from vlfeedback.evaluation.resampling import Bootstrap, Resampled, combine, resample_mean
from vlfeedback.types import Trajectory

__all__ = ["along_figures", "kendall_tau", "value_orders"]

_ORDERED_FROM = 0.05  # share of the task's range of rewards; our choice, untested
_NO_PICTURES = NotApplicable("It reads no pictures.")


def along_figures(
    scored: ScoredClips, bootstrap: Bootstrap
) -> dict[str, Resampled | NotApplicable]:
    """``value_order``, ``moment_tau``, ``reversed_order``, ``pause_rise`` and ``pause_rises``.

    Args:
        scored: one source's scores.
        bootstrap: of the clips.
    """
    experts = scored.clips.experts
    weights = bootstrap.weights([t.id for t in experts])
    all_weights = bootstrap.weights([t.id for t in scored.clips.episodes])
    figures: dict[str, Resampled | NotApplicable] = {
        "value_order": resample_mean(value_orders(scored, experts), weights),
        "moment_tau": resample_mean(_moment_taus(scored), all_weights),
        "reversed_order": _NO_PICTURES,
    }
    if scored.source.needs.frames:
        backwards = [_backwards(scored, t) for t in experts]
        figures["reversed_order"] = resample_mean(value_orders(scored, backwards), weights)
    if reason := why_no_rest(scored.source.needs, experts):
        return figures | dict.fromkeys(("pause_rise", "pause_rises"), NotApplicable(reason))
    rises = np.array([_rises(scored, t) for t in experts])
    in_pause, to_success = (resample_mean(column, weights) for column in rises.T)
    figures["pause_rise"] = combine(
        lambda pause, rise: np.divide(pause, rise, out=np.full_like(rise, np.nan), where=rise > 0),
        in_pause,
        to_success,
        n=in_pause.n,
    )
    above = np.where(np.isnan(rises[:, 0]), np.nan, (rises[:, 0] > 0).astype(np.float64))
    figures["pause_rises"] = resample_mean(above, weights)
    return figures


def value_orders(scored: ScoredClips, episodes: list[Trajectory]) -> Float64[np.ndarray, " N"]:
    """Rank correlation of score and time up to success; 0 for constant scores.

    NaN of one that succeeds at once.
    """
    orders = []
    for episode in episodes:
        steps = scored.steps(episode)
        before = until_success(episode, steps)
        time = steps[before].astype(np.float64)
        orders.append(spearman(scored.along(episode)[before], time, if_constant=0.0))
    return np.array(orders, dtype=np.float64)


def kendall_tau(
    scores: Float64[np.ndarray, " N"], truth: Float64[np.ndarray, " N"], *, apart: float = 0.0
) -> float:
    """Concordant minus discordant pairs over all pairs whose truth differs.

    Args:
        scores: of N things; pairs of equal scores are neither concordant nor discordant.
        truth: of each.
        apart: pairs whose truth differs by less have no order.

    Returns:
        In [-1, 1]; NaN where no pair has an order.

    >>> kendall_tau(np.array([1.0, 3.0, 2.0]), np.array([0.0, 1.0, 2.0]))
    0.3333333333333333
    """
    first, second = np.triu_indices(len(scores), k=1)
    gap = truth[second] - truth[first]
    ordered = (np.abs(gap) >= apart) & (gap != 0)
    if not ordered.any():
        return float("nan")
    agreement = np.sign(gap) * np.sign(scores[second] - scores[first])
    return float(agreement[ordered].mean())


def _moment_taus(scored: ScoredClips) -> Float64[np.ndarray, " N"]:
    episodes = scored.clips.episodes
    rewards = [t.segment(0, len(t)).read("env_rewards") for t in episodes]
    spread = max(r.max() for r in rewards) - min(r.min() for r in rewards)
    taus = [
        kendall_tau(
            scored.along(t),
            r[scored.steps(t)].astype(np.float64),
            apart=_ORDERED_FROM * float(spread),
        )
        for t, r in zip(episodes, rewards, strict=True)
    ]
    return np.array(taus, dtype=np.float64)


def _backwards(scored: ScoredClips, episode: Trajectory) -> Trajectory:
    """An expert's pictures up to its success, in reverse order."""
    steps = scored.steps(episode)
    return played_backwards(episode, int(steps[until_success(episode, steps)][-1]))


def _rises(scored: ScoredClips, episode: Trajectory) -> tuple[float, float]:
    """By how much the score rises in a pause half-way, and up to success; NaN where there is none.

    The pause begins at a picture, as all of it shows that picture.
    """
    state, success = state_half_way(episode), episode.first_success
    steps = scored.steps(episode)
    begin = int(np.searchsorted(steps, state - 1, side="right")) - 1
    if success is None or begin < 0:
        return float("nan"), float("nan")
    still = scored.along(held_still(episode, state))
    end = int(np.searchsorted(steps, steps[begin] + scored.clips.length, side="right")) - 1
    whole = scored.along(episode)
    done = min(int(np.searchsorted(steps, success)), len(steps) - 1)
    return float(still[end] - still[begin]), float(whole[done] - whole[0])
