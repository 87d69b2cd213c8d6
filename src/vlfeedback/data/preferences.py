"""Pairs of segments with their labels, and who gave them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from vlfeedback.data.growing_preferences import check_no_parts, read_grown_rows
from vlfeedback.data.preference_files import Rows, resolve_segments, segment_columns, write_rows
from vlfeedback.data.preference_split import hold_out_trajectories
from vlfeedback.data.preference_totals import LabellerTotals, totals_by_labeller
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import FileFormatError, InvalidValueError, ShapeError
from vlfeedback.types import LabelRecord, Outcome, PreferenceLabels, Trajectory

__all__ = ["LabelRecord", "PreferenceDataset"]


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class PreferenceDataset:
    """N pairs of segments of equal length, their labels, and who gave them.

    It never changes: `append` and `take` give new ones. Left out, `instructions` are empty and
    `labelled_by` is unknown. `record_of` and `cost` may be given beside labels that have no
    `labeller` and `cost_usd` of their own.

    Attributes:
        pairs: N pairs of segments, all of T steps.
        labels: N answers, with what became of each pair, its cost, and who gave it.
        instructions: N texts, "" where there is none.
        labelled_by: who gave them; ``labels.labeller`` counts these.

    Raises:
        ShapeError: segments of unequal length, arrays of another number of rows, or labels of
            somebody who is not in `labelled_by`.

    >>> from vlfeedback.types import Trajectory
    >>> still, moving = (
    ...     Trajectory(observations=np.zeros((4, 1)), actions=np.full((3, 1), a), id=f"moves {a}")
    ...     for a in (0.0, 1.0)
    ... )
    >>> dataset = PreferenceDataset(
    ...     pairs=[(still.segment(0, 2), moving.segment(0, 2))] * 2,
    ...     labels=PreferenceLabels(
    ...         np.float32([1, 0]),
    ...         np.uint8([Outcome.ANSWERED, Outcome.REFUSED]),
    ...         cost_usd=np.array([0.02, 0.01]),
    ...     ),
    ...     instructions=("move",) * 2,
    ...     labelled_by=(LabelRecord("my_package:MyLabeller", model="a-model"),),
    ... )
    >>> dataset
    PreferenceDataset(T=2, PreferenceLabels(N=2, answered=1, ties=0, refused=1))
    >>> len(dataset.answered())
    1
    >>> print(dataset.summary()[0])
    my_package:MyLabeller (a-model): 2 pairs (1 answered, 1 refused), $0.03, 0 tokens, 0 s
    """

    pairs: SegmentPairList
    labels: PreferenceLabels
    instructions: tuple[str, ...]
    labelled_by: tuple[LabelRecord, ...]

    def __init__(
        self,
        pairs: SegmentPairList,
        labels: PreferenceLabels,
        instructions: Sequence[str] = (),
        labelled_by: Sequence[LabelRecord] = (),
        record_of: np.ndarray | None = None,
        cost: np.ndarray | None = None,
    ) -> None:
        n = len(pairs)
        label_fields = {"labeller": record_of, "cost_usd": cost}  # to the labels, which had neither
        labels = replace(
            labels, **{k: v for k, v in label_fields.items() if v is not None and len(v)}
        )
        fields = {
            "pairs": list(pairs),
            "labels": labels,
            "instructions": tuple(instructions) or ("",) * n,
            "labelled_by": tuple(labelled_by) or (LabelRecord("unknown"),),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        for name, rows in (("labels", self.labels), ("instructions", self.instructions)):
            if len(rows) != n:
                raise ShapeError(f"{name} has {len(rows)} rows; expected {n}, one per pair.")
        labeller = self.labels.labeller
        if n and labeller.max() >= len(self.labelled_by):
            raise ShapeError(
                f"labels.labeller runs from {labeller.min()} to {labeller.max()}; expected "
                f"positions in labelled_by, which has {len(self.labelled_by)} records."
            )
        self._check_lengths()

    def _check_lengths(self) -> None:
        for index, (first, second) in enumerate(self.pairs):
            if not first.length == second.length == self.length:
                raise ShapeError(
                    f"Pair {index} compares segments of {first.length} and {second.length} steps; "
                    f"expected {self.length}, as the first segment of pair 0 has. A sum over more "
                    "steps is larger for no reason: cut all segments equally long."
                )

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"PreferenceDataset(T={self.length}, {self.labels!r})"

    @property
    def length(self) -> int:
        """T, the steps of each segment; 0 where there is no pair."""
        return self.pairs[0][0].length if self.pairs else 0

    @property
    def record_of(self) -> Int64[np.ndarray, " N"]:
        """``labels.labeller``: the position in `labelled_by` of who gave each label."""
        return self.labels.labeller

    @property
    def cost(self) -> Float64[np.ndarray, " N"]:
        """``labels.cost_usd``: US dollars that each pair took."""
        return self.labels.cost_usd

    def take(self, rows: Sequence[int] | slice | np.ndarray) -> PreferenceDataset:
        """The pairs at these positions, as a dataset of their own."""
        index = np.arange(len(self))[rows]
        return PreferenceDataset(
            pairs=[self.pairs[i] for i in index],
            labels=self.labels.take(index),
            instructions=tuple(self.instructions[i] for i in index),
            labelled_by=self.labelled_by,
        )

    def answered(self) -> PreferenceDataset:
        """The pairs that were answered: all that may be trained on."""
        return self.take(self.labels.answered)

    def append(self, *others: PreferenceDataset) -> PreferenceDataset:
        """These pairs, then those of the others.

        Raises:
            ShapeError: their segments differ in length.
        """
        parts = (self, *others)
        records = {
            record: n for n, record in enumerate(dict.fromkeys(_chain("labelled_by", parts)))
        }
        places = [
            np.array([records[record] for record in part.labelled_by], dtype=np.int64)
            for part in parts
        ]
        return PreferenceDataset(
            pairs=_chain("pairs", parts),
            labels=PreferenceLabels.concatenate(
                [
                    replace(part.labels, labeller=place[part.labels.labeller])
                    for place, part in zip(places, parts, strict=True)
                ]
            ),
            instructions=_chain("instructions", parts),
            labelled_by=tuple(records),
        )

    def summary(self) -> tuple[LabellerTotals, ...]:
        """How often each labeller answered, and what it took; those without a pair left out.

        ``print`` shows each as a line.
        """
        return totals_by_labeller(self.labels, self.labelled_by)

    def split(
        self, validation: float = 0.1, *, rng: np.random.Generator
    ) -> tuple[PreferenceDataset, PreferenceDataset]:
        """Hold out pairs for validation, by trajectory and never by pair.

        Segments of one trajectory overlap or resemble each other, so none is ever in both
        halves. Trajectories that pairs tie together go as a group where groups are small. A
        group that has to be cut loses the pairs that straddle the cut: they are in *neither*
        half, and ``len`` of the halves shows how many. At ``validation=0.1`` that was 2 to 6 of
        100 random pairs of 96 trajectories, 23 to 33 of 100 pairs of 20 trajectories, and 34 to
        37 % of 1,000 pairs of 100 trajectories.

        Args:
            validation: share of the pairs to hold out, at least one, in (0, 1).
            rng: what draws the trajectories.

        Returns:
            Training and validation pairs, each in the order they had.

        Raises:
            ValueError: every way to split leaves one half empty, or `validation` is no share.

        Source: our choice; the papers hold out nothing.
        """
        training, held_out = hold_out_trajectories(self.pairs, validation, rng=rng)
        return self.take(training), self.take(held_out)

    def check_trainable(self) -> None:
        """Refuse what nothing can be learnt from; whoever trains on preferences calls this.

        Raises:
            ValueError: no pair is answered, or all that are tie.
        """
        counts = self.labels.counts()
        n_answered = counts.pop(Outcome.ANSWERED, 0)
        verbs = {outcome: "were " for outcome in Outcome} | {Outcome.FAILED: ""}
        others = ", ".join(
            f"{n} of {len(self)} pairs {verbs[outcome]}{outcome.word}"
            for outcome, n in counts.items()
        )
        reasons = f" ({others})" if others else ""
        if n_answered == 0:
            raise InvalidValueError(
                f"0 of {len(self)} pairs are answered: there is nothing to learn from{reasons}. "
                "Label more pairs, or ask a labeller that answers; these were given by "
                f"{', '.join(record.source for record in self.labelled_by)}."
            )
        n_ties = int(np.sum(self.labels.prefer_second[self.labels.answered] == 0.5))
        if n_ties == n_answered:
            raise InvalidValueError(
                f"{n_ties} of {n_answered} labels are ties: they order no segments and nothing can "
                f"be learnt from them{reasons}. Lower the labeller's tie margin, compare segments "
                "that differ more, or check that its rewards are not constant."
            )

    def digest(self) -> str:
        """SHA-256 over pairs and labels, hexadecimal.

        Two sources that agree on every pair have equal digests: who said so, at what cost and
        under which instruction does not count, nor does the number of an unanswered label.
        """
        answered = self.labels.answered
        answers = np.where(answered, self.labels.prefer_second, np.float32(-1)).tolist()
        ends = [[[s.trajectory.id, s.start, s.length] for s in pair] for pair in self.pairs]
        return sha256(json.dumps([ends, answers]).encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write a Parquet file, whole or not at all; it names trajectories by id.

        Its columns are those of `vlfeedback.data.preference_files`, one row a pair.

        Raises:
            NeedsError: a trajectory has no id, or two different ones have the same.
            FileFormatError: `label_pairs` is not done with a file at this path.
            MissingExtraError: pyarrow is not installed.
        """
        path = Path(path)
        check_no_parts(path)
        write_rows(path, *self.to_rows())

    @classmethod
    def load(cls, path: str | Path, trajectories: Iterable[Trajectory]) -> PreferenceDataset:
        """Read a file of `save`, or of `label_pairs`, finished or not.

        Args:
            path: the file.
            trajectories: all that it names, and any others.

        Raises:
            FileNotFoundError: there is no such file.
            FileFormatError: it is truncated, foreign, or of a newer version; or one of its
                trajectories is missing, is there twice, or is too short.
            MissingExtraError: pyarrow is not installed.
        """
        path = Path(path)
        columns, header = read_grown_rows(path)
        return cls.from_rows(path, resolve_segments(path, columns, trajectories), columns, header)

    def to_rows(self) -> tuple[Rows, dict[str, Any]]:
        """Columns and header of a file of preferences.

        Raises:
            NeedsError: a trajectory has no id, or two different ones have the same.
        """
        labels = self.labels
        columns = {
            **segment_columns(self.pairs),
            "prefer_second": labels.prefer_second.tolist(),
            "outcome": [Outcome(number).word for number in labels.outcome],
            "instruction": list(self.instructions),
            "record": labels.labeller.tolist(),
            "cost_usd": labels.cost_usd.tolist(),
            "tokens": labels.tokens.tolist(),
            "seconds": labels.seconds.tolist(),
        }
        return columns, {"labelled_by": [asdict(record) for record in self.labelled_by]}

    @classmethod
    def from_rows(
        cls, path: str | Path, pairs: SegmentPairList, columns: Rows, header: dict[str, Any]
    ) -> PreferenceDataset:
        """What `path` says of these pairs; `columns` and `header` were read from it.

        Raises:
            FileFormatError: the file is damaged.
        """
        try:
            return cls(
                pairs=pairs,
                labels=PreferenceLabels(
                    np.asarray(columns["prefer_second"], dtype=np.float32),
                    np.array([Outcome[word.upper()] for word in columns["outcome"]], np.uint8),
                    cost_usd=np.asarray(columns["cost_usd"], dtype=np.float64),
                    tokens=np.asarray(columns["tokens"], dtype=np.int64),
                    seconds=np.asarray(columns["seconds"], dtype=np.float64),
                    labeller=np.asarray(columns["record"], dtype=np.int64),
                ),
                instructions=columns["instruction"],
                labelled_by=tuple(LabelRecord(**record) for record in header["labelled_by"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{path} is damaged ({error}). Label its pairs again, or take a copy that is whole."
            ) from error


def _chain(name: str, parts: Iterable[PreferenceDataset]) -> list[Any]:
    return [row for part in parts for row in getattr(part, name)]
