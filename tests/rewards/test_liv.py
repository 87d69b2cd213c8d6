from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from vlfeedback import RewardFromSource, make_reward_source
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.rewards.liv import LIVConfig, LIVReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch

TINY: dict[str, Any] = {"architecture": "tiny-resnet-quickgelu", "random_weights_seed": 0}


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")


def pictures(n: int, f: int, height: int = 40, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, height, width, 3), dtype=np.uint8)


def save_goal(path: Path, height: int = 40, width: int = 40, seed: int = 9) -> str:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return str(path)


def source_with(**settings: Any) -> LIVReward:
    return LIVReward(LIVConfig(**(TINY | settings)))


class TestContractWithInstructions(RewardSourceContract):
    @pytest.fixture
    def source(self) -> LIVReward:
        return source_with()


class TestContractWithAGoalPictureEveryThirdStep(RewardSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> LIVReward:
        goals = [save_goal(tmp_path / "a.png"), save_goal(tmp_path / "b.png", seed=10)]
        return source_with(goal=goals, metric="l2", preprocess="clip", frame_stride=3)


@pytest.mark.parametrize("metric", ["cos", "l2"])
@pytest.mark.parametrize("by", ["instruction", "goal"])
@torch.inference_mode()
def test_the_reward_compares_the_networks_features(by: str, metric: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = open_clip.create_model("tiny-resnet-quickgelu").eval()
    named = {f"module.model.{key}": tensor for key, tensor in model.state_dict().items()}
    torch.save({"liv": named}, tmp_path / "model.pt")
    weights = {"random_weights_seed": None, "checkpoint": str(tmp_path / "model.pt")}
    goal = {"goal": save_goal(tmp_path / "goal.png")} if by == "goal" else {}
    source = source_with(**weights, **goal, metric=metric)
    mean = torch.tensor((0.48145466, 0.4578275, 0.40821073))[:, None, None]
    std = torch.tensor((0.26862954, 0.26130258, 0.27577711))[:, None, None]

    def encoded(frames: np.ndarray) -> torch.Tensor:
        prepared = torch.nn.functional.interpolate(  # 64 to 32 px, no antialiasing
            torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, (32, 32), mode="bilinear"
        )
        features: torch.Tensor = model.encode_image((prepared - mean) / std)
        return features

    frames = pictures(1, 3)
    x = encoded(frames[0])
    if by == "goal":
        g = encoded(np.array(Image.open(tmp_path / "goal.png"))[None])
    else:
        g = model.encode_text(open_clip.get_tokenizer("tiny")(["open microwave"]))
    if metric == "l2":
        expected = -(x - g).norm(dim=-1)
    else:
        expected = (x * g).sum(dim=-1) / (x.norm(dim=-1) * g.norm(dim=-1))
    rewards = source.rewards(SegmentBatch(frames=frames, instructions=["open microwave"]))
    np.testing.assert_allclose(rewards[0], expected.numpy(), rtol=1e-4, atol=1e-5)


def test_its_two_ways_to_prepare_pictures_give_two_rewards() -> None:
    batch = SegmentBatch(frames=pictures(1, 2, 96, 96), instructions=["open microwave"])
    paper, clip = (source_with(preprocess=path) for path in ("paper", "clip"))
    assert not np.allclose(paper.rewards(batch), clip.rewards(batch), atol=1e-5)
    assert paper.embedding_id != clip.embedding_id


def test_the_instruction_or_a_goal_picture_is_needed_and_not_both(tmp_path: Path) -> None:
    assert source_with().needs.instruction
    source = source_with(goal=save_goal(tmp_path / "goal.png"))
    assert not source.needs.instruction
    frames = pictures(2, 2)
    without = source.rewards(SegmentBatch(frames=frames))
    ignored = source.rewards(SegmentBatch(frames=frames, instructions=["push", "pull"]))
    np.testing.assert_array_equal(without, ignored)


def test_the_goals_own_picture_has_the_highest_reward(tmp_path: Path) -> None:
    goal = save_goal(tmp_path / "goal.png")
    frames = np.concatenate([pictures(1, 2), np.asarray(Image.open(goal))[None, None]], axis=1)
    for metric, highest in (("cos", 1.0), ("l2", 0.0)):
        rewards = source_with(goal=goal, metric=metric).rewards(SegmentBatch(frames=frames))[0]
        np.testing.assert_allclose(rewards[2], highest, atol=1e-5)
        assert rewards[2] > rewards[:2].max()


def test_a_goal_may_have_another_size_and_not_another_aspect_ratio(tmp_path: Path) -> None:
    source = source_with(goal=save_goal(tmp_path / "goal.png", 96, 96))
    source.rewards(SegmentBatch(frames=pictures(1, 1)))
    with pytest.raises(ShapeError, match=r"'liv' is a picture of 96 x 96 px.*have 60 x 40"):
        source.rewards(SegmentBatch(frames=pictures(1, 1, 40, 60)))


def test_a_goal_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"No picture 'nowhere\.png'"):
        source_with(goal="nowhere.png")
    with pytest.raises(NeedsError, match=r"pass goal='goal\.png'"):
        source_with(goal=())


def test_an_unknown_metric_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"metric='dot'; expected 'cos' or 'l2'"):
        source_with(metric="dot")
    torch.save({"visual.proj": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no LIV checkpoint"):
        source_with(random_weights_seed=None, checkpoint=str(tmp_path / "other.pt"))


def test_an_environment_gets_the_reward_of_its_picture(tmp_path: Path) -> None:
    source = make_reward_source("liv", **TINY, goal=save_goal(tmp_path / "goal.png"))
    wrapped = RewardFromSource(PointReachEnv(steps=2, render_mode="rgb_array", size=32), source)
    wrapped.reset(seed=0)
    reward = wrapped.step(np.ones(1, np.float32))[1]
    picture = wrapped.env.render()
    assert isinstance(picture, np.ndarray)
    expected = source.rewards(SegmentBatch(frames=picture[None, None]))
    np.testing.assert_allclose(reward, expected[0, 0], atol=1e-6)
    assert REWARD_SOURCES.entry("liv").gym_name == "LIV"
