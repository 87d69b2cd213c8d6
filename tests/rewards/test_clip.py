from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image

from vlfeedback import RewardFromSource, make_reward_source
from vlfeedback.encoders.clip import CLIPEncoder
from vlfeedback.errors import NeedsError
from vlfeedback.rewards.clip import CLIPConfig, CLIPReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch

TINY = "tiny-quickgelu"


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")


@pytest.fixture(scope="module")
def tiny(tiny_architectures: None) -> CLIPReward:
    return CLIPReward(CLIPConfig(architecture=TINY, random_weights_seed=0))


def pictures(n: int, f: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, size, size, 3), dtype=np.uint8)


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self, tiny: CLIPReward) -> CLIPReward:
        return tiny


class TestContractWithPicturesEveryThirdStep(RewardSourceContract):
    @pytest.fixture
    def source(self) -> CLIPReward:
        return CLIPReward(CLIPConfig(architecture=TINY, random_weights_seed=0, frame_stride=3))


@torch.inference_mode()
def test_the_reward_is_the_cosine_that_open_clip_gives(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = open_clip.create_model(TINY).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    source = CLIPReward(CLIPConfig(architecture=TINY, checkpoint=str(tmp_path / "weights.pt")))
    frames = pictures(1, 2)
    transform = image_transform(32, is_train=False)
    image = model.encode_image(torch.stack([transform(Image.fromarray(f)) for f in frames[0]]))
    (text,) = model.encode_text(open_clip.get_tokenizer(TINY)(["open drawer"]))
    expected = image @ text / (image.norm(dim=1) * text.norm())
    rewards = source.rewards(SegmentBatch(frames=frames, instructions=["open drawer"]))
    np.testing.assert_allclose(rewards[0], expected.numpy(), atol=1e-6)


def test_between_pictures_the_last_score_is_held(tiny: CLIPReward) -> None:
    frames = pictures(1, 2)
    dense = tiny.rewards(SegmentBatch(frames=frames, instructions=["open drawer"]))[0]
    sparse = tiny.rewards(
        SegmentBatch(
            frames=frames, instructions=["open drawer"], frame_steps=np.array([0, 3]), length=5
        )
    )[0]
    np.testing.assert_array_equal(sparse, dense[[0, 0, 0, 1, 1]])


def test_steps_before_the_first_picture_are_refused(tiny: CLIPReward) -> None:
    batch = SegmentBatch(
        frames=pictures(1, 1), instructions=["open drawer"], frame_steps=np.array([2])
    )
    with pytest.raises(NeedsError, match=r"after the steps \[2\]; take one after step 0"):
        tiny.rewards(batch)


def test_an_instruction_changes_the_reward_and_a_blank_one_is_refused(tiny: CLIPReward) -> None:
    first, second = (
        tiny.rewards(SegmentBatch(frames=pictures(1, 1), instructions=[text]))
        for text in ("open drawer", "close the window")
    )
    assert not np.isclose(first, second)
    with pytest.raises(NeedsError, match="in words"):
        tiny.rewards(SegmentBatch(frames=pictures(1, 1), instructions=["  "]))


@pytest.fixture
def encoded_texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    texts: list[str] = []
    embed = CLIPEncoder.embed_text

    def counting(self: CLIPEncoder, text: str) -> np.ndarray:
        texts.append(text)
        return embed(self, text)

    monkeypatch.setattr(CLIPEncoder, "embed_text", counting)
    yield texts


def test_each_instruction_is_encoded_once(encoded_texts: list[str]) -> None:
    source = CLIPReward(CLIPConfig(architecture=TINY, random_weights_seed=0))
    batch = SegmentBatch(frames=pictures(3, 1), instructions=["push", "pull", "push"])
    source.rewards(batch)
    source.rewards(batch)
    assert encoded_texts == ["push", "pull"]


def test_the_id_names_the_architecture_and_the_stride_reaches_the_wrapper() -> None:
    source = make_reward_source(f"clip.{TINY}", random_weights_seed=0, frame_stride=4)
    assert isinstance(source, CLIPReward)
    assert source.config == CLIPConfig(architecture=TINY, random_weights_seed=0, frame_stride=4)
    assert source.needs.frame_stride == 4
    assert CLIPReward.needs.frame_stride == 1


def test_an_environment_gets_the_reward_of_its_picture(tiny: CLIPReward) -> None:
    env = PointReachEnv(steps=2, render_mode="rgb_array", size=32)
    wrapped = RewardFromSource(env, tiny, instruction="open drawer")
    wrapped.reset(seed=0)
    for _ in range(2):
        reward = wrapped.step(np.ones(1, np.float32))[1]
        picture = env.render()
        assert picture is not None
        batch = SegmentBatch(frames=picture[None, None], instructions=["open drawer"])
        np.testing.assert_allclose(reward, tiny.rewards(batch)[0, 0], atol=1e-6)
