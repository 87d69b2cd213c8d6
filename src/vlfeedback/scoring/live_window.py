"""What one environment's source reads: its last pictures, and the last steps around them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["SourceWindow", "batch_windows", "is_pictured"]


def is_pictured(step: int, stride: int, *, ended: bool) -> bool:
    """Whether a picture is taken after this step of an episode.

    Pictures follow steps 0, stride, 2 stride ... and always the step that ends the episode,
    so that it is scored on its own picture.

    >>> [step for step in range(10) if is_pictured(step, 4, ended=step == 9)]
    [0, 4, 8, 9]
    """
    return ended or step % stride == 0


class SourceWindow:
    """The past of one environment, as far back as one score looks.

    Before an episode the world stood still: at a reset the window is filled with the reset
    picture and observation, actions of zero and rewards of zero, so that the first windows of
    an episode are full. A source that scores whole episodes gets all of its steps, unfilled.

    Args:
        needs: what the source reads; nothing else is kept.
        idle_action: the action that stands before the first step, zeros of one action's shape.
    """

    def __init__(self, needs: SourceNeeds, idle_action: np.ndarray) -> None:
        self._needs = needs
        self._idle_action = idle_action
        whole = needs.granularity == "episode"
        steps = None if whole else needs.context
        self._pictures: deque[np.ndarray] = deque(maxlen=None if whole else needs.context_frames)
        self._picture_steps: list[int] = []
        self._observations: deque[np.ndarray] = deque(maxlen=steps)
        self._actions: deque[np.ndarray] = deque(maxlen=steps)
        self._env_rewards: deque[float] = deque(maxlen=steps)
        self._observation = np.empty(0)
        self._first_picture = np.empty(0)
        self.n_steps = 0  # taken in this episode

    @property
    def length(self) -> int:
        """Steps of the segment that would be scored now."""
        return self.n_steps if self._needs.granularity == "episode" else self._needs.context

    def reset(self, observation: Any, picture: np.ndarray | None) -> None:
        """Forget the last episode; `picture` is the reset's, or its embedding, if it is read."""
        needs = self._needs
        self.n_steps = 0
        self._picture_steps.clear()
        for ring in (self._pictures, self._observations, self._actions, self._env_rewards):
            ring.clear()
        if needs.observations:
            self._observation = np.array(observation)
        if picture is not None and needs.first_frame:
            self._first_picture = _own(picture)
        if needs.granularity == "episode":
            return
        if picture is not None:
            self._pictures.extend([_own(picture)] * needs.context_frames)
        if needs.observations:
            self._observations.extend([self._observation] * needs.context)
        if _gives_actions(needs):
            self._actions.extend([self._idle_action] * needs.context)
        if needs.env_rewards:
            self._env_rewards.extend([0.0] * needs.context)

    def push(
        self, action: Any, env_reward: float, next_observation: Any, picture: np.ndarray | None
    ) -> None:
        """Take one step; `picture` was taken after it, None if nobody reads it."""
        if picture is not None:
            self._pictures.append(_own(picture))
            self._picture_steps.append(self.n_steps)
        if self._needs.observations:
            self._observations.append(self._observation)
            self._observation = np.array(next_observation)
        if _gives_actions(self._needs):
            self._actions.append(np.array(action))
        if self._needs.env_rewards:
            self._env_rewards.append(env_reward)
        self.n_steps += 1


def batch_windows(
    windows: Sequence[SourceWindow], instruction: str | None, *, embedded: bool
) -> SegmentBatch:
    """Windows of equal length as a batch; its last step is the newest one.

    Args:
        windows: N of them, of the same source.
        instruction: given to every row.
        embedded: the windows keep embeddings instead of pictures.
    """
    first = windows[0]
    needs = first._needs
    pictures = np.stack([np.stack(w._pictures) for w in windows]) if needs.frames else None
    starts = np.stack([w._first_picture for w in windows]) if needs.first_frame else None
    if needs.granularity == "episode":
        frame_steps = np.array(first._picture_steps, dtype=np.int64)
    else:
        frame_steps = np.arange(0, needs.context, needs.frame_stride, dtype=np.int64)
    return SegmentBatch(
        frames=None if embedded else pictures,
        embeddings=pictures if embedded else None,
        first_frames=None if embedded else starts,
        first_embeddings=starts if embedded else None,
        observations=_stack("_observations", windows) if needs.observations else None,
        actions=_stack("_actions", windows) if _gives_actions(needs) else None,
        env_rewards=(
            _stack("_env_rewards", windows).astype(np.float32) if needs.env_rewards else None
        ),
        instructions=None if instruction is None else [instruction] * len(windows),
        frame_steps=frame_steps if needs.frames else None,
        length=first.length,
    )


def _stack(name: str, windows: Sequence[SourceWindow]) -> np.ndarray:
    return np.stack([np.stack(list(getattr(window, name))) for window in windows])


def _gives_actions(needs: SourceNeeds) -> bool:
    # A batch must hold something to have a length; for a source that reads nothing, actions.
    return needs.actions or not (needs.frames or needs.observations or needs.env_rewards)


def _own(picture: np.ndarray) -> np.ndarray:
    # A copy: environments may draw into the same buffer, and rows of a batch keep it all alive.
    return np.array(picture, order="C")
