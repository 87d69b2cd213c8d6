"""npz files of others: nothing in them is executed, and nothing is believed that cannot be."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.adapters import npz
from vlfeedback.data.npz_files import NPZArrays, copy_npz
from vlfeedback.data.segment_files import read_segments_npz
from vlfeedback.errors import FileFormatError

READERS: list[Callable[[Path], object]] = [
    lambda path: list(npz.read(path, trust_terminals=True)),
    read_segments_npz,
]
each_reader = pytest.mark.parametrize("read", READERS, ids=["flat", "segments"])


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    out = io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, about)
    return out.getvalue()


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, contents in members.items():
            file.writestr(name, contents)
    return path


class Trap:
    """Creates a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_a_flipped_bit_in_an_array_that_is_not_compressed_is_noticed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", numbers=np.arange(1000, dtype=np.float32))
    contents = bytearray((tmp_path / "a.npz").read_bytes())
    contents[2000] ^= 1
    (tmp_path / "a.npz").write_bytes(contents)
    with pytest.raises(FileFormatError, match=r"a\.npz is no readable npz file: .*CRC"):
        NPZArrays(tmp_path / "a.npz", "dataset")["numbers"]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (header((2**40,)), "4,398,046,511,104, which no compression can have made"),
        (header((2**10,)), "is to have the shape"),
        (header((-1, -8)) + bytes(32), "is to have the shape"),
        (npy(np.zeros(3)) + b"more", "goes on after its last number"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "is no readable npz file"),
        (b"\x93NUMPY\x07\x00", "is no readable npz file"),
        (b"", "is no readable npz file"),
        (header((1,), "|O") + pickle.dumps([1]), "holds Python objects, which are never loaded"),
    ],
)
@each_reader
def test_an_array_that_cannot_be_is_named(
    tmp_path: Path, read: Callable[[Path], object], contents: bytes, message: str
) -> None:
    names = ("observations", "actions", "timeouts", "obs", "action", "rl_sum")
    path = write_zip(tmp_path / "a.npz", {f"{name}.npy": contents for name in names})
    with pytest.raises(FileFormatError, match=message):
        read(path)


@pytest.fixture(scope="module")
def far_too_many_zeros(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("observations", "actions", "timeouts", "obs", "action", "rl_sum")
    zeros = npy(np.zeros((2**19, 2, 20), np.float32))
    path = tmp_path_factory.mktemp("zeros") / "a.npz"
    # 400,000 zeros a byte
    return write_zip(path, {f"{n}.npy": zeros for n in names}, zipfile.ZIP_BZIP2)


@each_reader
def test_a_zip_that_claims_more_than_it_can_hold_is_refused(
    far_too_many_zeros: Path, read: Callable[[Path], object]
) -> None:
    with pytest.raises(FileFormatError, match="which no compression can have made"):
        read(far_too_many_zeros)


@each_reader
def test_nothing_is_unpickled(tmp_path: Path, read: Callable[[Path], object]) -> None:
    trap = Trap(tmp_path / "touched")
    (tmp_path / "a.npz").write_bytes(pickle.dumps(trap))
    with pytest.raises(FileFormatError, match="is no readable npz file"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", observations=np.array([trap]), obs=np.array([trap]))
    with pytest.raises(FileFormatError):
        read(tmp_path / "a.npz")
    assert not (tmp_path / "touched").exists()


def test_a_copy_has_all_else_bit_by_bit_and_loads_none_of_it(tmp_path: Path) -> None:
    trap = Trap(tmp_path / "touched")
    members = {"a.npy": npy(np.arange(3)), "b.npy": npy(np.arange(4)), "notes.txt": b"mine"}
    objects = io.BytesIO()
    np.save(objects, np.array([trap], dtype=object))
    origin = write_zip(tmp_path / "a.npz", {**members, "objects.npy": objects.getvalue()})
    copy_npz(tmp_path / "b.npz", origin, {"a": np.ones(2)}, renamed={"a": "old/a"})
    with zipfile.ZipFile(tmp_path / "b.npz") as file:
        contents = {name: file.read(name) for name in file.namelist()}
    assert contents == {
        "old/a.npy": members["a.npy"],
        "b.npy": members["b.npy"],
        "notes.txt": b"mine",
        "objects.npy": objects.getvalue(),
        "a.npy": npy(np.ones(2)),
    }
    assert not (tmp_path / "touched").exists()
