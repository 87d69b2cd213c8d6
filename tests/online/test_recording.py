from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from tests.online.pendulums import HORIZON, pendulum

from vlfeedback.errors import NeedsError
from vlfeedback.online import RecordEpisodes
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import Trajectory
from vlfeedback.wrappers.frames import CaptureFrames


def run(env: gym.Env[Any, Any], n_steps: int) -> list[dict[str, Any]]:
    return [env.step(env.action_space.sample())[4] for _ in range(n_steps)]


def test_the_last_step_hands_over_the_whole_episode() -> None:
    env = pendulum()
    env.action_space.seed(3)
    first, _ = env.reset()
    rewards, observations, infos = [], [first], []
    for _ in range(HORIZON):
        observation, reward, _, _, info = env.step(env.action_space.sample())
        rewards.append(float(reward))
        observations.append(observation)
        infos.append(info)
    assert [i for i, info in enumerate(infos) if "trajectory" in info] == [HORIZON - 1]
    trajectory = infos[-1]["trajectory"]
    np.testing.assert_array_equal(trajectory.observations, np.stack(observations))
    np.testing.assert_allclose(trajectory.env_rewards, rewards, rtol=1e-6)
    assert trajectory.truncated
    assert not trajectory.terminated
    assert trajectory.id == "env-0/episode-0"


def test_every_episode_begins_anew_and_alike_in_every_run() -> None:
    starts = []
    for _ in range(2):
        env = pendulum()
        starts.append([env.reset()[0] for _ in range(3)])
    np.testing.assert_array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0][0], starts[0][1])
    assert not np.array_equal(starts[0][0], pendulum(row=1).reset()[0])


def test_an_environment_comes_back_to_the_middle_of_an_episode() -> None:
    env = pendulum()
    env.action_space.seed(0)
    env.reset()
    run(env, HORIZON)
    env.reset()
    run(env, 7)
    place = env.position()  # type: ignore[attr-defined]
    action = np.array([1.5], np.float32)
    expected = env.step(action)
    other = pendulum()
    other.go_to(*place)  # type: ignore[attr-defined]
    found = other.step(action)
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]


def test_an_episode_that_was_come_back_to_ends_as_a_whole_one() -> None:
    trajectories: list[Trajectory] = []
    for resumes in (False, True):
        env = pendulum()
        env.action_space.seed(0)
        env.reset()
        run(env, 7)
        if resumes:
            place, space = env.position(), env.action_space  # type: ignore[attr-defined]
            env = pendulum()
            env.go_to(*place)  # type: ignore[attr-defined]
            env.action_space.np_random.bit_generator.state = space.np_random.bit_generator.state
        trajectories.append(run(env, HORIZON - 7)[-1]["trajectory"])
    np.testing.assert_array_equal(trajectories[0].observations, trajectories[1].observations)
    np.testing.assert_array_equal(trajectories[0].actions, trajectories[1].actions)


def test_pictures_are_kept_at_the_states_that_were_rendered() -> None:
    reach = CaptureFrames(PointReachEnv(steps=4, render_mode="rgb_array"), stride=2)
    env = RecordEpisodes(reach, seed=0)
    env.reset()
    infos = [env.step(np.ones(1, np.float32))[4] for _ in range(4)]
    frames = infos[-1]["trajectory"].frames
    assert frames.times.tolist() == [0, 1, 3, 4]  # the reset, after steps 0 and 2, and the last
    assert frames.read([0, 4])[:, 0, 0, 0].tolist() == [0, 255]


def test_successes_are_read_from_their_key() -> None:
    class Succeeds(gym.Wrapper[Any, Any, Any, Any]):
        def step(self, action: Any) -> Any:
            *rest, info = self.env.step(action)
            return *rest, {**info, "done_well": rest[1] > -0.3}

    env = RecordEpisodes(Succeeds(PointReachEnv(steps=4)), seed=0, success_key="done_well")
    env.reset()
    infos = [env.step(np.ones(1, np.float32))[4] for _ in range(4)]
    assert infos[-1]["trajectory"].successes.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ({"observation_space": gym.spaces.Dict({"x": gym.spaces.Box(0, 1)})}, "observations"),
        ({"action_space": gym.spaces.Discrete(3)}, "actions"),
    ],
)
def test_dicts_and_discrete_actions_are_refused_with_advice(
    space: dict[str, Any], name: str
) -> None:
    env = PointReachEnv()
    for key, value in space.items():
        setattr(env, key, value)
    with pytest.raises(NeedsError, match=f"{name} of .*Flatten a dict"):
        RecordEpisodes(env, seed=0)
