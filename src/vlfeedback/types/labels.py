"""Answers to "which of two segments follows the instruction better".

Other projects write them down in other ways. Each is converted here and nowhere else:

- B-Pref, RL-VLM-F, Offline RL-VLM-F: 0 first, 1 second, and -1 (`from_bpref`);
- imitation: the probability that the *first* is preferred (`from_imitation`);
- VLP: 0 first, 1 second, 0.5 tie (`from_vlp`);
- CPL and IPL, files of two sides: 1 second, 0 first, 0.5 tie (`from_cpl`).

All take lists, (N, 1), and one-hot rows (N, 2) too; see `vlfeedback.types.label_arrays`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from vlfeedback.errors import DtypeError, InvalidTypeError, InvalidValueError, ShapeError
from vlfeedback.types.label_arrays import LabelRows, label_rows

__all__ = ["LabelRecord", "Outcome", "PreferenceLabels", "TiePolicy"]

TiePolicy = Literal["half", "drop"]
"""What -1 means: "half", a tie that is trained on; "drop", unsure, never trained on."""


class Outcome(IntEnum):
    """What became of a pair that a labeller was asked about.

    Only `ANSWERED` is ever trained on.

    Attributes:
        ANSWERED: the label is the answer; a tie is one.
        UNSURE: the labeller could not tell, or was not sure enough.
        REFUSED: it would not answer.
        UNPARSABLE: it said something that is no answer.
        FAILED: nothing came back, such as after a time-out.
        SKIPPED: it was not asked, or passed the pair over.
    """

    ANSWERED = 0
    UNSURE = 1
    REFUSED = 2
    UNPARSABLE = 3
    FAILED = 4
    SKIPPED = 5

    @property
    def word(self) -> str:
        """Its name in files and messages, such as ``"refused"``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """The labeller of an answer, as files name it.

    Attributes:
        source: ``"module:Class"`` of the labeller, or where a file came from.
        config: its settings, JSON.
        model: what it asks, such as the name of a vision-language model; "" for nothing.
        prompt: name and version of the prompt's template; "" for none.
        contents: digests of the files that its settings name, and of what else it reads; JSON, ""
            for nothing, or where an earlier release did not note it.
    """

    source: str
    config: str = "{}"
    model: str = ""
    prompt: str = ""
    contents: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class PreferenceLabels:
    """Answers for N pairs, and for each what became of it, what it cost and who gave it.

    What is left out is zero. A bool array in place of `outcome` says which pairs were answered:
    the others were skipped.

    Attributes:
        prefer_second: (N,) float32 in [0, 1]: 0 the first segment is better, 1 the second, 0.5 a
            tie, which is trained on; between them, the probability that the second is. Where a
            pair is not answered the number means nothing.
        outcome: (N,) uint8, values of `Outcome`.
        cost_usd: (N,) float64, >= 0: US dollars that asking about the pair took, answered or not.
        tokens: (N,) int64, >= 0: tokens of a language model, read and written.
        seconds: (N,) float64, >= 0: time that it took.
        labeller: (N,) int64: who of several labellers gave the outcome, as position among them
            (`PreferenceDataset.labelled_by`, `SeveralLabellers.records`).

    Raises:
        ShapeError: an array is not (N,).
        DtypeError: `outcome` is neither uint8 nor bool, or there are fractions of tokens.
        ValueError: a number outside its range.

    >>> labels = PreferenceLabels(
    ...     np.float32([0, 1, 0.5, 0]),
    ...     np.uint8([Outcome.ANSWERED, Outcome.ANSWERED, Outcome.ANSWERED, Outcome.REFUSED]),
    ...     cost_usd=np.array([0.01, 0.01, 0.01, 0.002]),
    ... )
    >>> labels
    PreferenceLabels(N=4, answered=3, ties=1, refused=1)
    >>> labels.answered
    array([ True,  True,  True, False])
    >>> labels.take(labels.answered).prefer_second
    array([0. , 1. , 0.5], dtype=float32)
    """

    prefer_second: Float32[np.ndarray, " N"]
    outcome: UInt8[np.ndarray, " N"]
    cost_usd: Float64[np.ndarray, " N"]
    tokens: Int64[np.ndarray, " N"]
    seconds: Float64[np.ndarray, " N"]
    labeller: Int64[np.ndarray, " N"]

    def __init__(
        self,
        prefer_second: LabelRows,
        outcome: LabelRows | None = None,
        *,
        cost_usd: LabelRows | None = None,
        tokens: LabelRows | None = None,
        seconds: LabelRows | None = None,
        labeller: LabelRows | None = None,
        answered: LabelRows | None = None,
    ) -> None:
        is_float = isinstance(prefer_second, np.ndarray) and prefer_second.dtype.kind == "f"
        prefer_second = label_rows(prefer_second, name="prefer_second")
        if not is_float:  # lists and whole numbers have no dtype that would be worth a question
            prefer_second = prefer_second.astype(np.float32)
        outcome = outcome if answered is None else answered  # its name before there were several
        if outcome is None:
            raise InvalidTypeError(
                "PreferenceLabels needs an outcome for each pair: values of Outcome, as uint8."
            )
        n = len(prefer_second)
        arrays = {
            "prefer_second": prefer_second,
            "outcome": _outcomes(outcome),
            "cost_usd": _numbers("cost_usd", cost_usd, n, np.float64),
            "tokens": _numbers("tokens", tokens, n, np.int64),
            "seconds": _numbers("seconds", seconds, n, np.float64),
            "labeller": _numbers("labeller", labeller, n, np.int64),
        }
        for name, array in arrays.items():
            if array.shape != (n,):
                raise ShapeError(
                    f"{name} has shape {array.shape} and prefer_second {prefer_second.shape}; "
                    "expected (N,) for both."
                )
            object.__setattr__(self, name, array)
        self._check_ranges()

    def _check_ranges(self) -> None:
        answers = self.prefer_second[self.answered]
        if not np.all((answers >= 0) & (answers <= 1)):
            raise InvalidValueError(
                "prefer_second must lie in [0, 1] (0 first, 1 second, 0.5 tie); got values in "
                f"[{answers.min()}, {answers.max()}]."
            )
        for name, most in (
            ("outcome", max(Outcome)),
            ("cost_usd", np.inf),
            ("tokens", np.inf),
            ("seconds", np.inf),
            ("labeller", np.inf),
        ):
            array = getattr(self, name)
            invalid = np.flatnonzero(~((array >= 0) & (array <= most) & np.isfinite(array)))
            if len(invalid):
                raise InvalidValueError(
                    f"{name} of pair {invalid[0]} is {array[invalid[0]]}; expected "
                    + (f"0 to {most}." if most < np.inf else "a finite number of at least 0.")
                )

    def __len__(self) -> int:
        return len(self.prefer_second)

    def __repr__(self) -> str:
        ties = int(np.sum(self.answered & (self.prefer_second == 0.5)))
        counts = {Outcome.ANSWERED.word: 0} | {o.word: n for o, n in self.counts().items()}
        n_answered = counts.pop(Outcome.ANSWERED.word)
        others = "".join(f", {word}={n}" for word, n in counts.items())
        return f"PreferenceLabels(N={len(self)}, answered={n_answered}, ties={ties}{others})"

    @property
    def answered(self) -> Bool[np.ndarray, " N"]:
        """Which pairs were answered: all that may be trained on."""
        return np.asarray(self.outcome == Outcome.ANSWERED)

    @property
    def confidence(self) -> Float64[np.ndarray, " N"]:
        """How sure each answer is, in [0.5, 1]: the probability of the side it prefers.

        0.5 for a tie; 0 where there is no answer.
        """
        probability = self.prefer_second.astype(np.float64)
        return np.where(self.answered, np.maximum(probability, 1 - probability), 0.0)

    def counts(self) -> dict[Outcome, int]:
        """How many pairs came out how; what never occurred is left out."""
        counts = np.bincount(self.outcome, minlength=len(Outcome))
        return {outcome: int(counts[outcome]) for outcome in Outcome if counts[outcome]}

    def take(self, rows: Sequence[int] | slice | np.ndarray) -> PreferenceLabels:
        """The labels at these positions, such as ``labels.take(labels.answered)``."""
        index = np.arange(len(self))[rows]
        return PreferenceLabels(**{name: getattr(self, name)[index] for name in _FIELDS})

    @classmethod
    def concatenate(cls, parts: Sequence[PreferenceLabels]) -> PreferenceLabels:
        """The labels of all parts, one after the other; their `labeller` has to mean the same.

        Raises:
            ValueError: there is no part.
        """
        if not parts:
            raise InvalidValueError("0 parts to concatenate; expected at least one.")
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS}
        )

    @classmethod
    def from_bpref(cls, labels: LabelRows, tie_policy: TiePolicy) -> PreferenceLabels:
        """Read 0 (first), 1 (second) and -1, which two papers understand in two ways.

        Args:
            labels: numbers of any type, each -1, 0 or 1.
            tie_policy: ``"half"`` for labels of B-Pref, whose -1 is a tie trained on as 0.5;
                ``"drop"`` for RL-VLM-F and Offline RL-VLM-F, whose -1 is `Outcome.UNSURE`.

        Raises:
            ValueError: a label is another number, or `tie_policy` another word.

        Source: B-Pref, reward_model.py; Offline RL-VLM-F paper, sections III and IV-A.
        """
        _check_policy(tie_policy)
        labels = label_rows(labels)
        _check_known(labels, (-1, 0, 1), "B-Pref and RL-VLM-F")
        unsure = labels == -1
        prefer_second = np.where(unsure, 0.5, labels).astype(np.float32)
        dropped = unsure & (tie_policy == "drop")
        return cls(prefer_second, np.where(dropped, Outcome.UNSURE, Outcome.ANSWERED).astype("u1"))

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
    def from_imitation(cls, prefer_first: LabelRows) -> PreferenceLabels:
        """Read the probability that the first segment is preferred, in [0, 1].

        Raises:
            ValueError: a number outside [0, 1].

        Source: imitation, ``PreferenceDataset.preferences``.
        """
        prefer_second = (1 - label_rows(prefer_first, side="first")).astype(np.float32)
        return cls(prefer_second, np.ones(len(prefer_second), dtype=np.bool_))

    def to_imitation(self) -> Float32[np.ndarray, " N"]:
        """Write the probability that the first segment is preferred.

        Raises:
            ValueError: a pair is unanswered.
        """
        self._check_answered("imitation")
        return (1 - self.prefer_second).astype(np.float32)

    @classmethod
    def from_vlp(cls, labels: LabelRows) -> PreferenceLabels:
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
    def from_cpl(cls, labels: LabelRows) -> PreferenceLabels:
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
    def _from_numbers(cls, labels: LabelRows, convention: str) -> PreferenceLabels:
        labels = label_rows(labels)
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


