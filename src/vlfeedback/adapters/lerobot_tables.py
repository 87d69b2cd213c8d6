"""Parquet files of a LeRobotDataset: their columns as arrays, and written again with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vlfeedback.data.foreign_files import check_size, reading
from vlfeedback.errors import FileFormatError, ShapeError
from vlfeedback.optional import require

__all__ = [
    "ADVICE",
    "ENV_REWARD",
    "REWARD",
    "array_of",
    "open_table",
    "read_columns",
    "rows_at_once",
    "write_table",
]

REWARD, ENV_REWARD = "next.reward", "next.env_reward"
ADVICE = "Take a whole copy."
_HUGGING_FACE = b"huggingface"  # key of a file's metadata
_NEEDED_BY = "A LeRobot dataset"


def open_table(path: Path) -> Any:
    """A Parquet file, opened; checksums that it has are verified when it is read.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or says that it has more rows than it can.
        MissingExtraError: pyarrow is not installed.
    """
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; the dataset is not whole. {ADVICE}")
    with reading(path, "Parquet file", advice=ADVICE):
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        check_size(path, 8 * file.metadata.num_rows, "a column")
        return file


def read_columns(path: Path, columns: list[str] | None = None) -> Any:
    """A Parquet file as a pyarrow table.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or lacks a column.
        MissingExtraError: pyarrow is not installed.
    """
    with open_table(path) as file, reading(path, "Parquet file", advice=ADVICE):
        missing = set(columns or ()) - set(file.schema_arrow.names)
        if missing:
            raise FileFormatError(f"{path} has no column {sorted(missing)[0]!r}. {ADVICE}")
        return file.read(columns=columns)


def array_of(column: Any, name: str) -> Shaped[np.ndarray, "N ..."]:
    """A pyarrow column of numbers, or of lists of equally many.

    Raises:
        ShapeError: it holds something else, lists differ in length, or a value is missing.
    """
    pa = require("pyarrow", extra="offline", needed_by=_NEEDED_BY)
    compute = require("pyarrow.compute", extra="offline", needed_by=_NEEDED_BY)
    flat, shape = column.combine_chunks(), [len(column)]
    while not pa.types.is_primitive(flat.type):
        if isinstance(flat, pa.ExtensionArray):
            flat = flat.storage
            continue
        if not isinstance(flat, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
            raise ShapeError(f"{name} holds {flat.type}; expected numbers, or lists of them.")
        lengths = compute.unique(compute.list_value_length(flat)).to_pylist()
        if len(lengths) > 1 or None in lengths:
            raise ShapeError(
                f"{name} holds lists of {lengths} numbers; expected equally many in each row."
            )
        flat = flat.flatten()
        shape.append(lengths[0] if lengths else 0)
    if flat.null_count and not pa.types.is_floating(flat.type):
        raise ShapeError(f"{name} has no value in {flat.null_count} rows; expected one in each.")
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(shape)


def rows_at_once(path: Path) -> int:
    """Rows of the largest group of a Parquet file; a group is the least that is read of pictures.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    with open_table(path) as file, reading(path, "Parquet file", advice=ADVICE):
        about = file.metadata
        return max((about.row_group(i).num_rows for i in range(about.num_row_groups)), default=1)


def write_table(path: Path, table: Any, *, group_size: int | None = None) -> None:
    """A pyarrow table as a Parquet file, described to the `datasets` library as it is.

    That library refuses a file whose own description lacks one of its columns. What was at
    `path` is replaced and not written into: it may be a link.

    Args:
        path: of the file.
        table: what is written.
        group_size: rows of a group; None for pyarrow's own.
    """
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    metadata = dict(table.schema.metadata or {})
    if _HUGGING_FACE in metadata:
        description = json.loads(metadata[_HUGGING_FACE])
        features = description.get("info", {}).get("features", {})
        for name in {REWARD, ENV_REWARD} & set(table.column_names):
            features[name] = {"dtype": "float32", "_type": "Value"}
        metadata[_HUGGING_FACE] = json.dumps(description).encode()
        table = table.replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    parquet.write_table(
        table, path, compression="snappy", row_group_size=group_size, write_page_checksum=True
    )
