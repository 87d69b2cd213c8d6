"""SoftGym's environments behind Gymnasium's API, on a stand-in with SoftGym's API: not on FleX."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.passive_env_checker import env_render_passive_checker
from tests.envs.softgym_standin import (
    BACKGROUND,
    PICKER,
    SIDE,
    Fluid,
    NormalizedEnv,
    RopeFlatten,
    RopeFlattenEasy,
)

import vlfeedback
from vlfeedback.errors import InvalidTypeError, InvalidValueError, RenderError, UnknownNameError
from vlfeedback_envs.softgym import SoftGymAdapter

APART = np.array([-1, 0, 0, 0, 1, 0, 0, 0], np.float32)  # both ends, as far as they go
STILL = np.zeros(8, np.float32)

Adapt = Callable[..., SoftGymAdapter]


@pytest.fixture
def adapt() -> Iterator[Adapt]:
    """Makes an environment of the stand-in's, and its adapter; closes both."""
    with ExitStack() as stack:

        def make(
            kind: type[RopeFlatten] = RopeFlatten,
            *,
            normalized: bool = True,
            settings: dict[str, Any] | None = None,
            **view: Any,
        ) -> SoftGymAdapter:
            given = {"horizon": 75, "num_variations": 10, "deterministic": False}
            env: Any = kind("key_point", **{**given, **(settings or {})})
            stack.callback(env.close)
            if normalized:
                env = NormalizedEnv(env)
            return stack.enter_context(closing(SoftGymAdapter(env, **view)))

        yield make


# Gymnasium's API ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*infinity")  # observations are as unbounded as SoftGym's
@pytest.mark.parametrize("kind", [RopeFlatten, RopeFlattenEasy])
def test_gymnasiums_own_check_passes(adapt: Adapt, kind: type[RopeFlatten]) -> None:
    env = adapt(kind, render_mode="rgb_array")
    # What is skipped makes a second environment while this one is open.
    check_env(env, skip_render_check=True, skip_close_check=True)
    env_render_passive_checker(env)


def test_observations_are_float32_in_place_of_float64(adapt: Adapt) -> None:
    env = adapt()
    observation, _ = env.reset(options={"config_id": 4})
    assert observation.shape == (36,) and observation.dtype == np.float32
    assert observation[-3] - observation[-6] == pytest.approx(0.2)  # 0.04 m times five
    assert env.step(STILL)[0].dtype == np.float32


def test_spaces_are_gymnasiums_with_softgyms_bounds(adapt: Adapt) -> None:
    with closing(adapt(normalized=False)) as env:
        low = np.array([-0.01, -0.01, -0.01, 0] * 2, np.float32)
        high = np.array([0.01, 0.01, 0.01, 1] * 2, np.float32)
        assert env.action_space == gym.spaces.Box(low, high)
        assert env.observation_space == gym.spaces.Box(-np.inf, np.inf, (36,), np.float32)
    assert adapt(normalized=True).action_space == gym.spaces.Box(-1, 1, (8,), np.float32)


@pytest.mark.parametrize(("normalized", "action"), [(True, APART), (False, 0.01 * APART)])
def test_actions_are_in_the_units_of_what_was_given(
    adapt: Adapt, normalized: bool, action: np.ndarray
) -> None:
    env = adapt(normalized=normalized)
    env.reset(options={"config_id": 0})
    _, reward, *_ = env.step(action)
    assert type(reward) is float
    # 0.04 m at first; both ends go 0.01 m in each of eight substeps.
    assert reward == pytest.approx(-abs(0.04 + 2 * 8 * 0.01 - 0.5), abs=1e-6)


def test_an_action_is_not_written_into(adapt: Adapt) -> None:
    env = adapt(RopeFlattenEasy, normalized=False)
    env.reset(seed=0)
    action = 0.01 * APART
    env.step(action)
    np.testing.assert_array_equal(action, 0.01 * APART)


def test_the_end_of_an_episode_is_a_truncation_at_softgyms_horizon(adapt: Adapt) -> None:
    env = adapt(settings={"horizon": 3})
    env.reset(seed=0)
    assert [env.step(STILL)[2:4] for _ in range(3)] == [(False, False)] * 2 + [(False, True)]
    assert env.spec is not None and env.spec.max_episode_steps == 3


