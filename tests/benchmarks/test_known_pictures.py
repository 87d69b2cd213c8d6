"""The judge that knows the reward of every picture it is shown."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import NeedsError
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback.vlms.questions import encode_picture

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "known_pictures.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("known_pictures", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def episode(*, pictures: bool = True) -> Trajectory:
    """Three steps with the rewards -4, -2 and 0, and pictures of one shade each."""
    shades = np.array([0, 80, 160, 240], np.uint8)
    frames = np.broadcast_to(shades[:, None, None, None], (4, 8, 8, 3)).copy()
    return Trajectory(
        observations=np.zeros((4, 1), np.float32),
        actions=np.zeros((3, 1), np.float32),
        env_rewards=np.array([-4, -2, 0], np.float32),
        truncated=True,
        frames=ArrayFrames(np.arange(4), frames) if pictures else None,
        id="one",
    )


def digest(shade: int) -> str:
    picture = np.full((8, 8, 3), shade, np.uint8)
    return hashlib.sha256(encode_picture(picture).data).hexdigest()


def test_a_picture_is_worth_the_reward_before_it_in_the_unit_interval(
    script: ModuleType, tmp_path: Path
) -> None:
    write_trajectories(tmp_path / "data.h5", [episode()])
    values = script.values_of_pictures(tmp_path / "data.h5")
    assert values == {digest(80): 0.0, digest(160): 0.5, digest(240): 1.0}


def test_data_without_pictures_are_refused(script: ModuleType, tmp_path: Path) -> None:
    write_trajectories(tmp_path / "data.h5", [episode(pictures=False)])
    with pytest.raises(NeedsError, match="one has no pictures or no rewards"):
        script.values_of_pictures(tmp_path / "data.h5")
