"""Rows of preferences to and from Parquet, which name trajectories by their id.

Version 2, one row a pair: `first_id`, `first_start`, `second_id`, `second_start`, `length` (steps),
`prefer_second`, `outcome` (text, such as "answered"), `instruction`, `record` (position in the
file's list of labellers, which is in its metadata), `cost_usd`, `tokens` and `seconds`. Version 1
had `answered` (bool) for `outcome`, `cost` for `cost_usd`, and neither tokens nor seconds; what was
not answered reads as skipped. The header in the file's metadata has a digest of all values.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.foreign_files import check_size, reading
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.optional import require
from vlfeedback.types import Outcome, Trajectory

__all__ = [
    "COLUMNS",
    "FORMAT",
    "VERSION",
    "Rows",
    "parquet_bytes",
    "read_rows",
    "resolve_segments",
    "segment_columns",
    "write_rows",
]

Rows = dict[str, list[Any]]
"""Columns of equal length, by name."""

FORMAT = "vlfeedback-preferences"
VERSION = 2
COLUMNS = {
    "first_id": "string",
    "first_start": "int64",
    "second_id": "string",
    "second_start": "int64",
    "length": "int64",
    "prefer_second": "float32",
    "outcome": "string",
    "instruction": "string",
    "record": "int64",
    "cost_usd": "float64",
    "tokens": "int64",
    "seconds": "float64",
}
_KEY = b"vlfeedback"  # of the file's metadata
_NEW_IN_2 = {"outcome", "cost_usd", "tokens", "seconds"}
_KINDS_IN_1 = {name: kind for name, kind in COLUMNS.items() if name not in _NEW_IN_2}
_KINDS_IN_1 |= {"answered": "bool_", "cost": "float64"}
_DIGEST = "sha256"  # key of the header: over all else that a file holds; files of before have none
_ADVICE = "Take a copy that is whole, or label its pairs again."
_NEEDED_BY = "A file of preferences"


def segment_columns(pairs: SegmentPairList) -> Rows:
    """Where each segment lies, as columns.

    Raises:
        NeedsError: a trajectory has no id, or two different ones have the same.
    """
    by_id: dict[str, Trajectory] = {}
    for segment in (segment for pair in pairs for segment in pair):
        trajectory = segment.trajectory
        earlier = by_id.setdefault(trajectory.id, trajectory)
        if not trajectory.id or not _is_same(earlier, trajectory):
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
    path: Path, columns: Rows, trajectories: Iterable[Trajectory]
) -> SegmentPairList:
    """Find the segments that the columns name.

    Raises:
        FileFormatError: one of them is missing, is there twice, or ends before its segment.
    """
    ids = {*columns["first_id"], *columns["second_id"]}
    by_id: dict[str, Trajectory] = {}
    for trajectory in trajectories:
        if trajectory.id in by_id:
            raise FileFormatError(
                f"{path} refers to trajectory {trajectory.id!r}, and two of those given have that "
                "id. Give those that were labelled, each once."
            )
        if trajectory.id in ids:
            by_id[trajectory.id] = trajectory
    missing = sorted(ids - set(by_id))
    if missing:
        raise FileFormatError(
            f"{path} refers to {len(ids)} trajectories and {len(missing)} of them are not among "
            f"those given, such as {missing[0]!r}. Give all trajectories that were labelled."
        )
    for side in ("first", "second"):
        rows = zip(columns[f"{side}_id"], columns[f"{side}_start"], columns["length"], strict=True)
        for name, start, length in rows:
            if start < 0 or start + length > len(by_id[name]):
                raise FileFormatError(
                    f"{path} labels the steps {start} to {start + length} of trajectory {name!r}, "
                    f"and the one given has {len(by_id[name])}. It is not the one that was "
                    "labelled: give that one."
                )
    return [
        (by_id[a].segment(i, length), by_id[b].segment(j, length))
        for a, i, b, j, length in zip(*(columns[name] for name in list(COLUMNS)[:5]), strict=True)
    ]


def parquet_bytes(columns: dict[str, Any], header: dict[str, Any]) -> bytes:
    """A file of these columns and of a header of JSON values, as it is to be written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    pa = require("pyarrow", extra="offline", needed_by=_NEEDED_BY)
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    header = {**header, "format": FORMAT, "version": VERSION}
    table = pa.table(
        {name: pa.array(columns[name], type=getattr(pa, kind)()) for name, kind in COLUMNS.items()}
    )
    values = {name: table[name].to_pylist() for name in COLUMNS}
    header = json.loads(json.dumps(header))
    sealed = json.dumps({**header, _DIGEST: _digest(values, header)})
    contents = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata({_KEY: sealed}), contents, compression="zstd")
    return contents.getvalue()


