"""Ask a labeller about pairs, batch by batch; what was answered is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.preference_files import read_rows, segment_columns
from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, gather_pairs
from vlfeedback.errors import FileFormatError, InvalidValueError, ShapeError
from vlfeedback.types import (
    PreferenceLabels,
    PreferenceSource,
    Report,
    SegmentPairs,
    class_and_settings,
)

__all__ = ["label_pairs"]


def label_pairs(
    pairs: SegmentPairList,
    labeller: PreferenceSource,
    *,
    instruction: str | Sequence[str] | None = None,
    batch_size: int = 32,
    save_to: Path | None = None,
    report: Report | None = None,
) -> PreferenceDataset:
    """Ask a labeller about pairs, a batch at a time.

    With `save_to` the answers of each batch are written as soon as they are there, and the pairs
    that the file holds, answered or refused, are not asked again: run the same call again to go
    on after it was stopped. The file and `pairs` must begin alike; either may go on longer.

    Args:
        pairs: what a sampler drew.
        labeller: any preference source. One that has to see all pairs first has a method
            ``measured_on(pairs)``, which gives the labeller to ask. If it says
            ``cost_per_pair`` (US dollars), ``model`` or ``prompt``, that is recorded.
        instruction: one for all pairs, one for each, or none.
        batch_size: pairs asked at a time.
        save_to: a Parquet file, see `PreferenceDataset.save`.
        report: called with ("labels", pairs done, pairs in all, nan) after each batch.

    Raises:
        FileFormatError: `save_to` holds other pairs, or answers of another labeller.
        NeedsError: `save_to` is given and trajectories have no id, or two have the same.
        ValueError: `batch_size` is below 1.
        ShapeError: another number of instructions than pairs, or segments of unequal length.

    What the labeller raises is raised, with a note on where it was.
    """
    if batch_size < 1:
        raise InvalidValueError(f"batch_size={batch_size}; expected at least 1 pair.")
    texts = _texts(instruction, len(pairs))
    labeller = getattr(labeller, "measured_on", lambda _: labeller)(pairs)
    record = _record_of(labeller)
    unasked = PreferenceDataset(
        pairs,
        PreferenceLabels(np.zeros(len(pairs), np.float32), np.zeros(len(pairs), np.bool_)),
        texts,
        (record,),
        cost=np.full(len(pairs), float(getattr(labeller, "cost_per_pair", 0.0))),
    )
    saved = unasked.take(slice(0)) if save_to is None else _resume(save_to, unasked)
    parts = []
    for start in range(len(saved), len(pairs), batch_size):
        batch = unasked.take(slice(start, start + batch_size))
        try:
            parts.append(replace(batch, labels=_ask(labeller, batch, instruction is not None)))
        except Exception as error:
            kept = f"kept in {save_to}" if save_to else "lost; give save_to to keep them"
            error.add_note(
                f"{record.source} was asked about pairs {start} to {start + len(batch) - 1} of "
                f"{len(pairs)}; the answers to the {start} before them are {kept}."
            )
            raise
        if save_to is not None:
            saved.append(*parts).save(save_to)
        if report is not None:
            report("labels", start + len(batch), len(pairs), float("nan"))
    return saved.append(*parts)


def _ask(
    labeller: PreferenceSource, batch: PreferenceDataset, instructed: bool
) -> PreferenceLabels:
    pairs = gather_pairs(batch.pairs, None, needs=labeller.needs)
    if instructed:
        texts = list(batch.instructions)
        first, second = (replace(side, instructions=texts) for side in (pairs.first, pairs.second))
        pairs = SegmentPairs(first, second)
    return labeller.label(pairs)


def _texts(instruction: str | Sequence[str] | None, n_pairs: int) -> tuple[str, ...]:
    if instruction is None or isinstance(instruction, str):
        return (instruction or "",) * n_pairs
    if len(instruction) != n_pairs:
        raise ShapeError(
            f"{len(instruction)} instructions for {n_pairs} pairs; expected one each, or one text."
        )
    return tuple(instruction)


def _record_of(labeller: PreferenceSource) -> LabelRecord:
    source, settings = class_and_settings(labeller)
    said = {name: getattr(labeller, name, "") for name in ("model", "prompt")}
    return LabelRecord(
        source=source,
        config=json.dumps(settings, sort_keys=True),
        **{name: text for name, text in said.items() if isinstance(text, str)},
    )


def _resume(path: Path, unasked: PreferenceDataset) -> PreferenceDataset:
    """What the file already says of the first pairs; refuses a file about anything else."""
    now: dict[str, list[Any]] = segment_columns(unasked.pairs)  # refuses ids it could not write
    if not path.exists():
        unasked.take(slice(0)).save(path)  # what cannot be written is found out before it costs
    columns, header = read_rows(path)
    now["instruction"] = list(unasked.instructions)
    n = min(len(columns["answered"]), len(unasked))
    if any(columns[name][:n] != values[:n] for name, values in now.items()):
        raise FileFormatError(
            f"{path} holds answers about other pairs or instructions than the first {n} asked "
            "about now. Draw the same pairs (the same seed), or give another path."
        )
    columns = {name: values[:n] for name, values in columns.items()}
    saved = PreferenceDataset.from_rows(path, unasked.pairs[:n], columns, header)
    if n and saved.labelled_by != unasked.labelled_by:
        raise FileFormatError(
            f"{path} holds answers of {saved.labelled_by}, and {unasked.labelled_by} is asked now. "
            "Go on with the same settings, or give another path."
        )
    return saved
