"""Rollouts of three levels: an expert, one that stops half-way, and one that knows nothing."""

from collections.abc import Iterator
from typing import Any

import jaxtyping
import numpy as np
import pytest

pytest.importorskip("metaworld")

from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import METAWORLD_TASKS
from vlfeedback.types import Trajectory
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.scripted import LEVELS, rollout_level, scripted_actions, shrink_pictures


@pytest.fixture(scope="module", params=["drawer-close", "door-open", "push"])
def view(request: pytest.FixtureRequest) -> Iterator[MetaWorldView]:
    made = MetaWorldView(request.param, render_mode="rgb_array", size=16)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reach() -> Iterator[MetaWorldView]:
    made = MetaWorldView("reach", render_mode="rgb_array", size=32)
    yield made
    made.close()


def roll(view: MetaWorldView, level: Any, **changes: Any) -> Trajectory:
    return rollout_level(
        view, level, **({"seed": 11, "frame_stride": 50, "frame_size": 8} | changes)
    )


def pictures_of(trajectory: Trajectory) -> np.ndarray:
    assert trajectory.frames is not None
    return trajectory.frames.read(trajectory.frames.times)


def steps_the_policy_needs(view: MetaWorldView, seed: int) -> int:
    policy = scripted_actions(view)
    observation, _ = view.reset(seed=seed)
    for step in range(1, 151):
        action = policy.get_action(observation).clip(-1, 1).astype(np.float32)
        observation, _, _, _, info = view.step(action)
        if info["success"]:
            return step
    raise AssertionError("the scripted policy fails at this seed")


@pytest.mark.filterwarnings("ignore:Constant")  # the policy on its own, without a rollout
def test_medium_stops_half_way_and_then_holds_still(view: MetaWorldView) -> None:
    for seed in (11, 12, 13):
        needed = steps_the_policy_needs(view, seed)
        trajectory = roll(view, "medium", seed=seed)
        stop = trajectory.stopped_at
        assert stop is not None and int(0.35 * needed) <= stop <= 0.65 * needed
        hand, grip = trajectory.actions[:, :3], trajectory.actions[:, 3]
        assert np.all(np.any(hand[:stop] != 0, axis=1))
        assert np.all(hand[stop:] == 0)
        assert np.all(grip[stop:] == grip[stop - 1])


def test_the_expert_succeeds(view: MetaWorldView) -> None:
    expert = roll(view, "expert")
    assert expert.successes is not None and expert.successes.any()
    assert len(expert) == 150 and expert.first_success is not None
    assert expert.stopped_at == expert.first_success + 1  # it rests from there


def test_an_expert_that_has_succeeded_rests(view: MetaWorldView) -> None:
    expert = roll(view, "expert")
    assert expert.successes is not None
    succeeded = int(np.argmax(expert.successes))
    assert np.all(expert.actions[succeeded + 1 :, :3] == 0)
    assert np.all(np.any(expert.actions[: succeeded + 1, :3] != 0, axis=1))


def test_an_expert_may_run_on_after_success(view: MetaWorldView) -> None:
    rests, runs_on = (roll(view, "expert", ends=ends) for ends in ("rest", "run-on"))
    assert runs_on.stopped_at == len(runs_on)
    stop = rests.stopped_at
    assert stop is not None
    np.testing.assert_array_equal(runs_on.actions[:stop], rests.actions[:stop])
    assert np.all(np.any(runs_on.actions[stop:, :3] != 0, axis=1))


def test_a_medium_script_may_stop_where_the_task_says_that_the_hand_is_near(
    view: MetaWorldView,
) -> None:
    trajectory = roll(view, "medium", medium="near-object")
    view.reset(seed=11)
    expected = len(trajectory)
    for step, action in enumerate(trajectory.actions):
        *_, info = view.step(action)
        if info["near_object"] == 1 or info["success"]:
            expected = step + 1
            break
    assert trajectory.stopped_at == expected
    assert np.all(trajectory.actions[expected:, :3] == 0)


def test_scripts_act_in_jittered_starts_on_all_that_they_need_to_see() -> None:
    view = MetaWorldView(
        "drawer-close",
        render_mode="rgb_array",
        size=8,
        hand_starts="jittered",
        previous_hand=False,
    )
    experts = [roll(view, "expert", seed=seed) for seed in range(4)]
    assert experts[0].observations.shape == (151, 35)
    assert all(expert.first_success is not None for expert in experts)
    view.close()


def test_idle_does_nothing_at_all(view: MetaWorldView) -> None:
    idle = roll(view, "idle")
    assert np.all(idle.actions == 0) and idle.stopped_at == 0 and len(idle) == 150
    hands = idle.observations[:, :3]
    assert np.abs(hands - hands[0]).max() < 0.02  # m
    assert idle.id == f"{view.task.name}/idle/11" and idle.level == "idle"


