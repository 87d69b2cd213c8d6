"""Views of ManiSkill's tasks: what Gymnasium expects, seeds, ends, episodes; skipped without it."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import vlfeedback
from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.errors import InvalidTypeError
from vlfeedback.tasks import MANISKILL_TASKS, TASKS
from vlfeedback_envs.maniskill.data import roll_out
from vlfeedback_envs.maniskill.environment import ManiSkillView
from vlfeedback_envs.maniskill.scripts import SCRIPTS
from vlfeedback_envs.maniskill.simulation import make_worlds

pytest.importorskip("mani_skill", reason="ManiSkill is not installed: make maniskill")

# Of ManiSkill's inverse kinematics, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

SETTINGS: dict[str, Any] = {
    "horizon": 50,
    "frame_stride": 0,
    "frame_size": 64,
    "random_actions": "box",
    "medium": "half-way",
    "ends": "rest",
    "env_options": {},
}


def states(view: ManiSkillView, seed: int, n_steps: int = 10) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seen = [view.reset(seed=seed)[0]]
    for _ in range(n_steps):
        action = rng.uniform(-1, 1, view.action_space.shape).astype(np.float32)
        seen.append(view.step(action)[0])
    return np.stack(seen)


@pytest.mark.parametrize("name", MANISKILL_TASKS)
def test_gymnasiums_checker_passes(name: str) -> None:
    env = gym.make(f"vlfeedback/ms-{name}-v0", disable_env_checker=True)
    check_env(env.unwrapped, skip_render_check=True)
    observation, info = env.reset(seed=0)
    assert observation.dtype == np.float32 and info["success"] is False
    observation, reward, terminated, _, info = env.step(env.action_space.sample())
    assert type(reward) is float and type(terminated) is bool and info["success"] is False
    env.close()


def test_the_same_seed_gives_the_same_episode_whatever_was_before() -> None:
    view, other = ManiSkillView("stack-cube"), ManiSkillView("stack-cube")
    first = states(view, 3)
    assert not np.array_equal(states(view, 4), first)
    np.testing.assert_array_equal(states(view, 3), first)
    np.testing.assert_array_equal(states(other, 3), first)
    # Without a seed the next episode is another, and the same after the same one.
    np.testing.assert_array_equal(view.reset()[0], other.reset()[0])
    view.close()
    other.close()


def test_states_and_rewards_are_maniskills_own() -> None:
    theirs, ours = make_worlds("push-cube", 1), ManiSkillView("push-cube")
    ours.reset(seed=5)
    drawn = int(np.random.Generator(np.random.PCG64(5)).integers(2**31))
    observed, _ = theirs.reset(seed=drawn)
    np.testing.assert_array_equal(ours._state(), observed[0].numpy())
    action = np.array([0.3, -0.2, -1.0, 0.0, 0.1, 0.4, -1.0], dtype=np.float32)
    for _ in range(5):
        state, reward, *_ = ours.step(action)
        observed, their_reward, *_ = theirs.step(action[None])
        np.testing.assert_array_equal(state, observed[0].numpy())
        assert reward == float(their_reward) and 0.0 <= reward <= 1.0
    ours.close()
    theirs.close()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_does_its_task_which_ends_the_episode(name: str) -> None:
    view, n_steps = ManiSkillView(name), TASKS[name].collecting.horizon
    _, info = view.reset(seed=100002)
    terminated, n_done = False, 0
    while not terminated and n_done < (n_steps or 0):
        _, reward, terminated, truncated, info = view.step(SCRIPTS[name](view.named))
        n_done += 1
        assert terminated is info["success"] and not truncated
    view.close()
    assert terminated and reward == pytest.approx(1.0)


def test_an_episode_may_go_on_after_success_and_ends_at_the_time_limit_then() -> None:
    env = gym.make("vlfeedback/ms-push-cube-v0", end_at_success=False)
    env.reset(seed=0)
    view: Any = env.unwrapped
    for step in range(50):
        *_, terminated, truncated, info = env.step(SCRIPTS["push-cube"](view.named))
        assert not terminated and truncated == (step == 49)
    assert info["success"]
    env.close()


def test_a_source_pays_and_the_own_reward_is_kept() -> None:
    env = gym.make("RandomReward-PickCube-v0", render_mode=None)
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.zeros(7, dtype=np.float32))
    assert info["env_reward"] != reward and 0.0 < info["env_reward"] < 1.0
    assert info["is_success"] is False
    env.close()


def test_several_views_make_a_vector_environment() -> None:
    venv = gym.make_vec("vlfeedback/ms-pull-cube-v0", num_envs=2)
    observations, _ = venv.reset(seed=0)
    assert observations.shape == (2, 35)
    assert not np.array_equal(observations[0], observations[1])
    venv.close()


def test_maniskills_own_vector_environment_is_paid_by_a_source() -> None:
    """With one world, which a CPU simulates; more take a GPU and nothing else."""
    gymnasium_wrappers = pytest.importorskip("mani_skill.vector.wrappers.gymnasium")
    worlds = make_worlds("push-cube", 1)
    venv = vlfeedback.VectorRewardFromSource(
        gymnasium_wrappers.ManiSkillVectorEnv(worlds, auto_reset=True), "random"
    )
    venv.reset(seed=0)
    for step in range(51):
        _, rewards, _, truncated, infos = venv.step(venv.action_space.sample())
        assert rewards.shape == (1,) and rewards.dtype == np.float64
        assert infos["env_reward"].shape == (1,)
        assert truncated[0] == (step == 49)
    venv.close()


@pytest.mark.parametrize("level", ["expert", "medium", "random"])
def test_an_episode_is_as_long_as_the_limit_whoever_acts(level: str) -> None:
    (trajectory,) = roll_out(TASKS["push-cube"], level, [7], SETTINGS)
    assert len(trajectory) == 50 and trajectory.truncated and not trajectory.terminated
    assert trajectory.id == f"push-cube/{level}/7" and trajectory.frames is None
    assert trajectory.successes is not None and trajectory.env_rewards is not None
    if level == "expert":
        assert trajectory.successes[-1] and trajectory.stopped_at is not None
        assert trajectory.stopped_at == 1 + int(np.argmax(trajectory.successes))
        assert np.all(trajectory.actions[trajectory.stopped_at :, :6] == 0.0)
    elif level == "medium":
        assert trajectory.stopped_at is not None and trajectory.stopped_at < 12
    (same,) = roll_out(TASKS["push-cube"], level, [7], SETTINGS)
    np.testing.assert_array_equal(same.observations, trajectory.observations)


def test_collecting_makes_files_of_all_levels(tmp_path: Path) -> None:
    settings = {"episodes": 1, "frame_stride": 0, "horizon": 8}
    n_made = collect(tmp_path, ["pull-cube"], settings=settings, workers=0)
    collection = Collection.open(tmp_path)
    assert n_made == 3
    assert all(collection.has("pull-cube", level) for level in TASKS["pull-cube"].levels)


def test_a_view_is_not_pickled() -> None:
    view = ManiSkillView("push-cube")
    with pytest.raises(InvalidTypeError, match="ManiSkillView holds a running simulator"):
        view.__reduce_ex__(2)
    view.close()


@pytest.mark.slow
def test_pictures_are_upright_and_show_the_goal_or_hide_it() -> None:
    """Slow, since a Vulkan driver on the CPU compiles for a while before its first picture."""
    from vlfeedback.errors import RenderError

    try:
        shown = ManiSkillView("pick-cube", render_mode="rgb_array", size=96, obs_mode="image")
    except RenderError as error:
        pytest.skip(str(error))
    check_env(shown, skip_render_check=True)
    picture, _ = shown.reset(seed=1)
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(shown.render(), picture)
    before = _height_of(picture, red=True)
    goal_height = float(shown.named["goal_pos"][2])
    for _ in range(50):
        picture, _, terminated, _, _ = shown.step(SCRIPTS["pick-cube"](shown.named))
        if terminated:
            break
    after = _height_of(picture, red=True)
    assert terminated and goal_height > 0.1
    assert before is not None and after is not None and after > before  # the cube was lifted
    hidden = ManiSkillView("pick-cube", render_mode="rgb_array", size=96, hide_goal=True)
    seed = next(seed for seed in range(99) if _is_goal_before_the_robot(hidden, seed))
    assert _height_of(hidden.render(), red=False) is None
    again, _ = shown.reset(seed=seed)
    assert _height_of(again, red=False) is not None
    for view in (shown, hidden):
        view.close()


def _is_goal_before_the_robot(view: ManiSkillView, seed: int) -> bool:
    """The camera stands at (0.6, 0.7, 0.6) m."""
    view.reset(seed=seed)
    x, y, z = view.named["goal_pos"]
    return bool(x > 0.05 and y > 0.05 and z < 0.15)


def _height_of(picture: Any, *, red: bool) -> float | None:
    """How far up the red, or the green, of a picture is in the mean: 0 at its lower edge, or 1."""
    own, other = picture[..., 0 if red else 1], picture[..., 1 if red else 0]
    rows = np.nonzero((own > 90) & (other < 0.35 * own) & (picture[..., 2] < 0.35 * own))[0]
    return None if len(rows) < 3 else float(1 - rows.mean() / len(picture))