_FIELDS = tuple(field.name for field in fields(PreferenceLabels))


def _outcomes(outcome: LabelRows) -> np.ndarray:
    if isinstance(outcome, Sequence) and all(isinstance(one, Outcome) for one in outcome):
        return np.array(outcome, dtype=np.uint8)
    outcome = np.asarray(outcome)
    if outcome.ndim == 2 and outcome.shape[1] == 1:
        outcome = outcome[:, 0]
    if outcome.dtype == np.bool_:
        return np.where(outcome, Outcome.ANSWERED, Outcome.SKIPPED).astype(np.uint8)
    if outcome.dtype != np.uint8:  # 1 would be "answered" to who thinks of a bool
        raise DtypeError(
            f"outcome is {outcome.dtype}; expected uint8, values of Outcome (or bool, True: "
            "answered): np.array([Outcome.ANSWERED, Outcome.REFUSED], np.uint8)."
        )
    return outcome


def _numbers(
    name: str, array: LabelRows | None, n: int, dtype: type[np.float64 | np.int64]
) -> np.ndarray:
    if array is None:
        return np.zeros(n, dtype)
    array = np.asarray(array)
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise DtypeError(f"{name} is {array.dtype}; expected {np.dtype(dtype)}.")
    return array.astype(dtype, copy=False)


def _check_policy(tie_policy: str) -> None:
    if tie_policy not in ("half", "drop"):
        raise InvalidValueError(
            f"tie_policy={tie_policy!r}; expected 'half' (-1 is a tie, as in B-Pref) or 'drop' "
            "(-1 is unsure, as in RL-VLM-F)."
        )


def _check_known(labels: np.ndarray, allowed: tuple[int | float, ...], convention: str) -> None:
    invalid = np.flatnonzero(~np.isin(labels, allowed))
    if len(invalid):
        raise InvalidValueError(
            f"Label {invalid[0]} is {labels[invalid[0]]}; labels of {convention} are "
            f"{', '.join(map(str, allowed))}. Is this file of another convention?"
        )
