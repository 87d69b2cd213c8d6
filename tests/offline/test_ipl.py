from collections.abc import Callable
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.dataset import MDPDataset, ReplayBuffer
from d3rlpy.logging import NoopAdapterFactory
from torch.nn.functional import binary_cross_entropy_with_logits

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.losses import expectile
from vlfeedback.offline.ipl import IPL, IPLConfig
from vlfeedback.offline.preference_buffer import PreferenceBuffer
from vlfeedback.offline.preference_learner import PairTensors

Make = Callable[..., PreferenceDataset]
LABELS = [0.0, 1.0, 0.5]


def learner(**settings: Any) -> IPL:
    algo = IPLConfig(**{"hidden": [16, 16], "dropout": 0.0, "batch_size": 8, **settings}).create()
    algo.create_impl((3,), 2)
    return algo


def fit(algo: IPL, dataset: PreferenceDataset, n_steps: int) -> dict[str, float]:
    ((_, metrics),) = algo.fit(
        PreferenceBuffer(dataset),
        n_steps=n_steps,
        n_steps_per_epoch=n_steps,
        logger_adapter=NoopAdapterFactory(),
        show_progress=False,
    )
    return dict(metrics)


def tensors(dataset: PreferenceDataset) -> PairTensors:
    """All pairs in their own order."""
    segments = [segment for pair in dataset.pairs for segment in pair]
    observations, actions = (
        torch.tensor(np.concatenate([s.read(name) for s in segments]), dtype=torch.float32)[None]
        for name in ("observations", "actions")
    )
    prefer_second = torch.tensor(dataset.labels.prefer_second)[None]
    acted = torch.ones(actions.shape[:2])
    columns = (observations, actions, prefer_second, acted)
    return PairTensors(*columns, dataset.length, torch.tensor([len(dataset)]))


def q_of(algo: IPL, pairs: PairTensors) -> torch.Tensor:
    """(K, B, 2, T)."""
    q: torch.Tensor = algo.impl.modules.critics(torch.cat([pairs.observations, pairs.actions], 2))
    return torch.cat([pairs.by_segment(member.T) for member in q.detach()])


def test_without_discount_it_is_bradley_terry_on_q_plus_l2(make_preferences: Make) -> None:
    dataset, algo = make_preferences(LABELS), learner(gamma=0.0)
    q = q_of(algo, tensors(dataset))[..., :-1]  # a segment of T steps has T - 1 transitions
    logits = q[:, :, 1].sum(dim=-1) - q[:, :, 0].sum(dim=-1)
    labels = torch.tensor(LABELS).expand_as(logits)
    expected = binary_cross_entropy_with_logits(logits, labels) + 0.5 * q.square().mean()
    assert fit(algo, dataset, 1)["critic_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_v_is_fitted_first_and_the_rewards_are_implied_by_the_new_v(
    make_preferences: Make,
) -> None:
    dataset, algo = make_preferences(LABELS), learner(learning_rate=1e-2)
    pairs, modules = tensors(dataset), algo.impl.modules
    q = q_of(algo, pairs)
    with torch.no_grad():
        old = pairs.by_segment(modules.value(pairs.observations).squeeze(-1))[0]
        log_prob = pairs.by_segment(modules.policy.log_prob(pairs.observations, pairs.actions))[0]
    target = q.amin(dim=0)[..., :-1]  # the target Qs start as the Qs
    losses = fit(algo, dataset, 1)
    gap = target - old[..., :-1]
    assert losses["value_loss"] == pytest.approx(expectile(gap, 0.7).item(), rel=1e-4)
    with torch.no_grad():
        new = pairs.by_segment(modules.value(pairs.observations).squeeze(-1))[0]
    implied = q[..., :-1] - 0.99 * new[..., 1:]
    logits = implied[:, :, 1].sum(dim=-1) - implied[:, :, 0].sum(dim=-1)
    labels = torch.tensor(LABELS).expand_as(logits)
    loss = binary_cross_entropy_with_logits(logits, labels) + 0.5 * implied.square().mean()
    assert losses["critic_loss"] == pytest.approx(loss.item(), rel=1e-4)
    weight = torch.exp((target - new[..., :-1]) * 3).clamp(max=100)
    policy_loss = -(weight * log_prob[..., :-1]).mean()
    assert losses["policy_loss"] == pytest.approx(policy_loss.item(), rel=1e-4)


