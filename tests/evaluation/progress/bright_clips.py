"""Clips whose every picture has one brightness, and sources that read it."""

from collections.abc import Sequence

import numpy as np

from vlfeedback.evaluation.progress.scored import ScoredClips, TaskClips
from vlfeedback.scoring.paced import paced
from vlfeedback.tasks import TaskSpec
from vlfeedback.testing.brightness import BrightnessConfig, BrightnessReward
from vlfeedback.types import ArrayFrames, RewardSource, Trajectory

__all__ = ["EXPERT", "bright_clips", "episode", "latest_picture", "scored"]

EXPERT = (0, 50, 100, 150, 200)
STATES = np.array([0, 1, 6, 11, 16, 21])  # pictured: the reset, and after steps 0, 5, 10, 15, 20


def episode(
    shades: Sequence[int], level: str, number: int, *, reward: float, succeeds: bool = False
) -> Trajectory:
    """21 steps; pictures of these shades after steps 0, 5, 10, 15 and 20, the reset as the first.

    Rewards rise from 0 to `reward`; success comes at step 15.
    """
    pictures = np.repeat(np.array([shades[0], *shades], np.uint8), 4 * 4 * 3).reshape(6, 4, 4, 3)
    return Trajectory(
        observations=np.zeros((22, 1), np.float32),
        actions=np.ones((21, 1), np.float32),
        env_rewards=np.linspace(0, reward, 21, dtype=np.float32),
        successes=np.arange(21) >= 15 if succeeds else np.zeros(21, np.bool_),
        frames=ArrayFrames(STATES, pictures),
        level=level,
        id=f"{level}/{number}",
    )


def bright_clips(
    *, expert: Sequence[int] = EXPERT, random: Sequence[int] = (10,) * 5, run_on: Sequence[int] = ()
) -> TaskClips:
    """Two experts and two random episodes of these shades; clips of 10 steps."""
    experts = [episode(expert, "expert", k, reward=1, succeeds=True) for k in range(2)]
    others = [episode(random, "random", k, reward=0) for k in range(2)]
    going_on = [episode(run_on, "expert", k, reward=1, succeeds=True) for k in range(2) if run_on]
    task = TaskSpec("shine", "shine", env_id="")
    return TaskClips(task, (*experts, *others), run_on=tuple(going_on), length=10)


def latest_picture(*, over: int = 1) -> BrightnessReward:
    """Scores windows of so many steps by the mean brightness of their pictures, 0 to 1."""
    return BrightnessReward(BrightnessConfig("window", context=over, frame_stride=5))


def scored(clips: TaskClips, source: RewardSource | None = None) -> ScoredClips:
    """What it scores along them, a picture every 5 steps."""
    return ScoredClips(paced(source or latest_picture(), 5), clips)
