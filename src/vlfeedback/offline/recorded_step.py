"""A step that a GPU records once and then replays: Python asks for it as a whole.

A step of small networks is a hundred small kernels, and starting them takes longer than they run.
Everywhere but on CUDA the same step is taken as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch

from vlfeedback.offline.flat_adam import FlatAdam
from vlfeedback.offline.policy_impl import PolicyImpl
from vlfeedback.offline.stacked_mlp import StackedMLP

__all__ = ["RecordedStep"]


class RecordedStep:
    """Steps of a learner whose batches are tensors of one size.

    Each phase of its training is recorded at its first step.

    Args:
        impl: whose steps they are, at its first step; see `PolicyImpl.recordable`.
    """

    def __init__(self, impl: PolicyImpl) -> None:
        self._impl = impl
        self._n_steps: Counter[str] = Counter()  # by phase, in which an optimiser takes all of its
        self._batch: Any = None  # in the memory that the recordings read
        self._graphs: dict[str, Any] = {}
        parts = [getattr(impl.modules, field.name) for field in fields(impl.modules)]
        self._parts = [part for part in parts if isinstance(part, torch.nn.Module)]

    @torch.no_grad()
    def __call__(self, batch: Any) -> None:
        """Take one step."""
        phase = self._impl.next_phase()
        if self._batch is None:
            self._batch = type(batch)(*(x.clone() if _is_tensor(x) else x for x in batch))
        for kept, column in zip(self._batch, batch, strict=True):
            if _is_tensor(column):
                kept.copy_(column)
        for part in self._parts:
            if isinstance(part, FlatAdam):
                part.hold_rate(self._n_steps[phase])
        if not batch[0].is_cuda:
            self._impl.take(self._batch, phase, log=False)
        else:
            if phase not in self._graphs:
                self._graphs[phase] = self._record(phase)
            self._graphs[phase].replay()
        self._n_steps[phase] += 1

    def _record(self, phase: str) -> torch.cuda.CUDAGraph:
        """The graph of a step; the step that has to be taken before is undone."""
        before = [
            {name: tensor.clone() for name, tensor in part.state_dict().items()}
            for part in self._parts
        ]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            self._impl.take(self._batch, phase, log=False)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators():
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph):
            self._impl.take(self._batch, phase, log=False)
        for part, state in zip(self._parts, before, strict=True):
            part.load_state_dict(state)
        return graph

    def _generators(self) -> Iterator[torch.Generator]:
        """Those that the device draws masks from."""
        for part in self._parts:
            for module in part.modules():
                if isinstance(module, StackedMLP) and module.mask_generator is not None:
                    yield module.mask_generator


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)
