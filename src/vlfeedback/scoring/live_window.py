"""What one environment's source reads while an episode goes on: its last steps and pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlfeedback.scoring.windows import take_filled
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["LiveWindow", "batch_windows"]


class LiveWindow:
    """The past of one environment, as far back as one score looks.

    Windows that begin before the episode are filled as those of recordings are, see
    `vlfeedback.scoring.windows`.

    Args:
        needs: what the source reads; nothing else is kept.
        idle_action: the action that stands before the first step, zeros of one action's shape.
    """

    def __init__(self, needs: SourceNeeds, idle_action: np.ndarray) -> None:
        self.needs = needs
        self._idle_action = idle_action
        whole = needs.granularity == "episode"
        steps = None if whole else needs.context
        self._pictures: deque[np.ndarray] = deque(maxlen=None if whole else needs.context_frames)
        self._picture_steps: list[int] = []
        self._observations: deque[np.ndarray] = deque(maxlen=steps)
        self._actions: deque[np.ndarray] = deque(maxlen=steps)
        self._env_rewards: deque[float] = deque(maxlen=steps)
        self._observation = self._first_observation = np.empty(0)
        self._reset_picture = np.empty(0)
        self.n_steps = 0  # taken in this episode

    @property
    def length(self) -> int:
        """Steps of the segment that would be scored now."""
        return self.n_steps if self.needs.granularity == "episode" else self.needs.context

    def reset(self, observation: Any, picture: np.ndarray | None) -> None:
        """Forget the last episode; `picture` is the reset's, or its embedding, if it is read."""
        self.n_steps = 0
        self._picture_steps.clear()
        for ring in (self._pictures, self._observations, self._actions, self._env_rewards):
            ring.clear()
        if self.needs.observations:
            self._observation = self._first_observation = np.array(observation)
        if picture is not None:
            self._reset_picture = _own(picture)

    def push(
        self, action: Any, env_reward: float, next_observation: Any, picture: np.ndarray | None
    ) -> None:
        """Take one step; `picture` was taken after it, None if nobody reads it."""
        if picture is not None:
            self._pictures.append(_own(picture))
            self._picture_steps.append(self.n_steps)
        if self.needs.observations:
            self._observations.append(self._observation)
            self._observation = np.array(next_observation)
        if reads_actions(self.needs):
            self._actions.append(np.array(action))
        if self.needs.env_rewards:
            self._env_rewards.append(env_reward)
        self.n_steps += 1

    def arrays(self) -> dict[str, np.ndarray]:
        """What the segment that would be scored now holds, by name of `SegmentBatch`."""
        needs, found = self.needs, {}
        if needs.frames:
            n = len(self._pictures) if needs.granularity == "episode" else needs.context_frames
            found["frames"] = _newest(self._pictures, n, self._reset_picture)
        if needs.first_frame:
            found["first_frames"] = self._reset_picture
        if needs.observations:
            before = self._first_observation
            found["observations"] = _newest(self._observations, self.length, before)
        if reads_actions(needs):
            found["actions"] = _newest(self._actions, self.length, self._idle_action)
        if needs.env_rewards:
            zero = np.float32(0)
            found["env_rewards"] = _newest(self._env_rewards, self.length, zero).astype(np.float32)
        return found

    def picture_steps(self) -> np.ndarray:
        """Steps of that segment after which its pictures were taken."""
        if self.needs.granularity == "episode":
            return np.array(self._picture_steps, dtype=np.int64)
        return self.needs.picture_steps(self.length)


def batch_windows(
    windows: Sequence[LiveWindow], instructions: Sequence[str | None], *, embedded: bool
) -> SegmentBatch:
    """Windows of equal length as a batch; its last step is the newest one.

    Args:
        windows: N of them, of the same source.
        instructions: of the rows; the batch has none if one is None.
        embedded: the windows keep embeddings instead of pictures.
    """
    rows = [window.arrays() for window in windows]
    arrays: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    if embedded:
        for name in ("frames", "first_frames"):
            if name in arrays:
                arrays[name.replace("frames", "embeddings")] = arrays.pop(name)
    told = [instruction for instruction in instructions if instruction is not None]
    first = windows[0]
    return SegmentBatch(
        **arrays,
        instructions=told if len(told) == len(windows) else None,
        frame_steps=first.picture_steps() if first.needs.frames else None,
        length=first.length,
    )


def reads_actions(needs: SourceNeeds) -> bool:
    """Whether actions are kept: a batch must hold something to have a length."""
    return needs.actions or not (needs.frames or needs.observations or needs.env_rewards)


def _newest(ring: deque[Any], n: int, before: np.ndarray | np.floating[Any]) -> np.ndarray:
    """The last `n` of what happened; `before` for what lies before the episode."""
    rows = np.stack([*ring]) if ring else np.asarray(before)[None]
    return take_filled(rows, np.arange(len(ring) - n, len(ring)), before)


def _own(picture: np.ndarray) -> np.ndarray:
    # A copy: environments may draw into the same buffer, and rows of a batch keep it all alive.
    return np.array(picture, order="C")
