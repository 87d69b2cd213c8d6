"""Answers to "which of two segments follows the instruction better"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from vlfeedback.errors import DtypeError, ShapeError

__all__ = ["PreferenceLabels"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PreferenceLabels:
    """Answers for N pairs."""

    prefer_second: Float32[np.ndarray, " N"]  # in [0, 1]: 0 first, 1 second, 0.5 tie
    answered: Bool[np.ndarray, " N"]  # False: refused, unparsable, skipped; never trained on

    def __post_init__(self) -> None:
        if self.prefer_second.shape != self.answered.shape or self.prefer_second.ndim != 1:
            raise ShapeError(
                f"prefer_second has shape {self.prefer_second.shape} and answered "
                f"{self.answered.shape}; expected (N,) for both."
            )
        if self.answered.dtype != np.bool_:
            raise DtypeError(f"answered is {self.answered.dtype}; expected bool, True: answered.")
        given = self.prefer_second[self.answered]
        if not np.all((given >= 0) & (given <= 1)):
            raise ValueError(
                "prefer_second must lie in [0, 1] (0 first, 1 second, 0.5 tie); got values in "
                f"[{given.min()}, {given.max()}]."
            )

    def __len__(self) -> int:
        return len(self.prefer_second)

    def __repr__(self) -> str:
        ties = int(np.sum(self.answered & (self.prefer_second == 0.5)))
        return f"PreferenceLabels(N={len(self)}, answered={self.answered.sum()}, ties={ties})"
