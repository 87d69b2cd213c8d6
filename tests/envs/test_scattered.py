"""Scattered scenes: what is pictured is what was measured, and the view is as good as new after."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("metaworld")

import mujoco

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import SCATTERED, Trajectory
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.rendering import SimulatorState
from vlfeedback_envs.scattered import scatter_scenes

HAND, GRIPPER, THING = slice(0, 3), 3, slice(4, 7)


@pytest.fixture(scope="module", params=["drawer-close", "push", "door-open"])
def view(request: pytest.FixtureRequest) -> Iterator[MetaWorldView]:
    made = MetaWorldView(request.param, render_mode="rgb_array", size=32)
    yield made
    made.close()


def pictures_of(scenes: Trajectory) -> np.ndarray:
    assert scenes.frames is not None
    return scenes.frames.read(scenes.frames.times)


def test_a_scene_is_pictured_where_it_was_measured(
    view: MetaWorldView, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictured: list[SimulatorState] = []
    render = view.render_states

    def keep(states: list[SimulatorState]) -> np.ndarray:
        pictured.extend(states)
        return render(states)

    monkeypatch.setattr(view, "render_states", keep)
    scenes = scatter_scenes(view, seed=0, n_scenes=8, frame_size=16)
    twin = MetaWorldView(view.task.name).simulation
    model, data = twin.model, twin.data
    assert len(pictured) == len(scenes.observations) == 8
    for observation, state in zip(scenes.observations, pictured, strict=True):
        model.body_pos[:], model.body_quat[:], model.site_pos[:] = state.model_fields
        data.qpos[:], data.mocap_pos[:] = state.qpos, state.mocap_pos
        mujoco.mj_forward(model, data)
        between = data.body("leftclaw").xpos - data.body("rightclaw").xpos
        opening = min(10 * float(np.linalg.norm(between)), 1.0)  # of a decimetre
        np.testing.assert_allclose(observation[HAND], data.body("hand").xpos, atol=1e-6)
        np.testing.assert_allclose(observation[GRIPPER], opening, atol=1e-6)
        np.testing.assert_allclose(observation[THING], twin._get_pos_objects()[:3], atol=1e-6)


def test_the_hand_and_the_object_go_all_over_the_table(view: MetaWorldView) -> None:
    observations = scatter_scenes(view, seed=1, n_scenes=24, frame_size=16).observations
    assert np.all(observations[:, HAND].std(axis=0) > 0.05)  # m
    assert observations[:, THING].std(axis=0).max() > 0.03
    assert np.ptp(observations[:, GRIPPER]) > 0.2
    gaps = np.linalg.norm(observations[:, HAND] - observations[:, THING], axis=1)
    assert gaps.min() < 0.15 and gaps.max() > 0.25  # near the object in half of the scenes


def test_a_trajectory_of_scenes_has_a_picture_of_each_and_no_reward(view: MetaWorldView) -> None:
    scenes = scatter_scenes(view, seed=5, n_scenes=4, frame_size=16)
    assert pictures_of(scenes).shape == (4, 16, 16, 3) and pictures_of(scenes).dtype == np.uint8
    assert scenes.observations.shape == (4, 39) and scenes.observations.dtype == np.float32
    assert np.all(np.isfinite(scenes.observations))
    assert np.all(scenes.observations[:, 18:] == 0)  # no state before, and no goal
    assert len(scenes) == 3 and np.all(scenes.actions == 0)
    assert scenes.env_rewards is None and scenes.successes is None
    name = view.task.name
    assert (scenes.id, scenes.task) == (f"{name}/scattered/5", name)
    assert scenes.facts() == {"level": SCATTERED, "seed": 5}


def test_the_same_seed_gives_the_same_scenes_whatever_came_before(view: MetaWorldView) -> None:
    one = scatter_scenes(view, seed=2, n_scenes=3, frame_size=16)
    another = scatter_scenes(view, seed=3, n_scenes=3, frame_size=16)
    view.step(np.ones(4, np.float32))
    again = scatter_scenes(view, seed=2, n_scenes=3, frame_size=16)
    np.testing.assert_array_equal(one.observations, again.observations)
    np.testing.assert_array_equal(pictures_of(one), pictures_of(again))
    assert np.all(np.any(one.observations != another.observations, axis=1))


def test_a_view_works_as_before_once_scenes_were_scattered(view: MetaWorldView) -> None:
    fresh = MetaWorldView(view.task.name, render_mode="rgb_array", size=32)
    scatter_scenes(view, seed=4, n_scenes=3, frame_size=16)
    for seed in (7, 8):
        np.testing.assert_array_equal(view.reset(seed=seed)[0], fresh.reset(seed=seed)[0])
        np.testing.assert_array_equal(view.render(), fresh.render())
        for action in np.random.default_rng(seed).uniform(-1, 1, (5, 4)).astype(np.float32):
            one, other = view.step(action), fresh.step(action)
            np.testing.assert_array_equal(one[0], other[0])
            assert one[1] == other[1]
    fresh.close()


@pytest.mark.parametrize("n_scenes", [0, 1])
def test_fewer_than_two_scenes_are_refused(view: MetaWorldView, n_scenes: int) -> None:
    with pytest.raises(InvalidValueError, match=f"n_scenes={n_scenes}; a trajectory has 2 states"):
        scatter_scenes(view, seed=0, n_scenes=n_scenes)


def test_a_size_that_does_not_divide_is_refused(view: MetaWorldView) -> None:
    with pytest.raises(ValueError, match="32 px cannot be box-filtered to 12 px"):
        scatter_scenes(view, seed=0, n_scenes=2, frame_size=12)
