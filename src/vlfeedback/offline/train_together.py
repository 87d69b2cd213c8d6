"""Training of several policies as one: equal steps of one learner on data and seeds of their own.

Small networks leave a processor waiting: for Python between two products, and for memory. Steps of
several runs, taken as one, wait less. Each run ends as it would alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlfeedback.arguments import on_device
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import InvalidValueError
from vlfeedback.offline.learners import LEARNERS, Learner, LearnerInputs, get_learner
from vlfeedback.offline.presets import get_preset
from vlfeedback.offline.train import (
    Evaluator,
    describe_policy,
    describe_training,
    reproducible,
    settings_of,
)
from vlfeedback.offline.trained_policy import TrainedPolicy
from vlfeedback.offline.training_folder import Stopwatch, TrainingFolder, TrainingProgress
from vlfeedback.offline.training_loop import Training
from vlfeedback.types import Report, Trajectory

__all__ = ["PolicyRun", "train_policies"]


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """What one of several policies has of its own; see `train_policy`, whose arguments these are.

    Attributes:
        seed: of weights, batches and dropout.
        trajectories: what IQL and BC learn from.
        preferences: what CPL, IPL, SFT and P-IQL learn from.
        evaluator: evaluates the policy at the same steps as the others'.
        out: folder for the policy and ``result.json``.
    """

    seed: int
    trajectories: Iterable[Trajectory] | None = None
    preferences: PreferenceDataset | None = None
    evaluator: Evaluator | None = None
    out: str | Path | None = None


def train_policies(
    learner: str,
    runs: Sequence[PolicyRun],
    *,
    preset: str = "vlp",
    n_steps: int,
    eval_every: int = 5000,
    n_threads: int = 1,
    device: str = "cpu",
    report: Report | None = None,
    **overrides: Any,
) -> list[TrainedPolicy]:
    """Train several policies of one learner together, as `train_policy` trains each.

    Their data may differ in number and contents; observations and actions have one size. On a CPU
    each ends as it does alone up to rounding, which over thousands of steps grows into other
    episodes. Reward models of P-IQL are fitted first, one after the other.

    Args:
        learner: a name of `list_learners`, one of our own that train on d3rlpy.
        runs: what each policy has of its own.
        preset: see `train_policy`, for this and all that follows.
        n_steps: gradient steps of each policy.
        eval_every: gradient steps.
        n_threads: threads of torch.
        device: where the policies are trained.
        report: called with (stage, done, in all, loss); the steps are those of each policy.
        **overrides: settings of all.

    Returns:
        What `train_policy` returns and writes to `out`, one a run, in their order; of the wall time
        each has an equal share. Where `out` holds a run that is finished, it is read; one that was
        stopped goes on from its last evaluation, with these runs or with others.

    Raises:
        InvalidValueError: this learner's runs are not trained together.
        ShapeError: observations or actions differ in size.
        whatever `train_policy` raises.
    """
    if n_steps < 1 or eval_every < 1:
        raise InvalidValueError(
            f"n_steps={n_steps}, eval_every={eval_every}; expected at least 1 each."
        )
    implementation, name = get_learner(learner), LEARNERS.entry(learner).name
    if not implementation.together:
        raise InvalidValueError(
            f"Runs of {name!r} are not trained together; train each with train_policy."
        )
    begun: list[_Begun] = []
    for run in runs:
        settings = get_preset(preset).settings(name, n_steps, overrides)
        episodes = None if run.trajectories is None else list(run.trajectories)
        inputs = LearnerInputs(episodes, run.preferences, settings, run.seed, device, report)
        config = describe_training(name, preset, n_steps, eval_every, inputs)
        folder = None
        if run.out is not None:
            machine = {"n_threads": n_threads, "device": device}
            folder = TrainingFolder(Path(run.out), config, settings_of(run.evaluator), machine)
            inputs = replace(inputs, folder=folder.parts)
        begun.append(_Begun(run, inputs, config, folder))
    with ExitStack() as stack:
        for one in begun:
            if one.folder is not None:
                implementation.check(one.inputs)  # before there is a folder
                stack.enter_context(one.folder.locked())
        policies = [None if one.folder is None else one.folder.finished() for one in begun]
        waiting = [i for i, policy in enumerate(policies) if policy is None]
        trained = _train(implementation, [begun[i] for i in waiting], n_threads)
        for i, policy in zip(waiting, trained, strict=True):
            policies[i] = policy
    return [policy for policy in policies if policy is not None]


@dataclass(frozen=True, slots=True)
class _Begun:
    run: PolicyRun
    inputs: LearnerInputs
    config: dict[str, Any]
    folder: TrainingFolder | None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A run, its training as far as it is, and what it came to until then."""

    begun: _Begun
    training: Training
    progress: TrainingProgress

    def judge(self, step: int) -> None:
        evaluator = self.begun.run.evaluator
        if evaluator is not None:
            self.progress.evaluations.append((step, evaluator.evaluate(self.training.policy)))

    def keep(self, step: int, watch: Stopwatch) -> None:
        if self.begun.folder is not None:
            progress = watch.added_to(replace(self.progress, steps=step))
            self.begun.folder.keep(self.training, progress)

    def finish(self, watch: Stopwatch) -> TrainedPolicy:
        config, folder = self.begun.config, self.begun.folder
        trained = describe_policy(self.training, watch.added_to(self.progress), config)
        if folder is not None:
            folder.finish(trained, self.training.files)
        return trained


def _train(learner: Learner, begun: Sequence[_Begun], n_threads: int) -> list[TrainedPolicy]:
    prepared = []
    for one in begun:
        watch = Stopwatch()
        if one.folder is not None:
            one.folder.begin()
        with reproducible(one.inputs.seed, n_threads), on_device(one.inputs.device):
            training = learner.prepare(one.inputs)
            progress = TrainingProgress() if one.folder is None else one.folder.resume(training)
        prepared.append(_Prepared(one, training, watch.added_to(progress)))
    trained: dict[int, TrainedPolicy] = {}
    # One, unless the processes before were stopped while they wrote the states of all.
    for steps in sorted({one.progress.steps for one in prepared}):
        numbers = [i for i, one in enumerate(prepared) if one.progress.steps == steps]
        policies = _train_alike([prepared[i] for i in numbers], n_threads)
        trained |= dict(zip(numbers, policies, strict=True))
    return [trained[i] for i in range(len(prepared))]


def _train_alike(prepared: Sequence[_Prepared], n_threads: int) -> list[TrainedPolicy]:
    """Finish runs that are equally far."""
    from vlfeedback.offline.stacked_training import StackedTraining

    watch, first = Stopwatch(len(prepared)), prepared[0].begun
    n_steps, eval_every = first.config["n_steps"], first.config["eval_every"]

    def judge(step: int) -> None:
        for one in prepared:
            one.judge(step)
        for one in prepared if step < n_steps else ():
            one.keep(step, watch)

    with reproducible(first.inputs.seed, n_threads), on_device(first.inputs.device):
        stacked = StackedTraining([one.training for one in prepared])
        stacked.run(n_steps, eval_every, judge, first.inputs.report)
    return [one.finish(watch) for one in prepared]
