"""Answers to "which of two segments follows the instruction better".

Other projects write them down in other ways. Each is converted here and nowhere else:

- B-Pref, RL-VLM-F, Offline RL-VLM-F: 0 first, 1 second, and -1 (`from_bpref`);
- imitation: the probability that the *first* is preferred (`from_imitation`);
- VLP: 0 first, 1 second, 0.5 tie (`from_vlp`);
- CPL and IPL, files of two sides: 1 second, 0 first, 0.5 tie (`from_cpl`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped

from vlfeedback.errors import DtypeError, InvalidValueError, ShapeError

__all__ = ["PreferenceLabels", "TiePolicy"]

TiePolicy = Literal["half", "drop"]
"""What -1 means: "half", a tie that is trained on; "drop", unsure, never trained on."""


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
            raise InvalidValueError(
                "prefer_second must lie in [0, 1] (0 first, 1 second, 0.5 tie); got values in "
                f"[{given.min()}, {given.max()}]."
            )

    def __len__(self) -> int:
        return len(self.prefer_second)

    def __repr__(self) -> str:
        ties = int(np.sum(self.answered & (self.prefer_second == 0.5)))
        return f"PreferenceLabels(N={len(self)}, answered={self.answered.sum()}, ties={ties})"

    def take(self, rows: Sequence[int] | slice | np.ndarray) -> PreferenceLabels:
        """The labels at these positions, such as ``labels.take(labels.answered)``."""
        index = np.arange(len(self))[rows]
        return PreferenceLabels(self.prefer_second[index], self.answered[index])

    @classmethod
    def from_bpref(
        cls, labels: Shaped[np.ndarray, " N"], tie_policy: TiePolicy
    ) -> PreferenceLabels:
        """Read 0 (first), 1 (second) and -1, which two papers understand in two ways.

        Args:
            labels: numbers of any type, each -1, 0 or 1.
            tie_policy: ``"half"`` for labels of B-Pref, whose -1 is a tie trained on as 0.5;
                ``"drop"`` for RL-VLM-F and Offline RL-VLM-F, whose -1 is "unsure": unanswered.

        Raises:
            ValueError: a label is another number, or `tie_policy` another word.

        Source: B-Pref, reward_model.py; Offline RL-VLM-F paper, sections III and IV-A.
        """
        _check_policy(tie_policy)
        _check_known(labels, (-1, 0, 1), "B-Pref and RL-VLM-F")
        unsure = labels == -1
        prefer_second = np.where(unsure, 0.5, labels).astype(np.float32)
        return cls(prefer_second, ~unsure if tie_policy == "drop" else np.ones_like(unsure))

    def to_bpref(self, tie_policy: TiePolicy) -> Int64[np.ndarray, " N"]:
        """Write 0, 1 and -1 as a reader with this `tie_policy` understands them.

        Raises:
            ValueError: what that reader has no number for: with ``"half"`` an unanswered pair,
                with ``"drop"`` a tie, with either a label that is neither 0, 1 nor 0.5.
        """
        _check_policy(tie_policy)
        tied = self.answered & (self.prefer_second == 0.5)
        if tie_policy == "drop" and tied.any():
            raise InvalidValueError(
                f"{tied.sum()} of {len(self)} labels are ties, and a reader that drops -1 has no "
                "number for them. Write them with tie_policy='half', or leave them out: "
                "labels.take(labels.prefer_second != 0.5)."
            )
        if tie_policy == "half":
            self._check_answered("B-Pref")
        _check_known(self.prefer_second[self.answered], (0, 0.5, 1), "B-Pref and RL-VLM-F")
        decided = self.answered & ~tied
        return np.where(decided, self.prefer_second, -1).astype(np.int64)

    @classmethod
    def from_imitation(cls, prefer_first: Shaped[np.ndarray, " N"]) -> PreferenceLabels:
        """Read the probability that the first segment is preferred, in [0, 1].

        Raises:
            ValueError: a number outside [0, 1].

        Source: imitation, ``PreferenceDataset.preferences``.
        """
        prefer_second = (1 - prefer_first).astype(np.float32)
        return cls(prefer_second, np.ones(len(prefer_first), dtype=np.bool_))

    def to_imitation(self) -> Float32[np.ndarray, " N"]:
        """Write the probability that the first segment is preferred.

        Raises:
            ValueError: a pair is unanswered.
        """
        self._check_answered("imitation")
        return (1 - self.prefer_second).astype(np.float32)

    @classmethod
    def from_vlp(cls, labels: Shaped[np.ndarray, " N"]) -> PreferenceLabels:
        """Read 0 (first), 1 (second) and 0.5 (tie, trained on).

        Raises:
            ValueError: a label is another number.

        Source: VLP paper, section 2.
        """
        return cls._from_numbers(labels, "VLP")

    def to_vlp(self) -> Float32[np.ndarray, " N"]:
        """Write 0, 1 and 0.5.

        Raises:
            ValueError: a pair is unanswered, or its label another number.
        """
        return self._to_numbers("VLP")

    @classmethod
    def from_cpl(cls, labels: Shaped[np.ndarray, " N"]) -> PreferenceLabels:
        """Read the ``label`` of files with two sides: 1 where the second is better.

        Raises:
            ValueError: a label is neither 0, 1 nor 0.5.

        Source: CPL, feedback_buffer.py (old format).
        """
        return cls._from_numbers(labels, "CPL and IPL")

    def to_cpl(self) -> Float32[np.ndarray, " N"]:
        """Write 1 where the second is better, 0 where the first is, 0.5 where they tie.

        Raises:
            ValueError: a pair is unanswered, or its label another number.
        """
        return self._to_numbers("CPL and IPL")

    @classmethod
    def _from_numbers(cls, labels: np.ndarray, convention: str) -> PreferenceLabels:
        _check_known(labels, (0, 0.5, 1), convention)
        return cls(labels.astype(np.float32), np.ones(len(labels), dtype=np.bool_))

    def _to_numbers(self, convention: str) -> np.ndarray:
        self._check_answered(convention)
        _check_known(self.prefer_second, (0, 0.5, 1), convention)
        return self.prefer_second.copy()

    def _check_answered(self, convention: str) -> None:
        if not self.answered.all():
            raise InvalidValueError(
                f"{np.sum(~self.answered)} of {len(self)} pairs are unanswered, and labels of "
                f"{convention} cannot say so. Leave them out: labels.take(labels.answered)."
            )


def _check_policy(tie_policy: str) -> None:
    if tie_policy not in ("half", "drop"):
        raise InvalidValueError(
            f"tie_policy={tie_policy!r}; expected 'half' (-1 is a tie, as in B-Pref) or 'drop' "
            "(-1 is unsure, as in RL-VLM-F)."
        )


def _check_known(labels: np.ndarray, known: tuple[int | float, ...], convention: str) -> None:
    strange = np.flatnonzero(~np.isin(labels, known))
    if len(strange):
        raise InvalidValueError(
            f"Label {strange[0]} is {labels[strange[0]]}; labels of {convention} are "
            f"{', '.join(map(str, known))}. Is this file of another convention?"
        )
