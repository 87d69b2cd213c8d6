from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.offline import BCConfig, CPLConfig, IPLConfig, IQLConfig, SFTConfig
from vlfeedback.offline.bc import Demonstrations
from vlfeedback.offline.iql import Transitions
from vlfeedback.offline.learners import LearnerInputs, get_learner
from vlfeedback.offline.policy_impl import PolicyImpl
from vlfeedback.offline.preference_learner import PairTensors
from vlfeedback.offline.recorded_step import RecordedStep
from vlfeedback.offline.stacked_training import StackedTraining
from vlfeedback.types import PreferenceLabels, Trajectory

RUNS, PAIRS, STEPS = 2, 4, 5
CPL: dict[str, Any] = {"bc_steps": 3, "warmup_steps": 5, "rate_after_bc": 0.5}
CONFIGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "bc": (BCConfig, {}),
    "iql": (IQLConfig, {"cosine_steps": 8}),
    "cpl": (CPLConfig, CPL | {"bc_coeff": 0.5}),
    "cpl-kl": (CPLConfig, CPL | {"reference": True, "ignore_ties": True, "mean_over_all": True}),
    "ipl": (IPLConfig, {"gaussian": True}),
}


def impl_of(name: str, device: str = "cpu", dropout: float = 0.25) -> PolicyImpl:
    config, settings = CONFIGS[name]
    algo = config(hidden=[16, 16], dropout=dropout, **settings).create(device=device)
    impl: PolicyImpl = algo.build((3,), 2, list(range(RUNS)))
    return impl


def batches(name: str, n: int, device: str = "cpu") -> list[Any]:
    """Every second batch of the last run has fewer pairs than there is space for."""
    generator = torch.Generator().manual_seed(0)

    def rows(n_rows: int, *widths: int) -> list[torch.Tensor]:
        return [torch.rand(RUNS, n_rows, width, generator=generator).to(device) for width in widths]

    if name in ("bc", "iql"):
        kind: Any = Demonstrations if name == "bc" else Transitions
        return [kind(*rows(6, *(3, 2, 1, 3, 1)[: len(kind._fields)])) for _ in range(n)]
    made = []
    for number in range(n):
        prefer = torch.tensor([[0.0, 1.0, 0.5, 1.0], [1.0, 0.0, 0.0, 0.5]], device=device)
        acted = torch.ones(RUNS, PAIRS * 2 * STEPS, device=device)
        acted[0, 3:5] = 0
        n_pairs = torch.tensor([PAIRS, PAIRS - number % 2], device=device)
        observations, actions = rows(PAIRS * 2 * STEPS, 3, 2)
        made.append(PairTensors(observations, actions, prefer, acted, STEPS, n_pairs))
    return made


def networks(impl: PolicyImpl) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": tensor.cpu()
        for name, part in vars(impl.modules).items()
        if not isinstance(part, torch.optim.Optimizer)
        for key, tensor in part.state_dict().items()
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_recorded_steps_are_those_of_the_learner(name: str) -> None:
    impl, reference = impl_of(name), impl_of(name)
    step = RecordedStep(impl)
    for batch in batches(name, 8):
        step(batch)
        reference.step(batch, log=False)
    expected = networks(reference)
    for key, tensor in networks(impl).items():
        torch.testing.assert_close(tensor, expected[key], msg=key)


@pytest.mark.parametrize("name", ["cpl", "cpl-kl", "ipl"])
def test_what_fills_the_space_of_a_short_batch_changes_nothing(name: str) -> None:
    impl, reference = impl_of(name), impl_of(name)
    for batch, same in zip(batches(name, 4), batches(name, 4), strict=True):
        reference.step(batch, log=False)
        observations = same.observations.clone()
        if int(same.n_pairs[1]) < PAIRS:
            observations[1, -2 * STEPS :] = 5.0
        impl.step(same._replace(observations=observations), log=False)
    expected = networks(reference)
    for key, tensor in networks(impl).items():
        torch.testing.assert_close(tensor, expected[key], msg=key)


def test_sft_is_not_recorded() -> None:
    assert not SFTConfig().create().build((3,), 2, [0]).recordable


@pytest.mark.parametrize("name", ["bc", "cpl", "cpl-kl", "ipl", "sft"])
def test_runs_whose_steps_are_recorded_end_as_others_do(name: str) -> None:
    trained = []
    for recorded in (False, True):
        trainings = [get_learner(name).prepare(inputs(name, run)) for run in range(RUNS)]
        stacked = StackedTraining(trainings, recorded=recorded)
        stacked.run(12, 5, lambda _: None, None)
        trained.append([networks(policy.impl) for policy in stacked.policies])
    for plain, of_recorded in zip(*trained, strict=True):
        for key, tensor in plain.items():
            torch.testing.assert_close(of_recorded[key], tensor, rtol=1e-5, atol=1e-5, msg=key)


def inputs(name: str, run: int) -> LearnerInputs:
    """Seven or eight pairs, in batches of three."""
    rng = np.random.default_rng(run)
    trajectories = [
        Trajectory(
            rng.standard_normal((6, 3)).astype(np.float32),
            rng.uniform(-1, 1, (5, 2)).astype(np.float32),
            truncated=True,
            id=str(index),
        )
        for index in range(14 + 2 * run)
    ]
    segments = [trajectory.segment(0, 5) for trajectory in trajectories]
    pairs = list(zip(segments[::2], segments[1::2], strict=True))
    prefer_second = rng.choice(np.array([0, 1], np.float32), len(pairs))
    labels = PreferenceLabels(prefer_second, np.ones(len(pairs), dtype=np.bool_))
    settings: dict[str, Any] = {"hidden": [8], "batch_size": 3}
    if name != "bc":
        settings["dropout"] = 0.25
    if name in ("cpl", "cpl-kl", "sft"):
        settings["bc_steps"] = 4
    return LearnerInputs(trajectories, PreferenceDataset(pairs, labels), settings, seed=run)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CONFIGS)
def test_on_a_gpu_they_are_those_of_the_processor(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    impl, reference = impl_of(name, "cuda:0", dropout=0.0), impl_of(name, dropout=0.0)
    step = RecordedStep(impl)
    for batch, same in zip(batches(name, 8), batches(name, 8, "cuda:0"), strict=True):
        step(same)
        reference.step(batch, log=False)
    expected = networks(reference)
    for key, tensor in networks(impl).items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-3, atol=1e-4, msg=key)
