from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.testing import PointReachEnv
from vlfeedback.wrappers import EndAtSuccess


class Says(gym.Wrapper[Any, Any, Any, Any]):
    """An environment that says these successes, one a step."""

    def __init__(self, *said: float) -> None:
        super().__init__(PointReachEnv(steps=100))
        self._said = said

    def reset(self, **options: Any) -> Any:
        self._step = 0
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        *rest, info = self.env.step(action)
        self._step += 1
        return *rest, {**info, "success": self._said[self._step - 1]}


def ends(env: gym.Env[Any, Any], n_steps: int) -> list[bool]:
    """Whether each step truncated its episode; none may terminate it."""
    env.reset()
    found = []
    for _ in range(n_steps):
        _, _, terminated, truncated, _ = env.step(np.ones(1, np.float32))
        assert not terminated
        found.append(truncated)
    return found


def test_the_step_that_succeeds_ends_the_episode_as_truncated() -> None:
    assert ends(EndAtSuccess(Says(0, 0, 1)), 3) == [False, False, True]


def test_success_has_to_last_as_long_as_patience_says() -> None:
    env = EndAtSuccess(Says(1, 0, 1, 1), patience=2)
    assert ends(env, 4) == [False, False, False, True]
    assert ends(env, 2) == [False, False]  # a reset forgets


def test_a_probability_counts_from_its_threshold_on_and_nan_never() -> None:
    env = EndAtSuccess(Says(float("nan"), 0.89, 0.9), threshold=0.9)
    assert ends(env, 3) == [False, False, True]


def test_a_success_that_nobody_tells_is_an_error_that_says_what_is_told() -> None:
    env = EndAtSuccess(Says(0), key="source_success")
    env.reset()
    with pytest.raises(NeedsError, match=r"no 'source_success'.*it has 'success'"):
        env.step(np.ones(1, np.float32))


def test_the_bundled_model_ends_episodes_by_what_it_sees() -> None:
    from vlfeedback import RewardFromSource

    drawer = gym.make("vlfeedback_envs:vlfeedback/mw-drawer-close-v0", render_mode="rgb_array")
    env = EndAtSuccess(
        RewardFromSource(drawer, "vlp", instruction="close the drawer"),
        key="source_success",
        threshold=0.99,
    )
    env.reset(seed=0)
    assert not any(env.step(np.zeros(4, np.float32))[3] for _ in range(8))


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"threshold": 1.5}, {"patience": 0}])
def test_settings_that_never_or_always_end_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match="expected a threshold in"):
        EndAtSuccess(PointReachEnv(), **wrong)
