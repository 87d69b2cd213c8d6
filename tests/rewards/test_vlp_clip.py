from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from vlfeedback import (
    RewardFromSource,
    make_preference_source,
    make_reward_source,
)
from vlfeedback.encoders.clip_tokens import CLIPTokens, load_clip_tokens
from vlfeedback.errors import CheckpointError, NeedsError
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork
from vlfeedback.models.vlp_clip.weights import VLPClipWeights, save_vlp_clip
from vlfeedback.rewards import source_from_json, source_to_json
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.rewards.vlp_clip import VLPClipConfig, VLPClipReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch

SMALL = VLPClipArchitecture(picture_width=32, text_width=32, width=48, n_heads=2, head=(16, 8))


@pytest.fixture(scope="module")
def clip() -> CLIPTokens:
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")
    return load_clip_tokens("tiny-quickgelu", random_weights_seed=0)


def save(
    path: Path, clip: CLIPTokens, architecture: VLPClipArchitecture = SMALL, std: float = 1.0
) -> Path:
    torch.manual_seed(0)
    network = VLPClipNetwork(architecture)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    save_vlp_clip(path, network, VLPClipWeights(architecture, clip.identity, 0.5, std, (), {}))
    return path


@pytest.fixture(scope="module")
def weights(clip: CLIPTokens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("weights") / "vlp-clip.safetensors", clip)


def load(path: Path) -> VLPClipReward:
    return VLPClipReward(VLPClipConfig(str(path), random_weights_seed=0))


@pytest.fixture(scope="module")
def source(weights: Path) -> VLPClipReward:
    return load(weights)


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self, weights: Path) -> VLPClipReward:
        return load(weights)


def clips(n: int, n_frames: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, n_frames, 32, 32, 3), dtype=np.uint8)


def last(source: VLPClipReward, frames: np.ndarray, text: str = "close the drawer") -> np.ndarray:
    return source.rewards(SegmentBatch(frames=frames, instructions=[text] * len(frames)))[:, -1]


def test_every_step_rendered_scores_like_the_eight_pictures_that_are_read(
    source: VLPClipReward,
) -> None:
    frames = clips(1, 50)
    read = frames[:, [0, 7, 14, 21, 28, 35, 42, 49]]
    np.testing.assert_allclose(last(source, frames), last(source, read), rtol=1e-4)


def test_one_picture_is_a_still_clip(source: VLPClipReward) -> None:
    still = clips(1, 1)
    moving = np.repeat(still, 8, axis=1)
    np.testing.assert_allclose(last(source, still), last(source, moving), rtol=1e-4)


def test_a_reversed_clip_and_another_instruction_change_the_score(source: VLPClipReward) -> None:
    frames = clips(1, 8)
    score = last(source, frames)
    assert not np.isclose(score, last(source, frames[:, ::-1].copy()), rtol=1e-3)
    assert not np.isclose(score, last(source, frames, "open the window"), rtol=1e-3)


def test_more_clips_than_are_scored_at_once_score_as_they_do_alone(source: VLPClipReward) -> None:
    frames = clips(19, 2)
    alone = np.concatenate([last(source, frames[i : i + 1]) for i in range(19)])
    np.testing.assert_allclose(last(source, frames), alone, atol=1e-4)


def test_scores_are_standardised_with_the_statistics_of_the_weights(
    clip: CLIPTokens, tmp_path: Path
) -> None:
    one, four = (load(save(tmp_path / f"{std}.st", clip, std=std)) for std in (1.0, 4.0))
    np.testing.assert_allclose(last(four, clips(3, 8)), last(one, clips(3, 8)) / 4, rtol=1e-5)


def test_gaps_of_scores_are_log_odds_by_the_statistics_of_the_weights(
    clip: CLIPTokens, tmp_path: Path
) -> None:
    assert load(save(tmp_path / "wide.safetensors", clip, std=4.0)).log_odds_scale == 4.0


def test_the_class_token_is_read_where_the_weights_say_so(clip: CLIPTokens, tmp_path: Path) -> None:
    source = load(save(tmp_path / "class.st", clip, replace(SMALL, class_token=True)))
    assert source.embed(clips(1, 3)[0]).shape == (3, 5, 32)
    assert np.isfinite(last(source, clips(1, 3))).all()


def test_blank_instructions_are_refused(source: VLPClipReward) -> None:
    with pytest.raises(NeedsError, match="in words"):
        last(source, clips(1, 2), "  ")


def test_without_weights_it_says_how_to_get_some() -> None:
    with pytest.raises(NeedsError, match=r"`vlfeedback fit vlp-clip`.*or use 'vlp'"):
        make_reward_source("vlp.clip")


def test_without_a_clip_it_asks_for_one(weights: Path) -> None:
    with pytest.raises(NeedsError, match="exactly one of"):
        make_reward_source("vlp.clip", weights=str(weights))


def test_the_wrong_clip_is_refused(weights: Path) -> None:
    with pytest.raises(CheckpointError, match="trained on another CLIP"):
        make_reward_source("vlp.clip", weights=str(weights), random_weights_seed=1)


def test_the_id_gives_it_and_those_of_the_compact_model_stay(weights: Path) -> None:
    settings: dict[str, Any] = {"weights": str(weights), "random_weights_seed": 0}
    source = make_reward_source("vlp.clip", **settings)
    assert isinstance(source, VLPClipReward)
    description = source_to_json(source)
    assert description["type"] == "vlp.clip"
    again = source_from_json(description)
    assert isinstance(again, VLPClipReward)
    assert again.config == source.config
    make_preference_source("vlp.clip", **settings)
    for name in ("vlp", "vlp.mt45"):
        assert isinstance(make_reward_source(name), VLPReward)


def test_an_environment_gets_the_score_of_its_last_eight_pictures(source: VLPClipReward) -> None:
    env = PointReachEnv(steps=3, render_mode="rgb_array", size=32)
    wrapped = RewardFromSource(env, source, instruction="go to the goal")
    wrapped.reset(seed=0)
    reset = env.render()
    reward = wrapped.step(np.ones(1, np.float32))[1]
    picture = env.render()
    assert reset is not None
    assert picture is not None
    window = np.stack([reset] * 7 + [picture])[None]
    np.testing.assert_allclose(reward, last(source, window, "go to the goal")[0], rtol=1e-4)