def test_a_simulation_that_fails_ends_the_episode_and_shows_nothing_of_it(adapt: Adapt) -> None:
    env = adapt(settings={"explodes_at": 2})
    _, info = env.reset(seed=0)
    before, *_, info_before = env.step(STILL)
    kept = before.copy()
    before[:] = 7  # it is the caller's
    assert info["sim_error"] is info_before["sim_error"] is False
    observation, reward, terminated, truncated, info = env.step(STILL)
    assert (reward, terminated, truncated, info["sim_error"]) == (0.0, True, False, True)
    np.testing.assert_array_equal(observation, kept)
    assert not env.reset(seed=0)[1]["sim_error"]


def test_pictures_are_as_many_a_second_as_steps(adapt: Adapt) -> None:
    env = adapt(settings={"action_repeat": 8})
    assert env.metadata == {"render_modes": ["rgb_array"], "render_fps": 12.5}
    assert SoftGymAdapter.metadata["render_fps"] == 100


def test_what_is_no_environment_of_softgym_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"env='RopeFlatten' has no reset, .*make_softgym"):
        SoftGymAdapter("RopeFlatten")
    with (
        closing(gym.make("CartPole-v1")) as env,
        pytest.raises(InvalidTypeError, match=r"has no horizon, action_repeat, action_space\.low;"),
    ):
        SoftGymAdapter(env)


# Seeds -------------------------------------------------------------------------------------------


def episode(env: Any, seed: int | None) -> list[np.ndarray]:
    return [env.reset(seed=seed)[0], *(env.step(APART)[0] for _ in range(3))]


def test_the_same_seed_gives_the_same_episode_and_other_seeds_others(adapt: Adapt) -> None:
    env = adapt()
    np.testing.assert_array_equal(episode(env, 5), episode(env, 5))
    starts = {env.reset(seed=seed)[0].tobytes() for seed in range(20)}
    assert len(starts) > 10  # of 8 variations and ten heights


def test_an_episode_is_the_one_of_softgym_itself_after_both_seeds(adapt: Adapt) -> None:
    env = adapt()
    shown, _ = env.reset(seed=11)
    of_numpy, of_python = np.random.get_state(), random.getstate()
    np.random.seed(11)
    random.seed(11)
    own = env.softgym_env.reset()
    np.random.set_state(of_numpy)
    random.setstate(of_python)
    np.testing.assert_array_equal(shown, own.astype(np.float32))


