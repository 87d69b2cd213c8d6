import numpy as np
import pytest

from vlfeedback import RewardFromSource, make_reward_source, relabel
from vlfeedback.errors import NeedsError
from vlfeedback.rewards.success import SuccessReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch, Trajectory


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> SuccessReward:
        return SuccessReward()


def recording(successes: list[bool] | None) -> Trajectory:
    noted = None if successes is None else np.array(successes)
    return Trajectory(np.zeros((5, 2)), np.zeros((4, 1)), successes=noted, truncated=True, id="a")


def test_a_step_is_worth_one_while_the_task_is_done() -> None:
    (relabelled,) = relabel([recording([False, True, True, False])], "success")
    np.testing.assert_array_equal(relabelled.rewards, [0, 1, 1, 0])


def test_a_recording_that_does_not_say_is_refused() -> None:
    with pytest.raises(NeedsError, match="own successes and trajectory 'a' has none; record it"):
        list(relabel([recording(None)], make_reward_source("success")))
    with pytest.raises(NeedsError, match="this batch does not say"):
        SuccessReward().rewards(SegmentBatch(actions=np.zeros((1, 2, 4), np.float32)))


def test_around_an_environment_it_is_refused() -> None:
    with pytest.raises(NeedsError, match="which recordings alone say: relabel some with it"):
        RewardFromSource(PointReachEnv(steps=2), "success")