def test_levels_rank_by_return(view: MetaWorldView) -> None:
    returns = {}
    for level in LEVELS:
        rewards = roll(view, level).env_rewards
        assert rewards is not None
        returns[level] = rewards.sum()
    assert returns["expert"] > returns["medium"] and returns["expert"] > returns["random"]


def test_actions_stay_in_the_action_space(view: MetaWorldView) -> None:
    for level in LEVELS:
        actions = roll(view, level).actions
        assert actions.dtype == np.float32 and np.all(np.abs(actions) <= 1)


@pytest.mark.parametrize(("random_actions", "low"), [("u01", 0.0), ("box", -1.0)])
def test_random_actions_fill_their_range(
    reach: MetaWorldView, random_actions: str, low: float
) -> None:
    actions = roll(reach, "random", random_actions=random_actions).actions
    assert low <= actions.min() < low + 0.05 and 0.95 < actions.max() <= 1
    assert abs(actions.mean() - (low + 1) / 2) < 0.1
    np.testing.assert_allclose(actions.std(), (1 - low) / np.sqrt(12), rtol=0.1)


def test_pictures_show_the_reset_and_every_stride_th_step(reach: MetaWorldView) -> None:
    trajectory = roll(reach, "expert", horizon=23, frame_stride=7)
    assert trajectory.frames is not None
    assert trajectory.frames.times.tolist() == [0, 1, 8, 15, 22]
    assert pictures_of(trajectory).shape == (5, 8, 8, 3)


def test_pictures_are_box_means_of_what_was_to_be_seen_at_the_time(reach: MetaWorldView) -> None:
    trajectory = roll(reach, "expert", horizon=8, frame_stride=1, frame_size=16)
    reach.reset(seed=11)
    live = [reach.render()]
    for action in trajectory.actions:
        reach.step(action)
        live.append(reach.render())
    large = np.stack([picture for picture in live if picture is not None]).astype(np.float64)
    mean = (
        large[:, ::2, ::2] + large[:, 1::2, ::2] + large[:, ::2, 1::2] + large[:, 1::2, 1::2]
    ) / 4
    np.testing.assert_array_equal(pictures_of(trajectory), np.rint(mean))


def test_shrinking_is_the_mean_of_each_box() -> None:
    picture = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    picture[0, :2, :2, 0] = [[10, 20], [30, 41]]  # 101 / 4 = 25.25
    picture[0, 2:, 2:, 1] = 255
    expected = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    expected[0, 0, 0, 0] = 25
    expected[0, 1, 1, 1] = 255
    np.testing.assert_array_equal(shrink_pictures(picture, 2), expected)
    assert shrink_pictures(picture, 4) is picture


def test_a_size_that_does_not_divide_is_refused(reach: MetaWorldView) -> None:
    with pytest.raises(ValueError, match="32 px cannot be box-filtered to 12 px"):
        roll(reach, "random", horizon=2, frame_size=12)


def test_the_same_seed_gives_the_same_trajectory_whatever_came_before(view: MetaWorldView) -> None:
    for level in LEVELS:
        one = roll(view, level, horizon=40)
        roll(view, "random", seed=99, horizon=5)
        other = roll(view, level, horizon=40)
        for name in ("observations", "actions", "env_rewards", "successes"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(pictures_of(one), pictures_of(other))
        assert one.facts() == other.facts() and one.id == other.id
        another = roll(view, level, seed=12, horizon=40)
        assert np.any(one.observations != another.observations)
        assert np.any(one.actions != another.actions) or level == "idle"


def test_a_trajectory_says_where_it_comes_from(reach: MetaWorldView) -> None:
    trajectory = roll(reach, "medium", seed=5, horizon=10)
    assert trajectory.id == "reach/medium/5" and trajectory.task == "reach"
    assert trajectory.facts().keys() == {"level", "seed", "stop"}
    assert (trajectory.level, trajectory.seed) == ("medium", 5)
    assert trajectory.truncated and not trajectory.terminated
    assert trajectory.observations.shape == (11, 39)
    assert trajectory.observations.dtype == np.float32


@pytest.mark.parametrize(
    ("level", "changes", "message"),
    [
        ("novice", {}, "No 'novice' here; choose one of expert, medium, random"),
        ("random", {"random_actions": "u02"}, "No 'u02' here; choose one of u01, box"),
        ("medium", {"medium": "near"}, "No 'near' here; choose one of half-way, near-object"),
        ("expert", {"ends": "stop"}, "No 'stop' here; choose one of rest, run-on"),
    ],
)
def test_unknown_names_are_refused_before_anything_moves(
    reach: MetaWorldView, level: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UnknownNameError, match=message):
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user
        roll(reach, level, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("task", METAWORLD_TASKS)
def test_the_expert_of_every_task_can_succeed(task: str) -> None:
    view = MetaWorldView(task, render_mode="rgb_array", size=8)
    successes = (roll(view, "expert", seed=seed).successes for seed in range(5))
    assert any(np.any(s) for s in successes if s is not None)
    view.close()
