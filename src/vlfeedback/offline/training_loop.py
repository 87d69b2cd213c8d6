"""Training that lets the policy be judged now and then, the same way for every learner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vlfeedback.offline.d3rlpy_quiet import quiet_log
from vlfeedback.offline.evaluation import Policy
from vlfeedback.types import Report, Trajectory

__all__ = ["D3rlpyTraining", "DiffusionTraining", "Report", "Training"]

_REPORT_EVERY = 100  # steps


@runtime_checkable
class Training(Protocol):
    """A learner with its data."""

    policy: Any  # a `Policy`
    notes: dict[str, Any]  # JSON values: what was found before, such as on a reward model
    files: dict[str, Callable[[Path], None]]  # what there is to save, by the name of its file

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """Train for `n_steps`; calls `judge` with the steps done after each `every`, and the last.

        What `judge` asks the policy changes nothing of the training.
        """


class D3rlpyTraining:
    """A d3rlpy algorithm and its buffer."""

    def __init__(self, policy: Policy, buffer: object) -> None:
        self.policy: Any = policy
        self.notes: dict[str, Any] = {}
        self.files: dict[str, Callable[[Path], None]] = {
            "policy.d3": lambda path: self.policy.save(str(path))
        }
        self._buffer = buffer

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """See `Training.run`."""
        for done in range(0, n_steps, every):
            # One `fit` for all would leave out what is no whole epoch.
            size = min(every, n_steps - done)
            with quiet_log():
                self._fit(size, done, n_steps, report)
            judge(done + size)

    def _fit(self, size: int, done: int, n_steps: int, report: Report | None) -> None:
        from d3rlpy.logging import NoopAdapterFactory

        def tell(_algo: Any, _epoch: int, step: int) -> None:
            if report is not None and (step % _REPORT_EVERY == 0 or step == size):
                report("train", done + step, n_steps, float("nan"))

        self.policy.fit(
            self._buffer,
            n_steps=size,
            n_steps_per_epoch=size,
            logger_adapter=NoopAdapterFactory(),
            show_progress=False,
            callback=tell,
        )


class DiffusionTraining:
    """A diffusion policy and its demonstrations."""

    def __init__(self, policy: Policy, trajectories: Iterable[Trajectory]) -> None:
        self.policy: Any = policy
        self.notes: dict[str, Any] = {}
        self.files: dict[str, Callable[[Path], None]] = {
            "policy.safetensors": lambda path: self.policy.save(path)
        }
        self._trajectories = trajectories

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """See `Training.run`."""

        def tell(_policy: Any, step: int) -> None:
            if step % every == 0 or step == n_steps:
                judge(step)

        self.policy.fit(self._trajectories, n_steps, callback=tell, report=report)
