"""Batches the VLP model is trained on: windows of several tasks, and which of two is better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.settings import VLPTraining

__all__ = ["WindowBatch", "WindowSampler"]

_RISE = 0.3  # least gain in reward rank for which an expert's window counts as going forward


@dataclass(frozen=True, slots=True, eq=False)
class WindowBatch:
    """B windows of each of K different tasks."""

    task: Int64[np.ndarray, " K"]
    tokens: Float[Tensor, "KB n P D"]
    first: Float[Tensor, "KB P D"]  # of the picture of the reset
    reward: Float[Tensor, "KB n"]  # rank of each picture's reward in its task
    prefer_second: Float[Tensor, "K B B"]  # of the windows at the last two positions
    rising: Bool[Tensor, " KB"]  # an expert's window that ends nearer success than it begins


class WindowSampler:
    """Draws batches of windows of different tasks, each of which is negative for the others.

    Args:
        episodes: of the training tasks.
        tokens: of their pictures.
        n_frames: pictures of a window.
        rng: what draws.
    """

    def __init__(
        self,
        episodes: EpisodeSet,
        tokens: Float[Tensor, "C F P D"],
        n_frames: int,
        rng: np.random.Generator,
    ) -> None:
        self._episodes, self._tokens, self._n_frames, self._rng = episodes, tokens, n_frames, rng
        n_levels = int(episodes.level.max()) + 1
        by_level = [
            [
                np.flatnonzero((episodes.task == task) & (episodes.level == level))
                for level in range(n_levels)
            ]
            for task in range(int(episodes.task.max()) + 1)
        ]
        self._members = [[rows for rows in levels if len(rows)] for levels in by_level]

    def draw(self, training: VLPTraining) -> WindowBatch:
        """Windows of all levels of some tasks.

        The better of two is the one of the better level (VLP paper, section 3.1) or the one of
        the higher return, which also orders windows of one level and of one trajectory.
        """
        rng, episodes = self._rng, self._episodes
        tasks = rng.permutation(len(self._members))[: training.batch]
        rows = np.array([self._rows(task, training.windows) for task in tasks.tolist()])
        ends = rng.integers(1, episodes.pictures.shape[1], size=rows.shape)
        pictures = episodes.window(ends, self._n_frames)
        level = episodes.level[rows]
        gap = _differences(episodes.window_return[rows, ends]) / training.label_softness
        by_return = 1.0 / (1.0 + np.exp(-gap))
        better = _differences(level)
        by_level = (better != 0) & (rng.random(better.shape) < training.level_share)
        label = np.where(by_level, better > 0, by_return).astype(np.float32)
        reward = episodes.reward[rows[..., None], pictures]
        rising = (level == 2) & (reward[..., -1] - reward[..., 0] > _RISE)
        return WindowBatch(
            task=tasks,
            tokens=self._tokens[rows[..., None], pictures].float().flatten(0, 1),
            first=self._tokens[rows, 0].float().flatten(0, 1),
            reward=torch.from_numpy(reward).flatten(0, 1),
            prefer_second=torch.from_numpy(label),
            rising=torch.from_numpy(rising).flatten(),
        )

    def _rows(self, task: int, count: int) -> list[int]:
        levels = self._members[task]
        turn = self._rng.permutation(np.arange(count) % len(levels))
        return [int(self._rng.choice(levels[level])) for level in turn]


def _differences(x: np.ndarray) -> np.ndarray:
    """(K, B) to (K, B, B): how far the later index is above the earlier one."""
    return np.asarray(x[:, None, :] - x[:, :, None])
