"""Pictures: upright, unmirrored, cheap when asked, and the same now or later."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("metaworld")

import mujoco

from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import METAWORLD_TASKS
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.rendering import QUALITIES, SceneRenderer, SimulatorState

SIZE = 64
CORNERS = ["corner", "corner2", "corner3", "corner4"]


@pytest.fixture(scope="module")
def reach() -> Iterator[MetaWorldView]:
    """A hand, a goal marker, and nothing else that moves."""
    view = MetaWorldView("reach", size=SIZE, render_mode="rgb_array")
    view.reset(seed=0)
    yield view
    view.close()


def renderer_of(view: MetaWorldView, **changes: Any) -> SceneRenderer:
    settings: dict[str, Any] = {"camera": "corner2", "size": SIZE, "quality": "encoder"}
    return SceneRenderer(view.simulation.model, **({"hide_goal": False} | settings | changes))


def with_goal(view: MetaWorldView, state: SimulatorState, position: np.ndarray) -> SimulatorState:
    body_pos, body_quat, site_pos = state.model_fields
    site_pos = site_pos.copy()
    site_pos[view.simulation.model.site("goal").id] = position
    return dataclasses.replace(state, model_fields=(body_pos, body_quat, site_pos))


def draw(view: MetaWorldView) -> np.ndarray:
    picture = view.render()
    assert picture is not None
    return picture


def centre_of_change(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean row and column of the pixels that differ."""
    changed = np.argwhere(np.abs(one.astype(int) - other).max(axis=-1) > 30)
    assert len(changed) > 2, "nothing of it is in the picture"
    return float(changed[:, 0].mean()), float(changed[:, 1].mean())


# --- which way is up, and which way is right


@pytest.mark.parametrize("quality", ["encoder", "paper"])
@pytest.mark.parametrize("camera", CORNERS)
def test_pictures_are_upright_and_not_mirrored(
    reach: MetaWorldView, camera: str, quality: str
) -> None:
    renderer = renderer_of(reach, camera=camera, quality=quality, size=160)
    state = reach.capture_state()
    middle = np.array([0.1, 0.75, 0.25])
    data = mujoco.MjData(reach.simulation.model)
    mujoco.mj_kinematics(reach.simulation.model, data)
    mujoco.mj_camlight(reach.simulation.model, data)
    # A camera looks along its -z axis, however it is rolled. In an upright picture the world's up
    # points up, and what lies to the right of the line of sight lies to the right.
    forward = -data.cam(camera.removesuffix("-near")).xmat.reshape(3, 3)[:, 2]
    up = np.array([0.0, 0.0, 1.0])
    right = np.cross(forward, up) / np.linalg.norm(np.cross(forward, up))
    hidden = renderer.render(with_goal(reach, state, np.array([0.0, 0.0, -50.0])))

    def place(position: np.ndarray) -> tuple[float, float]:
        return centre_of_change(renderer.render(with_goal(reach, state, position)), hidden)

    row, column = place(middle)
    row_above, column_above = place(middle + 0.1 * up)
    row_beside, column_beside = place(middle + 0.1 * right)
    renderer.close()
    assert row - row_above > 4 > abs(column - column_above)  # row 0 is the top
    assert column_beside - column > 4 > abs(row - row_beside)


@pytest.fixture(scope="module")
def pick_place() -> Iterator[MetaWorldView]:
    """A table and a puck."""
    view = MetaWorldView("pick-place", size=SIZE, render_mode="rgb_array", hide_goal=True)
    view.reset(seed=0)
    yield view
    view.close()


def put_puck(view: MetaWorldView, position: list[float]) -> None:
    qpos, qvel = view.simulation.data.qpos.copy(), view.simulation.data.qvel.copy()
    qpos[9:12] = position
    view.simulation.set_state(qpos, qvel)


def place_of_puck(view: MetaWorldView) -> tuple[float, float]:
    state = view.capture_state()
    gone = state.qpos.copy()
    gone[9:12] = [0.0, 0.0, -50.0]
    return centre_of_change(*view.render_states([state, dataclasses.replace(state, qpos=gone)]))


