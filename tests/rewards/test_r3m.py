"""R3M of size 18 with a narrow text encoder, and, where it makes no difference, small pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from PIL import Image
from torch import Tensor
from torchvision import models, transforms

from vlfeedback import RewardFromSource, VectorRewardFromSource, make_reward_source, relabel
from vlfeedback.encoders import resnet
from vlfeedback.encoders.distilbert import distilbert, mean_of_tokens
from vlfeedback.encoders.r3m import LanguageNetwork, LanguageReward
from vlfeedback.encoders.resnet import ResNet
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.rewards import source_from_json, source_to_json
from vlfeedback.rewards.r3m import R3MConfig, R3MReward
from vlfeedback.rewards.r3m_goal import R3MGoalReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import ArrayFrames, SegmentBatch, Trajectory

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "open", "close", "the", "drawer", "window"]
PUSH = "open the drawer"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As the repository saves it, with random weights; the vocabulary lies beside it."""
    folder = tmp_path_factory.mktemp("r3m_18")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        text = distilbert(vocabulary=len(WORDS), positions=16, width=64, hidden=32, layers=2)
        language = LanguageNetwork(text, n_features=512, hidden=32)
        tensors = ResNet(18).state_dict() | language.state_dict()
    parallel = {f"module.{key}": tensor for key, tensor in tensors.items()}
    torch.save({"r3m": parallel, "global_step": 1}, folder / "model.pt")
    return str(folder / "model.pt")


def small(checkpoint: str, **settings: Any) -> R3MReward:
    """Its network reads pictures of 32 px, so that a test takes a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "_RESIZE", 36)
        patch.setattr(resnet, "_SIDE", 32)
        return R3MReward(R3MConfig(size=18, checkpoint=checkpoint, **settings))


@pytest.fixture(scope="module")
def source(checkpoint: str) -> R3MReward:
    return small(checkpoint)


def pictures(n: int, f: int, size: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, size, size, 3), dtype=np.uint8)


def batch(n: int = 1, f: int = 3, **changes: Any) -> SegmentBatch:
    given = SegmentBatch(
        frames=pictures(n, f + 1)[:, 1:],
        first_frames=pictures(n, f + 1)[:, 0],
        instructions=[PUSH] * n,
    )
    return replace(given, **changes)


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self, source: R3MReward) -> R3MReward:
        return source


class TestContractWithPicturesEveryThirdStep(RewardSourceContract):
    picture_size = 32

    @pytest.fixture
    def source(self, checkpoint: str) -> R3MReward:
        return small(checkpoint, frame_stride=3, first_frame="segment")


# The score -----------------------------------------------------------------------------------


@torch.inference_mode()
def test_the_reward_is_the_published_formula(checkpoint: str) -> None:
    tensors = torch.load(checkpoint)["r3m"]

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}

    network = models.resnet18()
    network.fc = torch.nn.Identity()
    network.load_state_dict(part("module.convnet."))
    text = distilbert(vocabulary=len(WORDS), positions=16, width=64, hidden=32, layers=2).eval()
    text.load_state_dict(part("module.lang_enc.model."))
    head = part("module.lang_rew.pred.")
    prepare = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    given = batch(f=2)
    assert given.frames is not None
    assert given.first_frames is not None
    shown = [*given.first_frames, *given.frames[0]]
    first, *later = network.eval()(torch.stack([prepare(Image.fromarray(f)) for f in shown]))
    sentence = mean_of_tokens(text, torch.tensor([[2, 5, 7, 8, 3]]))
    expected = []
    for now in later:
        x = torch.cat([first, now, sentence])
        for layer in (0, 2, 4, 6, 8):
            x = head[f"{layer}.weight"] @ x + head[f"{layer}.bias"]
            x = x if layer == 8 else x.clamp(min=0)
        expected.append(float(x))
    for preprocess, tolerance in (("pil", 1e-4), ("paper", 1e-2)):
        config = R3MConfig(size=18, checkpoint=checkpoint, preprocess=preprocess)
        np.testing.assert_allclose(R3MReward(config).rewards(given)[0], expected, atol=tolerance)


def test_the_picture_of_the_reset_and_the_sentence_change_the_score(source: R3MReward) -> None:
    scores = source.rewards(batch())
    assert not np.allclose(source.rewards(batch(first_frames=pictures(1, 1)[:, 0] // 2)), scores)
    assert not np.allclose(source.rewards(batch(instructions=["close the window"])), scores)


def test_within_a_segment_its_own_first_picture_can_be_compared_with(
    source: R3MReward, checkpoint: str
) -> None:
    own = small(checkpoint, first_frame="segment")
    assert source.needs.first_frame
    assert not own.needs.first_frame
    given = batch()
    assert given.frames is not None
    expected = source.rewards(batch(first_frames=given.frames[:, 0]))
    np.testing.assert_allclose(own.rewards(replace(given, first_frames=None)), expected, rtol=1e-5)


def test_between_pictures_the_last_score_is_held(source: R3MReward) -> None:
    dense = source.rewards(batch(f=2))[0]
    sparse = source.rewards(batch(f=2, frame_steps=np.array([0, 3]), length=5))[0]
    np.testing.assert_allclose(sparse, dense[[0, 0, 0, 1, 1]], rtol=1e-6)


@pytest.fixture
def encoded_texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    texts: list[str] = []
    embed = LanguageReward.embed_text

    def counting(self: LanguageReward, text: str) -> np.ndarray:
        texts.append(text)
        return embed(self, text)

    monkeypatch.setattr(LanguageReward, "embed_text", counting)
    yield texts


def test_each_instruction_is_encoded_once_and_alone(
    checkpoint: str, encoded_texts: list[str]
) -> None:
    source = small(checkpoint)
    texts = ["open", "close the window", "open"]
    given = batch(n=3, instructions=texts)
    together = source.rewards(given)
    source.rewards(given)
    assert encoded_texts == ["open", "close the window"]
    np.testing.assert_allclose(together[2:], small(checkpoint).rewards(given.take([2])), rtol=1e-4)


# The picture of the reset --------------------------------------------------------------------


def grey(position: float) -> np.ndarray:
    return np.full((8, 8, 3), round(255 * position), np.uint8)


def world() -> gym.Env[Any, Any]:
    # Of 15 steps, so that a float32 observation tells the shade of the picture exactly.
    env = PointReachEnv(15, render_mode="rgb_array", random_start=True)
    return gym.wrappers.TimeLimit(env, 4)


class Scores:
    """The source's score of a picture, for an episode that began somewhere."""

    def __init__(self, source: R3MReward) -> None:
        self._source = source

    @cache  # noqa: B019  (as long-lived as the test)
    def __call__(self, start: float, position: float) -> float:
        given = SegmentBatch(
            frames=grey(position)[None, None], first_frames=grey(start)[None], instructions=[PUSH]
        )
        return float(self._source.rewards(given)[0, 0])


