"""Episodes of CartPoleBalance: three levels, and pictures that are drawn when they are read."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.tasks import TASKS
from vlfeedback.types import Frames, Trajectory
from vlfeedback_envs.cartpole_data import CONTROLLERS, rollout_cart_pole, with_pictures

LEVELS = ("random", "medium", "expert")


def pictures_of(trajectory: Trajectory) -> np.ndarray:
    assert trajectory.frames is not None
    return trajectory.frames.read(trajectory.frames.times)


@pytest.mark.parametrize(
    ("level", "low", "high"),
    [("expert", -105, -70), ("medium", -260, -165), ("random", -2400, -2000)],
)
def test_levels_have_the_returns_of_the_papers_table(level: str, low: float, high: float) -> None:
    """Means of 100 episodes; single ones deviate by 45, 120 and 350."""
    rewards = [rollout_cart_pole(level, seed=seed).env_rewards for seed in range(100)]
    assert low < np.mean([r.sum() for r in rewards if r is not None]) < high


@pytest.mark.parametrize("level", LEVELS)
def test_an_episode_is_what_the_environment_does_with_its_actions(level: str) -> None:
    trajectory = rollout_cart_pole(level, seed=5)
    env = gym.make(TASKS["cart-pole-balance"].env_id)
    observations, rewards, successes = [env.reset(seed=5)[0]], [], []
    for action in trajectory.actions:
        observation, reward, _, truncated, info = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        successes.append(info["success"])
    assert truncated and len(rewards) == len(trajectory) == 100
    np.testing.assert_array_equal(trajectory.observations, np.stack(observations))
    np.testing.assert_array_equal(trajectory.env_rewards, np.array(rewards, dtype=np.float32))
    np.testing.assert_array_equal(trajectory.successes, successes)
    assert trajectory.truncated and not trajectory.terminated


def test_a_controller_is_linear_in_angle_and_angular_velocity_with_noise() -> None:
    episodes = [rollout_cart_pole("medium", seed=seed) for seed in range(20)]
    states = np.concatenate([t.observations[:-1] for t in episodes])
    actions = np.concatenate([t.actions[:, 0] for t in episodes])
    free = np.abs(actions) < 1
    weights, *_ = np.linalg.lstsq(states[free], actions[free], rcond=None)
    policy = CONTROLLERS["medium"]
    np.testing.assert_allclose(weights, [0, 0, policy.gain, policy.damping], atol=0.15)
    assert np.std(actions[free] - states[free] @ weights) == pytest.approx(policy.noise, rel=0.1)


@pytest.mark.parametrize(("random_actions", "low"), [("box", -1.0), ("u01", 0.0)])
def test_random_actions_fill_their_range(random_actions: str, low: float) -> None:
    episodes = [
        rollout_cart_pole("random", seed=seed, random_actions=random_actions) for seed in range(20)
    ]
    actions = np.concatenate([t.actions for t in episodes])
    assert low <= actions.min() < low + 0.01 and 0.99 < actions.max() <= 1
    assert actions.mean() == pytest.approx((low + 1) / 2, abs=0.05)


def test_random_actions_have_nothing_to_do_with_the_start() -> None:
    episodes = [rollout_cart_pole("random", seed=seed, horizon=4) for seed in range(200)]
    starts = np.stack([t.observations[0] for t in episodes])
    actions = np.stack([t.actions[:, 0] for t in episodes])
    correlation = np.corrcoef(starts.T, actions.T)[:4, 4:]
    assert np.abs(correlation).max() < 0.3  # four deviations


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_seed_gives_the_same_episode_and_another_another(level: str) -> None:
    one, same, other = (rollout_cart_pole(level, seed=seed) for seed in (3, 3, 4))
    for name in ("observations", "actions", "env_rewards", "successes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert np.any(one.actions != other.actions)


def test_an_episode_says_where_it_comes_from() -> None:
    medium, random = (rollout_cart_pole(level, seed=9) for level in ("medium", "random"))
    assert medium.task == "cart-pole-balance" and medium.id == "cart-pole-balance/medium/9"
    assert medium.facts() == {
        "level": "medium",
        "seed": 9,
        "gain": 1.0,
        "damping": 0.5,
        "noise": 0.1,
    }
    assert random.facts() == {"level": "random", "seed": 9}
    assert {medium.observations.dtype, medium.actions.dtype} == {np.dtype(np.float32)}


def test_pictures_are_those_of_the_environment_at_the_time() -> None:
    trajectory = with_pictures(rollout_cart_pole("random", seed=2, horizon=30), size=64)
    assert isinstance(trajectory.frames, Frames)
    env = gym.make(TASKS["cart-pole-balance"].env_id, render_mode="rgb_array", size=64)
    env.reset(seed=2)
    live = [env.render()]
    for action in trajectory.actions:
        env.step(action)
        live.append(env.render())
    pictures = pictures_of(trajectory)
    assert pictures.shape == (31, 64, 64, 3) and pictures.dtype == np.uint8
    # The observation's angle is rounded to float32.
    assert np.abs(pictures.astype(int) - np.stack(live).astype(int)).max() <= 1  # type: ignore[arg-type]


def test_pictures_show_the_reset_and_every_stride_th_step_in_the_order_asked() -> None:
    trajectory = with_pictures(rollout_cart_pole("random", seed=2, horizon=23), stride=7, size=16)
    assert trajectory.frames is not None
    assert trajectory.frames.times.tolist() == [0, 1, 8, 15, 22]
    np.testing.assert_array_equal(
        trajectory.frames.read([22, 0, 22]), pictures_of(trajectory)[[4, 0, 4]]
    )
    with pytest.raises(NeedsError, match="State 2 was not rendered"):
        trajectory.frames.read([2])


def test_pictures_are_the_same_whether_they_were_stored_or_drawn_later(tmp_path: Path) -> None:
    plain = rollout_cart_pole("medium", seed=1, horizon=9)
    path = tmp_path / "some.h5"
    write_trajectories(path, [plain, with_pictures(plain, size=32)])
    bare, pictured = read_trajectories(path)
    assert bare.frames is None
    np.testing.assert_array_equal(pictures_of(pictured), pictures_of(with_pictures(bare, size=32)))


def test_pictures_of_another_task_cannot_be_drawn() -> None:
    reach = Trajectory(np.zeros((3, 39)), np.zeros((2, 4)), task="reach", id="reach/random/0")
    with pytest.raises(
        InvalidValueError, match="'reach/random/0' is of task 'reach'; only pictures of"
    ):
        with_pictures(reach)


@pytest.mark.parametrize(
    ("level", "random_actions", "message"),
    [
        ("novice", "box", "No 'novice' here; choose one of random, expert, medium"),
        ("random", "u02", "No 'u02' here; choose one of box, u01"),
    ],
)
def test_unknown_names_are_refused(level: str, random_actions: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        rollout_cart_pole(level, seed=0, random_actions=random_actions)
