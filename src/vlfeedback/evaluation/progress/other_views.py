"""Figures of the same states seen otherwise: another camera, other colours, other light."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vlfeedback.evaluation.correlation import spearman
from vlfeedback.evaluation.diagnosis.inputs import probed
from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.progress.along import value_orders
from vlfeedback.evaluation.progress.figures import VIEWS
from vlfeedback.evaluation.progress.scored import ScoredClips, TaskClips
from vlfeedback.evaluation.progress.views import repainted
from vlfeedback.evaluation.resampling import (
    Bootstrap,
    Resampled,
    resample_mean,
    resample_statistic,
)
from vlfeedback.types import Trajectory

__all__ = ["view_figures"]


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
    ours = [scored.along(t) for t in seen]
    others = [scored.along(t) for t in seen.values()]
    experts = {t: other for t, other in seen.items() if t.level == "expert"}
    orders = value_orders(scored, [*experts.values()])
    order = resample_mean(orders, bootstrap.weights([t.id for t in experts]))

    def agreement(rows: np.ndarray) -> float:
        drawn = (np.concatenate([scores[k] for k in rows]) for scores in (ours, others))
        return spearman(*drawn, if_constant=0.0) if len(rows) else float("nan")

    return order, resample_statistic(agreement, bootstrap.weights([t.id for t in seen]))
