import numpy as np
import pytest

from vlfeedback.types import ArrayFrames, Trajectory

TIMES = np.arange(1, 22, 5)  # pictures after steps 0, 5, 10, 15, 20


def make_trajectory(
    brightness: list[int], *, level: str, task: str = "drawer-close", reward: float = 0.0
) -> Trajectory:
    """21 steps, 5 pictures of these brightnesses; rewards rise from 0 to `reward`."""
    pictures = np.repeat(np.array(brightness, np.uint8), 8 * 8 * 3).reshape(5, 8, 8, 3)
    return Trajectory(
        observations=np.full((22, 3), 100 * reward + brightness[0], np.float32),
        actions=np.zeros((21, 2), np.float32),
        env_rewards=np.linspace(0, reward, 21, dtype=np.float32),
        frames=ArrayFrames(np.r_[0, TIMES], np.concatenate([pictures[:1], pictures])),
        task=task,
        id=f"{task}/{level}/{brightness}",
        info={"level": level},
    )


@pytest.fixture
def trajectories() -> list[Trajectory]:
    """Experts grow brighter and earn reward; random episodes stay dark and earn none."""
    experts = [make_trajectory([k, 50, 100, 150, 200], level="expert", reward=4) for k in range(4)]
    random = [make_trajectory([k] * 5, level="random") for k in range(4)]
    return experts + random
