"""Is an expert paid more than one who does nothing, and than one who stops half-way?

A policy learns whatever pays: a reward that rises while nothing moves teaches to rest. Each
expert's episode is set against itself with the world held still, from the reset or from half of
the way to its success, for as many steps. Nothing is acted out for it: what is shown is the last
state that was reached, as it is where nothing moves by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from vlfeedback.evaluation.diagnosis.episode_scores import episode_score, scores_of_episode
from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.resampling import Bootstrap, estimate_mean
from vlfeedback.scoring.paced import PacedSource
from vlfeedback.types import Frames, SourceNeeds, Trajectory

__all__ = ["held_still", "rest_metrics", "state_half_way", "why_no_rest"]


def rest_metrics(
    paced_source: PacedSource,
    along: Mapping[Trajectory, Float32[np.ndarray, " E"]],
    instruction: str,
    bootstrap: Bootstrap,
) -> dict[str, MetricValue]:
    """``expert_over_rest`` and ``expert_over_half``, see `METRICS`.

    Args:
        paced_source: gave the scores.
        along: each episode's scores, see `scores_of_episode`.
        instruction: the task's.
        bootstrap: draws episodes.
    """
    experts = [t for t in along if t.level == "expert"]
    names = ("expert_over_rest", "expert_over_half")
    if reason := why_no_rest(paced_source.needs, experts):
        return dict.fromkeys(names, NotApplicable(reason))

    def share(states: Mapping[Trajectory, int]) -> MetricValue:
        above = [
            0.5 + 0.5 * np.sign(whole - rest)
            for trajectory, state in states.items()
            for whole in [episode_score(paced_source, trajectory, along[trajectory])]
            for still in [held_still(trajectory, state)]
            for rest in [
                episode_score(
                    paced_source, still, scores_of_episode(paced_source, still, instruction)
                )
            ]
        ]
        return estimate_mean(np.array(above, dtype=np.float64), bootstrap.weights([*states]))

    half_way = {t: state for t in experts if (state := state_half_way(t)) > 0}
    return dict(zip(names, (share(dict.fromkeys(experts, 0)), share(half_way)), strict=True))


def held_still(trajectory: Trajectory, state: int) -> Trajectory:
    """The same episode, in which nothing moves any more from a state on.

    That state's observation and picture are repeated to the end, so is the environment's reward
    for reaching it (of the reset: for the first step), and actions are zero.

    Args:
        trajectory: an episode.
        state: 0 is the reset; at most the number of its steps. Of an episode with pictures the
            last one that was pictured up to there is held, or the first of all.
    """
    if trajectory.frames is not None:
        times = trajectory.frames.times
        newest = int(np.searchsorted(times, state, side="right")) - 1
        state = int(times[max(newest, 0)])
    steps = np.arange(len(trajectory))
    rewarded = np.minimum(steps, max(state - 1, 0))
    moves = (steps < state).reshape(-1, *(1,) * (trajectory.actions.ndim - 1))
    return replace(
        trajectory,
        observations=trajectory.observations[np.minimum(np.arange(len(steps) + 1), state)],
        actions=np.where(moves, trajectory.actions, 0).astype(trajectory.actions.dtype),
        env_rewards=_rows(trajectory.env_rewards, rewarded),
        rewards=_rows(trajectory.rewards, rewarded),
        successes=None,
        frames=None if trajectory.frames is None else _HeldFrames(trajectory.frames, state),
        id=f"{trajectory.id} held still from state {state}",
    )


def why_no_rest(needs: SourceNeeds, experts: Sequence[Trajectory]) -> str:
    """Why a source cannot be asked about episodes held still, as a sentence; "" where it can."""
    if needs.actions and any(t.actions.dtype.kind not in "fc" for t in experts):
        return "It reads actions, and which of these numbered ones does nothing is not known."
    return ""


class _HeldFrames:
    """Pictures of another's states, all of them as it was at one state."""

    def __init__(self, frames: Frames, state: int) -> None:
        self._frames = frames
        self._state = state

    @property
    def times(self) -> Int64[np.ndarray, " F"]:
        return self._frames.times

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        return self._frames.read(np.minimum(np.asarray(times, dtype=np.int64), self._state))


def state_half_way(trajectory: Trajectory) -> int:
    """The state half of the way to its success, or to its end; 0 where that is the reset."""
    success = trajectory.first_success
    return (len(trajectory) if success is None else success + 1) // 2


def _rows(
    array: Float32[np.ndarray, " L"] | None, rows: Int64[np.ndarray, " L"]
) -> Float32[np.ndarray, " L"] | None:
    return None if array is None else array[rows]
