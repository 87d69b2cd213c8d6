from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp_weights import VLPWeights, save_vlp
from vlfeedback.rewards.vlp import VLPConfig, VLPReward
from vlfeedback.testing import RewardSourceContract
from vlfeedback.types import SegmentBatch


@pytest.fixture(scope="module")
def bundled() -> VLPReward:
    return VLPReward()


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self, bundled: VLPReward) -> VLPReward:
        return bundled


def clips(n: int, n_frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, n_frames, 112, 112, 3), dtype=np.uint8)


def last(source: VLPReward, frames: np.ndarray, text: str = "close the drawer") -> np.ndarray:
    batch = SegmentBatch(frames=frames, instructions=[text] * len(frames))
    return source.rewards(batch)[:, -1]


def test_every_step_rendered_scores_like_the_eight_pictures_that_are_read(
    bundled: VLPReward,
) -> None:
    frames = clips(1, 50)
    np.testing.assert_allclose(
        last(bundled, frames), last(bundled, frames[:, [0, 7, 14, 21, 28, 35, 42, 49]]), rtol=1e-5
    )


def test_three_pictures_are_stretched_and_one_is_a_still_clip(bundled: VLPReward) -> None:
    frames = clips(1, 3)
    np.testing.assert_allclose(
        last(bundled, frames), last(bundled, frames[:, [0, 0, 1, 1, 1, 1, 2, 2]]), rtol=1e-5
    )
    still = frames[:, :1]
    np.testing.assert_allclose(
        last(bundled, still), last(bundled, np.repeat(still, 8, axis=1)), rtol=1e-5
    )


def test_a_reversed_clip_and_another_instruction_change_the_score(bundled: VLPReward) -> None:
    frames = clips(1, 8)
    score = last(bundled, frames)
    assert not np.isclose(score, last(bundled, frames[:, ::-1].copy()), rtol=1e-3)
    assert not np.isclose(score, last(bundled, frames, "open the window"), rtol=1e-3)


def test_black_pictures_and_long_texts_have_a_finite_score(bundled: VLPReward) -> None:
    black = np.zeros((1, 8, 112, 112, 3), np.uint8)
    assert np.isfinite(last(bundled, black, "close the drawer " * 600)).all()


def test_an_empty_instruction_is_refused(bundled: VLPReward) -> None:
    with pytest.raises(NeedsError):
        last(bundled, clips(1, 8), "   ")


def test_scores_are_standardised_with_the_statistics_of_the_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8))
    network = VLPNetwork(small)
    paths = []
    for name, mean, std in (("raw", 0.0, 1.0), ("scaled", 0.5, 4.0)):
        paths.append(str(tmp_path / f"{name}.safetensors"))
        save_vlp(Path(paths[-1]), network, VLPWeights(small, mean, std, ("reach",), {}))
    raw, scaled = (last(VLPReward(VLPConfig(weights=path)), clips(3, 8)) for path in paths)
    np.testing.assert_allclose(scaled, (raw - 0.5) / 4.0, rtol=1e-5)
