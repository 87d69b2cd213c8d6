"""Observations of several parts as one vector."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from tests.wrappers.missions import Lamps, Mission

from vlfeedback import FlatObservations
from vlfeedback.errors import NeedsError
from vlfeedback.wrappers.flat_observations import array_parts, text_keys


def test_numbers_stand_in_their_order_and_texts_are_left_out() -> None:
    env = FlatObservations(Lamps())
    observation, _ = env.reset(seed=1)
    goal = env.unwrapped.goal  # type: ignore[attr-defined]
    one_hot = [float(colour == goal) for colour in range(3)]
    assert observation.tolist() == [*one_hot, 0, 0, 0]
    observation, *_ = env.step(np.array([0, 1, 0], np.float32))
    assert observation.tolist() == [*one_hot, 0, 255, 0]
    assert observation.dtype == np.float32


def test_without_texts_the_numbers_are_those_of_gymnasium() -> None:
    ours, theirs = (
        wrapper(Lamps(told_in="info")).reset(seed=4)[0]
        for wrapper in (FlatObservations, gym.wrappers.FlattenObservation)
    )
    np.testing.assert_array_equal(ours, theirs)


def test_the_space_has_the_bounds_of_its_parts_and_passes_the_checker() -> None:
    env = FlatObservations(Lamps(render_mode="rgb_array"))
    assert isinstance(env.observation_space, gym.spaces.Box)
    assert env.observation_space.high.tolist() == [1, 1, 1, 255, 255, 255]
    with pytest.warns(UserWarning, match="different from the unwrapped version"):
        check_env(env, skip_render_check=True)


def test_parts_are_found_by_their_paths_and_texts_by_their_keys() -> None:
    space = gym.spaces.Dict(
        a=gym.spaces.Tuple((gym.spaces.Discrete(2), gym.spaces.Text(5))),
        b=gym.spaces.Text(5),
        c=Mission(),
    )
    assert [path for path, _ in array_parts(space)] == [("a", 0)]
    assert text_keys(space) == ["b", "c"]


def test_observations_of_words_alone_are_refused() -> None:
    class Speaking(Lamps):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.observation_space = gym.spaces.Dict(mission=Mission())

    with pytest.raises(NeedsError, match="no part of it is an array"):
        FlatObservations(Speaking())
