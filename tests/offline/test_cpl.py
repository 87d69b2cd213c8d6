from collections.abc import Callable
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.logging import NoopAdapterFactory

from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.errors import NeedsError
from vlfeedback.losses import contrastive
from vlfeedback.offline.cpl import CPL, CPLConfig
from vlfeedback.offline.policy_networks import PolicyNetwork
from vlfeedback.offline.preference_buffer import PreferenceBuffer

Make = Callable[..., PreferenceDataset]
LABELS = [0.0, 1.0, 0.5, 1.0]


def learner(**settings: Any) -> CPL:
    small: dict[str, Any] = {"hidden": [16, 16], "batch_size": 4, "bc_steps": 0, "warmup_steps": 0}
    return CPLConfig(**{**small, **settings}).create()


def fit(algo: CPL, dataset: PreferenceDataset, n_steps: int, **settings: Any) -> Any:
    return algo.fit(
        PreferenceBuffer(dataset),
        n_steps=n_steps,
        n_steps_per_epoch=n_steps,
        logger_adapter=NoopAdapterFactory(),
        show_progress=False,
        **settings,
    )


def weights(algo: CPL) -> torch.Tensor:
    flat: torch.Tensor = algo.impl.policy.mlp.flat.detach().clone()
    return flat


def log_probs(algo: CPL, dataset: PreferenceDataset) -> torch.Tensor:
    """Summed over each segment, (B, 2), without dropout."""
    policy = algo.impl.policy.eval()
    sums = [
        policy.log_prob(
            torch.tensor(segment.read("observations"), dtype=torch.float32),
            torch.tensor(segment.read("actions"), dtype=torch.float32),
        ).sum()
        for pair in dataset.pairs
        for segment in pair
    ]
    return torch.stack(sums).view(-1, 2).detach()


def test_the_deterministic_log_likelihood_is_minus_the_squared_distance() -> None:
    network = policy_network(gaussian=False).eval()
    observations, actions = torch.randn(5, 3), torch.randn(5, 2)
    expected = -((torch.tanh(network.mlp(observations)) - actions) ** 2).sum(dim=-1)
    torch.testing.assert_close(network.log_prob(observations, actions), expected)


def test_the_gaussian_log_likelihood_is_that_of_independent_normals() -> None:
    network = policy_network(gaussian=True).eval()
    network.mlp.extra.copy_(torch.tensor([-0.5, 9.0]))
    observations, actions = torch.randn(5, 3), torch.randn(5, 2)
    std = torch.tensor([-0.5, 2.0]).exp()  # held within [-5, 2]
    normal = torch.distributions.Normal(network(observations), std)
    expected = normal.log_prob(actions).sum(dim=-1)
    torch.testing.assert_close(network.log_prob(observations, actions), expected)


def policy_network(*, gaussian: bool) -> PolicyNetwork:
    return PolicyNetwork(
        [3, 8, 2],
        deviation="clamped" if gaussian else "none",
        generators=[torch.Generator().manual_seed(0)],
        orthogonal=True,
        dropout=0.25,
    )


