"""Is success in the clip? Asked of clips that end with it, and of clips that go on after it.

A clip in which the success comes is an expert's. One without any is of an episode that never
succeeds, at a few moments of it, or an expert's half-way to its success; it is long enough to be
no beginning of an episode alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.diagnosis.rests import state_half_way
from vlfeedback.evaluation.progress.scored import ScoredClips
from vlfeedback.evaluation.resampling import Bootstrap, Resampled, combine, resample_mean
from vlfeedback.types import Trajectory

__all__ = ["success_figures"]

_MOMENTS = 4  # clips of an episode that fails, evenly apart; our choice, untested
_NAMES = ("success_cut", "success_run_on", "success_rest", "run_on_loss")

_Scores = list[tuple[str, float]]  # id of the episode, score of a clip


def success_figures(
    scored: ScoredClips, bootstrap: Bootstrap
) -> dict[str, Resampled | NotApplicable]:
    """``success_cut``, ``success_run_on``, ``success_rest`` and ``run_on_loss``, see `FIGURES`.

    Args:
        scored: one source's scores.
        bootstrap: of the clips.
    """
    clips = scored.clips
    negatives = _without_success(scored)
    cut = _with_success(scored, clips.experts, goes_on=False)
    if not negatives or not cut:
        reason = f"{len(cut)} clips with success and {len(negatives)} without: nothing to tell."
        return dict.fromkeys(_NAMES, NotApplicable(reason))
    figures: dict[str, Resampled | NotApplicable] = {"success_cut": _auc(cut, negatives, bootstrap)}
    runs: Mapping[str, Sequence[Trajectory]] = {
        "success_run_on": clips.run_on,
        "success_rest": clips.experts,
    }
    for name, experts in runs.items():
        positives = _with_success(scored, experts, goes_on=True)
        if positives:
            figures[name] = _auc(positives, negatives, bootstrap)
        else:
            figures[name] = NotApplicable("No clip goes on after success.")
    run_on = figures["success_run_on"]
    figures["run_on_loss"] = run_on
    if isinstance(run_on, Resampled):
        ends = _auc(cut, negatives, bootstrap)
        figures["run_on_loss"] = combine(np.subtract, ends, run_on, n=run_on.n)
    return figures


def _with_success(scored: ScoredClips, experts: Sequence[Trajectory], *, goes_on: bool) -> _Scores:
    """Clips with a success in them: that end with it, or at every later picture."""
    found: _Scores = []
    for expert in experts:
        success = expert.first_success
        if success is None:
            continue
        steps = _pictured(scored, expert)
        seen = int(np.searchsorted(steps, success))
        still_in = int(np.searchsorted(steps, success + scored.clips.length))
        ends = steps[seen + 1 : still_in] if goes_on else steps[seen : seen + 1]
        found += [(expert.id, s) for s in _scores_at(scored, expert, ends)]
    return found


def _without_success(scored: ScoredClips) -> _Scores:
    found: _Scores = []
    for episode in scored.clips.episodes:
        steps = _pictured(scored, episode)
        if episode.level == "expert":
            if episode.first_success is None:
                continue
            ends = steps[steps < state_half_way(episode)][-1:]
        elif episode.first_success is None:
            whole = steps[steps >= scored.clips.length - 1]
            places = np.linspace(0, len(whole) - 1, min(_MOMENTS, len(whole)))
            ends = whole[np.unique(np.rint(places).astype(np.int64))]
        else:
            continue
        found += [(episode.id, s) for s in _scores_at(scored, episode, ends)]
    return found


def _pictured(scored: ScoredClips, episode: Trajectory) -> Int64[np.ndarray, " E"]:
    """Steps after which the source has something new to read, whatever it scores."""
    stride = scored.source.needs.frame_stride
    if episode.frames is None:
        return np.arange(0, len(episode), stride, dtype=np.int64)
    steps = np.asarray(episode.frames.times[episode.frames.times > 0] - 1, dtype=np.int64)
    return np.asarray(steps[steps % stride == 0])


def _scores_at(
    scored: ScoredClips, episode: Trajectory, ends: Int64[np.ndarray, " K"]
) -> Float64[np.ndarray, " K"]:
    return scored.at(episode, ends) if len(ends) else np.zeros(0)


def _auc(positives: _Scores, negatives: _Scores, bootstrap: Bootstrap) -> Resampled:
    """Share of pairs in which the clip with success scores higher, ties half."""
    ours = np.array([score for _, score in positives])
    theirs = np.array([score for _, score in negatives])
    above = 0.5 + 0.5 * np.sign(ours[:, None] - theirs[None, :])
    first = [id for id, _ in positives for _ in negatives]
    second = [id for _ in positives for id, _ in negatives]
    weights = bootstrap.pair_weights(first, second)
    return resample_mean(above.ravel(), weights, n=len(positives) + len(negatives))
