import pytest
from vlfeedback_brightness import (  # type: ignore[import-not-found]
    BrighterPreference,
    BrightnessReward,
)

from vlfeedback.testing import PreferenceSourceContract, RewardSourceContract


class TestBrightness(RewardSourceContract):
    @pytest.fixture
    def source(self) -> BrightnessReward:
        return BrightnessReward()


class TestBrighter(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> BrighterPreference:
        return BrighterPreference()
