"""Encoders whose pictures and texts lie in one space, with adapters on them."""

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from vlfeedback import make_reward_source
from vlfeedback.data.contents import digest_of_source
from vlfeedback.errors import NeedsError
from vlfeedback.models.adapters.network import EncoderAdapters
from vlfeedback.rewards.adapted import AdaptedReward, encoder_of_texts
from vlfeedback.testing import RewardSourceContract, ShadeEncoder
from vlfeedback.types import SegmentBatch, class_and_settings

ENCODERS = Path(__file__).parents[1] / "encoders"
TINY: dict[str, dict[str, Any]] = {
    "clip": {"architecture": "tiny-quickgelu"},
    "liv": {"architecture": "tiny-resnet-quickgelu"},
    "siglip2": {"architecture": "tiny-siglip2", "tokenizer": str(ENCODERS / "tiny_tokenizer")},
}


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(ENCODERS / "tiny_clip")


def encoder(source: str, **settings: Any) -> Any:
    return make_reward_source(source, random_weights_seed=0, **TINY[source], **settings)


def trained(width: int) -> EncoderAdapters:
    """Adapters that change something."""
    adapters = EncoderAdapters(width, 8)
    torch.nn.init.normal_(adapters.pictures.up.weight)
    torch.nn.init.normal_(adapters.texts.up.weight)
    return adapters


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> AdaptedReward:
        clip = encoder("clip", frame_stride=2)
        return AdaptedReward(clip, trained(len(clip.embed_text("go"))))


@pytest.mark.parametrize("name", TINY)
def test_with_new_adapters_each_encoder_scores_as_it_did(name: str) -> None:
    frozen = encoder(name)
    frames = np.random.default_rng(0).integers(256, size=(2, 3, 40, 40, 3), dtype=np.uint8)
    batch = SegmentBatch(frames=frames, instructions=["open the drawer", "close it"])
    width = frozen.embed(frames[0]).shape[1]
    rewards = AdaptedReward(frozen, EncoderAdapters(width)).rewards(batch)
    np.testing.assert_allclose(rewards, frozen.rewards(batch), atol=1e-5)
    changed = AdaptedReward(frozen, trained(width)).rewards(batch)
    assert np.abs(changed - rewards).max() > 0.01


def test_records_tell_adapters_apart_and_name_the_encoder() -> None:
    adapters = EncoderAdapters(2)
    source = AdaptedReward(ShadeEncoder(), adapters)
    name, settings = class_and_settings(source)
    assert name == "vlfeedback.rewards.adapted:AdaptedReward"
    assert settings["encoder"] == "vlfeedback.testing.shade_encoder:ShadeEncoder"
    before = digest_of_source(source)
    torch.nn.init.ones_(adapters.texts.up.weight)
    assert digest_of_source(source) != before


def test_a_liv_that_looks_for_a_picture_has_no_use_for_a_text(tmp_path: Path) -> None:
    from PIL import Image

    goal = tmp_path / "goal.png"
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(goal)
    with pytest.raises(NeedsError, match="LIVReward has no features of pictures and instructions"):
        encoder_of_texts(encoder("liv", goal=str(goal)))
