"""Episodes of CartPoleBalance at three levels, and their pictures, drawn when they are read.

Levels:  random = uniform actions; medium and expert = a controller of the pole's angle,
         gain * angle + damping * angular velocity + N(0, noise), clipped to the action space.
Choices: Offline RL-VLM-F collects its data with policies of reinforcement learning and states
         neither their returns nor how many episodes there are. Ours, untested, are controllers
         whose returns lie where its Table I has behaviour cloning (expert -79, medium -165) and
         IQL on a constant reward (-81, -237). They are sluggish rather than noisy, because
         cloning averages noise away. Medium lets the pole fall slowly: it takes a gain of 1.08 to
         hold it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import Trajectory, rows_of
from vlfeedback_envs import CARTPOLE_STEPS
from vlfeedback_envs.cartpole import CartPoleBalance, draw_pole

__all__ = [
    "CONTROLLERS",
    "CartPoleFrames",
    "Controller",
    "roll_out",
    "rollout_cart_pole",
    "with_pictures",
]


@dataclass(frozen=True, slots=True)
class Controller:
    """A policy that pushes the cart under the pole."""

    gain: float  # action per radian
    damping: float  # action per radian a second
    noise: float  # standard deviation of what is added to each action


# Mean returns of 1000 episodes, and without noise; level random has -2197.
CONTROLLERS = {
    "expert": Controller(gain=1.5, damping=0.5, noise=0.05),  # -86 (-73)
    "medium": Controller(gain=1.0, damping=0.5, noise=0.1),  # -202 (-169)
}


@dataclass(frozen=True, slots=True, eq=False)
class CartPoleFrames:
    """Pictures of an episode, drawn from the pole's angle when they are read."""

    times: Int64[np.ndarray, " F"]
    angles: Float32[np.ndarray, " L1"]  # of every state, rad
    size: int

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        """Pictures of these states; see `vlfeedback.types.Frames.read`."""
        rows = self.times[rows_of(self.times, times)]
        pictures = np.empty((len(rows), self.size, self.size, 3), dtype=np.uint8)
        for picture, row in zip(pictures, rows, strict=True):
            picture[:] = draw_pole(float(self.angles[row]), self.size)
        return pictures


def with_pictures(trajectory: Trajectory, *, stride: int = 1, size: int = 200) -> Trajectory:
    """The same episode with pictures of the reset and after every stride-th step.

    A picture depends on the angle alone, which the observations hold: data collected without
    pictures loses nothing. They take no memory until they are read.

    Args:
        trajectory: of CartPoleBalance.
        stride: steps between pictures.
        size: side of a picture, px.

    Raises:
        InvalidValueError: the episode is of another task.
    """
    if trajectory.task != "cart-pole-balance":
        raise InvalidValueError(
            f"Trajectory {trajectory.id!r} is of task {trajectory.task!r}; only pictures of "
            "'cart-pole-balance' can be drawn from observations. Record the others with pictures."
        )
    times = np.concatenate([[0], np.arange(1, len(trajectory) + 1, stride)]).astype(np.int64)
    angles = np.asarray(trajectory.observations[:, 2], dtype=np.float32)
    return dataclasses.replace(trajectory, frames=CartPoleFrames(times, angles, size))


def roll_out(
    _: TaskSpec, level: str, seeds: Sequence[int], settings: Mapping[str, Any]
) -> Iterator[Trajectory]:
    """One episode a seed; see `rollout_cart_pole`.

    Args:
        level: ``"random"``, ``"medium"`` or ``"expert"``.
        seeds: of the episodes.
        settings: ``horizon``, ``random_actions``, and for pictures ``frame_stride``, 0 for none,
            and ``frame_size``.

    Raises:
        UnknownNameError: no such level, or no such kind of random actions.
    """
    for seed in seeds:
        episode = rollout_cart_pole(
            level,
            seed=seed,
            horizon=settings["horizon"],
            random_actions=settings["random_actions"],
        )
        stride = settings["frame_stride"]
        yield (
            with_pictures(episode, stride=stride, size=settings["frame_size"])
            if stride
            else episode
        )


def rollout_cart_pole(
    level: str, *, seed: int, horizon: int = CARTPOLE_STEPS, random_actions: str = "box"
) -> Trajectory:
    """One episode, without pictures; see `with_pictures`.

    Args:
        level: ``"random"``, ``"medium"`` or ``"expert"``.
        seed: decides the start and all that is drawn.
        horizon: steps of the episode.
        random_actions: of level random: ``"box"`` for U[-1, 1], ``"u01"`` for pushes to the right
            alone.

    Raises:
        UnknownNameError: no such level, or no such kind of random actions.
    """
    lows = {"box": -1.0, "u01": 0.0}
    for name, allowed in ((level, ("random", *CONTROLLERS)), (random_actions, lows)):
        if name not in allowed:
            raise UnknownNameError(f"No {name!r} here; choose one of {', '.join(allowed)}.")
    rng = np.random.default_rng([seed, 1])  # the environment draws its start from `seed` itself
    if level == "random":
        gains, noise = np.zeros(2), rng.uniform(lows[random_actions], 1.0, horizon)
    else:
        policy = CONTROLLERS[level]
        gains = np.array([policy.gain, policy.damping])
        noise = rng.normal(0.0, policy.noise, horizon)
    return Trajectory(
        **_act(gains, noise, seed),
        truncated=True,
        task="cart-pole-balance",
        id=f"cart-pole-balance/{level}/{seed}",
        level=level,
        seed=seed,
        info=(dataclasses.asdict(CONTROLLERS[level]) if level in CONTROLLERS else {}),
    )


def _act(
    gains: Float[np.ndarray, "2"], drawn: Float[np.ndarray, " L"], seed: int
) -> dict[str, Any]:
    env = CartPoleBalance()
    actions = np.empty((len(drawn), 1), dtype=np.float32)
    observation, _ = env.reset(seed=seed)
    observations, rewards, successes = [observation], [], []
    for action, noise in zip(actions, drawn, strict=True):
        action[0] = min(1.0, max(-1.0, float(gains @ observation[2:]) + noise))
        observation, reward, _, _, info = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        successes.append(info["success"])
    return {
        "observations": np.stack(observations),
        "actions": actions,
        "env_rewards": np.asarray(rewards, dtype=np.float32),
        "successes": np.asarray(successes, dtype=np.bool_),
    }
