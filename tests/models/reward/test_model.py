import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vlfeedback.errors import CheckpointError, NeedsError, ShapeError
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.types import SegmentBatch, SegmentPairs

SMALL = RewardModelConfig(hidden=(8,), n_members=3)


def batch(n: int = 4, t: int = 5, seed: int = 0) -> SegmentBatch:
    rng = np.random.default_rng(seed)
    return SegmentBatch(
        observations=rng.normal(size=(n, t, 3)).astype(np.float32),
        actions=rng.normal(size=(n, t, 2)).astype(np.float32),
    )


def test_every_member_scores_every_step_by_its_own_network() -> None:
    model, given = RewardModel(SMALL, (5,)), batch()
    rewards = model.member_rewards(given)
    assert rewards.shape == (3, 4, 5)
    assert given.observations is not None
    assert given.actions is not None
    joined = np.concatenate([given.observations, given.actions], axis=-1)
    with torch.no_grad():
        for network, of_member in zip(model.networks, rewards, strict=True):
            alone = network(torch.from_numpy(joined).flatten(0, 1)).reshape(4, 5)
            np.testing.assert_allclose(of_member, alone, rtol=1e-5, atol=1e-6)
    assert np.abs(rewards[0] - rewards[1]).max() > 0.01


def test_padding_gets_zero() -> None:
    mask = np.arange(5) < np.array([5, 3, 1, 2])[:, None]
    rewards = RewardModel(SMALL, (5,)).member_rewards(replace(batch(), mask=mask))
    assert not rewards[:, ~mask].any()
    assert rewards[:, mask].all()


def test_many_steps_are_scored_a_chunk_at_a_time_with_the_same_result() -> None:
    model, given = RewardModel(SMALL, (5,)), batch(n=300)
    whole = model.member_rewards(given)
    np.testing.assert_allclose(whole[:, :7], model.member_rewards(given.take(slice(7))), atol=1e-6)
    assert model.member_rewards(given.take(slice(0))).shape == (3, 0, 5)


def test_between_pictures_the_last_reward_is_held() -> None:
    config = RewardModelConfig("frames", n_members=1, frame_stride=3)
    model = RewardModel(config, (48, 48, 3))
    assert model.needs.frames
    assert model.needs.frame_stride == 3
    frames = np.random.default_rng(0).integers(0, 256, (1, 2, 48, 48, 3), dtype=np.uint8)
    dense = model.member_rewards(SegmentBatch(frames=frames))
    sparse = SegmentBatch(frames=frames, frame_steps=np.array([0, 3]), length=5)
    np.testing.assert_array_equal(model.member_rewards(sparse), dense[:, :, [0, 0, 0, 1, 1]])


def test_preferences_of_the_members_are_sigmoids_of_sums() -> None:
    model = RewardModel(SMALL, (5,))
    pairs = SegmentPairs(batch(seed=1), batch(seed=2))
    first, second = (model.member_rewards(x).sum(axis=2) for x in (pairs.first, pairs.second))
    wanted = 1 / (1 + np.exp(first - second))
    np.testing.assert_allclose(model.member_preferences(pairs), wanted, rtol=1e-5)
    np.testing.assert_allclose(model.disagreement(pairs), wanted.std(axis=0), rtol=1e-4)


def test_logits_of_the_members_are_gaps_of_sums() -> None:
    model = RewardModel(SMALL, (5,))
    pairs = SegmentPairs(batch(seed=1), batch(seed=2))
    first, second = (model.member_rewards(x).sum(axis=2) for x in (pairs.first, pairs.second))
    np.testing.assert_allclose(model.member_logits(pairs), second - first, rtol=1e-4, atol=1e-6)


def test_members_that_are_equal_do_not_disagree() -> None:
    model = RewardModel(SMALL, (5,))
    for network in model.networks:
        network.load_state_dict(model.networks[0].state_dict())
    assert not model.disagreement(SegmentPairs(batch(seed=1), batch(seed=2))).any()


