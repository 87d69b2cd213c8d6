"""Pairs of segments with their labels, and who gave them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from vlfeedback.data.preference_files import (
    read_rows,
    resolve_segments,
    segment_columns,
    write_rows,
)
from vlfeedback.data.preference_split import hold_out_trajectories
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import FileFormatError, InvalidValueError, ShapeError
from vlfeedback.types import PreferenceLabels, Trajectory

__all__ = ["LabelRecord", "PreferenceDataset"]


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """Who said so."""

    source: str  # "module:Class" of the labeller, or where a file came from
    config: str = "{}"  # its settings, JSON
    model: str = ""  # what it asks, such as the name of a VLM
    prompt: str = ""  # name and version of the prompt's template


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PreferenceDataset:
    """N pairs of segments of equal length, their labels, who gave them and at what cost.

    It never changes: `append` and `take` give new ones. Left out, `instructions` are empty,
    `labelled_by` is unknown and `cost` zero.

    Raises:
        ShapeError: segments of unequal length, or arrays of another number of rows.
    """

    pairs: SegmentPairList
    labels: PreferenceLabels
    instructions: tuple[str, ...] = ()  # one a pair, "" where there is none
    labelled_by: tuple[LabelRecord, ...] = ()
    record_of: Int64[np.ndarray, " N"] = field(default_factory=lambda: np.zeros(0, np.int64))
    cost: Float64[np.ndarray, " N"] = field(default_factory=lambda: np.zeros(0))  # US dollars

    def __post_init__(self) -> None:
        n = len(self.pairs)
        for name, default in (
            ("instructions", ("",) * n),
            ("labelled_by", (LabelRecord("unknown"),)),
            ("record_of", np.zeros(n, dtype=np.int64)),  # positions in labelled_by
            ("cost", np.zeros(n)),
        ):
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, default)
        object.__setattr__(self, "pairs", list(self.pairs))
        for name in ("labels", "instructions", "record_of", "cost"):
            if len(getattr(self, name)) != n:
                raise ShapeError(
                    f"{name} has {len(getattr(self, name))} rows; expected {n}, one per pair."
                )
        if n and not 0 <= self.record_of.min() <= self.record_of.max() < len(self.labelled_by):
            raise ShapeError(
                f"record_of runs from {self.record_of.min()} to {self.record_of.max()}; expected "
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

    def take(self, rows: Sequence[int] | slice | np.ndarray) -> PreferenceDataset:
        """The pairs at these positions, as a dataset of their own."""
        index = np.arange(len(self))[rows]
        return PreferenceDataset(
            pairs=[self.pairs[i] for i in index],
            labels=self.labels.take(index),
            instructions=tuple(self.instructions[i] for i in index),
            labelled_by=self.labelled_by,
            record_of=self.record_of[index],
            cost=self.cost[index],
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
            labels=PreferenceLabels(
                np.concatenate([part.labels.prefer_second for part in parts]),
                np.concatenate([part.labels.answered for part in parts]),
            ),
            instructions=tuple(_chain("instructions", parts)),
            labelled_by=tuple(records),
            record_of=np.concatenate(
                [place[part.record_of] for place, part in zip(places, parts, strict=True)]
            ),
            cost=np.concatenate([part.cost for part in parts]),
        )

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
        n_answered = int(self.labels.answered.sum())
        if n_answered == 0:
            raise InvalidValueError(
                f"0 of {len(self)} pairs are answered: there is nothing to learn from. Label more "
                "pairs, or ask a labeller that answers; "
                f"these were given by {self.labelled_by[0].source}."
            )
        n_ties = int(np.sum(self.labels.prefer_second[self.labels.answered] == 0.5))
        if n_ties == n_answered:
            raise InvalidValueError(
                f"{n_ties} of {n_answered} labels are ties: they order no segments and nothing can "
                "be learnt from them. Lower the labeller's tie margin, compare segments that "
                "differ more, or check that its rewards are not constant."
            )

    def digest(self) -> str:
        """SHA-256 over pairs and labels, hexadecimal.

        Two sources that agree on every pair have equal digests: who said so, at what cost and
        under which instruction does not count, nor does the number of an unanswered label.
        """
        answered = self.labels.answered
        given = np.where(answered, self.labels.prefer_second, np.float32(-1)).tolist()
        ends = [[[s.trajectory.id, s.start, s.length] for s in pair] for pair in self.pairs]
        return sha256(json.dumps([ends, given]).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write a Parquet file, whole or not at all; it names trajectories by id.

        One row a pair: `first_id`, `first_start`, `second_id`, `second_start`, `length` (steps),
        `prefer_second`, `answered`, `instruction`, `record` (position in the file's list of
        labellers, which is in its metadata) and `cost`.

        Raises:
            NeedsError: a trajectory has no id, or two different ones have the same.
            MissingExtraError: pyarrow is not installed.
        """
        columns: dict[str, Any] = {
            **segment_columns(self.pairs),
            "prefer_second": self.labels.prefer_second,
            "answered": self.labels.answered,
            "instruction": list(self.instructions),
            "record": self.record_of,
            "cost": self.cost,
        }
        write_rows(path, columns, {"labelled_by": [asdict(r) for r in self.labelled_by]})

    @classmethod
    def load(cls, path: Path, trajectories: Iterable[Trajectory]) -> PreferenceDataset:
        """Read a file of `save`.

        Args:
            path: the file.
            trajectories: all that it names, and any others.

        Raises:
            FileNotFoundError: there is no such file.
            FileFormatError: it is truncated, foreign, or of a newer version; or one of its
                trajectories is missing, is there twice, or is too short.
            MissingExtraError: pyarrow is not installed.
        """
        columns, header = read_rows(path)
        return cls.from_rows(path, resolve_segments(path, columns, trajectories), columns, header)

    @classmethod
    def from_rows(
        cls,
        path: Path,
        pairs: SegmentPairList,
        columns: dict[str, list[Any]],
        header: dict[str, Any],
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
                    np.asarray(columns["answered"], dtype=np.bool_),
                ),
                instructions=tuple(columns["instruction"]),
                labelled_by=tuple(LabelRecord(**record) for record in header["labelled_by"]),
                record_of=np.asarray(columns["record"], dtype=np.int64),
                cost=np.asarray(columns["cost"], dtype=np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{path} is damaged ({error}). Label its pairs again, or take a copy that is whole."
            ) from error


def _chain(name: str, parts: Iterable[PreferenceDataset]) -> list[Any]:
    return [row for part in parts for row in getattr(part, name)]
