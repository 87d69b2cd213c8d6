"""Episodes as they happen: what a labeller will be shown, and what a resumed training goes back to.

The recorder sits inside each environment, so that a whole episode reaches whoever trains in the
step that ends it, whatever runs the environments. Every episode begins with a seed of its own:
its number and the actions so far are all it takes to come back to the middle of it.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Shaped

from vlfeedback.errors import NeedsError
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback.wrappers.frames import FRAME_KEY

__all__ = ["TRAJECTORY_KEY", "RecordEpisodes"]

TRAJECTORY_KEY = "trajectory"
"""Entry of `info` that holds the whole episode, in the step that ends it."""


class RecordEpisodes(gym.Wrapper[Any, Any, Any, Any]):
    """Puts each finished episode, a `Trajectory`, into ``info["trajectory"]`` of its last step.

    Pictures are those that a `CaptureFrames` within takes. Rewards are the environment's own.

    Args:
        env: with a Box of observations and of actions.
        seed: of the run; episode k begins with a seed made of both.
        row: of this environment among those that are trained on.
        success_key: entry of `info` that is truthy once the task is done.

    Raises:
        NeedsError: observations are a dict, or actions are no Box.
    """

    def __init__(
        self, env: gym.Env[Any, Any], *, seed: int, row: int = 0, success_key: str = "success"
    ) -> None:
        super().__init__(env)
        for name, space in (("observations", env.observation_space), ("actions", env.action_space)):
            if not isinstance(space, gym.spaces.Box):
                raise NeedsError(
                    f"{env} has {name} of {space}; online learning from preferences reads a Box of "
                    "numbers. Flatten a dict with vlfeedback.wrappers.FlatObservations; of "
                    "discrete actions there is no off-policy learner here yet."
                )
        self._seed, self._row, self._key = seed, row, success_key
        self._episode = -1
        self._forget()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode, with its own seed; `seed` is not used."""
        self._episode += 1
        return self._begin(options)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, and keep what happened."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._actions.append(np.array(action))
        self._observations.append(np.array(observation))
        self._rewards.append(float(reward))
        self._successes.append(bool(info.get(self._key, False)))
        self._keep_picture(info, len(self._actions))
        if terminated or truncated:
            info = {**info, TRAJECTORY_KEY: self._trajectory(bool(terminated), bool(truncated))}
        return observation, reward, terminated, truncated, info

    def position(self) -> tuple[int, Shaped[np.ndarray, "t ..."]]:
        """Where it is: the number of the episode, and the actions taken in it."""
        shape = self.action_space.shape or ()
        return self._episode, np.array(self._actions).reshape(len(self._actions), *shape)

    def go_to(self, episode: int, actions: Shaped[np.ndarray, "t ..."]) -> Any:
        """Come back to a `position`, by taking the same actions again.

        Returns:
            The observation there.
        """
        self._episode = episode
        observation, _ = self._begin(None)
        for action in actions:
            observation, *_ = self.step(action)
        return observation

    def _begin(self, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        self._forget()
        entropy = np.random.SeedSequence([self._seed, self._row, self._episode])
        seed = int(entropy.generate_state(1)[0]) % 2**31
        observation, info = self.env.reset(seed=seed, options=options)
        self._observations.append(np.array(observation))
        self._keep_picture(info, 0)
        return observation, info

    def _forget(self) -> None:
        self._observations: list[np.ndarray] = []
        self._actions: list[np.ndarray] = []
        self._rewards: list[float] = []
        self._successes: list[bool] = []
        self._pictures: dict[int, np.ndarray] = {}

    def _keep_picture(self, info: dict[str, Any], state: int) -> None:
        if FRAME_KEY in info:
            self._pictures[state] = info[FRAME_KEY]

    def _trajectory(self, terminated: bool, truncated: bool) -> Trajectory:
        times = np.array(list(self._pictures), dtype=np.int64)
        frames = ArrayFrames(times, np.stack(list(self._pictures.values()))) if len(times) else None
        return Trajectory(
            observations=np.stack(self._observations).astype(np.float32),
            actions=np.stack(self._actions).astype(np.float32),
            env_rewards=np.array(self._rewards, dtype=np.float32),
            successes=np.array(self._successes, dtype=np.bool_),
            terminated=terminated,
            truncated=truncated,
            frames=frames,
            id=f"env-{self._row}/episode-{self._episode}",
        )
