"""What happens every so many steps of a training: evaluations and checkpoints."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from jaxtyping import Float
from stable_baselines3.common.callbacks import BaseCallback

from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.evaluation import PolicyEvaluation, PolicyEvaluator
from vlfeedback.online.checkpoint import save_checkpoint
from vlfeedback.online.feedback import FeedbackCallback
from vlfeedback.online.run_folder import RunFolder
from vlfeedback.types import Report

__all__ = ["Milestones"]


_TELL_EVERY = 10  # calls


class Milestones(BaseCallback):
    """Evaluates the policy on the environment's own reward, and writes checkpoints.

    Both happen before a step is taken, when everything of the step before is done.

    Args:
        feedback: whose training is kept; None: no checkpoints.
        evaluator: None: no evaluations.
        eval_every: steps.
        checkpoint_every: steps; after a session there is one in any case.
        n_steps: of the training.
        folder: None: no checkpoints.
        report: called every few steps.
    """

    def __init__(
        self,
        feedback: FeedbackCallback | None,
        evaluator: PolicyEvaluator | None,
        *,
        eval_every: int,
        checkpoint_every: int,
        n_steps: int,
        folder: RunFolder | None,
        report: Report | None,
    ) -> None:
        super().__init__()
        self._feedback, self._evaluator, self._folder = feedback, evaluator, folder
        self._eval_every, self._checkpoint_every = eval_every, checkpoint_every
        self._n_steps, self._report = n_steps, report
        self._evaluations: list[tuple[int, PolicyEvaluation]] = []
        self._kept, self._n_sessions = 0, 0
        self._begin, self._seconds_before = time.monotonic(), 0.0

    @property
    def curve(self) -> EvaluationCurve:
        """All evaluations so far."""
        return EvaluationCurve.from_evaluations(self._evaluations)

    @property
    def seconds(self) -> float:
        """Of this process and those before it."""
        return self._seconds_before + time.monotonic() - self._begin

    def notes(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"curve": self.curve.to_json(), "seconds": self.seconds}

    def restore(self, notes: dict[str, Any], step: int) -> None:
        """Go on from the notes of a checkpoint at this step."""
        curve = EvaluationCurve.from_json(notes["curve"])
        lengths = np.zeros(curve.successes.shape[1:], np.int64)
        self._evaluations = [
            (at, PolicyEvaluation(successes.astype(np.bool_), returns, lengths))
            for at, successes, returns in zip(
                curve.steps, curve.successes, curve.returns, strict=True
            )
        ]
        self._seconds_before, self._kept = float(notes["seconds"]), step
        self._n_sessions = 0 if self._feedback is None else len(self._feedback.sessions)

    def finish(self) -> None:
        """The last evaluation, at the end of the training."""
        self._evaluate()

    def _on_step(self) -> bool:
        if self.n_calls % _TELL_EVERY == 0:
            self._tell()
        return True

    def _on_rollout_start(self) -> None:
        evaluated = self._evaluations[-1][0] if self._evaluations else 0
        if self.num_timesteps // self._eval_every > evaluated // self._eval_every:
            self._evaluate()
        n_sessions = 0 if self._feedback is None else len(self._feedback.sessions)
        due = self.num_timesteps // self._checkpoint_every > self._kept // self._checkpoint_every
        if (due or n_sessions > self._n_sessions) and self.num_timesteps > self._kept:
            self._keep()
            self._n_sessions = n_sessions

    def _evaluate(self) -> None:
        step = self.num_timesteps
        if self._evaluator is None or (self._evaluations and self._evaluations[-1][0] >= step):
            return
        evaluation = self._evaluator.evaluate(_Acts(self.model))
        self._evaluations.append((step, evaluation))
        self.logger.record("eval/success", evaluation.success)
        self.logger.record("eval/true_return", float(evaluation.returns.mean()))

    def _keep(self) -> None:
        if self._folder is None or self._feedback is None:
            return
        save_checkpoint(self._folder.checkpoints, self._feedback, self.notes())
        self._kept = self.num_timesteps

    def _tell(self) -> None:
        if self._report is not None:
            self._report("acting", self.num_timesteps, self._n_steps, math.nan)


class _Acts:
    """The best actions of an algorithm, as evaluators ask for them."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, x: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B A"]:
        actions, _ = self._model.predict(x, deterministic=True)
        return np.asarray(actions)
