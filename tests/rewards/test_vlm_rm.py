from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torch.nn.functional import interpolate

from vlfeedback import make_reward_source
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError
from vlfeedback.rewards import REWARD_SOURCES, source_from_json, source_to_json
from vlfeedback.rewards.clip import CLIPConfig, CLIPReward
from vlfeedback.rewards.vlm_rm import VLMRMConfig, VLMRMReward, goal_baseline_rewards
from vlfeedback.testing import RewardSourceContract
from vlfeedback.types import SegmentBatch

TINY: dict[str, Any] = {"architecture": "tiny-quickgelu", "random_weights_seed": 0}
ALPHAS = [0.0, 0.3, 0.5, 1.0]


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")


def source_with(**settings: Any) -> VLMRMReward:
    return VLMRMReward(VLMRMConfig(**(TINY | {"baseline": "drawer"} | settings)))


def pictures(n: int, f: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, height, width, 3), dtype=np.uint8)


def unit_vectors(*shape: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def by_matrix(x: np.ndarray, goal: np.ndarray, baseline: np.ndarray, alpha: float) -> np.ndarray:
    """The reward as its code writes it, with a D x D projection."""
    direction = goal - baseline
    projection = np.outer(direction, direction) / np.linalg.norm(direction) ** 2
    mixed = alpha * projection + (1 - alpha) * np.eye(len(goal))
    return np.asarray(1 - np.linalg.norm((x - goal) @ mixed, axis=-1) ** 2 / 2)


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> VLMRMReward:
        return source_with()


class TestContractWithSeveralTextsEveryThirdStep(RewardSourceContract):
    @pytest.fixture
    def source(self) -> VLMRMReward:
        texts = {"target": ("{}", "a photo of a robot told to {}"), "baseline": ["a robot", "room"]}
        return source_with(**texts, preprocess="openclip", frame_stride=3, alpha=0.3)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_closed_form_equals_the_one_with_a_matrix(alpha: float) -> None:
    x, goals = unit_vectors(3, 5, 64), unit_vectors(3, 2, 64, seed=1).mean(axis=1)
    baseline = unit_vectors(3, 64, seed=2).mean(axis=0)
    rewards = goal_baseline_rewards(x, goals, baseline, alpha)
    expected = [by_matrix(*row, baseline, alpha) for row in zip(x, goals, strict=True)]
    np.testing.assert_allclose(rewards, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("baseline", [None, unit_vectors(64, seed=2)])
def test_without_projection_one_text_gives_the_cosine(baseline: np.ndarray | None) -> None:
    x, goals = unit_vectors(3, 5, 64), unit_vectors(3, 64, seed=1)
    rewards = goal_baseline_rewards(x, goals, baseline, 0.0)
    np.testing.assert_allclose(rewards, np.einsum("nfd,nd->nf", x, goals), rtol=0, atol=1e-12)


def test_without_projection_several_texts_add_a_constant() -> None:
    x, goals = unit_vectors(3, 5, 64), unit_vectors(3, 4, 64, seed=1).mean(axis=1)
    offset = (1 - (goals**2).sum(axis=-1)) / 2
    expected = np.einsum("nfd,nd->nf", x, goals) + offset[:, None]
    rewards = goal_baseline_rewards(x, goals, None, 0.0)
    np.testing.assert_allclose(rewards, expected, rtol=0, atol=1e-12)


def test_on_the_line_alone_going_past_the_goal_lowers_the_reward_again() -> None:
    goals, baseline = np.array([[1.0, 0.0, 0.0]]), np.array([0.0, 1.0, 0.0])
    along = np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    across = np.array([1.0, 1.0, 5.0])  # not seen
    before, at, past = (goals[0] + c * along + across for c in (-0.5, 0.0, 0.5))
    x = np.stack([before, at, past])[None] - across * np.array([[[0], [1], [1]]])
    rewards = goal_baseline_rewards(x, goals, baseline, 1.0)
    np.testing.assert_allclose(rewards, [[1 - 0.125, 1, 1 - 0.125]], atol=1e-12)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("alpha", ALPHAS)
@torch.inference_mode()
def test_the_reward_is_that_of_its_code_on_open_clips_features(
    alpha: float, antialias: bool, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    model = open_clip.create_model("tiny-quickgelu").eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    weights = {"random_weights_seed": None, "checkpoint": str(tmp_path / "weights.pt")}
    settings = {"antialias": True} if antialias else {}  # off by default, as in the paper
    source = source_with(**weights, **settings, alpha=alpha, baseline=("drawer", "kitchen"))

    def texts(*prompts: str) -> np.ndarray:
        features = model.encode_text(open_clip.get_tokenizer("tiny")(list(prompts))).double()
        mean: np.ndarray = (features / features.norm(dim=-1, keepdim=True)).mean(dim=0).numpy()
        return mean

    frames = pictures(1, 3)
    prepared = interpolate(  # both edges, beyond [0, 1] where it overshoots without antialiasing
        torch.from_numpy(frames[0]).permute(0, 3, 1, 2) / 255,
        (32, 32),
        mode="bicubic",
        antialias=antialias,
    )
    mean = torch.tensor((0.48145466, 0.4578275, 0.40821073))[:, None, None]
    std = torch.tensor((0.26862954, 0.26130258, 0.27577711))[:, None, None]
    x = model.encode_image((prepared - mean) / std).double().numpy()
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    expected = by_matrix(x, texts("open drawer"), texts("drawer", "kitchen"), alpha)
    rewards = source.rewards(SegmentBatch(frames=frames, instructions=["open drawer"]))
    np.testing.assert_allclose(rewards[0], expected, atol=1e-5)


def test_with_clips_pictures_and_no_projection_it_is_clip_and_shares_its_features() -> None:
    clip = CLIPReward(CLIPConfig(**TINY))
    source = source_with(alpha=0.0, preprocess="openclip", baseline=None)
    batch = SegmentBatch(frames=pictures(2, 2), instructions=["open drawer", "close drawer"])
    np.testing.assert_allclose(source.rewards(batch), clip.rewards(batch), atol=1e-6)
    assert source.embedding_id == clip.embedding_id
    unfiltered, filtered = source_with(), source_with(antialias=True)
    assert len({clip.embedding_id, unfiltered.embedding_id, filtered.embedding_id}) == 3


@pytest.mark.parametrize(
    "texts",
    [
        {"baseline": "Open  Drawer"},  # CLIP reads lower case and single spaces
        {"target": ("open drawer", "drawer"), "baseline": ("drawer", "open drawer")},
        {"baseline": "open drawer", "alpha": 0.0},
    ],
)
def test_a_baseline_that_equals_the_target_is_refused(texts: dict[str, Any]) -> None:
    source = source_with(**texts)
    batch = SegmentBatch(frames=pictures(1, 1), instructions=["open drawer"])
    with pytest.raises(InvalidValueError, match=r"are the same to the network.*such as 'drawer'"):
        source.rewards(batch)


def test_a_target_without_a_place_for_the_instruction_needs_none() -> None:
    source = source_with(target="open drawer")
    assert not source.needs.instruction
    assert VLMRMReward.needs.instruction
    expected = source_with().rewards(
        SegmentBatch(frames=pictures(1, 2), instructions=["open drawer"])
    )
    rewards = source.rewards(SegmentBatch(frames=pictures(1, 2)))
    np.testing.assert_array_equal(rewards, expected)


def test_an_instruction_that_says_nothing_is_refused_inside_a_target_too() -> None:
    source = source_with(target="a photo of a robot told to {}")
    for text, error, message in (
        ("  ", NeedsError, "in words"),
        ("&nbsp;", InvalidValueError, "Nothing is left"),
    ):
        with pytest.raises(error, match=message):
            source.rewards(SegmentBatch(frames=pictures(1, 1), instructions=[text]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baseline": None}, r"needs a text of the scene.*baseline='drawer'.*Or pass alpha=0"),
        ({"baseline": ()}, "needs a text of the scene"),
        ({"baseline": " "}, "in words"),
        ({"target": ()}, "no target text"),
    ],
)
def test_a_missing_text_is_asked_for(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(NeedsError, match=message):
        source_with(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.1}, r"alpha=1\.1; expected a number from 0"),
        ({"alpha": -0.1}, r"alpha=-0\.1"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"preprocess": "pil"}, r"'pil'; expected 'vlmrm' or 'openclip'"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        source_with(**settings)


def test_a_file_of_another_source_is_named(tmp_path: Path) -> None:
    torch.save({"r3m": {"module.convnet.conv1.weight": torch.zeros(1)}}, tmp_path / "r3m.pt")
    with pytest.raises(CheckpointError, match="looks like an R3M checkpoint"):
        source_with(random_weights_seed=None, checkpoint=str(tmp_path / "r3m.pt"))


def test_it_is_made_by_its_id_and_again_from_json() -> None:
    settings: dict[str, Any] = {
        "random_weights_seed": 0,
        "baseline": ("drawer", "kitchen"),
        "alpha": 0.25,
    }
    source = make_reward_source("vlm_rm.tiny-quickgelu", **settings)
    again = source_from_json(source_to_json(source))
    batch = SegmentBatch(frames=pictures(1, 2), instructions=["open drawer"])
    np.testing.assert_array_equal(again.rewards(batch), source.rewards(batch))
    assert REWARD_SOURCES.entry("vlm_rm").gym_name == "VLMRM"
