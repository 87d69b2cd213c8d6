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

_RISE = 0.3  # least gain in worth for which an expert's window counts as going forward


@dataclass(frozen=True, slots=True, eq=False)
class WindowBatch:
    """B windows of each of K different tasks."""

    task: Int64[np.ndarray, " K"]
    tokens: Float[Tensor, "KB n P D"]
    first: Float[Tensor, "KB P D"]  # of the picture of the reset
    worth: Float[Tensor, "KB n"]  # of each picture, 0 to 1
    done: Bool[Tensor, "KB n"]  # whether the task is, in each picture
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
        levels = np.unique(episodes.level)
        by_level = [
            [
                np.flatnonzero((episodes.task == task) & (episodes.level == level))
                for level in levels
            ]
            for task in range(int(episodes.task.max()) + 1)
        ]
        self._members = [[rows for rows in levels if len(rows)] for levels in by_level]

    def draw(self, training: VLPTraining) -> WindowBatch:
        """Windows of all levels of some tasks, some of which stop or turn back.

        The better of two is the one of the better level (VLP paper, section 3.1) or the one of
        the higher worth, which also orders windows of one level and of one trajectory: its return,
        by rank, and the mean of its progress.
        """
        rng, episodes = self._rng, self._episodes
        tasks = rng.permutation(len(self._members))[: training.batch]
        rows = np.array([self._rows(task, training) for task in tasks.tolist()])
        ends = rng.integers(1, episodes.pictures.shape[1], size=rows.shape)
        pictures, is_whole = self._change(episodes.window(ends, self._n_frames), training)
        level, share = episodes.level[rows], training.progress_share
        reward = episodes.reward[rows[..., None], pictures]
        progress = episodes.progress[rows[..., None], pictures]
        returned = np.where(is_whole, episodes.window_return[rows, ends], reward.mean(axis=-1))
        of_window = (1 - share) * returned + share * progress.mean(axis=-1)
        gap = _differences(of_window) / training.label_softness
        by_worth = 1.0 / (1.0 + np.exp(-gap))
        better = _differences(level)
        is_ranked = is_whole & (level >= 0)
        may_be = (is_ranked[:, None, :] & is_ranked[:, :, None]) & (better != 0)
        by_level = may_be & (rng.random(better.shape) < training.level_share)
        label = np.where(by_level, better > 0, by_worth).astype(np.float32)
        worth = ((1 - share) * reward + share * progress).astype(np.float32)
        rising = is_whole & (level == 2) & (worth[..., -1] - worth[..., 0] > _RISE)
        return WindowBatch(
            task=tasks,
            tokens=self._tokens[rows[..., None], pictures].float().flatten(0, 1),
            first=self._tokens[rows, 0].float().flatten(0, 1),
            worth=torch.from_numpy(worth).flatten(0, 1),
            done=torch.from_numpy(progress >= 1.0).flatten(0, 1),
            prefer_second=torch.from_numpy(label),
            rising=torch.from_numpy(rising).flatten(),
        )

    def _rows(self, task: int, training: VLPTraining) -> list[int]:
        """Episodes of all levels in turn; for some levels one, the same each time."""
        levels = self._members[task]
        only = [self._rng.choice(rows) for rows in levels]
        is_one = self._rng.random(len(levels)) < training.one_episode
        turn = self._rng.permutation(np.arange(training.windows) % len(levels))
        return [int(only[k] if is_one[k] else self._rng.choice(levels[k])) for k in turn]

    def _change(
        self, windows: Int64[np.ndarray, "K B n"], training: VLPTraining
    ) -> tuple[Int64[np.ndarray, "K B n"], Bool[np.ndarray, "K B"]]:
        """Let some windows stop, turn back or never begin; and say which are left as they were."""
        n, rng = self._n_frames, self._rng
        shape = windows.shape[:-1]
        forward = np.arange(n)
        turn = rng.integers(1, n - 1, size=shape) if n > 2 else np.full(shape, n - 1)
        turn = turn[..., None]
        shares = np.cumsum([training.paused, training.rewound, training.idle])
        what = np.searchsorted(shares, rng.random(shape), side="right")[..., None]
        paused, rewound, idle = (what == kind for kind in range(3))
        shown = np.where(paused, np.minimum(forward, turn), forward)
        shown = np.where(rewound, np.abs(turn - np.abs(forward - turn)), shown)
        pictures = np.take_along_axis(windows, shown, axis=-1)
        return np.where(idle, 0, pictures), (what == len(shares))[..., 0]


def _differences(x: np.ndarray) -> np.ndarray:
    """(K, B) to (K, B, B): how far the later index is above the earlier one."""
    return np.asarray(x[:, None, :] - x[:, :, None])