def test_resets_without_a_seed_go_on_from_the_last_one(adapt: Adapt) -> None:
    env = adapt()
    runs = [[env.reset(seed=s)[0].tobytes() for s in (3, *[None] * 10)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 5


def test_the_callers_own_randomness_stays_as_it_was(adapt: Adapt) -> None:
    env = adapt()
    np.random.seed(0)
    random.seed(0)
    expected = np.random.random(), random.random()
    np.random.seed(0)
    random.seed(0)
    env.reset(seed=8)
    env.reset()
    assert (np.random.random(), random.random()) == expected


def test_a_variation_is_chosen_by_its_number(adapt: Adapt) -> None:
    env = adapt()
    for number in (0, 9):  # also one of those that SoftGym keeps for evaluation
        env.reset(seed=1, options={"config_id": number})
        assert env.softgym_env.current_config_id == number


# Pictures ----------------------------------------------------------------------------------------


def corner(picture: Any) -> int:
    """The grey level where the stand-in draws a picker."""
    assert picture.shape == (SIDE, SIDE, 3) and picture.dtype == np.uint8
    assert picture.flags["C_CONTIGUOUS"]
    return int(picture[-1, 0, 0])


def test_the_forks_pickers_are_hidden_unless_they_are_asked_for(adapt: Adapt) -> None:
    for view, expected in [({}, BACKGROUND), ({"hide_picker": False}, PICKER)]:
        with closing(adapt(RopeFlattenEasy, render_mode="rgb_array", **view)) as env:
            env.reset(seed=0)
            assert corner(env.render()) == expected


def test_the_original_which_cannot_hide_its_pickers_shows_them(adapt: Adapt) -> None:
    env = adapt(RopeFlatten, render_mode="rgb_array", hide_picker=True)
    env.reset(seed=0)
    assert corner(env.render()) == PICKER


def test_without_a_render_mode_there_is_no_picture(adapt: Adapt) -> None:
    env = adapt()
    env.reset(seed=0)
    assert env.render() is None


class Mosaic(RopeFlatten):
    def render(self, mode: str = "rgb_array") -> Any:
        return np.arange(SIDE * SIDE * 3).reshape(SIDE, SIDE, 3).astype(np.uint8)


def shrunk(adapt: Adapt, size: int, shrink: str) -> tuple[np.ndarray, np.ndarray]:
    """The whole picture, in which every pixel differs, and a smaller one of it."""
    whole = np.arange(SIDE * SIDE * 3).reshape(SIDE, SIDE, 3).astype(np.uint8)
    env = adapt(Mosaic, render_mode="rgb_array", size=size, shrink=shrink)
    small: Any = env.render()
    return whole, small


def test_every_nth_row_and_column_is_what_rlvlmf_has_of_ropes(adapt: Adapt) -> None:
    whole, small = shrunk(adapt, 4, "every-nth")
    np.testing.assert_array_equal(small, whole[::3, ::3])


def test_at_half_the_side_the_mean_is_of_four_pixels_halves_up(adapt: Adapt) -> None:
    whole, small = shrunk(adapt, 6, "mean")
    four = [whole[i::2, j::2].astype(int) for i in (0, 1) for j in (0, 1)]
    np.testing.assert_array_equal(small, (sum(four) + 2) // 4)


def test_a_pixel_that_two_share_counts_for_both_by_its_area(adapt: Adapt) -> None:
    whole, small = shrunk(adapt, 8, "mean")  # each is 1.5 wide
    share = np.array([1, 0.5]) / 1.5
    assert small[0, 0, 0] == round(float(share @ whole[:2, :2, 0].astype(float) @ share))
    assert small.shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("view", "error", "match"),
    [
        ({"size": 5, "shrink": "every-nth"}, InvalidValueError, r"size=5 .* 12 by 12 px"),
        ({"size": 0}, InvalidValueError, r"size=0; expected at least one"),
        ({"shrink": "area"}, UnknownNameError, r"'area'; expected 'mean' or 'every-nth'"),
        ({"render_mode": "human"}, RenderError, r"'human'; this view renders 'rgb_array'"),
    ],
)
def test_pictures_that_cannot_be_are_refused(
    adapt: Adapt, view: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        adapt(Mosaic, **{"render_mode": "rgb_array", **view}).render()


# What info says ----------------------------------------------------------------------------------


def test_success_is_softgyms_where_it_says_so(adapt: Adapt) -> None:
    env = adapt(RopeFlattenEasy, settings={"action_repeat": 6})
    _, info = env.reset(options={"config_id": 9})  # 0.4 m
    assert info["success"] is False
    _, reward, *_, info = env.step(APART)  # 0.4 + 2 * 6 * 0.01 = 0.52 of 0.475
    assert info["success"] is True
    assert reward == info["performance"] == pytest.approx(0.52)
    assert info["normalized_performance"] == pytest.approx((0.52 + 0.5) / 0.5)
    assert info["raw_info"]["success"] == 1


@pytest.mark.parametrize(("success_at", "expected"), [(0.8, True), (0.95, False)])
def test_success_is_a_normalised_performance_where_softgym_is_silent(
    adapt: Adapt, success_at: float, expected: bool
) -> None:
    env = adapt(success_at=success_at)
    _, info = env.reset(options={"config_id": 9})  # 0.4 m
    assert info["normalized_performance"] == pytest.approx(1 - (0.5 - 0.4) / 0.5)  # 0.8
    assert info["raw_info"]["end_point_distance"] == pytest.approx(0.4)
    *_, info = env.step(0.3 * APART)  # 0.4 + 2 * 8 * 0.003 = 0.448 m
    assert info["normalized_performance"] == pytest.approx(1 - (0.5 - 0.448) / 0.5, abs=1e-5)
    assert info["success"] is expected


def test_what_softgym_says_nothing_of_is_left_out(adapt: Adapt) -> None:
    env = adapt(Fluid)
    assert env.reset(seed=0)[1] == {"sim_error": False, "raw_info": {}}
    assert env.step(STILL)[4] == {"sim_error": False, "raw_info": {}}


# With a source ------------------------------------------------------------------------------------


def test_a_source_of_pictures_gives_it_a_reward(adapt: Adapt) -> None:
    env = vlfeedback.RewardFromSource(adapt(render_mode="rgb_array"), "picture-energy")
    env.reset(options={"config_id": 0})  # 0.04 m: the rope is a row of grey level 4
    _, reward, *_, info = env.step(APART)  # 0.2 m: of grey level 20
    assert reward == pytest.approx((20 - 4) / SIDE)
    assert info["env_reward"] == pytest.approx(-0.3, abs=1e-6)
    assert info["is_success"] is False
