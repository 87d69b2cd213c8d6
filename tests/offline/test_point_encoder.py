"""Policies and critics that read clouds of points, by d3rlpy's algorithms and by our names."""

from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch

from vlfeedback.errors import InvalidTypeError, InvalidValueError, ShapeError, UnknownNameError
from vlfeedback.offline import PointNetEncoderFactory, load_policy, train_policy
from vlfeedback.offline.point_encoder import encoder_maker
from vlfeedback.offline.train_together import PolicyRun, train_policies
from vlfeedback.types import Trajectory

SMALL: dict[str, Any] = {
    "n_centroids": [12, 4],
    "radii": [0.5, 1.0],
    "n_neighbours": [8, 4],
    "point_width": 8,
    "hidden_units": [32],
}


def episode(number: int, *, length: int = 30, flat: bool = False) -> Trajectory:
    """Clouds of 20 points around a thing and a gripper, which is asked to go to the thing."""
    rng = np.random.default_rng(number)
    gripper, thing = rng.uniform(-1, 1, (2, length + 1, 1, 3))
    scatter = 0.05 * rng.normal(size=(length + 1, 19, 3))
    places = np.concatenate([thing + scatter, gripper], axis=1)
    classes = np.broadcast_to(np.eye(2)[[0] * 19 + [1]], (length + 1, 20, 2))
    clouds = np.concatenate([places, classes], axis=-1).astype(np.float32)
    actions = np.tanh(thing - gripper)[:-1, 0].astype(np.float32)
    return Trajectory(
        clouds.reshape(length + 1, -1) if flat else clouds,
        actions,
        env_rewards=actions[:, 0],
        rewards=actions[:, 0],
        truncated=True,
        id=f"{number}",
    )


def error(policy: Any, trajectory: Trajectory) -> float:
    answers = policy.predict(trajectory.observations[:-1])
    return float(np.abs(answers - trajectory.actions).mean())


@pytest.mark.parametrize("flat", [False, True], ids=["clouds", "flattened"])
def test_cloning_learns_from_clouds_where_the_thing_is_from_the_gripper(flat: bool) -> None:
    episodes = [episode(number, flat=flat) for number in range(8)]
    encoder = {**SMALL, "n_numbers": 5}
    trained = train_policy(
        "bc",
        trajectories=episodes,
        preset="smoke",
        n_steps=150,
        seed=0,
        encoder=encoder,
        learning_rate=3e-3,
    )
    assert isinstance(trained.algo, d3rlpy.algos.BC)
    unseen = episode(99, flat=flat)
    assert error(trained.algo, unseen) < 0.35 * np.abs(unseen.actions).mean()


def test_a_policy_of_whole_clouds_acts_on_flattened_ones_alike() -> None:
    """As it is judged: evaluations pass flat rows."""
    algo = _algo()
    algo.create_impl((20, 5), 3)
    clouds = episode(0).observations
    np.testing.assert_array_equal(
        algo.predict(clouds.reshape(len(clouds), -1)), algo.predict(clouds)
    )


def test_neither_the_order_of_points_nor_the_clouds_place_matters() -> None:
    algo = _algo()
    algo.create_impl((20, 5), 3)
    clouds = episode(0).observations
    shuffled = clouds[:, np.random.default_rng(0).permutation(20)]
    moved = clouds.copy()
    moved[..., :3] += [0.3, -0.1, 2.0]
    for other in (shuffled, moved):
        np.testing.assert_allclose(algo.predict(other), algo.predict(clouds), atol=1e-4)
    assert algo.predict(clouds).std(axis=0).max() > 1e-3


def _algo() -> Any:
    torch.manual_seed(0)
    factory = PointNetEncoderFactory(**SMALL, n_numbers=5)
    return d3rlpy.algos.BCConfig(encoder_factory=factory).create()