def test_each_episode_is_compared_with_its_own_reset(source: R3MReward) -> None:
    score = Scores(source)
    env = RewardFromSource(world(), source, instruction=PUSH)
    starts = set()
    for seed in range(3):
        start = float(env.reset(seed=seed)[0][0])
        starts.add(start)
        over = False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(np.ones(1, np.float32))
            assert reward == pytest.approx(score(start, float(observation[0])), rel=1e-4)
            over = terminated or truncated
    assert len(starts) > 1
    assert abs(score(0.0, 0.5) - score(0.9, 0.5)) > 1e-3  # the reset makes a difference


@pytest.mark.parametrize("autoreset", list(AutoresetMode))
def test_each_of_many_environments_is_compared_with_its_own_reset(
    source: R3MReward, autoreset: AutoresetMode
) -> None:
    score = Scores(source)
    inner = SyncVectorEnv([world] * 3, autoreset_mode=autoreset)
    env = VectorRewardFromSource(inner, source, instruction=PUSH)
    starts = env.reset(seed=3)[0][:, 0].copy()
    ended = np.zeros(3, np.bool_)
    for _ in range(9):
        observations, rewards, terminated, truncated, infos = env.step(np.ones((3, 1), np.float32))
        shown = observations[:, 0].copy()
        resets = ended if autoreset is AutoresetMode.NEXT_STEP else np.zeros(3, np.bool_)
        ended = terminated | truncated
        if autoreset is AutoresetMode.SAME_STEP and ended.any():
            shown[ended] = [final[0] for final in infos["final_obs"][ended]]
        expected = [
            0.0 if reset else score(float(start), float(position))
            for reset, start, position in zip(resets, starts, shown, strict=True)
        ]
        np.testing.assert_allclose(rewards, expected, rtol=1e-4, atol=1e-6)
        if autoreset is AutoresetMode.SAME_STEP:
            resets = ended
        if autoreset is AutoresetMode.DISABLED and ended.any():
            observations, _ = env.reset(options={"reset_mask": ended})
            resets = ended
        starts[resets] = observations[resets, 0]


