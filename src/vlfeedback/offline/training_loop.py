"""Training loops that have the policy evaluated at intervals, alike for every learner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vlfeedback.offline.d3rlpy_quiet import quiet_log
from vlfeedback.offline.evaluation import Policy
from vlfeedback.types import Report, Trajectory

__all__ = ["D3rlpyTraining", "DiffusionTraining", "Report", "ResumableTraining", "Training"]

_REPORT_EVERY = 100  # steps


@runtime_checkable
class Training(Protocol):
    """A learner with its data."""

    policy: Any  # a `Policy`
    notes: dict[str, Any]  # JSON values: figures of earlier stages, such as of a reward model
    files: dict[str, Callable[[Path], None]]  # writers of its files, by file name

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """Train for `n_steps`; calls `judge` with the steps done after each `every`, and the last.

        What `judge` does with the policy changes nothing of the training.
        """


@runtime_checkable
class ResumableTraining(Training, Protocol):
    """A training that goes on, in another process, as if it had never stopped."""

    def state(self) -> Mapping[str, Any] | None:
        """All that its next step depends on, asked for while `run` calls `judge`.

        Tensors, arrays, numbers and texts in dictionaries, lists and tuples; None where something
        it depends on cannot be kept.
        """

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Have `run` go on from there; called before it, on a training of the same inputs."""


@runtime_checkable
class ResumableBuffer(Protocol):
    """A buffer whose order of batches can be saved and restored."""

    def order_state(self) -> dict[str, Any]:
        """State of the order of batches, beside the data."""

    def load_order_state(self, state: Mapping[str, Any]) -> None:
        """Restore the order of batches from an `order_state`."""


class D3rlpyTraining:
    """A d3rlpy algorithm and its buffer.

    Args:
        policy: made with ``config.create(device=...)``, and not built yet.
        buffer: what it is fitted on. A training can go on after a stop where this is a
            `ResumableBuffer`, as `TransitionBuffer` and `PreferenceBuffer` are.
    """

    def __init__(self, policy: Policy, buffer: object) -> None:
        self.policy: Any = policy
        self.notes: dict[str, Any] = {}
        self.files: dict[str, Callable[[Path], None]] = {
            "policy.d3": lambda path: self.policy.save(str(path))
        }
        self.buffer: Any = buffer
        self.n_done = 0  # gradient steps

    def state(self) -> Mapping[str, Any] | None:
        """See `ResumableTraining.state`."""
        from vlfeedback.offline.training_state import algorithm_state

        buffers = self._buffers()
        if buffers is None:
            return None
        orders = {name: buffer.order_state() for name, buffer in buffers.items()}
        return {"done": self.n_done, "algorithm": algorithm_state(self.policy), "orders": orders}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `ResumableTraining.load_state`."""
        from vlfeedback.offline.training_state import load_algorithm_state

        self.policy.build_with_dataset(self.buffer)
        load_algorithm_state(self.policy, state["algorithm"])
        for name, buffer in (self._buffers() or {}).items():  # after building, which draws
            buffer.load_order_state(state["orders"][name])
        self.n_done = state["done"]

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """See `Training.run`."""
        for n_done in range(self.n_done, n_steps, every):
            # One `fit` for all would leave out what is no whole epoch.
            size = min(every, n_steps - n_done)
            with quiet_log():
                self._fit(size, n_done, n_steps, report)
            self.n_done = n_done + size
            judge(self.n_done)
        self.note_weights()

    def note_weights(self) -> None:
        """Have `notes` say what the policy's weights sit on; `run` ends with it."""
        from vlfeedback.offline.weight_notes import notes_of_weights

        self.notes |= notes_of_weights(self.policy, self.buffer)

    def _buffers(self) -> dict[str, ResumableBuffer] | None:
        """All that batches are drawn from, or None where one of them cannot go on."""
        replay = getattr(self.policy, "replay", None)
        buffers = {"buffer": self.buffer} | ({} if replay is None else {"replay": replay})
        resumable = {n: b for n, b in buffers.items() if isinstance(b, ResumableBuffer)}
        return resumable if len(resumable) == len(buffers) else None

    def _fit(self, size: int, n_done: int, n_steps: int, report: Report | None) -> None:
        from d3rlpy.logging import NoopAdapterFactory

        def on_step(_algo: Any, _epoch: int, step: int) -> None:
            if report is not None and (step % _REPORT_EVERY == 0 or step == size):
                report("train", n_done + step, n_steps, float("nan"))

        self.policy.fit(
            self.buffer,
            n_steps=size,
            n_steps_per_epoch=size,
            logger_adapter=NoopAdapterFactory(),
            show_progress=False,
            callback=on_step,
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
        self._begun: Mapping[str, Any] | None = None

    def state(self) -> Mapping[str, Any]:
        """See `ResumableTraining.state`."""
        state: Mapping[str, Any] = self.policy.training_state()
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `ResumableTraining.load_state`."""
        self._begun = state

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """See `Training.run`."""

        def on_step(_policy: Any, step: int) -> None:
            if step % every == 0 or step == n_steps:
                judge(step)

        self.policy.fit(
            self._trajectories, n_steps, callback=on_step, report=report, begun=self._begun
        )
