"""Attempts that go wrong: what is done instead, from which step on, and that nothing is made up."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("metaworld")

from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.types import Trajectory
from vlfeedback_envs.flawed import rollout_flawed
from vlfeedback_envs.flaws import FLAWS, possible_flaws
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.rehearsal import Rehearsal, rehearse
from vlfeedback_envs.scripted import quiet_scripts, rollout_level

SEED = 5
HAND, THING = slice(0, 3), slice(4, 7)


@pytest.fixture(scope="module")
def pick_place() -> Iterator[MetaWorldView]:
    made = MetaWorldView("pick-place", render_mode="rgb_array", size=8)
    yield made
    made.close()


@pytest.fixture(scope="module")
def drawer_open() -> Iterator[MetaWorldView]:
    made = MetaWorldView("drawer-open", render_mode="rgb_array", size=8)
    yield made
    made.close()


@pytest.fixture(scope="module")
def rehearsal(pick_place: MetaWorldView) -> Rehearsal:
    with quiet_scripts():
        return rehearse(pick_place, seed=SEED, horizon=150)


def attempt(view: MetaWorldView, flaw: Any = None, **changes: Any) -> Trajectory:
    return rollout_flawed(
        view, flaw=flaw, **({"seed": SEED, "frame_stride": 50, "frame_size": 8} | changes)
    )


def succeeded(trajectory: Trajectory) -> bool:
    assert trajectory.successes is not None
    return bool(trajectory.successes.any())


def objects_moved(trajectory: Trajectory) -> np.ndarray:
    """How far the object is from where it was once the script had begun, m."""
    things = trajectory.observations[:, THING]
    return np.asarray(np.linalg.norm(things - things[10], axis=1))


# --- the rehearsal


def test_a_rehearsal_ends_with_success_and_knows_when_the_hand_touched_and_gripped(
    rehearsal: Rehearsal,
) -> None:
    assert 40 < len(rehearsal) < 80  # steps that the script needs
    assert len(rehearsal.hands) == len(rehearsal) + 1
    assert 20 < rehearsal.touches < len(rehearsal) - 5
    assert rehearsal.grips and rehearsal.reads_goal


def test_a_hand_moves_in_the_direction_of_its_way_from_touch_to_success() -> None:
    hands = np.array([[0.0, 0.0, 0.2], [0.0, 0.0, 0.1], [0.3, 0.4, 0.1]])
    made = Rehearsal(hands, np.zeros((2, 4)), touches=1, grips=False, reads_goal=False)
    np.testing.assert_allclose(made.direction(), [0.6, 0.8, 0.0])


def test_what_succeeds_at_its_touch_has_the_direction_of_its_last_five_centimetres() -> None:
    hands = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.1, 0.06, 0.0], [0.1, 0.07, 0.0]])
    made = Rehearsal(hands, np.zeros((3, 4)), touches=3, grips=False, reads_goal=False)
    np.testing.assert_allclose(made.direction(), [0.0, 1.0, 0.0])  # from the second place on


def test_only_what_grips_drops_and_only_a_goal_that_is_read_is_mistaken() -> None:
    neither = Rehearsal(np.zeros((2, 3)), np.zeros((1, 4)), 0, grips=False, reads_goal=False)
    assert set(FLAWS) - set(possible_flaws(neither)) == {"drops", "wrong-goal"}
    both = Rehearsal(np.zeros((2, 3)), np.zeros((1, 4)), 0, grips=True, reads_goal=True)
    assert possible_flaws(both) == list(FLAWS)


# --- the flaws


def test_one_that_stops_rests_for_good_from_the_step_it_says(pick_place: MetaWorldView) -> None:
    stopped = attempt(pick_place, "stops")
    since = stopped.info["since"]
    assert stopped.stopped_at == since and not succeeded(stopped)
    assert np.all(stopped.actions[since:, :3] == 0)
    assert np.all(np.any(stopped.actions[:since, :3] != 0, axis=1))


def test_one_at_the_wrong_place_closes_its_hand_beside_the_object(
    pick_place: MetaWorldView,
) -> None:
    missed = attempt(pick_place, "wrong-place")
    assert not succeeded(missed) and objects_moved(missed)[10:].max() < 0.01
    lowest = int(np.argmin(missed.observations[:, 2]))
    hand, thing = missed.observations[lowest, HAND], missed.observations[lowest, THING]
    assert 0.07 < np.linalg.norm((hand - thing)[:2]) < 0.28  # 10 to 25 cm, and noise


def test_one_with_a_wrong_goal_brings_the_object_to_another_place(
    pick_place: MetaWorldView,
) -> None:
    elsewhere = attempt(pick_place, "wrong-goal")
    last = elsewhere.observations[-1]
    assert objects_moved(elsewhere)[-1] > 0.05
    assert np.linalg.norm((last[THING] - last[36:39])[:2]) > 0.07 and not succeeded(elsewhere)


def test_one_in_the_wrong_direction_moves_against_the_rehearsed_way(
    pick_place: MetaWorldView, rehearsal: Rehearsal
) -> None:
    turned = attempt(pick_place, "wrong-direction")
    since = turned.info["since"]
    assert rehearsal.touches <= since < len(rehearsal)
    mean = turned.actions[since : since + 15, :3].mean(axis=0)
    assert mean @ rehearsal.direction() < -0.9 and not succeeded(turned)
    np.testing.assert_array_equal(turned.actions[since + 50 :, :3], 0)  # and stays there


def test_one_that_drops_opens_its_hand_for_good_and_the_object_is_left(
    pick_place: MetaWorldView,
) -> None:
    dropped = attempt(pick_place, "drops")
    since = dropped.info["since"]
    assert np.all(dropped.actions[since:, 3] < -0.5)
    hand, thing = dropped.observations[-1, HAND], dropped.observations[-1, THING]
    assert np.linalg.norm(hand - thing) > 0.05 and thing[2] < 0.05  # m above the table


def test_one_that_wanders_off_ends_far_from_where_it_touched(pick_place: MetaWorldView) -> None:
    gone = attempt(pick_place, "wanders-off")
    hands = gone.observations[:, HAND]
    assert np.linalg.norm(hands[-1] - hands[gone.info["since"]]) > 0.12
    assert np.all(gone.actions[gone.info["since"] :, 3] < -0.5)


def test_one_that_runs_past_does_not_rest_where_the_task_is_done(
    drawer_open: MetaWorldView,
) -> None:
    past = attempt(drawer_open, "runs-past")
    assert past.stopped_at == len(past) and past.first_success is not None
    assert np.abs(past.actions[past.first_success + 1, :3]).max() > 0.5


def test_one_that_hesitates_pauses_and_then_does_it(drawer_open: MetaWorldView) -> None:
    hesitant = attempt(drawer_open, "hesitates")
    since = hesitant.info["since"]
    moves = np.any(hesitant.actions[:, :3] != 0, axis=1)
    pause = int(np.argmax(moves[since:]))
    assert 15 <= pause < 50 and np.all(moves[:since])
    assert succeeded(hesitant) and hesitant.first_success > since + pause


def test_one_that_trembles_is_an_expert_before(pick_place: MetaWorldView) -> None:
    trembling = attempt(pick_place, "trembles")
    since = trembling.info["since"]
    jumps = np.abs(np.diff(trembling.actions[:, :3], axis=0)).mean(axis=1)
    assert jumps[since:].mean() > 2 * jumps[: since - 1].mean()


# --- all of them


def test_the_flaw_is_drawn_from_the_seed_and_many_are_seen(drawer_open: MetaWorldView) -> None:
    drawn = {attempt(drawer_open, seed=seed, horizon=20).info["flaw"] for seed in range(24)}
    assert len(drawn) >= 5 and drawn <= set(FLAWS)


def test_the_same_seed_gives_the_same_attempt_whatever_came_before(
    drawer_open: MetaWorldView,
) -> None:
    one = attempt(drawer_open, horizon=60)
    attempt(drawer_open, seed=99, horizon=5)
    other = attempt(drawer_open, horizon=60)
    for name in ("observations", "actions", "env_rewards", "successes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.facts() == other.facts() and one.id == other.id == f"drawer-open/flawed/{SEED}"
    assert one.facts().keys() == {"level", "seed", "stop", "flaw", "since"}


def test_an_attempt_begins_as_the_experts_episode_of_its_seed_does(
    drawer_open: MetaWorldView,
) -> None:
    expert = rollout_level(drawer_open, "expert", seed=SEED, horizon=5, frame_size=8)
    np.testing.assert_array_equal(
        attempt(drawer_open, horizon=5).observations[0], expert.observations[0]
    )


@pytest.mark.parametrize("flaw", ["wrong-place", "runs-past", "hesitates", "trembles"])
def test_rewards_and_successes_are_those_of_the_environment(
    drawer_open: MetaWorldView, flaw: str
) -> None:
    recorded = attempt(drawer_open, flaw)
    drawer_open.reset(seed=SEED)
    rewards, successes = [], []
    for action in recorded.actions:
        _, reward, _, _, info = drawer_open.step(action)
        rewards.append(reward)
        successes.append(info["success"])
    np.testing.assert_array_equal(recorded.env_rewards, np.asarray(rewards, np.float32))
    np.testing.assert_array_equal(recorded.successes, successes)


def test_actions_stay_in_the_action_space(pick_place: MetaWorldView) -> None:
    for flaw in FLAWS:
        actions = attempt(pick_place, flaw, horizon=60).actions
        assert actions.dtype == np.float32 and np.all(np.abs(actions) <= 1)


def test_a_flaw_that_the_task_cannot_have_is_refused(drawer_open: MetaWorldView) -> None:
    with pytest.raises(InvalidValueError, match="'drawer-open' has the flaw 'drops'; choose one"):
        attempt(drawer_open, "drops")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flaw": "sneezes"}, "No 'sneezes' here; choose one of stops, wrong-place"),
        ({"ends": "stop"}, "No 'stop' here; choose one of rest, run-on"),
    ],
)
def test_unknown_names_are_refused(
    drawer_open: MetaWorldView, changes: dict[str, Any], message: str
) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(UnknownNameError, match=message),
    ):
        import jaxtyping

        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user
        attempt(drawer_open, **changes)
