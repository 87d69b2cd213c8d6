"""A source of trained weights says once when it is shown another world; of old ones, never."""

import warnings
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import vlfeedback
from vlfeedback.errors import UnfamiliarPicturesWarning
from vlfeedback.models.vlp.weights import load_vlp, save_vlp
from vlfeedback.rewards.vlp import VLPConfig, VLPReward
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import SegmentBatch

pytestmark = pytest.mark.filterwarnings("error::vlfeedback.errors.UnfamiliarPicturesWarning")

TEXT = ["close the drawer"]
NOISE = np.random.default_rng(0).integers(0, 256, (80, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def drawer() -> np.ndarray:
    """Pictures of a world that the weights know: resets of a task of Meta-World."""
    env = gym.make("vlfeedback_envs:vlfeedback/mw-drawer-close-v0", render_mode="rgb_array")
    pictures = []
    for seed in range(3):
        env.reset(seed=seed)
        pictures.append(env.render())
    env.close()
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures])


def test_another_world_is_told_once_a_source() -> None:
    source = VLPReward()
    with pytest.warns(UnfamiliarPicturesWarning, match=r"unlike those .* 'mt50' .* trained on"):
        source.rewards(SegmentBatch(frames=NOISE[None, :8], instructions=TEXT))
    source.rewards(SegmentBatch(frames=NOISE[None, 8:16], instructions=TEXT))  # an error otherwise
    with pytest.warns(UnfamiliarPicturesWarning):
        VLPReward().embed(NOISE[:1])


def test_the_world_of_the_training_is_no_cause_for_a_warning(drawer: np.ndarray) -> None:
    source = VLPReward()
    source.rewards(SegmentBatch(frames=drawer[None], instructions=TEXT))
    source.embed(255 - drawer[:1] // 2)[:0]  # the median of all is still of this world


def test_the_first_sixty_four_pictures_decide(drawer: np.ndarray) -> None:
    source = VLPReward()
    source.embed(drawer.repeat(22, axis=0))  # 66
    source.embed(NOISE)


def test_weights_of_an_earlier_release_warn_of_nothing(tmp_path: Path) -> None:
    network, weights = load_vlp("mt50")
    save_vlp(tmp_path / "old.safetensors", network, replace(weights, pictures=None))
    old = VLPReward(VLPConfig(str(tmp_path / "old.safetensors")))
    batch = SegmentBatch(frames=NOISE[None, :8], instructions=TEXT)
    score = old.rewards(batch)
    with pytest.warns(UnfamiliarPicturesWarning):
        np.testing.assert_array_equal(VLPReward().rewards(batch), score)


def test_an_environment_of_another_world_is_told_at_its_reset() -> None:
    env = vlfeedback.RewardFromSource(
        PointReachEnv(render_mode="rgb_array"), "vlp", instruction="reach the right side"
    )
    with pytest.warns(UnfamiliarPicturesWarning, match="vlfeedback list rewards"):
        env.reset(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.step(np.ones(1, np.float32))
