"""TorchScript archives whose own code would run when torch's loader reads them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Tuple  # noqa: UP035  (TorchScript knows no other)

import torch

__all__ = ["save_hanging", "save_writing"]


def save_writing(path: Path, target: Path) -> None:
    """An archive that writes the file `target` when it is loaded."""
    _save(_Writes(str(target)), path)


def save_hanging(path: Path) -> None:
    """An archive that never ends loading."""
    _save(_Hangs(), path)


class _Writes(torch.nn.Module):
    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target
        self.weight = torch.ones(2, 2)

    @torch.jit.export
    def __getstate__(self) -> Tuple[str, torch.Tensor, bool]:  # noqa: UP006
        return (self.target, self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: Tuple[str, torch.Tensor, bool]) -> None:  # noqa: UP006
        self.target = state[0]
        self.weight = state[1]
        self.training = state[2]
        torch.ops.aten.save([self.weight], self.target)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class _Hangs(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.ones(2, 2)

    @torch.jit.export
    def __getstate__(self) -> Tuple[torch.Tensor, bool]:  # noqa: UP006
        return (self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: Tuple[torch.Tensor, bool]) -> None:  # noqa: UP006
        self.weight = state[0]
        self.training = state[1]
        while bool((self.weight == self.weight).all()):
            self.weight = self.weight * 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def _save(module: torch.nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), str(path))