def test_what_lies_to_the_robots_left_is_on_the_left_of_the_default_picture(
    pick_place: MetaWorldView,
) -> None:
    """The robot stands at the origin and faces +y; the camera looks over its right shoulder."""
    put_puck(pick_place, [-0.1, 0.7, 0.02])
    left = place_of_puck(pick_place)
    put_puck(pick_place, [0.1, 0.7, 0.02])
    right = place_of_puck(pick_place)
    assert left[1] < right[1] - 4


def test_gravity_points_down(pick_place: MetaWorldView) -> None:
    put_puck(pick_place, [0.1, 0.7, 0.3])  # held up in the air, and let go
    rows, heights = [], []
    for _ in range(4):
        rows.append(place_of_puck(pick_place)[0])
        heights.append(pick_place.simulation.data.qpos[11])
        for _ in range(3):
            pick_place.step(np.zeros(4, dtype=np.float32))
    assert np.all(np.diff(heights) < 0)
    assert np.all(np.diff(rows) > 0)  # row 0 is the top


# --- what is drawn


def by_hand(view: MetaWorldView, *, shadows: bool, size: int = SIZE) -> np.ndarray:
    """MuJoCo's own renderer on the live simulation, turned by half a turn."""
    with mujoco.Renderer(view.simulation.model, size, size) as renderer:
        renderer.update_scene(view.simulation.data, camera="corner4")
        if not shadows:
            renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
            renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        return np.asarray(renderer.render()[::-1, ::-1])


@pytest.mark.parametrize("quality", ["paper", "encoder"])
def test_a_picture_is_what_mujoco_draws_of_the_live_simulation(quality: str) -> None:
    view = MetaWorldView("drawer-open", size=SIZE, render_mode="rgb_array", quality=quality)
    view.reset(seed=0)
    for _ in range(5):
        view.step(np.array([0.5, 0.5, -0.5, 1.0], dtype=np.float32))
    picture = view.render()
    assert picture is not None and picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
    assert len(np.unique(picture)) > 50
    np.testing.assert_array_equal(picture, by_hand(view, shadows=quality == "paper"))
    view.close()


def test_shadows_cost_quality_paper_alone(reach: MetaWorldView) -> None:
    assert QUALITIES["paper"].shadows_and_reflections
    assert not QUALITIES["vlm"].shadows_and_reflections
    pictures = {}
    for quality in ("paper", "encoder"):
        renderer = renderer_of(reach, quality=quality)
        pictures[quality] = renderer.render(reach.capture_state()).astype(int)
        renderer.close()
    assert np.abs(pictures["paper"] - pictures["encoder"]).mean() > 1


def test_quality_vlm_is_the_mean_of_two_by_two_pixels(reach: MetaWorldView) -> None:
    smooth = renderer_of(reach, quality="vlm", size=32)
    small = smooth.render(reach.capture_state())
    smooth.close()
    sharp = renderer_of(reach, quality="encoder", size=64)
    large = sharp.render(reach.capture_state()).astype(int)
    sharp.close()
    total = large[::2, ::2] + large[1::2, ::2] + large[::2, 1::2] + large[1::2, 1::2]
    np.testing.assert_array_equal(small, np.floor(total / 4 + 0.5))


def test_a_hidden_goal_looks_like_a_goal_that_is_not_there(reach: MetaWorldView) -> None:
    state = reach.capture_state()
    drawn, hidden = renderer_of(reach), renderer_of(reach, hide_goal=True)
    nowhere = with_goal(reach, state, np.array([0.0, 0.0, -50.0]))
    rgba = reach.simulation.model.site_rgba.copy()
    assert np.any(drawn.render(state) != drawn.render(nowhere))
    np.testing.assert_array_equal(hidden.render(state), drawn.render(nowhere))
    np.testing.assert_array_equal(reach.simulation.model.site_rgba, rgba)
    drawn.close()
    hidden.close()


# --- now or later


def roll(view: MetaWorldView, seed: int) -> tuple[list[SimulatorState], np.ndarray]:
    view.reset(seed=seed)
    states, pictures = [view.capture_state()], [draw(view)]
    for action in np.random.default_rng(seed).uniform(-1, 1, (3, 4)).astype(np.float32):
        for _ in range(7):
            view.step(action)
        states.append(view.capture_state())
        pictures.append(draw(view))
    return states, np.stack(pictures)


