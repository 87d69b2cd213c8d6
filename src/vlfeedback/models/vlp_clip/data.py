"""Training data of `vlp.clip`: pairs of segments of two levels, and phrases of their tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float16, Float32, Int64
from torch import Tensor

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.encoders.clip_tokens import CLIPTokens
from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp.data import EpisodeSet

__all__ = ["LevelPairs", "PairBatch", "PhraseTokens"]


class PhraseTokens:
    """CLIP's tokens of the instruction corpora of some tasks (59 MB for 45 tasks)."""

    def __init__(self, tasks: Sequence[str], clip: CLIPTokens) -> None:
        corpora = [instruction_corpus(task) for task in tasks]
        tokens, mask = clip.read_texts([text for corpus in corpora for text in corpus])
        self.tokens: Float32[Tensor, "S M E"] = tokens.cpu()
        self.mask: Bool[Tensor, "S M"] = mask.cpu()
        self._sizes = np.array([len(corpus) for corpus in corpora])
        self._first = np.cumsum(self._sizes) - self._sizes

    def draw(
        self, tasks: Int64[np.ndarray, " R"], rng: np.random.Generator
    ) -> tuple[Float32[Tensor, "R M E"], Bool[Tensor, "R M"]]:
        """One phrase of each task, drawn uniformly: its tokens, and which are no padding."""
        rows = self._first[tasks] + rng.integers(self._sizes[tasks])
        return self.tokens[rows], self.mask[rows]


@dataclass(frozen=True, slots=True, eq=False)
class PairBatch:
    """R pairs of segments, each of another task."""

    task: Int64[np.ndarray, " R"]
    segments: Float32[Tensor, "R2 n P E"]  # first ones, then second ones
    prefer_second: Float32[Tensor, " R"]


class LevelPairs:
    """Draws pairs of segments of one task and two levels; the better level is preferred.

    The paper draws one task a batch, and segments of other tasks besides. Here each row is of
    another task, so that the other rows serve as those, and are encoded anyway.

    Args:
        episodes: with their tasks and levels.
        tokens: of their pictures.
        n_frames: pictures a segment shows.

    Raises:
        NeedsError: there are fewer than two tasks, or a task has episodes of one level only.
    """

    def __init__(
        self, episodes: EpisodeSet, tokens: Float16[np.ndarray, "C F P E"], *, n_frames: int
    ) -> None:
        self._episodes, self._tokens, self._n_frames = episodes, tokens, n_frames
        self._levels = [
            [
                members
                for level in np.unique(episodes.level)
                if len(
                    members := np.flatnonzero((episodes.task == task) & (episodes.level == level))
                )
            ]
            for task in range(int(episodes.task.max()) + 1)
        ]
        if len(self._levels) < 2 or min(map(len, self._levels)) < 2:
            raise NeedsError(
                f"{len(self._levels)} tasks whose episodes are of at least "
                f"{min(map(len, self._levels))} levels; preferences take two tasks or more, and "
                "two levels of each. Collect them with: vlfeedback collect"
            )

    def draw(self, count: int, rng: np.random.Generator) -> PairBatch:
        """`count` pairs, or one of each task where there are fewer tasks."""
        episodes = self._episodes
        tasks = rng.permutation(len(self._levels))[:count]
        rows = np.empty((2, len(tasks)), np.int64)
        for column, task in enumerate(tasks):
            levels = self._levels[task]
            pair = rng.choice(len(levels), size=2, replace=False)
            rows[:, column] = [rng.choice(levels[level]) for level in pair]
        frames = episodes.window(
            rng.integers(1, episodes.pictures.shape[1], size=rows.size), self._n_frames
        )
        tokens = self._tokens[rows.ravel()[:, None], frames]
        better = episodes.level[rows[1]] > episodes.level[rows[0]]
        return PairBatch(
            tasks,
            torch.from_numpy(tokens.astype(np.float32)),
            torch.from_numpy(better.astype(np.float32)),
        )
