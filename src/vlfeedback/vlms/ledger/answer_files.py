"""Files of answers, so that what one has paid for is asked by nobody else: Parquet.

One row an answer, with the columns of `vlfeedback.vlms.ledger.answer_rows.AnswerRow`: `key`,
`model`, `prompt`, `stage`, `outcome` and `value` (text), `tokens_in`, `tokens_out` and `crc`
(int64) and `cost_usd` (float64, null where the price was unknown). Pictures are not in it, only
their digests. The file's metadata has, under ``vlfeedback``, JSON with `format` and `version`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Any

from vlfeedback.data.foreign_files import check_size, reading
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import FileFormatError
from vlfeedback.optional import require
from vlfeedback.vlms.ledger.answer_rows import COLUMNS, AnswerRow

__all__ = ["FORMAT", "VERSION", "read_answer_rows", "write_answer_rows"]

FORMAT = "vlfeedback-answers"
VERSION = 1

_KEY = b"vlfeedback"  # of the file's metadata
_KINDS = dict.fromkeys(COLUMNS, "string") | {
    **dict.fromkeys(("tokens_in", "tokens_out", "crc"), "int64"),
    "cost_usd": "float64",
}
_AT_ONCE = 1000  # rows, of a few kB each
_NEEDED_BY = "A file of answers"
_ADVICE = "Export its answers once more, or take a copy that is whole."


def write_answer_rows(path: Path, rows: Iterable[AnswerRow]) -> int:
    """Write rows, whole or not at all; how many they were.

    Raises:
        MissingExtraError: pyarrow is not installed.
        WriteError: the file cannot be written; what was at `path` before is untouched.
    """
    pa = require("pyarrow", extra="vlm", needed_by=_NEEDED_BY)
    parquet = require("pyarrow.parquet", extra="vlm", needed_by=_NEEDED_BY)
    kinds = [(name, getattr(pa, kind)()) for name, kind in _KINDS.items()]
    header = json.dumps({"format": FORMAT, "version": VERSION})
    schema = pa.schema(kinds, metadata={_KEY: header})
    remaining, n_written = iter(rows), 0
    with (
        new_file(path) as partial,
        parquet.ParquetWriter(partial, schema, compression="zstd") as file,
    ):
        while batch := list(islice(remaining, _AT_ONCE)):
            columns = zip(*map(astuple, batch), strict=True)
            arrays = [pa.array(c, type=t) for c, (_, t) in zip(columns, kinds, strict=True)]
            file.write_table(pa.table(arrays, schema=schema))
            n_written += len(batch)
    return n_written


def read_answer_rows(path: Path) -> Iterator[AnswerRow]:
    """The rows of a file, one after the other, each compared with its checksum and key.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, no file of answers, or of a newer version.
        MissingExtraError: pyarrow is not installed.
    """
    parquet = require("pyarrow.parquet", extra="vlm", needed_by=_NEEDED_BY)
    if not path.is_file():
        raise FileNotFoundError(f"No file of answers {path}.")
    with reading(path, "file of answers", advice=_ADVICE), parquet.ParquetFile(path) as file:
        _check_header(path, file)
        for batch in file.iter_batches(_AT_ONCE, columns=list(COLUMNS)):
            for columns in batch.to_pylist():
                row = AnswerRow(**columns)
                row.check()
                yield row


def _check_header(path: Path, file: Any) -> None:
    check_size(path, 8 * file.metadata.num_rows, "a column")
    schema = file.schema_arrow
    header = dict(json.loads((schema.metadata or {}).get(_KEY, b"{}")))
    if header.get("format") == FORMAT and int(header["version"]) > VERSION:
        raise FileFormatError(
            f"{path} has version {header['version']}; this release reads up to {VERSION}. Upgrade "
            "vlfeedback."
        )
    kinds = {field.name: str(field.type) for field in schema}
    expected = {name: kind.replace("float64", "double") for name, kind in _KINDS.items()}
    if header.get("format") != FORMAT or not expected.items() <= kinds.items():
        raise FileFormatError(
            f"{path} is Parquet but no file of answers (format={header.get('format')!r}, columns "
            f"{schema.names}); expected what AnswerStore.export writes."
        )
