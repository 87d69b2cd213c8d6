"""RL-VLM-F's variants: everything in its place each time, and otherwise the stock task."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

pytest.importorskip("metaworld")

import vlfeedback_envs
from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import RLVLMF_TASKS, TASKS
from vlfeedback_envs.metaworld import Looks, MetaWorldView
from vlfeedback_envs.rlvlmf import LAYOUTS, RLVLMFView

# Entries of an observation: hand at 0 to 2, first object at 4 to 6, goal at 36 to 38.
HAND, OBJECT, GOAL = slice(0, 3), slice(4, 7), slice(36, 39)
# Horizontally; a drawer is where its handle is, 0.16 m and its joint's slack in front of it.
OBJECTS = {
    "rlvlmf-drawer-open": ((0.0, 0.73), (0.0, 0.54, 0.09)),
    "rlvlmf-soccer": ((0.0, 0.65), (0.0, 0.85, 0.0)),
    "rlvlmf-sweep-into": ((0.0, 0.65), (0.0, 0.84, 0.02)),
}


@pytest.mark.parametrize("name", RLVLMF_TASKS)
def test_every_episode_begins_alike_with_hand_object_and_goal_in_their_places(name: str) -> None:
    env = gym.make(TASKS[name].env_id, disable_env_checker=True)
    first, other = (env.reset(seed=seed)[0] for seed in (0, 7))
    env.close()
    np.testing.assert_array_equal(first, other)
    place, goal = OBJECTS[name]
    np.testing.assert_allclose(first[OBJECT][:2], place, atol=0.011)
    np.testing.assert_allclose(first[GOAL], goal, atol=1e-6)
    # As far as the arm follows; over the table of sweep-into it gets no lower than 0.09 m.
    np.testing.assert_allclose(first[HAND][:2], LAYOUTS[name].hand[:2], atol=0.02)


@pytest.mark.parametrize("name", RLVLMF_TASKS)
def test_rewards_and_success_are_those_of_the_stock_task_in_the_same_state(name: str) -> None:
    variant, stock = RLVLMFView(name), MetaWorldView(LAYOUTS[name].stock)
    simulation, twin = variant.simulation, stock.simulation
    assert type(simulation) is type(twin)
    stock.reset(seed=0)
    twin.hand_init_pos = simulation.hand_init_pos
    twin._random_reset_space = simulation._random_reset_space
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 4)).astype(np.float32)
    variant.reset(seed=1)
    stock.reset(seed=2)
    for action in actions:
        ours, theirs = variant.step(action), stock.step(action)
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1] == theirs[1] and ours[4]["success"] == theirs[4]["success"]
    variant.close()
    stock.close()


def test_the_stock_tasks_stay_as_they_are() -> None:
    view = MetaWorldView("drawer-open")
    starts = np.stack([view.reset(seed=seed)[0] for seed in range(4)])
    view.close()
    assert np.ptp(starts[:, OBJECT], axis=0).max() > 0.01
    np.testing.assert_allclose(starts[:, 2], 0.2, atol=0.02)


def test_an_id_of_a_variant_keeps_gymnasiums_promises() -> None:
    env = gym.make("vlfeedback/rlvlmf-soccer-v0", render_mode="rgb_array", size=32)
    assert env.spec is not None
    assert env.spec.max_episode_steps == vlfeedback_envs.METAWORLD_STEPS
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("name", RLVLMF_TASKS)
def test_the_camera_is_rl_vlm_fs_and_sees_the_scene_upright(name: str) -> None:
    view = RLVLMFView(name, "rgb_array", size=48)
    other = RLVLMFView(name, "rgb_array", size=48, camera="corner")
    view.reset(seed=0)
    other.reset(seed=0)
    camera = view.simulation.model.camera("corner4")
    np.testing.assert_allclose(camera.pos, LAYOUTS[name].camera)
    assert np.linalg.norm(camera.quat) == pytest.approx(1, abs=1e-4)
    picture, usual = view.render(), other.render()
    assert picture is not None and usual is not None
    assert (picture != usual).mean() > 0.5
    view.close()
    other.close()


@pytest.mark.parametrize("looks", ["plain", "varied"])
@pytest.mark.parametrize("name", RLVLMF_TASKS)
def test_pictures_show_the_arm_only_where_it_is_asked_for(name: str, looks: Looks) -> None:
    """The hand rises and nothing else moves; what is hidden changes no picture by doing so."""
    changed = {}
    for hide_arm in (True, False):
        view = RLVLMFView(name, "rgb_array", size=64, hide_arm=hide_arm, looks=looks)
        view.reset(seed=0)
        colours = view.simulation.model.geom_rgba.copy()
        before = view.render()
        start = view.script_observation.copy()
        for _ in range(20):
            observation = view.step(np.array([0.0, 0.0, 1.0, -1.0], np.float32))[0]
        after = view.render()
        np.testing.assert_array_equal(view.simulation.model.geom_rgba, colours)
        view.close()
        assert observation[2] > start[2] + 0.05
        np.testing.assert_allclose(observation[OBJECT], start[OBJECT], atol=5e-3)  # a ball settles
        assert before is not None and after is not None
        changed[hide_arm] = (np.abs(before.astype(int) - after).max(axis=-1) > 20).mean()
    assert changed[True] < 0.005 < 0.02 < changed[False]


def first_picture(view: MetaWorldView) -> np.ndarray:
    view.reset(seed=0)
    picture = view.render()
    view.close()
    assert picture is not None
    return picture


def test_the_goal_is_marked_only_where_it_is_asked_for() -> None:
    plain, marked = (
        first_picture(RLVLMFView("rlvlmf-drawer-open", "rgb_array", size=64, hide_goal=hide_goal))
        for hide_goal in (True, False)
    )
    differs = np.abs(plain.astype(int) - marked).max(axis=-1) > 40
    assert 3 < differs.sum() < 200


def test_a_stock_view_can_hide_the_arm_too() -> None:
    shown, hidden = (
        first_picture(MetaWorldView("drawer-open", "rgb_array", size=64, hide_arm=hide_arm))
        for hide_arm in (False, True)
    )
    assert (np.abs(shown.astype(int) - hidden).max(axis=-1) > 20).mean() > 0.1


def test_a_hand_may_be_jittered_around_the_variants_start() -> None:
    view = RLVLMFView("rlvlmf-drawer-open", hand_starts="jittered")
    starts = np.stack([view.reset(seed=seed)[0][HAND] for seed in range(3)])
    view.close()
    assert starts.std(axis=0).max() > 0.02


def test_a_task_that_is_no_variant_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="'reach' is no variant of RL-VLM-F's; there are"):
        RLVLMFView("reach")
