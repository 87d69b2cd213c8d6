"""Episodes of an environment of one's own, every number of which is known by hand."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.collecting import roll_out
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.tasks import TaskSpec, own_task
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import Trajectory

SETTINGS = {"horizon": 10, "frame_stride": 3, "frame_size": 64}


def episode(task: TaskSpec, policy: Any = None, seed: int = 0, **changes: int) -> Trajectory:
    (trajectory,) = roll_out(task, "expert", [seed], {**SETTINGS, **changes}, policy=policy)
    return trajectory


def test_an_episode_has_all_that_happened(walk: TaskSpec) -> None:
    shown = episode(walk, "walk_world:go_right")
    assert shown.observations[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert shown.actions.tolist() == [1, 1, 1, 1] and shown.actions.dtype == np.int64
    assert shown.env_rewards is not None and shown.env_rewards.tolist() == [1, 2, 3, 4]
    assert shown.successes is not None and shown.successes.tolist() == [False] * 3 + [True]
    assert (shown.terminated, shown.truncated) == (True, False)
    assert (shown.task, shown.id) == ("walk", "walk/expert/0")
    assert (shown.level, shown.seed, shown.instruction) == ("expert", 0, "walk to the end")
    assert shown.info == {"policy": "walk_world:go_right"}


def test_pictures_are_of_the_reset_every_third_step_and_the_last(walk: TaskSpec) -> None:
    frames = episode(walk, lambda _: 1).frames
    assert frames is not None and frames.times.tolist() == [0, 1, 4]
    assert frames.read([0, 1, 4])[:, 0, 0, 0].tolist() == [0, 20, 80]
    frames = episode(walk, lambda _: 1, horizon=3).frames
    assert frames is not None and frames.times.tolist() == [0, 1, 3]
    assert episode(walk, lambda _: 1, frame_stride=0).frames is None


@pytest.mark.parametrize(("size", "shape"), [(64, (12, 20)), (12, (12, 20)), (5, (6, 10))])
def test_pictures_are_reduced_by_a_whole_factor_and_keep_their_shape(
    walk: TaskSpec, size: int, shape: tuple[int, int]
) -> None:
    frames = episode(walk, lambda _: 1, frame_size=size).frames
    assert frames is not None and frames.read([4]).shape == (1, *shape, 3)
    assert (frames.read([4]) == 80).all()


@pytest.mark.parametrize(("horizon", "length"), [(4, 4), (10, 6)])
def test_an_episode_without_end_is_truncated_by_the_horizon_or_the_time_limit(
    walk: TaskSpec, horizon: int, length: int
) -> None:
    shown = episode(walk, "walk_world:stay", horizon=horizon)
    assert len(shown) == length and (shown.terminated, shown.truncated) == (False, True)


def test_random_actions_depend_on_the_seed_alone(walk: TaskSpec) -> None:
    first, again, other = (episode(walk, seed=seed).actions for seed in (3, 3, 5))
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()
    assert {0, 1} <= {action for seed in range(9) for action in episode(walk, seed=seed).actions}


def test_random_actions_are_not_the_numbers_that_the_environment_draws() -> None:
    gym.register("Drawn-v0", f"{__name__}:Drawn")
    try:
        shown = episode(own_task("Drawn-v0", "match"), seed=7, frame_stride=0, horizon=2)
    finally:
        del gym.registry["Drawn-v0"]
    assert abs(shown.observations[0, 0] - shown.actions[0, 0]) > 1e-3


class Drawn(PointReachEnv):
    """Observes a number from -1 to 1 that it draws at the reset."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        _, info = super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 1).astype(np.float32), info


def test_what_says_nothing_of_success_has_no_successes(walk: TaskSpec) -> None:
    assert episode(replace(walk, success_key="done"), lambda _: 1).successes is None


def test_an_action_outside_of_the_space_is_refused(walk: TaskSpec) -> None:
    with pytest.raises(InvalidValueError, match=r"action is 2; expected one of Discrete\(2\)"):
        episode(walk, "walk_world:go_too_far")
    with pytest.raises(InvalidValueError, match=r"action is array\(\[1, 1\]\)"):
        episode(walk, lambda _: np.array([1, 1]))


def test_a_policy_that_is_not_there_is_refused_by_name(walk: TaskSpec) -> None:
    with pytest.raises(UnknownNameError, match=r"The policy is 'walk_world:run'.*no attribute"):
        episode(walk, "walk_world:run")
    with pytest.raises(UnknownNameError, match="The policy is 'go_right'; expected 'module:func"):
        episode(walk, "go_right")


def test_observations_that_are_no_arrays_are_refused() -> None:
    gym.register(
        "Dict-v0",
        lambda **_: gym.wrappers.TransformObservation(
            PointReachEnv(), lambda o: {"said": "go"}, gym.spaces.Dict({"said": gym.spaces.Text(9)})
        ),
    )
    try:
        with pytest.raises(NeedsError, match=r"The observation space of 'Dict-v0'.*TransformObs"):
            episode(own_task("Dict-v0", "go"), frame_stride=0)
    finally:
        del gym.registry["Dict-v0"]