def test_a_recorded_episode_gets_the_rewards_of_a_wrapper_and_its_segments_its_reset(
    source: R3MReward,
) -> None:
    env = RewardFromSource(world(), source, instruction=PUSH)
    observations = [env.reset(seed=5)[0]]
    shown, rewards, over = [env.render()], [], False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(np.ones(1, np.float32))
        observations.append(observation)
        shown.append(env.render())
        rewards.append(float(reward))
        over = terminated or truncated
    episode = Trajectory(
        observations=np.stack(observations),
        actions=np.ones((len(rewards), 1), np.float32),
        frames=ArrayFrames(np.arange(len(shown)), np.stack(shown)),  # type: ignore[arg-type]
        terminated=bool(terminated),
        truncated=bool(truncated),
        id="point",
    )
    (relabelled,) = relabel([episode], source, instruction=PUSH)
    assert relabelled.rewards is not None
    np.testing.assert_allclose(relabelled.rewards, np.array(rewards), rtol=1e-4)
    middle = SegmentBatch.from_segments([episode.segment(2, 2)], [PUSH], needs=source.needs)
    np.testing.assert_allclose(source.rewards(middle)[0], rewards[2:4], rtol=1e-4)


def test_a_missing_picture_of_the_reset_is_asked_for(source: R3MReward) -> None:
    with pytest.raises(NeedsError, match=r"'r3m' compares with the picture of the reset"):
        source.rewards(batch(first_frames=None))


# Settings ------------------------------------------------------------------------------------


def test_a_text_without_a_known_word_is_refused(source: R3MReward) -> None:
    with pytest.raises(NeedsError, match="in words"):
        source.rewards(batch(instructions=["  "]))
    with pytest.raises(InvalidValueError, match="knows no word of the instruction 'pull'"):
        source.rewards(batch(instructions=["pull"]))


def test_an_unknown_setting_is_named(checkpoint: str) -> None:
    with pytest.raises(
        InvalidValueError, match=r"first_frame='reset'; expected 'episode' or 'segment'"
    ):
        R3MReward(R3MConfig(size=18, checkpoint=checkpoint, first_frame="reset"))
    with pytest.raises(UnknownNameError, match=r"'101'.*18, 34 and 50"):
        make_reward_source("r3m.101", checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match=r"ResNet-18.*pass size=18"):
        make_reward_source("r3m", checkpoint=checkpoint)


def test_the_id_names_the_size_and_the_stride_reaches_the_wrapper(checkpoint: str) -> None:
    source = make_reward_source("r3m.18", checkpoint=checkpoint, frame_stride=4)
    assert isinstance(source, R3MReward)
    assert source.config == R3MConfig(size="18", checkpoint=checkpoint, frame_stride=4)
    assert source.needs.frame_stride == 4
    again = source_from_json(source_to_json(source))
    assert isinstance(again, R3MReward)
    assert again.config == source.config


def test_a_file_without_language_head_is_for_r3m_goal(checkpoint: str, tmp_path: Path) -> None:
    tensors = torch.load(checkpoint)["r3m"]
    kept = {key: tensor for key, tensor in tensors.items() if "convnet" in key}
    torch.save({"r3m": kept}, tmp_path / "model.pt")
    Image.fromarray(pictures(1, 1)[0, 0]).save(tmp_path / "goal.png")
    goal = make_reward_source(
        "r3m-goal.18", checkpoint=str(tmp_path / "model.pt"), goal=str(tmp_path / "goal.png")
    )
    with pytest.raises(CheckpointError, match="visual-only R3M: use r3m-goal"):
        make_reward_source("r3m.18", checkpoint=str(tmp_path / "model.pt"))
    whole = make_reward_source("r3m.18", checkpoint=checkpoint)
    assert isinstance(goal, R3MGoalReward)
    assert isinstance(whole, R3MReward)
    assert goal.embedding_id == whole.embedding_id
    np.testing.assert_array_equal(goal.embed(pictures(1, 1)[0]), whole.embed(pictures(1, 1)[0]))


@pytest.mark.slow
def test_weights_that_know_nothing_need_no_file() -> None:
    source = make_reward_source("r3m", random_weights_seed=0)
    assert np.all(np.isfinite(source.rewards(batch(instructions=["Close the drawer, please!"]))))


@pytest.mark.slow
def test_a_file_of_the_released_size_is_read(tmp_path: Path) -> None:
    tensors = ResNet(50).state_dict() | LanguageNetwork(distilbert(), n_features=2048).state_dict()
    parallel = {f"module.{key}": tensor for key, tensor in tensors.items()}
    assert len(parallel) == 318 + 100 + 10
    torch.save({"r3m": parallel, "global_step": 1}, tmp_path / "model.pt")
    megabytes = (tmp_path / "model.pt").stat().st_size / 1e6
    assert megabytes == pytest.approx(392, abs=1)
    lines = [*WORDS, *(f"[unused{line}]" for line in range(30522 - len(WORDS)))]
    (tmp_path / "vocab.txt").write_text("\n".join(lines) + "\n")
    source = R3MReward(R3MConfig(checkpoint=str(tmp_path / "model.pt")))
    assert source.embed(pictures(1, 1)[0]).shape == (1, 2048)
    assert np.all(np.isfinite(source.rewards(batch())))
