"""Several runs of one learner, trained step by step together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import torch
from d3rlpy.algos.utility import build_scalers_with_transition_picker

from vlfeedback.errors import InvalidValueError, ShapeError
from vlfeedback.offline.d3rlpy_quiet import quiet_log
from vlfeedback.offline.policy_impl import RunLearner
from vlfeedback.offline.preference_buffer import PreferenceBuffer
from vlfeedback.offline.recorded_step import RecordedStep
from vlfeedback.offline.stacked_batches import StackedPairs, StackedTransitions
from vlfeedback.offline.training_loop import D3rlpyTraining, Training
from vlfeedback.types import Report

__all__ = ["StackedTraining"]

_REPORT_EVERY = 100  # steps
_OWN = ("seed", "observation_scaler", "action_scaler", "reward_scaler")  # of each run's config


class StackedTraining:
    """R runs side by side: each ends as it would alone, up to rounding.

    On a CPU a run has the weights, batches and dropout masks that it would have alone. On another
    device masks come from that device.

    Args:
        trainings: as `Learner.prepare` gives them, not begun or with a state loaded.
        recorded: take steps as `RecordedStep`s, where the learner has steps of that kind. None: on
            CUDA.

    Raises:
        InvalidValueError: their learners are no `RunLearner`, or differ in a setting, or in the
            steps that are done.
        ShapeError: their observations or actions differ in size.
    """

    def __init__(self, trainings: Sequence[Training], *, recorded: bool | None = None) -> None:
        self._trainings = [_checked(training) for training in trainings]
        learners = [training.policy for training in self._trainings]
        buffers = [training.buffer for training in self._trainings]
        _check_alike(learners)
        steps = sorted({training.n_done for training in self._trainings})
        if len(steps) > 1:
            raise InvalidValueError(
                "Runs that are trained together are equally far, and these have done "
                f"{steps[0]} to {steps[-1]} steps. Train them apart."
            )
        for learner, buffer in zip(learners, buffers, strict=True):  # as d3rlpy's `fit` begins
            with quiet_log():
                build_scalers_with_transition_picker(learner, buffer)
            if learner.impl is None:  # else with a state that was loaded
                learner.build_with_dataset(buffer)
        shapes = [(x.impl.observation_shape, x.impl.action_size) for x in learners]
        for shape in shapes:
            if shape != shapes[0]:
                raise ShapeError(
                    f"Observations and actions have sizes {shape} in one run and {shapes[0]} in "
                    "another; runs that are trained together have them alike. Train them apart."
                )
        config = learners[0].config
        seeds = [learner.config.seed for learner in learners]
        self.policies = learners
        self._impl = learners[0].build(*shapes[0], seeds)
        for run, learner in enumerate(learners):
            self._impl.copy_run_from(run, learner.impl)
        if recorded is None:
            recorded = torch.device(learners[0].impl.device).type == "cuda"
        recorded = recorded and self._impl.recordable
        self._data: StackedPairs | StackedTransitions
        if isinstance(buffers[0], PreferenceBuffer):
            self._data = StackedPairs(learners, buffers, config.batch_size, equal=recorded)
        else:
            self._data = StackedTransitions(learners, buffers, config.batch_size)
        self._step: Callable[[Any], Any] = partial(self._impl.step, log=False)
        if recorded:
            self._step = RecordedStep(self._impl)

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """Train all for `n_steps`; see `Training.run`. `policies` are up to date for `judge`."""
        done = self._trainings[0].n_done
        while done < n_steps:
            size = min(every, n_steps - done)
            for batch in self._data.batches(size):
                self._step(batch)
                done += 1
                at_end = done % every == 0 or done == n_steps
                if report is not None and (done % _REPORT_EVERY == 0 or at_end):
                    report("train", done, n_steps, float("nan"))
            self._hand_out(done)
            judge(done)
        for training in self._trainings:
            training.note_weights()

    @torch.no_grad()
    def _hand_out(self, n_steps: int) -> None:
        """Give each run's own training what was learnt."""
        for run, training in enumerate(self._trainings):
            self._impl.copy_run_to(run, training.policy.impl)
            training.policy.set_grad_step(n_steps)
            training.n_done = n_steps


def _checked(training: Training) -> D3rlpyTraining:
    """The training, if it is of a kind that is trained with others."""
    if not isinstance(training, D3rlpyTraining) or not isinstance(training.policy, RunLearner):
        raise InvalidValueError(
            f"{type(training.policy).__name__} is not trained together with others; train each "
            "with train_policy."
        )
    if getattr(training.policy, "replay", None) is not None:
        raise InvalidValueError(
            "IPL with a replay is not trained together with others; leave replay=True out, or "
            "train each with train_policy."
        )
    return training


def _check_alike(learners: Sequence[Any]) -> None:
    first = learners[0].config
    for config in (learner.config for learner in learners):
        names = [field.name for field in fields(first) if field.name not in _OWN]
        different = [
            name
            for name in names
            if type(config) is not type(first) or getattr(config, name) != getattr(first, name)
        ]
        if different:
            raise InvalidValueError(
                f"Runs that are trained together have one learner and one set of settings; these "
                f"differ in {', '.join(different)}. Train them apart."
            )
