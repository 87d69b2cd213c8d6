"""Batches of several runs at once: data of all runs in one place, each drawn in its own order.

What a run's learner reads is scaled once and laid end to end with that of the others. Which rows
make the next batches is drawn ahead by each run's own buffer, as it would be for that run alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlfeedback.errors import ShapeError
from vlfeedback.offline.policy_impl import RunLearner
from vlfeedback.offline.preference_buffer import PreferenceBuffer
from vlfeedback.offline.preference_learner import PairTensors
from vlfeedback.offline.transition_buffer import TransitionBuffer

__all__ = ["StackedPairs", "StackedTransitions"]

_AHEAD = 200  # steps whose rows are drawn, and sent to the device, at once
_PAIRS_AHEAD = 20  # a step of pairs has a hundred times as many rows


class StackedTransitions:
    """Transitions of R runs, B of each a step.

    Args:
        learners: one a run, whose scalers are fitted.
        buffers: likewise.
        batch_size: B.
    """

    def __init__(
        self, learners: Sequence[RunLearner], buffers: Sequence[TransitionBuffer], batch_size: int
    ) -> None:
        self._buffers, self._batch_size = buffers, batch_size
        parts = [
            learner.tensors(buffer.batch(np.arange(len(buffer))))
            for learner, buffer in zip(learners, buffers, strict=True)
        ]
        self._kind: Any = type(parts[0])
        self._columns = [torch.cat([rows[0] for rows in column]) for column in zip(*parts)]  # noqa: B905
        self._first = np.cumsum([0] + [len(buffer) for buffer in buffers[:-1]])[:, None]

    def batches(self, n_steps: int) -> Iterator[tuple[Tensor, ...]]:
        """The batches of the next steps, (R, B, ...) each, as the learners' ``tensors`` are."""
        for done in range(0, n_steps, _AHEAD):
            drawn = [
                [buffer.draw(self._batch_size) for buffer in self._buffers]
                for _ in range(min(_AHEAD, n_steps - done))
            ]
            device = self._columns[0].device
            for rows in torch.from_numpy(np.array(drawn) + self._first).to(device):
                yield self._kind(*(_take(column, rows) for column in self._columns))


class StackedPairs:
    """Labelled pairs of R runs, B of each a step; fewer count at the end of a run's pass.

    Args:
        learners: one a run, whose scalers are fitted.
        buffers: likewise.
        batch_size: B.
        equal: every batch has space for B pairs, for steps that are recorded once; else for as
            many as the longest run has in it.

    Raises:
        ShapeError: segments differ in length.
    """

    def __init__(
        self,
        learners: Sequence[RunLearner],
        buffers: Sequence[PreferenceBuffer],
        batch_size: int,
        *,
        equal: bool = False,
    ) -> None:
        self._buffers, self._batch_size, self._equal = buffers, batch_size, equal
        lengths = sorted({buffer.length for buffer in buffers})
        if len(lengths) > 1:
            raise ShapeError(
                f"Segments have {lengths[0]} steps in one run and {lengths[-1]} in another; runs "
                "that are trained together have them alike. Train them apart."
            )
        self._length = lengths[0]
        parts: list[PairTensors] = [
            learner.tensors(buffer.everything())
            for learner, buffer in zip(learners, buffers, strict=True)
        ]
        self._observations = torch.cat([part.observations[0] for part in parts])
        self._actions = torch.cat([part.actions[0] for part in parts])
        self._prefer_second = torch.cat([part.prefer_second[0] for part in parts])
        self._acted = torch.cat([part.acted[0] for part in parts])
        self._first_pairs = np.cumsum([0] + [len(buffer) for buffer in buffers[:-1]])
        self._first_rows = np.cumsum([0] + [part.actions.shape[1] for part in parts[:-1]])

    def batches(self, n_steps: int) -> Iterator[PairTensors]:
        """The batches of the next steps."""
        for done in range(0, n_steps, _PAIRS_AHEAD):
            drawn = self._draw(min(_PAIRS_AHEAD, n_steps - done))
            sizes = drawn[2].max(axis=1)  # of each step
            on_device = (torch.from_numpy(x).to(self._actions.device) for x in drawn)
            for size, pairs, rows, n_pairs in zip(sizes, *on_device, strict=True):
                space = self._batch_size if self._equal else int(size)
                chosen, chosen_pairs = rows[:, : 2 * self._length * space], pairs[:, :space]
                yield PairTensors(
                    _take(self._observations, chosen),
                    _take(self._actions, chosen),
                    self._prefer_second[chosen_pairs],
                    self._acted[chosen],
                    self._length,
                    n_pairs,
                )

    def _draw(self, n_steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers (S, R, B) of pairs and (S, R, M) of rows, and how many of the pairs count."""
        shape = (n_steps, len(self._buffers))
        pairs = np.zeros((*shape, self._batch_size), dtype=np.int64)
        rows = np.zeros((*shape, 2 * self._length * self._batch_size), dtype=np.int64)
        n_pairs = np.zeros(shape, dtype=np.int64)
        for step in range(n_steps):
            for r, buffer in enumerate(self._buffers):
                of_pairs, of_rows = buffer.draw(self._batch_size)
                pairs[step, r, : len(of_pairs)] = of_pairs + self._first_pairs[r]
                rows[step, r, : len(of_rows)] = of_rows + self._first_rows[r]
                n_pairs[step, r] = len(of_pairs)
        return pairs, rows, n_pairs


def _take(column: Tensor, rows: Tensor) -> Tensor:
    return column.index_select(0, rows.flatten()).view(*rows.shape, -1)
