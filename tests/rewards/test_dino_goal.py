from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from vlfeedback import RewardFromSource, make_reward_source
from vlfeedback.errors import CheckpointError, FileFormatError, NeedsError, ShapeError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.rewards.dino_goal import DINOGoalConfig, DINOGoalReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch

# A network of timm's own tests with a class token, 64 wide; reads 2 x 2 patches of 16 px.
TINY: dict[str, Any] = {"architecture": "test_vit", "random_weights_seed": 0, "image_size": 32}


def pictures(n: int, f: int, height: int = 40, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, height, width, 3), dtype=np.uint8)


def save_goal(path: Path, height: int = 40, width: int = 40, seed: int = 9) -> str:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return str(path)


@pytest.fixture
def goal(tmp_path: Path) -> str:
    return save_goal(tmp_path / "goal.png")


def source_with(**settings: Any) -> DINOGoalReward:
    return DINOGoalReward(DINOGoalConfig(**(TINY | settings)))


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self, goal: str) -> DINOGoalReward:
        return source_with(goal=goal)


class TestContractOfPatchesAndSeveralGoalsEveryThirdStep(RewardSourceContract):
    @pytest.fixture
    def source(self, goal: str, tmp_path: Path) -> DINOGoalReward:
        goals = [goal, save_goal(tmp_path / "other.png", seed=10)]
        return source_with(goal=goals, features="patches", frame_stride=3)


@pytest.mark.parametrize("features", ["class", "patches"])
@torch.inference_mode()
def test_the_reward_is_the_distance_of_timms_features(
    features: str, goal: str, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    network: Any = timm.create_model("test_vit", num_classes=0, img_size=32).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    weights = {"random_weights_seed": None, "checkpoint": str(tmp_path / "weights.pth")}
    source = source_with(goal=goal, features=features, **weights)
    frames = pictures(1, 3)
    together = np.concatenate([frames[0], np.asarray(Image.open(goal))[None]])
    prepared = source._pictures.preprocess(torch.from_numpy(together))
    tokens = network.forward_features(prepared).numpy()
    if features == "class":
        expected = -np.sqrt(((tokens[:3, 0] - tokens[3, 0]) ** 2).sum(axis=-1))
    else:
        distances = np.sqrt(((tokens[:3, 1:] - tokens[3, 1:]) ** 2).sum(axis=-1))
        assert distances.shape == (3, 4)
        expected = -distances.mean(axis=-1)
    rewards = source.rewards(SegmentBatch(frames=frames))
    np.testing.assert_allclose(rewards[0], expected, rtol=1e-4)


def test_the_goals_own_picture_has_reward_zero_and_others_less(goal: str) -> None:
    frames = np.concatenate([pictures(1, 2), np.asarray(Image.open(goal))[None, None]], axis=1)
    rewards = source_with(goal=goal).rewards(SegmentBatch(frames=frames))[0]
    np.testing.assert_allclose(rewards[2], 0, atol=1e-4)
    assert rewards[:2].max() < -0.1


def test_several_goals_are_averaged(goal: str, tmp_path: Path) -> None:
    goals = [goal, save_goal(tmp_path / "other.png", seed=10)]
    source = source_with(goal=goals)
    shown = np.stack([np.asarray(Image.open(path)) for path in goals])
    expected = np.linalg.norm(
        source.embed(pictures(1, 1)[0]) - source.embed(shown).mean(axis=0), axis=-1
    )
    rewards = source.rewards(SegmentBatch(frames=pictures(1, 1)))
    np.testing.assert_allclose(rewards[0], -expected, rtol=1e-4)


def test_without_a_goal_the_message_says_where_to_get_one() -> None:
    with pytest.raises(NeedsError, match=r"pass goal='goal.png', such as the last picture"):
        source_with()


def test_a_goal_that_is_not_there_or_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No picture 'nowhere\.png'"):
        source_with(goal="nowhere.png")
    (tmp_path / "goal.png").write_text("no picture")
    with pytest.raises(FileFormatError, match="is no readable picture"):
        source_with(goal=str(tmp_path / "goal.png"))


def test_a_goal_may_have_another_size_and_not_another_aspect_ratio(tmp_path: Path) -> None:
    source = source_with(goal=save_goal(tmp_path / "goal.png", 96, 128))
    source.rewards(SegmentBatch(frames=pictures(1, 1, 48, 64)))
    with pytest.raises(ShapeError, match=r"'dino-goal' is a picture of 128 x 96 px.*have 48 x 48"):
        source.rewards(SegmentBatch(frames=pictures(1, 1, 48, 48)))
    with pytest.raises(ShapeError, match="show different parts"):
        source.embed(pictures(1, 1, 48, 48)[0])


def test_it_reads_no_instruction(goal: str) -> None:
    assert not DINOGoalReward.needs.instruction
    source_with(goal=goal).rewards(SegmentBatch(frames=pictures(1, 1)))


def test_a_file_of_another_source_is_named(goal: str, tmp_path: Path) -> None:
    torch.save({"vip": {"module.convnet.fc.weight": torch.zeros(1024, 2048)}}, tmp_path / "vip.pt")
    with pytest.raises(CheckpointError, match="looks like a VIP checkpoint"):
        source_with(goal=goal, random_weights_seed=None, checkpoint=str(tmp_path / "vip.pt"))


def test_its_id_may_name_an_architecture_with_its_tag(goal: str) -> None:
    source = make_reward_source(
        "dino-goal.vit_small_patch14_dinov2.lvd142m",
        goal=goal,
        random_weights_seed=0,
        image_size=28,
    )
    assert isinstance(source, DINOGoalReward)
    assert source.embed(pictures(1, 1)[0]).shape == (1, 384)
    assert REWARD_SOURCES.entry("dino-goal").gym_name == "DINOGoal"


def test_an_environment_gets_the_reward_of_its_picture(goal: str) -> None:
    source = source_with(goal=goal)
    env = PointReachEnv(steps=2, render_mode="rgb_array", size=32)
    wrapped = RewardFromSource(env, source)
    wrapped.reset(seed=0)
    reward = wrapped.step(np.ones(1, np.float32))[1]
    picture = env.render()
    assert picture is not None
    expected = source.rewards(SegmentBatch(frames=picture[None, None]))
    np.testing.assert_allclose(reward, expected[0, 0], rtol=1e-4)
