"""Starts and observations of Meta-World's tasks as CPL's environment has them."""

import jaxtyping
import numpy as np
import pytest

pytest.importorskip("metaworld")

from vlfeedback.errors import UnknownNameError
from vlfeedback_envs.metaworld import MetaWorldView

HAND, OBJECTS, GOAL = slice(0, 3), slice(4, 18), slice(36, 39)
SETTLED = 0.02  # m: the arm follows its target that closely


@pytest.fixture(scope="module")
def starts() -> tuple[np.ndarray, np.ndarray, MetaWorldView]:
    """First observations of 40 seeds: where the task puts the hand, and jittered."""
    fixed, jittered = (
        MetaWorldView("faucet-open"),
        MetaWorldView("faucet-open", hand_starts="jittered"),
    )
    one, other = (
        np.stack([view.reset(seed=seed)[0] for seed in range(40)]) for view in (fixed, jittered)
    )
    return one, other, jittered


def test_a_hand_starts_where_the_task_puts_it_unless_it_is_jittered(
    starts: tuple[np.ndarray, np.ndarray, MetaWorldView],
) -> None:
    fixed, jittered, _ = starts
    assert fixed[:, HAND].std(axis=0).max() < 1e-3
    assert jittered[:, HAND].std(axis=0).min() > 0.03


def test_a_jittered_hand_is_inside_of_the_jitter_and_of_what_it_can_reach(
    starts: tuple[np.ndarray, np.ndarray, MetaWorldView],
) -> None:
    _, jittered, view = starts
    simulation = view.simulation
    centre, most = np.array(simulation.hand_init_pos), np.array([0.25, 0.15, 0.2])
    low = np.maximum(centre - most, simulation.mocap_low)
    high = np.minimum(centre + most, simulation.mocap_high)
    hands = jittered[:, HAND]
    assert np.all(hands > low - SETTLED) and np.all(hands < high + SETTLED)
    assert np.all(hands.min(axis=0) < low + 0.2 * (high - low))  # and fills it
    assert np.all(hands.max(axis=0) > high - 0.2 * (high - low))


def test_objects_and_goal_are_those_of_the_same_seed(
    starts: tuple[np.ndarray, np.ndarray, MetaWorldView],
) -> None:
    fixed, jittered, _ = starts
    np.testing.assert_allclose(jittered[:, OBJECTS], fixed[:, OBJECTS], atol=1e-4)
    np.testing.assert_array_equal(jittered[:, GOAL], fixed[:, GOAL])


def test_the_step_before_the_first_one_is_the_first_one(
    starts: tuple[np.ndarray, np.ndarray, MetaWorldView],
) -> None:
    _, jittered, _ = starts
    np.testing.assert_array_equal(jittered[:, :18], jittered[:, 18:36])


def test_the_same_seed_starts_the_same_whatever_came_before() -> None:
    view = MetaWorldView("reach", hand_starts="jittered")
    one, _ = view.reset(seed=4)
    view.step(np.ones(4, dtype=np.float32))
    view.reset()
    np.testing.assert_array_equal(view.reset(seed=4)[0], one)
    view.close()


def test_without_the_earlier_hand_35_entries_are_left_and_scripts_see_all_39() -> None:
    whole, short = MetaWorldView("reach"), MetaWorldView("reach", previous_hand=False)
    for view in (whole, short):
        view.reset(seed=2)
    one, *_ = whole.step(np.ones(4, dtype=np.float32))
    other, *_ = short.step(np.ones(4, dtype=np.float32))
    assert other.shape == short.observation_space.shape == (35,)
    assert other in short.observation_space
    np.testing.assert_array_equal(other, np.concatenate([one[:18], one[22:]]))
    np.testing.assert_array_equal(short.script_observation, one)


def test_another_kind_of_start_is_refused() -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UnknownNameError, match="jittered"):
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user
        MetaWorldView("reach", hand_starts="anywhere")  # type: ignore[arg-type]
