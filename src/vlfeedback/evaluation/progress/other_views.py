"""Figures of the same states seen otherwise: another camera, other colours, other light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64
from scipy.stats import rankdata

from vlfeedback.evaluation.diagnosis.inputs import probed
from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.progress.along import value_orders
from vlfeedback.evaluation.progress.figures import VIEWS
from vlfeedback.evaluation.progress.scored import ScoredClips, TaskClips
from vlfeedback.evaluation.progress.views import repainted
from vlfeedback.evaluation.resampling import Bootstrap, Resampled, resample_mean
from vlfeedback.types import Trajectory

__all__ = ["rank_agreement", "view_figures"]

_CONSTANT = 1e-9  # product of the root sums of squares, up to which a column is constant


def view_figures(scored: ScoredClips, bootstrap: Bootstrap) -> dict[str, Resampled | NotApplicable]:
    """``VIEW_order`` and ``VIEW_agreement`` of each of `VIEWS`.

    Args:
        scored: one source's scores.
        bootstrap: of the clips.
    """
    figures: dict[str, Resampled | NotApplicable] = {}
    for view in VIEWS:
        seen = _seen(scored.clips, view) if scored.source.needs.frames else {}
        if seen:
            order, agreement = _figures(scored, seen, bootstrap)
            figures |= {f"{view}_order": order, f"{view}_agreement": agreement}
        else:
            why = "There are no pictures of another camera."
            reason = NotApplicable(why if scored.source.needs.frames else "It reads no pictures.")
            figures |= {f"{view}_order": reason, f"{view}_agreement": reason}
    return figures


def _seen(clips: TaskClips, view: str) -> Mapping[Trajectory, Trajectory]:
    if view == "camera":
        return clips.other_camera
    return {t: repainted(t, view) for t in probed(clips.episodes)}


def _figures(
    scored: ScoredClips, seen: Mapping[Trajectory, Trajectory], bootstrap: Bootstrap
) -> tuple[Resampled, Resampled]:
    experts = {t: other for t, other in seen.items() if t.level == "expert"}
    orders = value_orders(scored, [*experts.values()])
    order = resample_mean(orders, bootstrap.weights([t.id for t in experts]))
    ours = [scored.along(t) for t in seen]
    others = [scored.along(t) for t in seen.values()]
    return order, rank_agreement(ours, others, bootstrap.weights([t.id for t in seen]))


def rank_agreement(
    ours: Sequence[Float64[np.ndarray, " _E"]],
    others: Sequence[Float64[np.ndarray, " _E"]],
    weights: Int64[np.ndarray, "B N"],
) -> Resampled:
    """Spearman's rank correlation of all moments of N episodes, whole episodes resampled.

    Ranks are those among all moments in every resample, which takes a hundredth of the time of
    ranking anew and leaves the value as it is. 0 where all scores are equal.

    Args:
        ours: scores of each episode.
        others: of the same moments.
        weights: how often each episode is drawn in each resample.
    """
    lengths = [len(scores) for scores in ours]
    episode = np.repeat(np.arange(len(ours)), lengths)
    x, y = (rankdata(np.concatenate(scores)) for scores in (ours, others))
    x, y = x - x.mean(), y - y.mean()
    sums = np.zeros((len(ours), 6))
    np.add.at(sums, episode, np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1))

    def correlation(totals: Float64[np.ndarray, "B 6"]) -> Float64[np.ndarray, " B"]:
        n, sum_x, sum_y, xx, yy, xy = totals.T
        spread = np.sqrt(np.maximum((xx - sum_x**2 / n) * (yy - sum_y**2 / n), 0.0))
        values = np.zeros_like(spread)
        covariance = xy - sum_x * sum_y / n
        return np.asarray(np.divide(covariance, spread, out=values, where=spread > _CONSTANT))

    value = correlation(sums.sum(axis=0, keepdims=True))
    return Resampled(float(value[0]), correlation(weights @ sums), len(ours))
