import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.rewards.picture_energy import PictureEnergyReward
from vlfeedback.testing import RewardSourceContract
from vlfeedback.types import SegmentBatch


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> PictureEnergyReward:
        return PictureEnergyReward()


def test_energy_is_the_mean_absolute_difference_of_first_and_last_picture() -> None:
    frames = np.zeros((2, 3, 4, 4, 3), np.uint8)
    frames[0, 1] = 200  # what happens in between does not count
    frames[0, 2] = 10
    frames[1, 0] = 255
    rewards = PictureEnergyReward().rewards(SegmentBatch(frames=frames))
    np.testing.assert_array_equal(rewards, [[0, 0, 10], [0, 0, 255]])


def test_a_batch_without_pictures_is_refused() -> None:
    batch = SegmentBatch(actions=np.zeros((1, 2, 4), np.float32))
    with pytest.raises(NeedsError, match="reads pictures"):
        PictureEnergyReward().rewards(batch)