def test_iql_learns_policy_and_critics_from_clouds_and_survives_saving(tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained = train_policy(
        "iql",
        trajectories=[episode(number) for number in range(4)],
        preset="smoke",
        n_steps=4,
        seed=0,
        out=out,
        encoder={**SMALL, "n_numbers": 5},
    )
    assert isinstance(trained.algo, d3rlpy.algos.IQL)
    config = trained.algo.config
    for name in ("actor_encoder_factory", "critic_encoder_factory", "value_encoder_factory"):
        factory = getattr(config, name)
        assert isinstance(factory, PointNetEncoderFactory) and factory.n_centroids == [12, 4]
    clouds = episode(9).observations
    loaded = load_policy(out / "policy.d3")
    np.testing.assert_array_equal(loaded.predict(clouds), trained.algo.predict(clouds))
    actions = np.zeros((len(clouds), 3), np.float32)
    values = [algo.predict_value(clouds, actions) for algo in (loaded, trained.algo)]
    np.testing.assert_array_equal(*values)


def test_p_iql_reads_clouds_in_reward_model_and_policy(
    make_cloud_preferences: Any,
) -> None:
    episodes, preferences = make_cloud_preferences
    sizes = {"n_centroids": (12, 4), "radii": (0.5, 1.0), "n_neighbours": (8, 4)}
    trained = train_policy(
        "p-iql",
        trajectories=episodes,
        preferences=preferences,
        preset="smoke",
        n_steps=2,
        seed=0,
        encoder={**SMALL, "n_numbers": 5},
        reward_model={"inputs": "points", "point_width": 8, "hidden": (8,), **sizes},
        reward_training={"epochs": 2},
    )
    assert isinstance(trained.algo, d3rlpy.algos.IQL)
    assert trained.notes["reward_model"]["epochs"] == 2


@pytest.fixture
def make_cloud_preferences() -> Any:
    from vlfeedback.data.sampling import sample_segment_pairs
    from vlfeedback.preferences import make_preference_source
    from vlfeedback.scoring.labelling import label_pairs

    episodes = [episode(number) for number in range(6)]
    pairs = sample_segment_pairs(episodes, 20, 1, rng=np.random.default_rng(0), min_gap=5)
    return episodes, label_pairs(pairs, make_preference_source("teacher"))


def test_sizes_are_by_name_or_by_number_and_checked() -> None:
    small, whole = (encoder_maker(name, [64])() for name in ("pointnet-small", "pointnet"))
    assert small.point_width == 16 and small.n_centroids == [48, 12]
    assert whole.point_width == 64 and whole.n_centroids == [512, 128]
    assert small.hidden_units == whole.hidden_units == [64]
    assert encoder_maker({"hidden_units": [8]}, [64])().hidden_units == [8]
    with pytest.raises(UnknownNameError, match="No encoder 'pointnot'; there are: pointnet, "):
        encoder_maker("pointnot", [64])
    with pytest.raises(UnknownNameError, match="has no setting 'n_centroid'"):
        encoder_maker({"n_centroid": [4, 2]}, [64])
    with pytest.raises(InvalidTypeError, match="'point_width' of the encoder is 'wide'"):
        encoder_maker({"point_width": "wide"}, [64])


@pytest.mark.parametrize("shape", [(20, 4), (99,), (3, 20, 5)])
def test_observations_that_are_no_such_clouds_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"expected clouds of points \(P, 5\), or the same flatt"):
        PointNetEncoderFactory(n_numbers=5).create(shape)


def test_points_without_classes_have_no_origin_of_their_own() -> None:
    encoder = PointNetEncoderFactory(**SMALL, n_numbers=3).create((20, 3))
    assert encoder(torch.randn(2, 20, 3)).shape == (2, 32)


def test_what_d3rlpys_bc_and_shared_steps_cannot_do_is_refused() -> None:
    settings: dict[str, Any] = {
        "preset": "smoke",
        "n_steps": 2,
        "encoder": SMALL | {"n_numbers": 5},
    }
    with pytest.raises(InvalidValueError, match="pass gaussian=False"):
        train_policy("bc", trajectories=[episode(0)], seed=0, gaussian=True, **settings)
    with pytest.raises(InvalidValueError, match="BC is not trained together with others"):
        train_policies("bc", [PolicyRun(s, [episode(s)]) for s in (0, 1)], **settings)


def test_vectors_are_still_read_by_our_own_and_clouds_without_an_encoder_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(20, 5\); expected vectors.*encoder='pointnet'"):
        train_policy("bc", trajectories=[episode(0)], preset="smoke", n_steps=2, seed=0)