def test_the_first_contrastive_loss_is_the_formula(make_preferences: Make) -> None:
    dataset = make_preferences(LABELS)
    algo = learner(dropout=0.0)
    algo.create_impl((3,), 2)
    advantages = 0.1 * log_probs(algo, dataset)
    expected = contrastive(advantages[:, 0], advantages[:, 1], torch.tensor(LABELS), 0.5)
    ((_, metrics),) = fit(algo, dataset, 1)
    assert metrics["contrastive_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_it_learns_to_prefer_what_the_labels_prefer(make_preferences: Make) -> None:
    dataset = make_preferences([0.0, 1.0, 1.0, 0.0])
    algo = learner(dropout=0.0, learning_rate=1e-2, alpha=1.0)
    fit(algo, dataset, 60)
    gap = log_probs(algo, dataset) @ torch.tensor([-1.0, 1.0])
    assert (gap > 0).tolist() == [False, True, True, False]


def test_segments_may_have_one_step(make_preferences: Make) -> None:
    ((_, metrics),) = fit(learner(), make_preferences(LABELS, length=1), 1)
    assert np.isfinite(metrics["contrastive_loss"])


def test_cloning_ignores_the_labels_until_the_switch(make_preferences: Make) -> None:
    one, other = learner(bc_steps=5), learner(bc_steps=5)
    datasets = make_preferences(LABELS), make_preferences([1 - label for label in LABELS])
    for algo, dataset in zip((one, other), datasets, strict=True):
        ((_, metrics),) = fit(algo, dataset, 5)
        assert set(metrics) & {"bc_loss", "contrastive_loss"} == {"bc_loss"}
    assert torch.equal(weights(one), weights(other))
    for algo, dataset in zip((one, other), datasets, strict=True):
        fit(algo, dataset, 1)
    assert not torch.equal(weights(one), weights(other))


def test_without_cloning_nothing_warms_up_as_in_cpls_code(make_preferences: Make) -> None:
    algo = learner(bc_steps=0, warmup_steps=100, learning_rate=1e-3, rate_after_bc=0.1)
    rates: list[float] = []

    def watch(algo: CPL, epoch: int, step: int) -> None:
        rates.append(algo.impl.modules.optimiser.rate)

    fit(algo, make_preferences(LABELS), 3, callback=watch)
    assert rates == [1e-3] * 3


def test_after_cloning_the_optimiser_is_new_and_warms_up(make_preferences: Make) -> None:
    algo = learner(bc_steps=5, warmup_steps=4, learning_rate=1e-3, rate_after_bc=0.1)
    dataset, modules = make_preferences(LABELS), []

    def watch(algo: CPL, epoch: int, step: int) -> None:
        optimiser = algo.impl.modules.optimiser
        modules.append((int(optimiser.steps), optimiser.rate))

    fit(algo, dataset, 11, callback=watch)
    assert [n > 0 for n, _ in modules] == [False] * 5 + [True] * 6
    rates = [rate for _, rate in modules]  # of the step after
    expected = [0.25e-4] * 5 + [0.5e-4, 0.75e-4, 1e-4, 1e-4, 1e-4, 1e-4]
    np.testing.assert_allclose(rates, expected)
    assert algo.impl.modules.bc_optimiser.steps == 5


def test_the_reference_of_cpl_kl_is_the_policy_at_the_switch(make_preferences: Make) -> None:
    dataset = make_preferences(LABELS)
    algo = learner(bc_steps=3, reference=True, dropout=0.0)
    fit(algo, dataset, 3)
    at_switch = weights(algo)
    ((_, metrics),) = fit(algo, dataset, 1)
    assert metrics["contrastive_loss"] == pytest.approx(np.log(2), rel=1e-5)  # all advantages 0
    fit(algo, dataset, 3)
    assert torch.equal(algo.impl.modules.reference.mlp.flat, at_switch)
    assert not torch.equal(weights(algo), at_switch)


def test_cpl_bc_keeps_cloning(make_preferences: Make) -> None:
    dataset = make_preferences([0.5, 1.0])
    plain, cloning = (learner(bc_coeff=weight, learning_rate=1e-2) for weight in (0.0, 100.0))
    for algo in (plain, cloning):
        fit(algo, dataset, 40)
    assert log_probs(cloning, dataset).mean() > log_probs(plain, dataset).mean()


def test_ignored_ties_are_cloned_and_not_contrasted(make_preferences: Make) -> None:
    tied = make_preferences([0.5, 1.0])
    alone = tied.take([1])
    ignoring, without = learner(ignore_ties=True, dropout=0.0), learner(dropout=0.0)
    losses = [fit(a, d, 1)[0][1] for a, d in ((ignoring, tied), (without, alone))]
    assert losses[0]["contrastive_loss"] == pytest.approx(losses[1]["contrastive_loss"])
    assert losses[0]["bc_loss"] != pytest.approx(losses[1]["bc_loss"])
    compatible = learner(ignore_ties=True, mean_over_all=True, dropout=0.0)
    halved = fit(compatible, tied, 1)[0][1]["contrastive_loss"]
    assert halved == pytest.approx(losses[0]["contrastive_loss"] / 2)


@pytest.mark.parametrize("settings", [{}, {"reference": True}, {"gaussian": True}])
def test_equal_labels_of_two_sources_train_bit_identical_policies(
    make_preferences: Make, settings: dict[str, Any]
) -> None:
    dataset = make_preferences(LABELS)
    other = PreferenceDataset(
        dataset.pairs, dataset.labels, labelled_by=(LabelRecord("another:Source"),)
    )
    algos = learner(bc_steps=4, **settings), learner(bc_steps=4, **settings)
    torch.rand(3)  # a draw of torch's own generator changes nothing
    curves = [fit(a, d, 12) for a, d in zip(algos, (dataset, other), strict=True)]
    assert torch.equal(weights(algos[0]), weights(algos[1]))
    assert curves[0][0][1]["contrastive_loss"] == curves[1][0][1]["contrastive_loss"]


def test_another_seed_trains_another_policy(make_preferences: Make) -> None:
    algos = learner(seed=0), learner(seed=1)
    for algo in algos:
        fit(algo, make_preferences(LABELS), 2)
    assert not torch.equal(weights(algos[0]), weights(algos[1]))


def test_it_acts_without_dropout(make_preferences: Make) -> None:
    algo = learner(dropout=0.5)
    fit(algo, make_preferences(LABELS), 2)
    observations = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    actions = algo.predict(observations)
    np.testing.assert_array_equal(algo.predict(observations), actions)
    np.testing.assert_array_equal(algo.sample_action(observations), actions)
    assert actions.shape == (4, 2)


def test_a_gaussian_policy_explores_around_its_mean(make_preferences: Make) -> None:
    algo = learner(gaussian=True)
    fit(algo, make_preferences(LABELS), 2)
    observations = np.zeros((50, 3), dtype=np.float32)
    assert np.unique(algo.predict(observations)).size == 2
    samples = algo.sample_action(observations)
    assert samples.std(axis=0).min() > 0.1
    assert np.abs(samples).max() <= 1


def test_a_loaded_learner_acts_alike_and_goes_on_in_its_phase(
    make_preferences: Make, tmp_path: Path
) -> None:
    dataset = make_preferences(LABELS)
    algo = learner(bc_steps=3, dropout=0.0, hidden=[8])
    fit(algo, dataset, 5)
    algo.save(str(tmp_path / "cpl.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "cpl.d3"))
    assert isinstance(loaded, CPL)
    assert loaded.config == algo.config
    observations = np.ones((2, 3), dtype=np.float32)
    np.testing.assert_array_equal(loaded.predict(observations), algo.predict(observations))
    curves = [fit(a, dataset, 2)[0][1] for a in (algo, loaded)]
    assert curves[0]["contrastive_loss"] == curves[1]["contrastive_loss"]
    assert torch.equal(weights(algo), weights(loaded))


def test_a_batch_without_preferences_is_refused() -> None:
    algo = learner()
    algo.create_impl((3,), 2)
    with pytest.raises(NeedsError, match="CPL learns from labelled pairs and got dict"):
        algo.update({})


def test_a_policy_has_no_values_to_give(make_preferences: Make) -> None:
    algo = learner()
    fit(algo, make_preferences(LABELS), 1)
    with pytest.raises(NeedsError, match="fits a policy and no values"):
        algo.predict_value(np.zeros((1, 3), np.float32), np.zeros((1, 2), np.float32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bias": 0.0}, r"bias=0.0; expected a number in \(0, 1\]"),
        ({"dropout": 1.0}, r"dropout=1.0; expected a share in \[0, 1\)"),
        ({"batch_size": 0}, "batch_size=0; expected at least 1 pair"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CPLConfig(**settings)
