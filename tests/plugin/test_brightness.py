import pytest
from vlfeedback_brightness import BrightnessReward  # type: ignore[import-not-found]

from vlfeedback.testing import RewardSourceContract


class TestBrightness(RewardSourceContract):
    @pytest.fixture
    def source(self) -> BrightnessReward:
        return BrightnessReward()
