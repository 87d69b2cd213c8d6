"""Labelled pairs of segments as a d3rlpy buffer, so that `fit` of d3rlpy trains on preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import (
    BasicTransitionPicker,
    DatasetInfo,
    Episode,
    ReplayBufferBase,
    Signature,
    Transition,
)
from jaxtyping import Float32, Int64

from vlfeedback.data.discrete import check_continuous
from vlfeedback.data.learning_checks import check_action_range, check_finite
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.offline.weight_notes import Steps
from vlfeedback.types import Segment

__all__ = ["LARGEST_ACTION", "PreferenceBatch", "PreferenceBuffer"]

LARGEST_ACTION = 1 - 1e-5
"""What a tanh can still reach."""


@dataclass(frozen=True, slots=True, eq=False)
class PreferenceBatch:
    """B pairs of segments of T steps, laid out as rows: ``(2 * pair + side) * T + step``.

    Side 0 is the first segment. It is no `TransitionMiniBatch`, so that a learner from rewards
    refuses it instead of learning from rewards that nobody gave.
    """

    observations: Float32[np.ndarray, "M D"]  # M = 2 B T
    actions: Float32[np.ndarray, "M A"]
    prefer_second: Float32[np.ndarray, " B"]  # in [0, 1]: 0 first, 1 second, 0.5 tie
    acted: Float32[np.ndarray, " M"]  # 1, or 0 where the actor rested: not to be learnt from
    length: int  # T


def _refuse(_: PreferenceBuffer) -> NoReturn:
    raise NeedsError(
        "A PreferenceBuffer holds labelled pairs of segments: it never grows, and has no whole "
        "episodes. Make a new one from a longer PreferenceDataset, or use a TransitionBuffer."
    )


class PreferenceBuffer(ReplayBufferBase):  # type: ignore[misc]
    """The answered pairs of a dataset, drawn without replacement until all have been seen.

    Observations and actions are held as float32; actions are clipped to +-(1 - 1e-5). A pass
    over N pairs ends with a short batch where N is no multiple of the batch size.

    Where trajectories know that their actor rested (`Trajectory.rests_from`), those steps are not
    learnt from: a segment is labelled with the rest that fills it, and cloned without.

    Args:
        dataset: labelled pairs whose trajectories have vectors as observations and actions.
            Unanswered pairs are never drawn; ties are.
        length: steps that are drawn from each segment, anew for every batch and with a start of
            its own for each of the two; None takes whole segments.
        scaled: the learner has an ``action_scaler``: actions may have any range, and are clipped
            when they are scaled.
        seed: of the order of pairs and of the starts.

    Raises:
        ValueError: no pair is answered, all tie, actions are discrete, or one lies outside
            [-1, 1].
        InvalidValueError: a number is NaN or infinite.
        ShapeError: segments are shorter than `length`, or no vectors.

    Source: CPL's code (clipping, passes without replacement, the short batch). It draws one start
    for a whole batch and never the last one; a start for each segment is our choice.
    """

    def __init__(
        self,
        dataset: PreferenceDataset,
        *,
        length: int | None = None,
        scaled: bool = False,
        seed: int = 0,
    ) -> None:
        dataset.check_trainable()
        answered_pairs = dataset.answered()
        self.length = answered_pairs.length if length is None else length
        if not 1 <= self.length <= answered_pairs.length:
            raise ShapeError(
                f"length={length}, but segments have {answered_pairs.length} steps; ask for 1 to "
                f"{answered_pairs.length} of them."
            )
        sides = [segment for pair in answered_pairs.pairs for segment in pair]
        check_continuous((side.trajectory for side in sides), learner="a learner from pairs")
        self._observations = _vectors(sides, "observations")
        actions = _vectors(sides, "actions")
        if not scaled:
            check_action_range([actions])
            actions = np.clip(actions, -LARGEST_ACTION, LARGEST_ACTION)
        self._actions = actions
        self._prefer_second = answered_pairs.labels.prefer_second
        self._steps = answered_pairs.length
        self._acted = np.concatenate([_acted(side) for side in sides])
        self._levels = np.array([side.trajectory.level for side in sides])
        self._rng = np.random.default_rng(seed)
        self._order = np.arange(0)

    def __len__(self) -> int:
        return len(self._prefer_second)

    def __repr__(self) -> str:
        return f"PreferenceBuffer(N={len(self)}, T={self.length})"

    def sample_transition_batch(self, batch_size: int) -> PreferenceBatch:
        """Draw the next `batch_size` pairs, or what is left of this pass."""
        pairs, rows = self.draw(batch_size)
        return self._batch(pairs, rows, self.length)

    def draw(self, batch_size: int) -> tuple[Int64[np.ndarray, " B"], Int64[np.ndarray, " M"]]:
        """Draw the next pairs, and say only which they are, and which rows of `everything`."""
        if len(self._order) == 0:
            self._order = self._rng.permutation(len(self))
        pairs, self._order = self._order[:batch_size], self._order[batch_size:]
        sides = (2 * pairs[:, None] + np.arange(2)).ravel()
        starts = self._rng.integers(self._steps - self.length + 1, size=(len(sides), 1))
        steps = starts + np.arange(self.length)
        return pairs, (sides[:, None] * self._steps + steps).ravel()

    def everything(self) -> PreferenceBatch:
        """All pairs with whole segments, in the order of the dataset."""
        return self._batch(np.arange(len(self)), np.arange(len(self._actions)), self._steps)

    def _batch(
        self, pairs: Int64[np.ndarray, " B"], rows: Int64[np.ndarray, " M"], length: int
    ) -> PreferenceBatch:
        return PreferenceBatch(
            observations=self._observations.take(rows, axis=0),
            actions=self._actions.take(rows, axis=0),
            prefer_second=self._prefer_second[pairs],
            acted=self._acted[rows],
            length=length,
        )

    def steps(self) -> Steps:
        """Every step with a next one in its segment, segment by segment."""
        has_next = np.arange(len(self._actions)) % self._steps < self._steps - 1
        return Steps(
            self._observations[has_next],
            self._actions[has_next],
            None,
            np.repeat(self._levels, self._steps - 1),
        )

    def sample_transition(self) -> Transition:
        """Give the first step, as if it led nowhere; d3rlpy reads the shapes from it."""
        observation, action = self._observations[0], self._actions[0]
        no_reward = np.zeros(1, dtype=np.float32)
        return Transition(
            observation, action, no_reward, observation, action, 0.0, 1, no_reward[:, None]
        )

    def order_state(self) -> dict[str, Any]:
        """State of the order of draws, beside the pairs."""
        return {"rng": self._rng.bit_generator.state, "order": self._order}

    def load_order_state(self, state: Mapping[str, Any]) -> None:
        """Restore the order of draws from an `order_state`."""
        self._rng.bit_generator.state = state["rng"]
        self._order = state["order"]

    @property
    def episodes(self) -> Sequence[Episode]:
        """Each segment as an episode that was cut off; d3rlpy fits scalers to them."""
        return [
            Episode(observations, actions, np.zeros((self._steps, 1), np.float32), False)
            for observations, actions in zip(
                self._observations.reshape(2 * len(self), self._steps, -1),
                self._actions.reshape(2 * len(self), self._steps, -1),
                strict=True,
            )
        ]

    def size(self) -> int:
        """Count the segments."""
        return 2 * len(self)

    @property
    def transition_count(self) -> int:
        """Steps in all segments."""
        return len(self._actions)

    @property
    def transition_picker(self) -> BasicTransitionPicker:
        """d3rlpy's rule that makes transitions of `episodes`."""
        return BasicTransitionPicker()

    @property
    def dataset_info(self) -> DatasetInfo:
        """Shapes and dtypes, for d3rlpy."""
        float32 = [np.dtype(np.float32)]
        return DatasetInfo(
            observation_signature=Signature(float32, [self._observations.shape[1:]]),
            action_signature=Signature(float32, [self._actions.shape[1:]]),
            reward_signature=Signature(float32, [(1,)]),
            action_space=ActionSpace.CONTINUOUS,
            action_size=self._actions.shape[1],
        )

    append = append_episode = clip_episode = dump = property(_refuse)
    sample_trajectory = sample_trajectory_batch = property(_refuse)
    from_episode_generator = load = buffer = trajectory_slicer = property(_refuse)


def _acted(segment: Segment) -> Float32[np.ndarray, " T"]:
    """1 for each step before the actor rests, 0 for those after."""
    rests_from = segment.trajectory.rests_from
    steps = segment.start + np.arange(segment.length)
    resting = np.zeros(segment.length, bool) if rests_from is None else steps >= rests_from
    return np.float32(1) - resting.astype(np.float32)


def _vectors(segments: Sequence[Segment], name: str) -> Float32[np.ndarray, "M D"]:
    """Rows of all segments, one after the other."""
    arrays = [segment.read(name).astype(np.float32) for segment in segments]
    rows = np.concatenate(arrays)
    if rows.ndim != 2:
        raise ShapeError(
            f"{name} have shape {rows.shape[1:]}; expected vectors (D,). Encode pictures first."
        )
    for segment, array in zip(segments, arrays, strict=True):
        where = f"Trajectory {segment.trajectory.id!r}"
        check_finite(array, name=name, where=where, first=segment.start)
    return rows
