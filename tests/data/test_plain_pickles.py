"""Numbers out of pickles: every way numpy writes them, and nothing else, and nothing is run."""

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.plain_pickles import read_pickled_numbers
from vlfeedback.errors import FileFormatError

NUMBERS: list[Any] = [
    np.arange(3, dtype=np.int32),
    np.arange(3, dtype=">i8"),
    np.array([[1.0, 0.0], [0.5, 0.5]]),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.array([True, False]),
    [0, 1, -1],
    [0.5, 1, True],
    [np.int64(1), np.float32(0.5)],
    (1, 2),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_arrays_and_lists_come_back_as_they_were(tmp_path: Path, value: Any, protocol: int) -> None:
    path = tmp_path / "labels.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    numbers = read_pickled_numbers(path)
    np.testing.assert_array_equal(numbers, np.asarray(value))
    assert numbers.shape == np.shape(value)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_nothing_is_executed(tmp_path: Path) -> None:
    path, made = tmp_path / "labels", tmp_path / "made"
    for value in (Hostile(made), [0, Hostile(made)], np.array([Hostile(made)], object)):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(FileFormatError, match=r"asks for|holds an array of object"):
            read_pickled_numbers(path)
    assert not made.exists()
    path.write_bytes(pickle.dumps(Hostile(made)))
    with pytest.raises(FileFormatError, match=r"asks for posix\.mkdir; .* nothing .* was run"):
        read_pickled_numbers(path)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"no pickle",
        pickle.dumps({"labels": [1]}),
        pickle.dumps(["first"]),
        pickle.dumps([[0], [1, 2]]),
        pickle.dumps([2**90]),
        pickle.dumps(None),
        pickle.dumps(np.arange(5))[:-9],
        b"\x80\x04N\x96" + b"\xff" * 7 + b"\x7f.",  # a bytearray of 2 ** 63 bytes
        b"\x80\x04K\x01r\xff\xff\xff\x7f.",  # memo number 2 ** 31
        b"\x80\x04" + b"(" * 10_000 + b".",
    ],
    ids=lambda contents: repr(contents[:12]),
)
def test_what_holds_no_numbers_is_refused_in_a_sentence(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "labels"
    path.write_bytes(contents)
    with pytest.raises(FileFormatError, match=r"labels is .*numpy\.save"):
        read_pickled_numbers(path)


def test_single_flipped_bytes_end_in_numbers_or_in_a_sentence(tmp_path: Path) -> None:
    path, whole = tmp_path / "labels", pickle.dumps(np.arange(4, dtype=np.int32))
    for place in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[place] ^= flip
            path.write_bytes(damaged)
            with contextlib.suppress(FileFormatError):
                assert read_pickled_numbers(path).dtype.kind in "biuf"
