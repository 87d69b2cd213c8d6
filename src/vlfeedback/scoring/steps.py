"""A source's scores of chosen steps of recorded episodes, in few calls and bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from jaxtyping import Float32, Int64

from vlfeedback.errors import DtypeError, ShapeError
from vlfeedback.scoring.windows import (
    KeptEmbeddings,
    join_windows,
    pictures_of,
    windows_ending_at,
)
from vlfeedback.types import EmbeddingSource, RewardSource, SegmentBatch, SourceNeeds, Trajectory

__all__ = ["ChosenSteps", "score_steps"]


@dataclass(frozen=True, slots=True, eq=False)
class ChosenSteps:
    """Steps of one trajectory that are to be scored, and the pictures that are read for it."""

    trajectory: Trajectory
    ends: Int64[np.ndarray, " E"]  # ascending; only one where whole episodes are scored
    times: Int64[np.ndarray, "E F"]  # states whose pictures are read; no column where none are
    states: Int64[np.ndarray, " S"]  # the same states and the reset's if it is read, each once
    instruction: str | None = None

    @property
    def size(self) -> int:
        """Pictures, or steps of arrays, that are read."""
        return max(len(self.states), len(self.ends))


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
        ShapeError: the source returned something else than (N, T).
        DtypeError: the source gave something that is no finite number.
    """
    embeds = source.needs.frames and isinstance(source, EmbeddingSource)
    kept = _embed(chosen, source, batch_size) if embeds else [None] * len(chosen)  # type: ignore[arg-type]
    scores = [np.full(len(steps.ends), np.nan, dtype=np.float32) for steps in chosen]
    for rows in _calls(chosen, source.needs, batch_size):
        pieces = [
            (index, slice(piece[0][1], piece[-1][1] + 1))
            for index, run in groupby(rows, key=lambda row: row[0])
            if (piece := list(run))
        ]
        windows = [
            windows_ending_at(
                chosen[i].trajectory,
                chosen[i].ends[cut],
                needs=source.needs,
                times=chosen[i].times[cut],
                kept=kept[i],
            )
            for i, cut in pieces
        ]
        texts = [chosen[i].instruction for i, _ in rows]
        given = _ask(source, join_windows(windows), texts)
        cuts = np.cumsum([len(window) for window in windows])[:-1]
        for (i, cut), part in zip(pieces, np.split(given, cuts), strict=True):
            scores[i][cut] = part
    for steps, row in zip(chosen, scores, strict=True):
        _check_finite(source, steps, row)
    return scores


def _embed(
    chosen: Sequence[ChosenSteps], source: EmbeddingSource, batch_size: int
) -> list[KeptEmbeddings]:
    """Each picture once; those of short episodes together, those of long ones in parts."""
    states = [steps.states for steps in chosen]
    rows = [(i, int(time)) for i, times in enumerate(states) for time in times]
    parts = []
    for start in range(0, len(rows), batch_size):
        runs = groupby(rows[start : start + batch_size], key=lambda row: row[0])
        pictures = [
            pictures_of(chosen[i].trajectory).read([time for _, time in run]) for i, run in runs
        ]
        parts.append(source.embed(np.concatenate(pictures)))
    cuts = np.cumsum([len(times) for times in states])[:-1]
    embeddings = np.split(np.concatenate(parts), cuts)
    return [KeptEmbeddings(t, e) for t, e in zip(states, embeddings, strict=True)]


def _calls(
    chosen: Sequence[ChosenSteps], needs: SourceNeeds, batch_size: int
) -> Iterator[list[tuple[int, int]]]:
    """What the source is asked at a time: equally long windows, as (trajectory, which end)."""
    whole = needs.granularity == "episode"
    rows_of_length: dict[int, list[tuple[int, int]]] = {}
    for index, steps in enumerate(chosen):
        length = int(steps.ends[0]) + 1 if whole else needs.context
        rows = rows_of_length.setdefault(length, [])
        rows += [(index, row) for row in range(len(steps.ends))]
    for length, rows in rows_of_length.items():
        weight = chosen[rows[0][0]].times.shape[1] if needs.frames else length
        fit = max(1, batch_size // weight)
        for start in range(0, len(rows), fit):
            yield rows[start : start + fit]


def _ask(
    source: RewardSource, batch: SegmentBatch, texts: Sequence[str | None]
) -> Float32[np.ndarray, " N"]:
    """The score of each window, which is at its last step."""
    told = [text for text in texts if text is not None]
    if len(told) == len(texts):
        batch = replace(batch, instructions=told)
    rewards = np.asarray(source.rewards(batch))
    if rewards.shape != (len(batch), batch.n_steps):
        raise ShapeError(
            f"{type(source).__name__}.rewards returned shape {rewards.shape}; expected "
            f"({len(batch)}, {batch.n_steps}), one number a step."
        )
    return rewards[:, -1].astype(np.float32)


def _check_finite(
    source: RewardSource, steps: ChosenSteps, scores: Float32[np.ndarray, " E"]
) -> None:
    strange = np.flatnonzero(~np.isfinite(scores))
    if len(strange):
        raise DtypeError(
            f"{type(source).__name__} gave {scores[strange[0]]} for step {steps.ends[strange[0]]} "
            f"of trajectory {steps.trajectory.id!r}; a reward is a finite number. Look at what it "
            "read there: a number that is not finite, or a picture that is broken?"
        )