def test_a_members_weights_depend_on_the_seed_and_its_number_alone() -> None:
    before = torch.random.get_rng_state()
    three, six, other = (
        RewardModel(replace(SMALL, n_members=n), (5,), seed=seed).networks.state_dict()
        for n, seed in ((3, 0), (6, 0), (3, 1))
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(tensor, six[name]) for name, tensor in three.items())
    assert not torch.equal(three["0.0.layers.0.weight"], other["0.0.layers.0.weight"])


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (SMALL, (5,)),
        (RewardModelConfig("frames", n_members=2, picture_size=48), (48, 48, 3)),
        (RewardModelConfig("frames", "resnet18", n_members=1), (32, 32, 3)),
        (RewardModelConfig("points", n_centroids=(8, 4), point_width=4), (6,)),
        (RewardModelConfig("embeddings", "linear", encoder={"source": "a:B", "config": {}}), (7,)),
    ],
)
def test_a_saved_model_comes_back_equal(
    config: RewardModelConfig, shape: tuple[int, ...], tmp_path: Path
) -> None:
    model = RewardModel(config, shape, seed=4)
    model.reward_mean, model.reward_std, model.training = 0.25, 2.0, {"epochs": 3}
    path = tmp_path / "new folder" / "model.safetensors"
    model.save(path)
    loaded = RewardModel.load(path)
    assert loaded.config == config
    assert loaded.shape == shape
    assert (loaded.reward_mean, loaded.reward_std) == (0.25, 2.0)
    assert loaded.training == {"epochs": 3}
    assert loaded.digest() == model.digest()
    before, after = model.networks.state_dict(), loaded.networks.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not loaded.networks.training


def test_the_digest_tells_weights_and_scales_apart() -> None:
    model = RewardModel(SMALL, (5,))
    digests = {model.digest(), RewardModel(SMALL, (5,), seed=1).digest()}
    model.reward_std = 3.0
    assert len(digests | {model.digest()}) == 3


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    RewardModel(SMALL, (5,)).save(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"is damaged: .* with: vlfeedback fit reward"):
        RewardModel.load(path)


def rewritten(path: Path, **header: object) -> Path:
    """A saved model with other words in its description."""
    from safetensors import safe_open

    RewardModel(SMALL, (5,)).save(path)
    with safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["vlfeedback"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"vlfeedback": json.dumps(said | header)})
    return path


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ({"shape": [6]}, "of another architecture than its description says"),
        ({"config": {"inputs": "sound"}}, "describes no reward model of this release"),
        ({"config": {"colour": "red"}}, "describes no reward model of this release"),
        ({"version": 2}, "has version 2, this release reads 1; upgrade"),
        ({"format": "vlfeedback-vlp"}, "holds no reward model but 'vlfeedback-vlp'"),
    ],
)
def test_a_file_of_another_model_is_refused(
    header: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    path = rewritten(tmp_path / "model.safetensors", **header)
    with pytest.raises(CheckpointError, match=complaint):
        RewardModel.load(path)


def test_a_missing_file_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vlfeedback fit reward"):
        RewardModel.load(tmp_path / "none.safetensors")


def test_steps_of_another_environment_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"shows \(5,\) and this reward model was trained on \(6,\)"
    ):
        RewardModel(SMALL, (6,)).member_rewards(batch())


def test_clouds_may_have_any_number_of_points_but_not_other_classes() -> None:
    config = RewardModelConfig("points", n_members=1, n_centroids=(8, 4), point_width=4)
    model = RewardModel(config, (6,))
    for points in (5, 20):
        clouds = SegmentBatch(observations=np.zeros((1, 2, points, 6), np.float32))
        assert model.member_rewards(clouds).shape == (1, 1, 2)
    with pytest.raises(ShapeError, match=r"\(20, 5\)"):
        model.member_rewards(SegmentBatch(observations=np.zeros((1, 2, 20, 5), np.float32)))


def test_what_is_read_follows_from_the_inputs() -> None:
    needs = RewardModel(RewardModelConfig("state", hidden=(4,)), (3,)).needs
    assert needs.observations
    assert not needs.actions
    assert not needs.env_rewards
    with pytest.raises(NeedsError, match="reads observations"):
        RewardModel(SMALL, (5,)).member_rewards(SegmentBatch(actions=np.zeros((1, 2, 5))))