def _digest(columns: Rows, header: dict[str, Any]) -> str:
    """SHA-256 over all values and the header, hexadecimal."""
    ordered = [columns[name] for name in COLUMNS]
    return sha256(json.dumps([header, ordered], sort_keys=True).encode()).hexdigest()


def write_rows(path: str | Path, columns: dict[str, Any], header: dict[str, Any]) -> None:
    """Write columns and a header of JSON values, whole or not at all.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    contents = parquet_bytes(columns, header)
    with new_file(Path(path)) as partial:
        partial.write_bytes(contents)


def read_rows(path: str | Path) -> tuple[Rows, dict[str, Any]]:
    """Columns of version 2 and header of a file of either version.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is truncated, damaged, foreign, or of a newer version.
        MissingExtraError: pyarrow is not installed.
    """
    path = Path(path)
    pa = require("pyarrow", extra="offline", needed_by=_NEEDED_BY)
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    if not path.is_file():
        raise FileNotFoundError(f"No file of preferences {path}.")
    with reading(path, "file of preferences", advice=_ADVICE):
        with parquet.ParquetFile(path) as file:
            check_size(path, 8 * file.metadata.num_rows, "a column")
            table = file.read()
        header = dict(json.loads((table.schema.metadata or {}).get(_KEY, b"{}")))
        digest, version = header.pop(_DIGEST, None), header.get("version")
        if header.get("format") == FORMAT and int(header["version"]) > VERSION:
            raise FileFormatError(
                f"{path} has version {version}; this release reads up to {VERSION}. "
                "Upgrade vlfeedback."
            )
        kinds = _KINDS_IN_1 if version == 1 else COLUMNS
        if header.get("format") != FORMAT or not set(kinds) <= set(table.column_names):
            raise FileFormatError(
                f"{path} is Parquet but no file of preferences (format={header.get('format')!r}, "
                f"columns {table.column_names}); expected what PreferenceDataset.save writes."
            )
        columns = {name: _values(table[name], getattr(pa, kind)()) for name, kind in kinds.items()}
        if version == 1:
            columns |= _of_version_2(columns.pop("answered"), columns.pop("cost"))
        if digest is not None and digest != _digest(columns, header):
            raise FileFormatError(
                f"{path} does not hold what was written: its digest is another one. {_ADVICE}"
            )
    return {name: columns[name] for name in COLUMNS}, header


def _values(column: Any, kind: Any) -> list[Any]:
    """The values of a column, of the kind that they are to be; only numbers may be missing."""
    values = column.cast(kind)
    if values.null_count and not str(kind).startswith(("float", "double")):
        raise ValueError(f"a column of {kind} has {values.null_count} rows without a value")
    return list(values.to_pylist())


def _of_version_2(answered: list[bool], cost: list[float]) -> Rows:
    words = {True: Outcome.ANSWERED.word, False: Outcome.SKIPPED.word}
    return {
        "outcome": [words[is_answered] for is_answered in answered],
        "cost_usd": cost,
        "tokens": [0] * len(answered),
        "seconds": [0.0] * len(answered),
    }
