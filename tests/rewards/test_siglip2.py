from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import image_transform
from PIL import Image

from vlfeedback import make_reward_source
from vlfeedback.errors import CheckpointError, InvalidValueError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.rewards.siglip2 import SigLIP2Config, SigLIP2Reward
from vlfeedback.testing import RewardSourceContract
from vlfeedback.types import SegmentBatch

ENCODERS = Path(__file__).parents[1] / "encoders"
TOKENIZER = str(ENCODERS / "tiny_tokenizer")
TINY: dict[str, Any] = {
    "architecture": "tiny-siglip2",
    "random_weights_seed": 0,
    "tokenizer": TOKENIZER,
}


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(ENCODERS / "tiny_clip")


def pictures(n: int, f: int, height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, height, width, 3), dtype=np.uint8)


def source_with(**settings: Any) -> SigLIP2Reward:
    return SigLIP2Reward(SigLIP2Config(**(TINY | settings)))


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> SigLIP2Reward:
        return source_with()


class TestContractCalibratedEveryThirdStep(RewardSourceContract):
    @pytest.fixture
    def source(self) -> SigLIP2Reward:
        return source_with(calibrated=True, frame_stride=3)


@torch.inference_mode()
def test_the_reward_is_the_cosine_or_the_probability_that_open_clip_gives(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = open_clip.create_model("tiny-siglip2").eval()
    model.logit_scale.fill_(1.5)
    model.logit_bias.fill_(-0.7)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    weights = {"random_weights_seed": None, "checkpoint": str(tmp_path / "weights.pt")}
    frames = pictures(1, 2)
    constants = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "resize_mode": "squash"}
    transform = image_transform(160, is_train=False, interpolation="bicubic", **constants)
    prepared = torch.stack([transform(Image.fromarray(frame)) for frame in frames[0]])
    tokenize = HFTokenizer(TOKENIZER, context_length=64, clean="canonicalize")
    image, text = model.encode_image(prepared), model.encode_text(tokenize(["open the drawer"]))
    cosine = (image @ text[0] / (image.norm(dim=1) * text.norm())).numpy()
    batch = SegmentBatch(frames=frames, instructions=["Open the drawer!"])
    rewards = source_with(**weights).rewards(batch)
    np.testing.assert_allclose(rewards[0], cosine, atol=2e-3)  # PIL rounds to grey levels
    probability = 1 / (1 + np.exp(-(np.exp(1.5) * cosine - 0.7)))
    rewards = source_with(**weights, calibrated=True).rewards(batch)
    np.testing.assert_allclose(rewards[0], probability, atol=2e-3)


def test_case_and_punctuation_make_no_difference_and_words_do() -> None:
    source = source_with()
    plain, shouted, other = (
        source.rewards(SegmentBatch(frames=pictures(1, 1), instructions=[text]))
        for text in ("open the drawer", "Open, the DRAWER!", "close the drawer")
    )
    np.testing.assert_array_equal(plain, shouted)
    assert not np.isclose(plain, other)


@pytest.mark.parametrize("text", ["?!", "...", "_"])
def test_a_text_of_punctuation_alone_is_refused(text: str) -> None:
    batch = SegmentBatch(frames=pictures(1, 1), instructions=[text])
    with pytest.raises(InvalidValueError, match=r"Nothing is left of the text .* it becomes ''"):
        source_with().rewards(batch)


def test_in_bfloat16_the_reward_is_nearly_the_same() -> None:
    batch = SegmentBatch(frames=pictures(1, 3), instructions=["open drawer"])
    exact, fast = (source_with(precision=p).rewards(batch) for p in ("float32", "bfloat16"))
    np.testing.assert_allclose(fast, exact, atol=0.02)
    assert not np.array_equal(fast, exact)


def test_the_probability_orders_pictures_as_the_cosine_does() -> None:
    batch = SegmentBatch(frames=pictures(1, 5), instructions=["open drawer"])
    cosine = source_with().rewards(batch)[0]
    probability = source_with(calibrated=True).rewards(batch)[0]
    np.testing.assert_array_equal(np.argsort(cosine), np.argsort(probability))
    assert probability.min() > 0


def test_without_its_tokenizer_the_message_says_what_to_fetch() -> None:
    with pytest.raises(
        FileNotFoundError,
        match=r"hf download timm/ViT-B-16-SigLIP2 tokenizer\.json.*tokenizer='their folder'",
    ):
        SigLIP2Reward(SigLIP2Config(random_weights_seed=0))


def test_a_clip_is_refused_by_its_architecture_and_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"'tiny' is no SigLIP"):
        SigLIP2Reward(SigLIP2Config(architecture="tiny", random_weights_seed=0))
    tensors = open_clip.create_model("tiny").state_dict()
    torch.save(tensors, tmp_path / "clip.pt")
    with pytest.raises(CheckpointError, match=r"is no 'tiny-siglip2'.* looks like tiny"):
        source_with(random_weights_seed=None, checkpoint=str(tmp_path / "clip.pt"))


def test_a_file_of_the_transformers_library_is_named(tmp_path: Path) -> None:
    tensors = {"vision_model.head.probe": torch.zeros(1, 1, 768), "logit_bias": torch.zeros(1)}
    torch.save(tensors, tmp_path / "siglip.pt")
    with pytest.raises(CheckpointError, match="looks like a SigLIP of the transformers library"):
        source_with(random_weights_seed=None, checkpoint=str(tmp_path / "siglip.pt"))


def test_a_file_of_siglip_is_refused_by_clip_and_named(tmp_path: Path) -> None:
    torch.save(open_clip.create_model("tiny-siglip2").state_dict(), tmp_path / "siglip.pt")
    with pytest.raises(CheckpointError, match=r"looks like a SigLIP of open_clip \(width 96\)"):
        make_reward_source("clip.tiny", checkpoint=str(tmp_path / "siglip.pt"))


def test_it_is_made_by_its_id_and_shares_features_with_clip_of_the_same_settings() -> None:
    source = make_reward_source("siglip2.tiny-siglip2", random_weights_seed=0, tokenizer=TOKENIZER)
    assert isinstance(source, SigLIP2Reward)
    assert source.embedding_id == source_with(calibrated=True).embedding_id
    assert REWARD_SOURCES.entry("siglip2").gym_name == "SigLIP2"


def test_the_preparation_is_that_of_every_tag_of_siglip2() -> None:
    names = [name for name in open_clip.list_models() if "SigLIP2" in name]
    assert "ViT-B-16-SigLIP2" in names
    for name in names:
        config = open_clip.get_pretrained_cfg(name, "webli")
        assert (*config["mean"], *config["std"]) == (0.5,) * 6
        assert (config["interpolation"], config["resize_mode"]) == ("bicubic", "squash")


def test_the_default_architecture_has_the_size_of_siglip_2s_base() -> None:
    with torch.device("meta"):
        model = open_clip.create_model(SigLIP2Config().architecture, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == 375_187_970
    assert tuple(model.visual.image_size) == (224, 224)
