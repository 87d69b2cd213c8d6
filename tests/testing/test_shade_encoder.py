"""The contract of reward sources, and features by hand."""

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.testing import RewardSourceContract, ShadeEncoder, ShadeEncoderConfig
from vlfeedback.types import SegmentBatch


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> ShadeEncoder:
        return ShadeEncoder(ShadeEncoderConfig(frame_stride=3))


def test_a_reward_is_the_cosine_of_two_shades() -> None:
    frames = np.zeros((1, 2, 4, 4, 3), np.uint8)
    frames[0, 1] = 255
    encoder = ShadeEncoder()
    for text, expected in (("bright", [0, 1]), ("it is DARK", [1, 0]), ("", [0.5**0.5] * 2)):
        rewards = encoder.rewards(SegmentBatch(frames=frames, instructions=[text]))
        np.testing.assert_allclose(rewards[0], expected, atol=1e-6)


def test_what_is_missing_is_named() -> None:
    frames = np.zeros((1, 1, 4, 4, 3), np.uint8)
    with pytest.raises(NeedsError, match="needs an instruction"):
        ShadeEncoder().rewards(SegmentBatch(frames=frames))
