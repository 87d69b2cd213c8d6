"""Files of preferences that a disk or a stranger has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.preference_files import COLUMNS, read_rows, write_rows
from vlfeedback.errors import FileFormatError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

HEADER = {"labelled_by": [{"source": "a:A", "config": {"margin": 0.5}}]}
ROWS: dict[str, list[Any]] = {
    "first_id": ["a", "b"],
    "first_start": [0, 3],
    "second_id": ["b", "c"],
    "second_start": [2, 1],
    "length": [5, 5],
    "prefer_second": [0.25, float("nan")],
    "outcome": ["answered", "skipped"],
    "instruction": ["go", "halt"],
    "record": [0, 0],
    "cost_usd": [0.1, 0.0],
    "tokens": [7, 0],
    "seconds": [1.5, 0.0],
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_rows(tmp_path / "labels.parquet", ROWS, HEADER)
    return tmp_path / "labels.parquet"


def rewrite(path: Path, *, header: Any = None, **columns: Any) -> None:
    """The same file with another header, or other columns, as a stranger writes it."""
    table = pq.read_table(path)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = (
            table.remove_column(place) if values is None else table.set_column(place, name, values)
        )
    if header is not None:
        table = table.replace_schema_metadata({b"vlfeedback": header})
    pq.write_table(table, path)


def header_of(path: Path, **changes: Any) -> bytes:
    header = json.loads(pq.read_schema(path).metadata[b"vlfeedback"])
    del header["sha256"]
    return json.dumps(header | changes).encode()


def test_a_file_is_read_as_it_was_written(written: Path) -> None:
    columns, header = read_rows(str(written))
    assert list(columns) == list(COLUMNS)
    for name, values in ROWS.items():
        np.testing.assert_array_equal(columns[name], values)
    assert header == HEADER | {"format": "vlfeedback-preferences", "version": 2}
    write_rows(written, columns, header)  # as folding in does
    assert read_rows(written)[1] == header


def test_no_flipped_bit_is_read_as_another_label(written: Path) -> None:
    whole, rng = written.read_bytes(), np.random.default_rng(0)
    expected = read_rows(written)
    n_refused = 0
    for _ in range(300):
        contents = bytearray(whole)
        contents[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        written.write_bytes(contents)
        try:
            assert repr(read_rows(written)) == repr(expected)
        except FileFormatError as error:
            assert "labels.parquet" in str(error)
            n_refused += 1
    assert 100 < n_refused < 300  # bits of lengths and names are many, and of padding some


@pytest.mark.parametrize("column", ["prefer_second", "outcome", "first_start", "instruction"])
def test_another_value_under_the_same_digest_is_noticed(written: Path, column: str) -> None:
    values = [*ROWS[column][::-1]]
    rewrite(written, **{column: pa.array(values, type=getattr(pa, COLUMNS[column])())})
    with pytest.raises(FileFormatError, match="does not hold what was written: its digest"):
        read_rows(written)


def test_another_header_under_the_same_digest_is_noticed(written: Path) -> None:
    header = json.loads(pq.read_schema(written).metadata[b"vlfeedback"])
    header["labelled_by"][0]["source"] = "a:B"
    rewrite(written, header=json.dumps(header).encode())
    with pytest.raises(FileFormatError, match="its digest is another one"):
        read_rows(written)


def test_a_file_without_a_digest_is_of_an_earlier_release_and_is_read(written: Path) -> None:
    rewrite(written, header=header_of(written), record=pa.array([0, 0], type=pa.int32()))
    columns, header = read_rows(written)
    assert columns["first_id"] == ["a", "b"] and columns["record"] == [0, 0]
    assert header["labelled_by"] == HEADER["labelled_by"]


@pytest.mark.parametrize(
    "header", [b"null", b"[]", b"3", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": 3}']
)
def test_a_header_that_is_none_is_refused(written: Path, header: bytes) -> None:
    rewrite(written, header=header)
    with pytest.raises(FileFormatError, match=r"labels\.parquet"):
        read_rows(written)


@pytest.mark.parametrize("version", [None, "two", [2], {}])
def test_a_version_that_is_none_is_refused(written: Path, version: Any) -> None:
    rewrite(written, header=header_of(written, version=version))
    with pytest.raises(FileFormatError, match="is no readable file of preferences"):
        read_rows(written)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("first_start", pa.array(["x", "y"])),
        ("first_start", pa.nulls(2, pa.int64())),
        ("first_id", pa.array([None, "a"])),
        ("length", pa.array([[1], [2]])),
        ("prefer_second", pa.array([{"a": 1}, {"a": 2}])),
        ("outcome", None),
    ],
)
def test_columns_of_other_types_are_refused(written: Path, column: str, values: Any) -> None:
    rewrite(written, header=header_of(written), **{column: values})
    with pytest.raises(FileFormatError, match=r"labels\.parquet is"):
        read_rows(written)


def test_more_rows_than_a_file_can_hold_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    path_of_zeros = pa.table({"x": pa.nulls(30_000_000)})
    pq.write_table(path_of_zeros, path)
    with pytest.raises(FileFormatError, match="which no compression can have made"):
        read_rows(path)
