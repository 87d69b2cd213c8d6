"""The judge that knows the reward of every picture it is shown."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import NeedsError
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback.vlms.judging.strips import draw_strip
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


def png(shade: int) -> bytes:
    return encode_picture(np.full((8, 8, 3), shade, np.uint8)).data


def test_a_picture_is_worth_the_reward_before_it_in_the_unit_interval(
    script: ModuleType, tmp_path: Path
) -> None:
    write_trajectories(tmp_path / "data.h5", [episode()])
    known = script.KnownPictures([tmp_path / "data.h5"])
    assert [known.value(png(shade)) for shade in (80, 160, 240)] == [0.0, 0.5, 1.0]
    with pytest.raises(KeyError):
        known.value(png(81))
    with pytest.raises(KeyError):
        known.value(png(0))  # of the reset, which no reward is of


@pytest.mark.parametrize("shades", [[80], [160, 240], [240, 160, 240], [80, 160, 240, 240]])
def test_a_strip_is_worth_the_mean_of_its_frames(
    script: ModuleType, tmp_path: Path, shades: list[int]
) -> None:
    write_trajectories(tmp_path / "data.h5", [episode()])
    known = script.KnownPictures([tmp_path / "data.h5"])
    frames = np.stack([np.full((8, 8, 3), shade, np.uint8) for shade in shades])
    strip = encode_picture(draw_strip(frames, range(len(shades)))).data
    expected = np.mean([{80: 0.0, 160: 0.5, 240: 1.0}[shade] for shade in shades])
    assert known.value(strip) == pytest.approx(expected)


def test_data_without_pictures_are_refused(script: ModuleType, tmp_path: Path) -> None:
    write_trajectories(tmp_path / "data.h5", [episode(pictures=False)])
    with pytest.raises(NeedsError, match="one has no pictures or no rewards"):
        script.KnownPictures([tmp_path / "data.h5"])
