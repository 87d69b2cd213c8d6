"""Pickles that are read and not run."""

import collections
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from vlfeedback.data.inert_pickles import Inert, read_pickle

PLAIN: dict[Any, Any] = {
    "numbers": [0, -1, 255, 65536, -(2**31), 2**40, -(2**200), 0.5, float("inf")],
    "texts": ["", "é", "x" * 300, b"", b"\xff" * 300],
    "truths": (True, False, None),
    "nested": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], {"a": {}}, {7: {1.5: (None,)}}),
    ("a", 1): {"sets": {1, 2, 3}, "frozen": frozenset({"a"})},
}


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_values_come_back_from_every_protocol(protocol: int) -> None:
    contents = pickle.dumps(PLAIN, protocol=protocol)
    names: dict[str, Any] = {
        "builtins.set": set,
        "__builtin__.set": set,
        "_codecs.encode": str.encode,
    }
    names |= {"builtins.frozenset": frozenset, "__builtin__.frozenset": frozenset}
    names |= {"__builtin__.bytes": bytes, "builtins.bytes": bytes}  # protocol 2 calls for these
    assert read_pickle(contents, calls=names) == PLAIN


def test_a_value_named_twice_is_one_value() -> None:
    shared = [1]
    first, second = read_pickle(pickle.dumps([shared, shared]))
    assert first is second


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


@pytest.mark.parametrize("protocol", range(2, 6))
def test_objects_are_named_with_their_state_and_not_made(protocol: int) -> None:
    value = read_pickle(pickle.dumps(Point(3), protocol=protocol))
    assert isinstance(value, Inert)
    assert (value.name, value.state) == (f"{__name__}.Point", {"x": 3})


def test_a_known_call_is_made_and_any_other_is_not(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    contents = pickle.dumps([Runs(), collections.OrderedDict(a=1)])
    value, ordered = read_pickle(contents, calls={"collections.OrderedDict": dict})
    assert (value.name, value.arguments) == ("posix.mkdir", (str(tmp_path / "made"),))
    assert ordered == {"a": 1}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02N",
        b"\x80\x02h\x07.",  # recalls what it never remembered
        b"\x80\x02K\x01)R.",  # calls a number
        b"\x80\x02ccollections\nOrderedDict\nNR.",  # with what are no arguments
        b"\x80\x02}]Ns.",  # a list as a key
        b"\x80\x02t.",
        b"\x80\x02NQ.",
        b"\x80\x02N2.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fa.",  # bytes that are not there
        b"\x80\x02\x8b\xff\xff\xff\x7f1.",
    ],
)
def test_damaged_pickles_are_refused(contents: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017 - whoever reads turns it into a sentence
        read_pickle(contents)


def test_a_place_far_out_takes_no_memory() -> None:
    begin = time.monotonic()
    assert read_pickle(b"\x80\x02Nr\xff\xff\xff\xff.") is None  # Python's takes 34 GB
    assert time.monotonic() - begin < 1


def test_a_value_of_any_depth_is_read_without_recursion() -> None:
    value = read_pickle(b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".")
    depth = 0
    while value:
        (value,) = value
        depth += 1
    assert depth == 49_999
