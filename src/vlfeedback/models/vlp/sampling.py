"""Windows the VLP model is trained on: of several tasks, and which of two is better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.settings import VLPTraining

__all__ = ["WindowSampler", "Windows"]

_RISE = 0.05  # least gain in worth for which a window counts as going forward


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """B windows of each of K different tasks."""

    task: Int64[np.ndarray, " K"]
    episode: Int64[np.ndarray, "K B"]  # row of the training's episodes
    picture: Int64[np.ndarray, "K B n"]  # shown of it
    worth: Float[Tensor, "KB n"]  # of each picture, 0 to 1
    done: Bool[Tensor, "KB n"]  # whether the task is, in each picture
    prefer_second: Float[Tensor, "K B B"]  # of the windows at the last two positions
    rising: Bool[Tensor, " KB"]  # ends nearer success than it begins

    def shown(self, of_pictures: Shaped[Tensor, "C F ..."]) -> Float[Tensor, "KB n ..."]:
        """What is known of each picture of these windows."""
        return of_pictures[self.episode[..., None], self.picture].float().flatten(0, 1)

    def resets(self, of_pictures: Shaped[Tensor, "C F ..."]) -> Float[Tensor, "KB ..."]:
        """What is known of the picture that the episode of each window began with."""
        return of_pictures[self.episode, 0].float().flatten(0, 1)


class WindowSampler:
    """Draws windows of different tasks, each of which is negative for the others.

    Args:
        episodes: of the training tasks.
        n_frames: pictures of a window.
        rng: what draws.
    """

    def __init__(self, episodes: EpisodeSet, n_frames: int, rng: np.random.Generator) -> None:
        self._episodes, self._n_frames, self._rng = episodes, n_frames, rng
        levels = np.unique(episodes.level)
        by_level = [
            [
                np.flatnonzero((episodes.task == task) & (episodes.level == level))
                for level in levels
            ]
            for task in range(int(episodes.task.max()) + 1)
        ]
        self._members = [[rows for rows in levels if len(rows)] for levels in by_level]

    def draw(self, training: VLPTraining, *, n_tasks: int, n_windows: int) -> Windows:
        """Windows of all levels of some tasks, some of which stop or turn back.

        The better of two is the one of the higher worth, which orders windows of one level and of
        one trajectory too: its return, by rank, and the mean of its progress.

        Args:
            training: of worth, and of what stops or turns back.
            n_tasks: at most; all of them where there are fewer.
            n_windows: of each task.
        """
        rng, episodes = self._rng, self._episodes
        tasks = rng.permutation(len(self._members))[:n_tasks]
        rows = np.array([self._rows(task, n_windows) for task in tasks.tolist()])
        ends = rng.integers(episodes.pictures.shape[1], size=rows.shape)
        pictures, is_whole = self._change(episodes.window(ends, self._n_frames), training)
        reward = episodes.reward[rows[..., None], pictures]
        progress = episodes.progress[rows[..., None], pictures]
        share = training.progress_share
        returned = np.where(is_whole, episodes.window_return[rows, ends], reward.mean(axis=-1))
        of_window = (1 - share) * returned + share * progress.mean(axis=-1)
        gap = (of_window[:, None, :] - of_window[:, :, None]) / training.label_softness
        worth = ((1 - share) * reward + share * progress).astype(np.float32)
        rising = is_whole & (worth[..., -1] - worth[..., 0] > _RISE)
        return Windows(
            task=tasks,
            episode=rows,
            picture=pictures,
            worth=torch.from_numpy(worth).flatten(0, 1),
            done=torch.from_numpy(progress >= 1.0).flatten(0, 1),
            prefer_second=torch.sigmoid(torch.from_numpy(gap.astype(np.float32))),
            rising=torch.from_numpy(rising).flatten(),
        )

    def _rows(self, task: int, n_windows: int) -> Int64[np.ndarray, " B"]:
        """Episodes of all levels in turn."""
        levels = self._members[task]
        turn = self._rng.permutation(np.arange(n_windows) % len(levels))
        rows = np.empty(n_windows, np.int64)
        for k, members in enumerate(levels):
            rows[turn == k] = self._rng.choice(members, size=int((turn == k).sum()))
        return rows

    def _change(
        self, windows: Int64[np.ndarray, "K B n"], training: VLPTraining
    ) -> tuple[Int64[np.ndarray, "K B n"], Bool[np.ndarray, "K B"]]:
        """Let some windows stop or turn back; and say which are left as they were."""
        n, rng = self._n_frames, self._rng
        shape = windows.shape[:-1]
        forward = np.arange(n)
        turn = rng.integers(1, n - 1, size=shape) if n > 2 else np.full(shape, n - 1)
        turn = turn[..., None]
        what = rng.random(shape)[..., None]
        paused = what < training.paused
        rewound = ~paused & (what < training.paused + training.rewound)
        shown = np.where(paused, np.minimum(forward, turn), forward)
        shown = np.where(rewound, np.abs(turn - np.abs(forward - turn)), shown)
        return np.take_along_axis(windows, shown, axis=-1), ~(paused | rewound)[..., 0]
