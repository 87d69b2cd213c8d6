"""The folder of a training: what its next step depends on until it is finished, then the policy.

A training that was stopped, however suddenly, goes on from its last evaluation. Until it is
finished, ``training/`` holds its settings and its state.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlfeedback.data.locks import locked
from vlfeedback.data.store import ResumableFolder
from vlfeedback.data.whole_files import is_partial
from vlfeedback.offline.evaluation import PolicyEvaluation
from vlfeedback.offline.trained_policy import Files, TrainedPolicy, read_trained, save_trained
from vlfeedback.offline.training_loop import ResumableTraining, Training

__all__ = ["Stopwatch", "TrainingFolder", "TrainingProgress"]

_FOLDER = "training"
_SETTINGS, _STATE = "settings.json", "state.safetensors"  # files there


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        steps: gradient steps that are done.
        evaluations: each with the steps before it.
        seconds: wall time until here.
        cpu_seconds: of this process and those before it.
    """

    steps: int = 0
    evaluations: list[tuple[int, PolicyEvaluation]] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Stopwatch:
    """Wall and processor time of this process, of which each of several runs has a share.

    Args:
        n_runs: that are trained together.
    """

    def __init__(self, n_runs: int = 1) -> None:
        self._n_runs = n_runs
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def added_to(self, progress: TrainingProgress) -> TrainingProgress:
        """The progress, with the time since this was made."""
        wall, cpu = time.monotonic() - self._wall, time.process_time() - self._cpu
        return replace(
            progress,
            seconds=progress.seconds + wall / self._n_runs,
            cpu_seconds=progress.cpu_seconds + cpu / self._n_runs,
        )


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """A folder that a policy is trained into.

    Attributes:
        out: the folder; made by `begin`.
        config: all that the training depends on.
        evaluation: settings of its evaluator, if it has any.
        machine: what else has to be alike for equal bits: threads and device.
    """

    out: Path
    config: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None
    machine: Mapping[str, Any]

    @property
    def parts(self) -> Path:
        """Where it is kept what is not finished."""
        return self.out / _FOLDER

    def locked(self) -> AbstractContextManager[None]:
        """Keep others from training into it; the lock ends with the process.

        Raises:
            BusyError: somebody else does.
            WriteError: it cannot be written.
        """
        return locked(self.parts, what="trains into")

    def finished(self) -> TrainedPolicy | None:
        """The policy, where it was trained before.

        Raises:
            FileFormatError: it was trained, or evaluated, otherwise.
        """
        device = self.machine["device"]
        return read_trained(self.out, self.config, self.evaluation, device=device)

    def begin(self) -> None:
        """Note the settings; what is there has to be of the same ones.

        Raises:
            FileFormatError: it was begun otherwise.
        """
        manifest = {**self.config, "evaluation": self.evaluation, **self.machine}
        anew = not self._has_parts()
        ResumableFolder.begin(self.parts, manifest, manifest=_SETTINGS, holds="training", anew=anew)

    def resume(self, training: Training) -> TrainingProgress:
        """Have the training go on from where it was stopped, if it was."""
        from vlfeedback.offline.training_state import load_state

        if not isinstance(training, ResumableTraining):
            return TrainingProgress()
        state = load_state(self.parts / _STATE)
        if state is None:
            return TrainingProgress()
        training.load_state(state["training"])
        evaluations = [(step, PolicyEvaluation(*rows)) for step, *rows in state["evaluations"]]
        return TrainingProgress(state["steps"], evaluations, state["seconds"], state["cpu_seconds"])

    def keep(self, training: Training, progress: TrainingProgress) -> None:
        """Write all that the next step depends on, where that can be kept."""
        from vlfeedback.offline.training_state import save_state

        if not isinstance(training, ResumableTraining) or (state := training.state()) is None:
            return
        rows = [(step, e.successes, e.returns, e.lengths) for step, e in progress.evaluations]
        kept = {
            "training": state,
            "steps": progress.steps,
            "evaluations": rows,
            "seconds": progress.seconds,
            "cpu_seconds": progress.cpu_seconds,
        }
        save_state(self.parts / _STATE, kept)

    def finish(self, trained: TrainedPolicy, files: Files) -> None:
        """Write the policy, and forget what it was made from."""
        save_trained(trained, files, self.evaluation, self.out)
        shutil.rmtree(self.parts, ignore_errors=True)

    def _has_parts(self) -> bool:
        names = (path.name for path in self.parts.iterdir() if not is_partial(path))
        return any(name != _SETTINGS and not name.startswith(".") for name in names)