def test_the_target_qs_follow_by_tau(make_preferences: Make) -> None:
    algo = learner(tau=0.25, learning_rate=1e-2)
    modules = algo.impl.modules
    before = [p.detach().clone() for p in modules.target_critics.parameters()]
    fit(algo, make_preferences(LABELS), 1)
    for old, target, online in zip(
        before, modules.target_critics.parameters(), modules.critics.parameters(), strict=True
    ):
        torch.testing.assert_close(target, 0.75 * old + 0.25 * online)


def test_the_qs_learn_to_prefer_what_the_labels_prefer(make_preferences: Make) -> None:
    dataset = make_preferences([0.0, 1.0, 1.0])
    algo = learner(gamma=0.5, regularisation=0.01, learning_rate=1e-2)
    fit(algo, dataset, 40)
    pairs = tensors(dataset)
    with torch.no_grad():
        values = pairs.by_segment(algo.impl.modules.value(pairs.observations).squeeze(-1))[0]
    returns = (q_of(algo, pairs)[..., :-1] - 0.5 * values[..., 1:]).sum(dim=-1).mean(dim=0)
    assert (returns[:, 1] > returns[:, 0]).tolist() == [False, True, True]


def test_the_value_of_an_action_is_the_lower_q(make_preferences: Make) -> None:
    dataset, algo = make_preferences(LABELS), learner()
    pairs = tensors(dataset)
    values = algo.predict_value(pairs.observations[0].numpy(), pairs.actions[0].numpy())
    np.testing.assert_allclose(values, q_of(algo, pairs).amin(dim=0).flatten(), rtol=1e-6)


def test_next_values_are_clipped_where_asked(make_preferences: Make) -> None:
    algo = learner(clip_next_values=True, regularisation=2.0, gamma=0.5)
    clipped = algo.impl._clip(torch.tensor([-7.0, 0.5, 7.0]))  # to 1 / (2 * 0.5)
    assert clipped.tolist() == [-1.0, 0.5, 1.0]
    assert learner().impl._clip(torch.tensor([1e9])).item() == 1e9


def test_equal_labels_and_seeds_train_bit_identical_networks(make_preferences: Make) -> None:
    algos = learner(dropout=0.25), learner(dropout=0.25)
    for algo in algos:
        fit(algo, make_preferences(LABELS), 6)
    for name in ("policy", "value", "critics", "target_critics"):
        one, other = (getattr(algo.impl.modules, name).state_dict() for algo in algos)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_loaded_learner_acts_and_learns_on_alike(make_preferences: Make, tmp_path: Path) -> None:
    dataset, algo = make_preferences(LABELS), learner()
    fit(algo, dataset, 3)
    algo.save(str(tmp_path / "ipl.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "ipl.d3"))
    assert isinstance(loaded, IPL)
    losses = ("value_loss", "critic_loss", "policy_loss")
    one, other = (fit(a, dataset, 2) for a in (algo, loaded))
    assert [one[name] for name in losses] == [other[name] for name in losses]


def replay(n_steps: int = 40) -> ReplayBuffer:
    rng = np.random.default_rng(3)
    ends = np.arange(1, n_steps + 1) % 10 == 0
    return MDPDataset(
        rng.standard_normal((n_steps, 3)).astype(np.float32),
        rng.uniform(-1, 1, (n_steps, 2)).astype(np.float32),
        np.zeros(n_steps, dtype=np.float32),
        terminals=ends.astype(np.float32),
    )


def test_a_replay_shares_the_losses(make_preferences: Make) -> None:
    dataset = make_preferences(LABELS)
    alone, ignoring, sharing = learner(), learner(replay_weight=0.0), learner(replay_weight=0.5)
    ignoring.replay = sharing.replay = replay()
    losses = [fit(algo, dataset, 1) for algo in (alone, ignoring, sharing)]
    for name in ("value_loss", "critic_loss", "policy_loss"):
        assert losses[0][name] == pytest.approx(losses[1][name], rel=1e-5)
        assert losses[0][name] != pytest.approx(losses[2][name], rel=1e-3)


def test_a_replay_is_not_scaled(make_preferences: Make) -> None:
    scaler = d3rlpy.preprocessing.StandardObservationScaler(mean=np.zeros(3), std=np.ones(3))
    algo = learner(observation_scaler=scaler)
    algo.replay = replay()
    with pytest.raises(NeedsError, match="does not scale the transitions of a replay"):
        fit(algo, make_preferences(LABELS), 1)


def test_segments_of_one_step_are_refused(make_preferences: Make) -> None:
    with pytest.raises(ShapeError, match="Segments have 1 step; IPL needs the state after it"):
        fit(learner(), make_preferences(LABELS, length=1), 1)