@pytest.mark.parametrize(
    ("task", "quality"),
    [
        ("drawer-open", "encoder"),
        ("window-close", "vlm"),
        ("push", "encoder"),
        ("door-lock", "encoder"),
    ],
)
def test_a_picture_rendered_later_is_the_one_rendered_live(task: str, quality: str) -> None:
    view = MetaWorldView(task, size=SIZE, render_mode="rgb_array", quality=quality)
    states, live = roll(view, seed=1)
    np.testing.assert_array_equal(view.render_states(states), live)
    other, _ = roll(view, seed=2)  # another goal: the model itself is edited
    np.testing.assert_array_equal(view.render_states(states), live)
    mixed = [dataclasses.replace(s, model_fields=other[0].model_fields) for s in states]
    assert np.any(view.render_states(mixed) != live)  # so those fields do matter
    view.close()


def test_the_states_of_an_episode_share_their_copy_of_the_model(reach: MetaWorldView) -> None:
    first, second = reach.capture_state(), reach.capture_state()
    assert first.model_fields is second.model_fields
    assert first.qpos is not second.qpos


def test_rendering_changes_neither_the_model_nor_the_episode() -> None:
    seen, blind = (MetaWorldView("drawer-open", size=32, render_mode="rgb_array") for _ in "ab")
    old, _ = roll(seen, seed=5)
    for view in (seen, blind):
        view.reset(seed=6)
    before = float_fields(seen.simulation.model)
    for action in np.random.default_rng(0).uniform(-1, 1, (10, 4)).astype(np.float32):
        seen.render_states(old[:1])
        one, other = seen.step(action), blind.step(action)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1] == other[1]
    assert changed_fields(before, seen.simulation.model) == set()
    seen.close()


def float_fields(model: Any) -> dict[str, np.ndarray]:
    names = (name for name in dir(model) if not name.startswith("_"))
    arrays = {name: getattr(model, name) for name in names}
    return {
        name: array.copy()
        for name, array in arrays.items()
        if isinstance(array, np.ndarray) and array.dtype.kind == "f"
    }


def changed_fields(before: dict[str, np.ndarray], model: Any) -> set[str]:
    return {
        name
        for name, array in before.items()
        if not np.array_equal(array, getattr(model, name), equal_nan=True)
    }


@pytest.mark.slow
@pytest.mark.parametrize("task", METAWORLD_TASKS)
def test_no_task_edits_a_field_of_the_model_that_a_state_does_not_carry(task: str) -> None:
    view = MetaWorldView(task)
    before = float_fields(view.simulation.model)
    assert len(before) > 100
    changed: set[str] = set()
    for seed in range(3):
        view.reset(seed=seed)
        changed |= changed_fields(before, view.simulation.model)
        for action in np.random.default_rng(seed).uniform(-1, 1, (40, 4)).astype(np.float32):
            view.step(action)
        changed |= changed_fields(before, view.simulation.model)
    assert changed <= {"body_pos", "body_quat", "site_pos"}


@pytest.mark.slow
@pytest.mark.parametrize("task", METAWORLD_TASKS)
def test_every_task_renders_the_same_now_and_later(task: str) -> None:
    view = MetaWorldView(task, size=SIZE, render_mode="rgb_array")
    states, live = roll(view, seed=1)
    assert len(np.unique(live[0])) > 50
    assert np.any(live[0] != live[-1])
    view.reset(seed=2)
    np.testing.assert_array_equal(view.render_states(states), live)
    view.close()


# --- contexts come and go


def test_closing_twice_is_fine_and_rendering_after_it_starts_anew() -> None:
    view = MetaWorldView("reach", size=32, render_mode="rgb_array")
    view.reset(seed=0)
    first = view.render()
    view.close()
    view.close()
    np.testing.assert_array_equal(view.render(), first)
    view.close()


def test_an_unknown_quality_is_answered_with_the_known_ones(reach: MetaWorldView) -> None:
    with pytest.raises(
        UnknownNameError, match=r"'best'; choose one of \['encoder', 'paper', 'vlm'\]"
    ):
        renderer_of(reach, quality="best")


def test_an_unknown_camera_is_answered_with_the_models_own(reach: MetaWorldView) -> None:
    with pytest.raises(UnknownNameError, match=r"No camera 'front'; .*'corner2', 'corner3'"):
        renderer_of(reach, camera="front")
