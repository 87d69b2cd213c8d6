"""One source run over the windows of one or of many environments, in as few calls as possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.asking import ask, ask_both
from vlfeedback.scoring.live_window import LiveWindow, batch_windows
from vlfeedback.scoring.pictures import embeds_pictures
from vlfeedback.scoring.timing import is_pictured
from vlfeedback.types import RewardSource, TellsSuccess

__all__ = ["LiveScorer"]


class LiveScorer:
    """The windows of N environments, and the last score of each.

    A score is held until the next picture (`SourceNeeds.frame_stride`). A source that scores
    whole episodes scores their last step; until then the score is 0.

    Args:
        source: what scores.
        instructions: N of them, told to the source with the windows; None where there is none.
        idle_action: zeros of one action's shape: what stands before an episode.
        score_reset: also score the window at a reset, which potential-based shaping needs.

    Attributes:
        scores: (N,) float64, the last ones.
        successes: (N,) float64, how likely each task was done then; NaN where nothing was scored
            yet. None where the source does not tell.

    Raises:
        NeedsError: the source reads what only recordings have.
    """

    def __init__(
        self,
        source: RewardSource,
        *,
        instructions: Sequence[str | None],
        idle_action: np.ndarray,
        score_reset: bool,
    ) -> None:
        if source.needs.successes:
            raise NeedsError(
                "The source reads whether the task is done at each step, which recordings alone "
                "say: relabel some with it. To act for success take the environment's info."
            )
        self._source = source
        self._embedder = source if embeds_pictures(source) else None
        self._instructions = list(instructions)
        self._score_reset = score_reset
        self._windows = [LiveWindow(source.needs, idle_action) for _ in instructions]
        self.scores = np.zeros(len(self._windows), dtype=np.float64)
        self.successes: Float64[np.ndarray, " N"] | None = None
        if isinstance(source, TellsSuccess) and source.tells_success:
            self.successes = np.full(len(self._windows), np.nan)

    @property
    def reads_reset(self) -> bool:
        """Whether the picture of a reset is ever read."""
        needs = self._source.needs
        remembered = needs.granularity == "window" and needs.context_frames > 1
        return needs.first_frame or (needs.frames and (self._score_reset or remembered))

    def reads_picture(self, row: int, *, ended: bool) -> bool:
        """Whether the picture after the step that environment `row` just took is read."""
        needs = self._source.needs
        step = self._windows[row].n_steps
        return needs.frames and is_pictured(step, needs.frame_stride, ended=ended)

    def instruct(self, rows: Sequence[int], instructions: Sequence[str]) -> None:
        """Tell the source something else from now on in these environments; one element a row."""
        for row, instruction in zip(rows, instructions, strict=True):
            self._instructions[row] = instruction

    def reset(
        self,
        rows: Sequence[int],
        observations: Sequence[Any],
        pictures: Sequence[np.ndarray | None],
    ) -> None:
        """Start an episode in these environments; one element a row.

        Args:
            rows: which environments.
            observations: what each reset returned.
            pictures: (H, W, 3) uint8 after it where `reads_reset`, else None.
        """
        for row, observation, picture in zip(
            rows, observations, self._encoded(pictures), strict=True
        ):
            self._windows[row].reset(observation, picture)
            self.scores[row] = 0.0
            if self.successes is not None:
                self.successes[row] = np.nan
        if self._score_reset:
            self._score(rows)

    def step(
        self,
        rows: Sequence[int],
        actions: Sequence[Any],
        env_rewards: Sequence[float],
        next_observations: Sequence[Any],
        pictures: Sequence[np.ndarray | None],
        ended: Sequence[bool],
    ) -> Float64[np.ndarray, " N"]:
        """Take one step in these environments; one element a row.

        Args:
            rows: which environments.
            actions: what each did.
            env_rewards: what each environment itself gave.
            next_observations: what each returned.
            pictures: (H, W, 3) uint8 after the step where `reads_picture`, else None.
            ended: whether it ended the episode.

        Returns:
            The last score of every environment, in the source's own unit.

        Raises:
            SourceAnswerError: see `vlfeedback.scoring.ask`.
        """
        needs = self._source.needs
        due = []
        encoded = self._encoded(pictures)
        steps = zip(rows, actions, env_rewards, next_observations, encoded, ended, strict=True)
        for row, action, env_reward, observation, picture, over in steps:
            window = self._windows[row]
            if over or (
                needs.granularity != "episode"
                and is_pictured(window.n_steps, needs.frame_stride, ended=False)
            ):
                due.append(row)
            window.push(action, env_reward, observation, picture)
        self._score(due)
        return self.scores.copy()

    def _encoded(self, pictures: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
        """What the windows keep of pictures: their embeddings, where the source gives them."""
        encoded = list(pictures)
        taken = [(i, picture) for i, picture in enumerate(pictures) if picture is not None]
        if self._embedder is not None and taken:
            embeddings = self._embedder.embed(np.stack([picture for _, picture in taken]))
            for (i, _), embedding in zip(taken, embeddings, strict=True):
                encoded[i] = embedding
        return encoded

    def _score(self, rows: Sequence[int]) -> None:
        # Windows are equally long, hence one call. Episodes may differ: one call a length.
        for length in sorted({self._windows[row].length for row in rows}):
            group = [row for row in rows if self._windows[row].length == length]
            batch = batch_windows(
                [self._windows[row] for row in group],
                [self._instructions[row] for row in group],
                embedded=self._embedder is not None,
            )
            if self.successes is not None and isinstance(self._source, TellsSuccess):
                rewards, self.successes[group] = ask_both(self._source, batch)
            else:
                rewards = ask(self._source, batch)
            self.scores[group] = rewards[:, -1]
