"""A source's scores of chosen steps of recorded episodes, in few calls and bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from jaxtyping import Float32, Int64

from vlfeedback.scoring.asking import ask_all
from vlfeedback.scoring.pictures import EncodedStates, embeds_pictures, encode_states
from vlfeedback.scoring.timing import states_back_from
from vlfeedback.scoring.windows import join_windows, windows_ending_at
from vlfeedback.types import AskedAtOnce, RewardSource, SegmentBatch, SourceNeeds, Trajectory

__all__ = ["ChosenSteps", "score_along", "score_steps"]

_Rows = list[tuple[int, int]]  # which trajectory, and which of its chosen ends
_PICTURES_AT_A_TIME = 1024  # or steps of arrays, along one episode


@dataclass(frozen=True, slots=True, eq=False)
class ChosenSteps:
    """Steps of one trajectory that are to be scored, and the pictures that are read for it."""

    trajectory: Trajectory
    ends: Int64[np.ndarray, " E"]  # ascending; only one where whole episodes are scored
    states: Int64[np.ndarray, "E F"]  # whose pictures are read; no column where none are
    distinct: Int64[np.ndarray, " S"]  # the same and the reset if it is read, each once
    instruction: str | None = None

    @property
    def size(self) -> int:
        """Pictures, or steps of arrays, that are read."""
        return max(len(self.distinct), len(self.ends))


def score_steps(
    chosen: Sequence[ChosenSteps], source: RewardSource, *, batch_size: int
) -> list[Float32[np.ndarray, " E"]]:
    """The source's score of each chosen step, by trajectory.

    Args:
        chosen: of a few trajectories.
        source: scores; each picture is encoded once if it is an `EmbeddingSource`.
        batch_size: pictures, or steps of arrays, that are held at a time, but at least one window.

    Raises:
        NeedsError: a trajectory lacks what the source reads.
        SourceAnswerError: see `vlfeedback.scoring.ask`.
    """
    if embeds_pictures(source):
        wanted = [(steps.trajectory, steps.distinct) for steps in chosen]
        encoded = [*encode_states(source, wanted, batch_size=batch_size)]
    else:
        encoded = []
    scores = [np.full(len(steps.ends), np.nan, dtype=np.float32) for steps in chosen]
    for calls in _asked_at_once(chosen, source, batch_size):
        windows = [_windows(chosen, rows, source.needs, encoded) for rows in calls]
        places = [_Places(chosen, rows) for rows in calls]
        for rows, rewards in zip(calls, ask_all(source, windows, where=places), strict=True):
            start = 0
            for i, cut in _pieces(rows):
                n = cut.stop - cut.start
                scores[i][cut] = rewards[start : start + n, -1]
                start += n
    return scores


def score_along(
    source: RewardSource,
    trajectory: Trajectory,
    instructions: Sequence[str],
    steps: Int64[np.ndarray, " E"],
) -> Float32[np.ndarray, "I E"]:
    """The source's score at each of these steps, under each instruction, in the source's unit.

    Of a step, of the window that ends there, or of the episode as if it ended there, as the source
    scores steps, windows or episodes.

    Args:
        source: any; one that embeds pictures is shown each of them once.
        trajectory: one episode with what the source reads.
        instructions: I of them, at least one.
        steps: E of them, ascending, with pictures if the source reads pictures.

    Raises:
        NeedsError: the trajectory lacks what the source reads.
        SourceAnswerError: see `vlfeedback.scoring.ask`.
    """
    needs = source.needs
    parts = np.split(steps, len(steps)) if needs.granularity == "episode" else [steps]
    chosen = []
    for text in instructions:
        for ends in parts:
            states = np.zeros((len(ends), 0), dtype=np.int64)
            if needs.frames:
                states = states_back_from(ends, needs)
            reset = np.zeros(int(needs.first_frame), dtype=np.int64)
            distinct = np.union1d(states, reset).astype(np.int64)
            chosen.append(ChosenSteps(trajectory, ends, states, distinct, text))
    scores = score_steps(chosen, source, batch_size=_PICTURES_AT_A_TIME)
    return np.concatenate(scores).reshape(len(instructions), len(steps))


@dataclass(frozen=True, slots=True)
class _Places:
    """Names a row of a call for a message."""

    chosen: Sequence[ChosenSteps]
    rows: _Rows

    def __call__(self, row: int, step: int) -> str:
        index, end = self.rows[row]
        steps = self.chosen[index]
        return f"step {steps.ends[end]} of trajectory {steps.trajectory.id!r}"


def _windows(
    chosen: Sequence[ChosenSteps], rows: _Rows, needs: SourceNeeds, encoded: Sequence[EncodedStates]
) -> SegmentBatch:
    """What the source reads for these rows."""
    windows = join_windows(
        [
            windows_ending_at(
                chosen[i].trajectory,
                chosen[i].ends[cut],
                needs=needs,
                states=chosen[i].states[cut],
                encoded=encoded[i] if encoded else None,
            )
            for i, cut in _pieces(rows)
        ]
    )
    texts = [text for i, _ in rows if (text := chosen[i].instruction) is not None]
    return replace(windows, instructions=texts) if len(texts) == len(rows) else windows


def _pieces(rows: _Rows) -> list[tuple[int, slice]]:
    """The same by trajectory: which one, and which of its ends."""
    return [
        (index, slice(piece[0][1], piece[-1][1] + 1))
        for index, run in groupby(rows, key=lambda row: row[0])
        if (piece := list(run))
    ]


def _asked_at_once(
    chosen: Sequence[ChosenSteps], source: RewardSource, batch_size: int
) -> Iterator[list[_Rows]]:
    """Calls that are made together: one, or as many as are held at a time."""
    at_once = isinstance(source, AskedAtOnce)
    calls: list[_Rows] = []
    room = batch_size
    for rows in _calls(chosen, source.needs, batch_size):
        size = len(rows) * max(1, chosen[rows[0][0]].states.shape[1])
        if calls and not (at_once and size <= room):
            yield calls
            calls, room = [], batch_size
        calls.append(rows)
        room -= size
    if calls:
        yield calls


def _calls(chosen: Sequence[ChosenSteps], needs: SourceNeeds, batch_size: int) -> Iterator[_Rows]:
    """What the source is asked at a time: equally long windows, as (trajectory, which end)."""
    whole = needs.granularity == "episode"
    rows_of_length: dict[int, list[tuple[int, int]]] = {}
    for index, steps in enumerate(chosen):
        length = int(steps.ends[0]) + 1 if whole else needs.context
        rows = rows_of_length.setdefault(length, [])
        rows += [(index, row) for row in range(len(steps.ends))]
    for length, rows in rows_of_length.items():
        weight = chosen[rows[0][0]].states.shape[1] if needs.frames else length
        fit = max(1, batch_size // weight)
        for start in range(0, len(rows), fit):
            yield rows[start : start + fit]
