"""Training of several policies as one: equal steps of one learner on data and seeds of their own.

Small networks leave a processor waiting: for Python between two products, and for memory. Steps of
several runs, taken as one, wait less. Each run ends as it would alone, up to rounding.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlfeedback.arguments import on_device
from vlfeedback.data.locks import locked
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.store import as_json
from vlfeedback.errors import InvalidValueError
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.evaluation import PolicyEvaluation
from vlfeedback.offline.learners import LEARNERS, Learner, LearnerInputs, get_learner
from vlfeedback.offline.presets import get_preset
from vlfeedback.offline.train import (
    FOLDER,
    Evaluator,
    describe_training,
    reproducible,
    settings_of,
)
from vlfeedback.offline.trained_policy import Files, TrainedPolicy, read_trained, save_trained
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
        each has an equal share. Where `out` holds a run that is finished, it is read. A training
        that was stopped begins anew.

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
        begun.append(_Begun(run, inputs, config))
    with ExitStack() as stack:
        for one in begun:
            if one.run.out is not None:
                implementation.check(one.inputs)  # before there is a folder
                folder = Path(one.run.out) / FOLDER
                stack.enter_context(locked(folder, what="trains into"))
        finished = [one.finished(device) for one in begun]
        waiting = [one for one, done in zip(begun, finished, strict=True) if done is None]
        trained = iter(_train(implementation, waiting, n_threads) if waiting else ())
        return [next(trained) if done is None else done for done in finished]


@dataclass(frozen=True, slots=True)
class _Begun:
    run: PolicyRun
    inputs: LearnerInputs
    config: dict[str, Any]

    def finished(self, device: str) -> TrainedPolicy | None:
        """The policy, where it was trained before."""
        if self.run.out is None:
            return None
        evaluation = settings_of(self.run.evaluator)
        return read_trained(Path(self.run.out), self.config, evaluation, device=device)

    def save(self, trained: TrainedPolicy, files: Files) -> None:
        if self.run.out is not None:
            out = Path(self.run.out)
            save_trained(trained, files, settings_of(self.run.evaluator), out)
            shutil.rmtree(out / FOLDER, ignore_errors=True)


def _train(learner: Learner, begun: Sequence[_Begun], n_threads: int) -> list[TrainedPolicy]:
    from vlfeedback.offline.stacked_training import StackedTraining

    start = time.monotonic()
    trainings = []
    for one in begun:
        with reproducible(one.inputs.seed, n_threads), on_device(one.inputs.device):
            trainings.append(learner.prepare(one.inputs))
    evaluations: list[list[tuple[int, PolicyEvaluation]]] = [[] for _ in begun]

    def judge(step: int) -> None:
        for one, training, of_run in zip(begun, trainings, evaluations, strict=True):
            if one.run.evaluator is not None:
                of_run.append((step, one.run.evaluator.evaluate(training.policy)))

    first = begun[0]
    with reproducible(first.inputs.seed, n_threads), on_device(first.inputs.device):
        stacked = StackedTraining(trainings)
        n_steps, eval_every = first.config["n_steps"], first.config["eval_every"]
        stacked.run(n_steps, eval_every, judge, first.inputs.report)
    seconds = (time.monotonic() - start) / len(begun)
    policies = []
    for one, training, of_run in zip(begun, trainings, evaluations, strict=True):
        curve, notes = EvaluationCurve.from_evaluations(of_run), as_json(training.notes)
        policies.append(TrainedPolicy(training.policy, curve, seconds, one.config, notes))
        one.save(policies[-1], training.files)
    return policies
