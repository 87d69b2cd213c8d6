"""Episodes that end once the task is done, or once a source is sure that it is.

Judges of progress are told about clips that end at success. Where an episode runs on after it,
their scores say less and less (Robometer's success AUC on Meta-World falls from 0.985 to 0.54), and
a policy is paid for whatever it does there.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from vlfeedback.errors import InvalidValueError, NeedsError

__all__ = ["EndAtSuccess"]


class EndAtSuccess(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Cuts an episode off after `patience` steps in a row of success.

    The episode is *truncated*: learners go on valuing its last state as one that has a future.
    Terminated, it would be worth nothing, and under a reward that is positive a policy would learn
    to stay away from it.

    Args:
        env: any environment. One with the reward of a source comes inside, so that its last step
            is scored as one; sources that score whole episodes then score the one that was cut.
        key: entry of `info`: ``"success"`` of the environment, or ``"source_success"``, how likely
            a source finds it (`RewardFromSource`).
        threshold: in (0, 1]; from this value on it is success.
        patience: steps, at least 1.

    Raises:
        InvalidValueError: a number is out of its range.
        NeedsError: (from `step`) the environment's `info` has no such entry.

    Example:
        >>> from vlfeedback.testing import PointReachEnv
        >>> env = EndAtSuccess(PointReachEnv(steps=5), key="success")
        >>> _ = env.reset(seed=0)
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        key: str = "success",
        threshold: float = 0.5,
        patience: int = 1,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, key=key, threshold=threshold, patience=patience
        )
        gym.Wrapper.__init__(self, env)
        if not 0 < threshold <= 1 or patience < 1:
            raise InvalidValueError(
                f"threshold={threshold} and patience={patience}; expected a threshold in (0, 1] "
                "and at least one step."
            )
        self._key, self._threshold, self._patience = key, threshold, patience
        self._in_a_row = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset; success is counted anew."""
        self._in_a_row = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, and truncate where success has lasted."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._key not in info:
            raise NeedsError(
                f"info has no {self._key!r}, which episodes are to end by; it has "
                f"{', '.join(map(repr, info)) or 'nothing'}. Give the key of success, or wrap the "
                "environment in a source that tells success and pass key='source_success'."
            )
        is_done = float(info[self._key]) >= self._threshold  # False where it is not known yet
        self._in_a_row = self._in_a_row + 1 if is_done else 0
        ends = self._in_a_row >= self._patience
        return observation, reward, terminated, bool(truncated) or ends, info
