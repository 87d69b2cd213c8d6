"""Rows of preferences to and from Parquet, which name trajectories by their id."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.optional import require
from vlfeedback.types import Trajectory

__all__ = ["read_rows", "resolve_segments", "segment_columns", "write_rows"]

_FORMAT = "vlfeedback-preferences"
_VERSION = 1
_KEY = b"vlfeedback"  # of the file's metadata
_COLUMNS = {
    "first_id": "string",
    "first_start": "int64",
    "second_id": "string",
    "second_start": "int64",
    "length": "int64",
    "prefer_second": "float32",
    "answered": "bool_",
    "instruction": "string",
    "record": "int64",
    "cost": "float64",
}
_NEEDED_BY = "A file of preferences"


def segment_columns(pairs: SegmentPairList) -> dict[str, list[Any]]:
    """Where each segment lies, as columns.

    Raises:
        NeedsError: a trajectory has no id, or two different ones have the same.
    """
    named: dict[str, Trajectory] = {}
    for segment in (segment for pair in pairs for segment in pair):
        trajectory = segment.trajectory
        known = named.setdefault(trajectory.id, trajectory)
        if not trajectory.id or not _is_same(known, trajectory):
            raise NeedsError(
                f"{_NEEDED_BY} refers to trajectories by id, and "
                + (f"two have the id {trajectory.id!r}" if trajectory.id else "one has none")
                + "; give each its own: dataclasses.replace(trajectory, id=...)."
            )
    return {
        "first_id": [first.trajectory.id for first, _ in pairs],
        "first_start": [first.start for first, _ in pairs],
        "second_id": [second.trajectory.id for _, second in pairs],
        "second_start": [second.start for _, second in pairs],
        "length": [first.length for first, _ in pairs],
    }


def _is_same(one: Trajectory, other: Trajectory) -> bool:
    # Read twice, or relabelled, it is another object with the same actions.
    return one is other or (len(one) == len(other) and np.array_equal(one.actions, other.actions))


def resolve_segments(
    path: Path, columns: dict[str, list[Any]], trajectories: Iterable[Trajectory]
) -> SegmentPairList:
    """Find the segments that the columns name.

    Raises:
        FileFormatError: one of them is missing, is there twice, or ends before its segment.
    """
    wanted = {*columns["first_id"], *columns["second_id"]}
    named: dict[str, Trajectory] = {}
    for trajectory in trajectories:
        if trajectory.id in named:
            raise FileFormatError(
                f"{path} refers to trajectory {trajectory.id!r}, and two of those given have that "
                "id. Give those that were labelled, each once."
            )
        if trajectory.id in wanted:
            named[trajectory.id] = trajectory
    missing = sorted(wanted - set(named))
    if missing:
        raise FileFormatError(
            f"{path} refers to {len(wanted)} trajectories and {len(missing)} of them are not among "
            f"those given, such as {missing[0]!r}. Give all trajectories that were labelled."
        )
    for side in ("first", "second"):
        rows = zip(columns[f"{side}_id"], columns[f"{side}_start"], columns["length"], strict=True)
        for name, start, length in rows:
            if start < 0 or start + length > len(named[name]):
                raise FileFormatError(
                    f"{path} labels the steps {start} to {start + length} of trajectory {name!r}, "
                    f"and the one given has {len(named[name])}. It is not the one that was "
                    "labelled: give that one."
                )
    return [
        (named[a].segment(i, length), named[b].segment(j, length))
        for a, i, b, j, length in zip(*(columns[name] for name in list(_COLUMNS)[:5]), strict=True)
    ]


def write_rows(path: Path, columns: dict[str, Any], header: dict[str, Any]) -> None:
    """Write columns and a header of JSON values, whole or not at all.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    pa = require("pyarrow", extra="offline", needed_by=_NEEDED_BY)
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    header = {"format": _FORMAT, "version": _VERSION, **header}
    table = pa.table(
        {name: pa.array(columns[name], type=getattr(pa, kind)()) for name, kind in _COLUMNS.items()}
    ).replace_schema_metadata({_KEY: json.dumps(header)})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        parquet.write_table(table, partial, compression="zstd")
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def read_rows(path: Path) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Columns and header of a file.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is truncated, foreign, or of a newer version.
        MissingExtraError: pyarrow is not installed.
    """
    pa = require("pyarrow", extra="offline", needed_by=_NEEDED_BY)
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    if not path.is_file():
        raise FileNotFoundError(f"No file of preferences {path}.")
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
        header = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise FileFormatError(
            f"{path} cannot be read ({error}): truncated, damaged, or no Parquet file."
        ) from error
    if header.get("format") != _FORMAT or not set(_COLUMNS) <= set(table.column_names):
        raise FileFormatError(
            f"{path} is Parquet but no file of preferences (format={header.get('format')!r}, "
            f"columns {table.column_names}); expected what PreferenceDataset.save writes."
        )
    if header["version"] > _VERSION:
        raise FileFormatError(
            f"{path} has version {header['version']}; this release reads up to {_VERSION}. "
            "Upgrade vlfeedback."
        )
    return {name: table[name].to_pylist() for name in _COLUMNS}, header
