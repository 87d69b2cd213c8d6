"""DressSleeve: the arm and the sleeve, what is observed and rewarded, and what ends an episode."""

from collections.abc import Callable, Iterator

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import TASKS
from vlfeedback_envs.deformables.scripts import pull_up_the_arm
from vlfeedback_envs.deformables.sleeve import DressSleeve
from vlfeedback_envs.deformables.sleeve_model import ARM_RADIUS, SLEEVE_RADIUS, sleeve_tube

Choose = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.fixture(scope="module")
def dressing() -> Iterator[DressSleeve]:
    env = DressSleeve(render_mode="rgb_array")
    yield env
    env.close()


def episode(env: DressSleeve, seed: int, choose: Choose) -> tuple[float, dict[str, float]]:
    """The return and the last info of at most 60 steps; fails where the simulation does."""
    env.reset(seed=seed)
    rng = np.random.default_rng([seed, 1])
    total = 0.0
    for _ in range(60):
        observation, reward, terminated, _, info = env.step(choose(env.state(), rng))
        assert not info["sim_error"] and np.isfinite(observation).all() and reward >= 0
        total += reward
        if terminated:
            assert info["force"] > 7
            break
    return total, info


def scripted(state: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return pull_up_the_arm(state)


# The scene ---------------------------------------------------------------------------------------


def test_the_tube_is_rings_of_vertices_whose_triangles_close_it_but_for_its_ends() -> None:
    vertices, triangles = sleeve_tube()
    assert vertices.shape == (168, 3) and triangles.shape == (14 * 11 * 2, 3)
    np.testing.assert_allclose(vertices[0], [0, 0, SLEEVE_RADIUS])
    np.testing.assert_allclose(np.hypot(*vertices[:, 1:].T), SLEEVE_RADIUS)
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert sorted(set(counts)) == [1, 2]
    assert (counts == 1).sum() == 28  # the edges of both openings


def test_arms_differ_and_lie_in_their_ranges(dressing: DressSleeve) -> None:
    bends, lengths = [], []
    for seed in range(30):
        dressing.reset(seed=seed)
        hand, elbow, shoulder = dressing.state()[3:12].reshape(3, 3)
        np.testing.assert_allclose(hand, [0, 0, 1])
        forearm, upper_arm = elbow - hand, shoulder - elbow
        assert 0.24 <= np.linalg.norm(forearm) <= 0.30
        assert 0.24 <= np.hypot(*upper_arm[:2]) <= 0.30
        assert 0 <= upper_arm[2] <= 0.25 * 0.30
        yaws = [np.arctan2(bone[1], bone[0]) for bone in (forearm, upper_arm)]
        assert abs(yaws[0]) <= 0.35
        bends.append(yaws[1] - yaws[0])
        lengths.append(np.linalg.norm(forearm))
    assert 0.2 <= min(bends) < 0.4 and 1.1 < max(bends) <= 1.3
    assert np.ptp(lengths) > 0.04


def test_arms_that_no_training_shows_have_elbows_bent_more() -> None:
    env = DressSleeve(arms="unseen", obs_mode="state")
    bends = []
    for seed in range(12):
        state, _ = env.reset(seed=seed)
        bones = np.diff(state[3:12].reshape(3, 3), axis=0)
        yaws = np.arctan2(bones[:, 1], bones[:, 0])
        bends.append(yaws[1] - yaws[0])
    assert 1.3 <= min(bends) < 1.45 and 1.55 < max(bends) <= 1.7
    with pytest.raises(UnknownNameError, match="arms='other'; expected varied or unseen"):
        DressSleeve(arms="other")


def test_the_bones_that_are_simulated_are_those_that_are_observed(dressing: DressSleeve) -> None:
    dressing.reset(seed=1)
    dressing.step(np.zeros(3, np.float32))
    joints = dressing.state()[3:12].reshape(3, 3)
    for bone, joint, end in zip(("forearm", "upper_arm"), joints[:-1], joints[1:], strict=True):
        geom = dressing.data.geom(bone)
        half = dressing.model.geom(bone).size[1] * geom.xmat.reshape(3, 3)[:, 2]
        tips = sorted([geom.xpos - half, geom.xpos + half], key=lambda p: np.linalg.norm(p - joint))
        np.testing.assert_allclose(tips, [joint, end], atol=1e-6)


def test_an_episode_begins_with_the_sleeve_before_the_hand(dressing: DressSleeve) -> None:
    _, info = dressing.reset(seed=0)
    gripper, _, opening, facing, ratio = np.split(dressing.state(), [3, 12, 15, 18])
    assert info["dressed_ratio"] == ratio[0] == 0 and not info["success"]
    assert opening[0] == pytest.approx(-0.07, abs=0.01)
    assert gripper[2] - opening[2] == pytest.approx(SLEEVE_RADIUS, abs=0.02)
    assert facing[0] > 0.9  # towards the hand


# What is observed --------------------------------------------------------------------------------


def test_the_cloud_is_the_garment_the_arm_and_the_gripper(dressing: DressSleeve) -> None:
    cloud, _ = dressing.reset(seed=0)
    assert cloud.shape == (369, 6) and cloud.dtype == np.float32
    np.testing.assert_array_equal(cloud[:, 3:].sum(axis=0), [168, 200, 1])
    np.testing.assert_array_equal(cloud[:168, 3:], [[1, 0, 0]] * 168)
    np.testing.assert_array_equal(cloud[-1, 3:], [0, 0, 1])
    np.testing.assert_array_equal(cloud[-1, :3], dressing.state()[:3])
    hand, elbow, shoulder = dressing.state()[3:12].reshape(3, 3)
    for points, joint, end in ((cloud[168:268], hand, elbow), (cloud[268:368], elbow, shoulder)):
        axis = (end - joint) / np.linalg.norm(end - joint)
        from_joint = points[:, :3] - joint
        along = from_joint @ axis
        away = np.linalg.norm(from_joint - along[:, None] * axis, axis=1)
        np.testing.assert_allclose(away, ARM_RADIUS, atol=1e-4)
        assert along.min() >= -1e-4 and along.max() <= np.linalg.norm(end - joint) + 1e-4
    later, *_ = dressing.step(np.ones(3, np.float32))
    np.testing.assert_array_equal(later[168:368], cloud[168:368])  # the arm is at rest
    np.testing.assert_allclose(later[-1, :3] - cloud[-1, :3], 0.025, atol=1e-6)


def test_every_kind_of_observation_is_one_of_its_space_and_the_flat_cloud_is_the_cloud() -> None:
    seen = {}
    for kind in ("state", "image", "point_cloud", "flat_point_cloud"):
        env = DressSleeve(obs_mode=kind, size=48)
        seen[kind], _ = env.reset(seed=0)
        assert env.observation_space.contains(seen[kind])
        env.close()
    np.testing.assert_array_equal(seen["flat_point_cloud"], seen["point_cloud"].reshape(-1))
    assert seen["state"].shape == (19,)


def colours(picture: np.ndarray) -> dict[str, float]:
    """Shares of the picture that are green, skin and blue."""
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return {
        "green": float(np.mean((green > red + 25) & (green > blue + 5))),
        "skin": float(np.mean((red > blue + 25) & (red > green + 5))),
        "blue": float(np.mean((blue > red + 15) & (blue > green + 10))),
    }


def test_pictures_show_a_green_sleeve_that_comes_to_cover_the_arm(dressing: DressSleeve) -> None:
    dressing.reset(seed=3)
    first = dressing.render()
    assert first is not None and first.shape == (240, 240, 3)
    for _ in range(40):
        dressing.step(pull_up_the_arm(dressing.state()))
    last = dressing.render()
    assert last is not None
    before, after = colours(first), colours(last)
    assert min(before.values()) > 0.015 and min(after.values()) > 0.004
    assert after["skin"] < 0.75 * before["skin"]


def test_a_saved_state_gives_the_picture_of_its_time_after_other_arms(
    dressing: DressSleeve,
) -> None:
    dressing.reset(seed=0)
    live, state = dressing.render(), dressing.capture_state()
    dressing.reset(seed=1)
    other = dressing.render()
    np.testing.assert_array_equal(dressing.render_states([state])[0], live)
    np.testing.assert_array_equal(dressing.render(), other)
    assert live is not None and other is not None and np.any(live != other)


def test_the_gripper_is_hidden_unless_it_is_asked_for(dressing: DressSleeve) -> None:
    dressing.reset(seed=0)
    shown = DressSleeve(render_mode="rgb_array", hide_picker=False)
    shown.reset(seed=0)
    pictures = [dressing.render(), shown.render()]
    shown.close()
    hidden_dark, shown_dark = (np.mean(p.max(axis=-1) < 70) for p in pictures if p is not None)
    assert shown_dark > hidden_dark + 0.001


# What is rewarded, and what ends an episode ------------------------------------------------------


def test_rewards_add_up_to_the_best_dressed_ratio(dressing: DressSleeve) -> None:
    total, info = episode(dressing, 0, scripted)
    assert total == pytest.approx(info["best_dressed_ratio"]) and total > 0.9
    assert info["performance"] == info["dressed_ratio"] <= info["best_dressed_ratio"]
    assert info["success"] == (info["dressed_ratio"] >= 0.9)


def test_the_ratio_itself_may_be_the_reward() -> None:
    env = DressSleeve(reward="ratio", obs_mode="state")
    env.reset(seed=0)
    for _ in range(12):
        state, reward, _, _, info = env.step(pull_up_the_arm(env.state()))
        assert reward == info["dressed_ratio"] == pytest.approx(state[-1])
    assert reward > 0.2
    with pytest.raises(UnknownNameError, match="reward='best'; expected progress or ratio"):
        DressSleeve(reward="best")


def test_pulling_the_sleeve_off_again_costs_nothing_and_is_no_success(
    dressing: DressSleeve,
) -> None:
    dressing.reset(seed=0)
    rewards = [dressing.step(pull_up_the_arm(dressing.state()))[1] for _ in range(10)]
    assert sum(rewards) > 0.1
    back = np.array([-1.0, 0.0, 0.0], np.float32)
    dressing.step(back)  # the sleeve still swings on
    for _ in range(12):
        _, reward, _, _, info = dressing.step(back)
        assert reward == 0
    assert info["dressed_ratio"] < 0.05 < info["best_dressed_ratio"]


def test_pulling_hard_terminates_the_episode(dressing: DressSleeve) -> None:
    """Up: the ring is caught by the arm that is in it."""
    dressing.reset(seed=0)
    for _ in range(12):
        dressing.step(pull_up_the_arm(dressing.state()))
    up = np.array([0.0, 0.0, 1.0], np.float32)
    steps = [dressing.step(up) for _ in range(20)]
    forces = [info["force"] for *_, info in steps]
    ends = [terminated for _, _, terminated, _, _ in steps]
    assert forces[0] < 7 and not ends[0] and max(forces) > 7
    assert ends == [force > 7 for force in forces]


def test_the_gripper_carries_the_garments_weight_while_it_hangs(dressing: DressSleeve) -> None:
    """In the mean over some swings, away from the hand."""
    dressing.reset(seed=0)
    actions = [[-1.0, 0.0, 0.0]] * 4 + [[0.0, 0.0, 0.0]] * 50
    forces = [dressing.step(np.array(action, np.float32))[4]["force"] for action in actions]
    assert np.mean(forces[4:]) == pytest.approx(0.06 * 9.81, rel=0.15)


@pytest.mark.slow
def test_the_script_dresses_arms_and_random_actions_do_not(dressing: DressSleeve) -> None:
    assert np.mean([episode(dressing, s, scripted)[1]["dressed_ratio"] for s in range(12)]) > 0.9
    bare = [
        episode(dressing, s, lambda _, rng: rng.uniform(-1, 1, 3))[1]["dressed_ratio"]
        for s in range(20)
    ]
    assert np.mean(bare) < 0.2


@pytest.mark.slow
def test_noise_and_pulling_straight_ahead_dress_less_well(dressing: DressSleeve) -> None:
    ahead = np.array([1.0, 0.0, 0.0])
    ways: dict[str, Choose] = {
        "script": scripted,
        "noisy": lambda s, rng: pull_up_the_arm(s) + rng.normal(0, 1.2, 3),
        "straight": lambda _, rng: ahead,
    }
    ratio = {
        name: np.mean([episode(dressing, s, way)[1]["dressed_ratio"] for s in range(12)])
        for name, way in ways.items()
    }
    assert ratio["script"] > ratio["noisy"] > 0.4 and ratio["script"] > ratio["straight"] + 0.05


def test_a_seed_decides_all_of_an_episode(dressing: DressSleeve) -> None:
    """Bit for bit, whatever arm this environment had before."""
    dressing.reset(seed=9)
    again = DressSleeve()
    np.testing.assert_array_equal(dressing.reset(seed=4)[0], again.reset(seed=4)[0])
    rng = np.random.default_rng(0)
    for _ in range(6):
        action = rng.uniform(-1, 1, 3).astype(np.float32)
        one, other = dressing.step(action), again.step(action)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:3] == other[1:3] and one[4] == other[4]


def test_the_registered_id_is_cut_after_sixty_steps() -> None:
    env = gym.make(TASKS["dress-sleeve"].env_id)
    env.reset(seed=0)
    ends = [env.step(np.zeros(3, np.float32))[2:4] for _ in range(60)]
    env.close()
    assert ends == [(False, False)] * 59 + [(False, True)]
