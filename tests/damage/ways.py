"""Ways in which a file is damaged by a disk, or by somebody who means harm.

Each takes a file and a generator and changes the file in place. Those of a format return False
where the file is not of it. A file that is hostile names `canary`, which nobody may read or write.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["WAYS", "Canary"]

Rng = np.random.Generator


class Canary:
    """A folder of files that no reader of another folder may look at.

    Attributes:
        folder: holds an HDF5 file, raw numbers and a text, all of them with `MARK` in them.
        touched: a file that a hostile file would make if it ran.
    """

    MARK = 8123456.0

    def __init__(self, folder: Path) -> None:
        import h5py

        self.folder = folder
        self.touched = folder / "touched"
        folder.mkdir()
        with h5py.File(folder / "secret.h5", "w") as file:
            file["secret"] = np.full((7, 3), self.MARK, np.float32)
        np.full(4096, self.MARK, np.float32).tofile(folder / "secret.bin")


def _flip(path: Path, rng: Rng, canary: Canary) -> bool:
    contents = bytearray(path.read_bytes())
    for _ in range(int(rng.choice([1, 1, 1, 8, 64]))):
        contents[int(rng.integers(len(contents)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(contents)
    return True


def _flip_near_an_end(path: Path, rng: Rng, canary: Canary) -> bool:
    """Headers stand at the beginning, and those of zip and Parquet at the end."""
    contents = bytearray(path.read_bytes())
    near = int(rng.integers(min(200, len(contents))))
    contents[near if rng.random() < 0.5 else -1 - near] ^= 1 << int(rng.integers(8))
    path.write_bytes(contents)
    return True


def _truncate(path: Path, rng: Rng, canary: Canary) -> bool:
    contents = path.read_bytes()
    path.write_bytes(contents[: int(rng.integers(len(contents)))])
    return True


def _erase(path: Path, rng: Rng, canary: Canary) -> bool:
    contents = bytearray(path.read_bytes())
    start = int(rng.integers(len(contents)))
    stop = min(len(contents), start + int(rng.integers(1, 4096)))
    contents[start:stop] = bytes(stop - start)
    path.write_bytes(contents)
    return True


def _replace(path: Path, rng: Rng, canary: Canary) -> bool:
    beginnings = (b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"PAR1", b"\x93NUMPY\x01\x00", b"{")
    start = beginnings[int(rng.integers(len(beginnings)))]
    path.write_bytes(start + rng.bytes(int(rng.integers(300))))
    return True


def _pickle(path: Path, rng: Rng, canary: Canary) -> bool:
    """A pickle that runs something, bare or in the archives of torch and numpy."""
    hostile = pickle.dumps(_Touches(canary.touched))
    kind = int(rng.integers(3))
    if kind == 0:
        path.write_bytes(hostile)
    elif kind == 1:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", hostile)
            archive.writestr("archive/version", b"3\n")
    else:
        array = np.empty(1, dtype=object)
        array[0] = _Touches(canary.touched)
        buffer = io.BytesIO()
        np.savez(buffer, observations=array, actions=array, rewards=array)
        path.write_bytes(buffer.getvalue())
    return True


def _torchscript(path: Path, rng: Rng, canary: Canary) -> bool:
    """An archive whose code writes a file, or never ends, when torch's own loader reads it."""
    from tests.damage.hostile_torchscript import save_hanging, save_writing

    if rng.random() < 0.5:
        save_writing(path, canary.touched)
    else:
        save_hanging(path)
    return True


def _json(path: Path, rng: Rng, canary: Canary) -> bool:
    """One value of a JSON file is another, of another type perhaps, or a path that leads out."""
    if path.suffix != ".json":
        return False
    value = _mutated(json.loads(path.read_text(encoding="utf-8")), rng, canary)
    path.write_text(_dumps(value), encoding="utf-8")
    return True


def _safetensors_header(path: Path, rng: Rng, canary: Canary) -> bool:
    """The same in the header of safetensors, or in the JSON within its metadata."""
    if path.suffix != ".safetensors":
        return False
    contents = path.read_bytes()
    stop = 8 + int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8:stop])
    metadata = header.get("__metadata__", {})
    inner = [key for key in metadata if metadata[key].startswith(("{", "["))]
    if inner and rng.random() < 0.7:
        key = inner[int(rng.integers(len(inner)))]
        metadata[key] = _dumps(_mutated(json.loads(metadata[key]), rng, canary))
        metadata.pop("sha256", None)  # whoever means harm leaves the digest out
    else:
        header = _mutated(header, rng, canary)
    text = _dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + contents[stop:])
    return True


def _hdf5(path: Path, rng: Rng, canary: Canary) -> bool:
    """An object of an HDF5 file is a link out, of an absurd size, or of another type."""
    if path.suffix not in (".h5", ".hdf5"):
        return False
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = names[int(rng.integers(len(names)))]
        place = file[name]
        kind = int(rng.integers(7))
        if kind == 0 and len(place.attrs):
            key = list(place.attrs)[int(rng.integers(len(place.attrs)))]
            text = place.attrs[key]
            if isinstance(text, str) and text.startswith("{"):
                place.attrs[key] = _dumps(_mutated(json.loads(text), rng, canary))
            else:
                place.attrs[key] = [None, "x", -1, 2**62][int(rng.integers(1, 4))]
            return True
        shape = getattr(place, "shape", (7, 3))
        del file[name]
        if kind <= 1:
            file[name] = h5py.ExternalLink(str(canary.folder / "secret.h5"), "secret")
        elif kind == 2:
            raw = [(str(canary.folder / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset(name, shape, np.float32, external=raw)
        elif kind == 3:
            layout = h5py.VirtualLayout((7, 3), np.float32)
            layout[:] = h5py.VirtualSource(str(canary.folder / "secret.h5"), "secret", (7, 3))
            file.create_virtual_dataset(name, layout)
        elif kind == 4:
            file.create_dataset(name, (10**11, 3), np.float32, chunks=(1024, 3))
        elif kind == 5:
            file[name] = np.array([b"text", b"other"])
        else:
            file[name] = h5py.SoftLink("/" + names[0])
    return True


def _npz(path: Path, rng: Rng, canary: Canary) -> bool:
    """An array of an archive is of another type, or says that it is huge."""
    if path.suffix != ".npz":
        return False
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = list(arrays)[int(rng.integers(len(arrays)))]
    others = [
        np.array("text"),
        np.zeros(0),
        np.full(arrays[name].shape, np.nan),
        np.ones((2, 2, 2)),
    ]
    kind = int(rng.integers(len(others) + 2))
    if kind < len(others):
        np.savez(path, **{**arrays, name: others[kind]})
        return True
    np.savez(path, **{k: v for k, v in arrays.items() if k != name})
    shape = "(1000000000000,)" if kind == len(others) else "(-1,)"
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    absurd = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{name}.npy", absurd)
    return True


def _parquet(path: Path, rng: Rng, canary: Canary) -> bool:
    """A column of a table is of another type, full of nothing, or away."""
    if path.suffix != ".parquet":
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    place = int(rng.integers(table.num_columns))
    name, n_rows = table.column_names[place], table.num_rows
    kind = int(rng.integers(4))
    if kind == 0:
        table = table.drop_columns([name])
    else:
        columns = [pa.nulls(n_rows), pa.array(["../x"] * n_rows), pa.array([2**62] * n_rows)]
        table = table.set_column(place, name, columns[kind - 1])
    pq.write_table(table, path)
    return True


class _Touches:
    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> Any:
        return os.mkdir, (self._path,)


_HOSTILE: tuple[Any, ...] = (
    None, [], {}, "", "x", -1, 0, 2**62, 10**400, 1e308, float("nan"), True, [[]], [None], 2.5,
)  # fmt: skip


def _mutated(value: Any, rng: Rng, canary: Canary) -> Any:
    """The same JSON value with one leaf, branch or key that is something else."""
    places = list(_places(value))
    if not places or rng.random() < 0.05:
        return _HOSTILE[int(rng.integers(len(_HOSTILE)))]
    holder, key = places[int(rng.integers(len(places)))]
    kind = int(rng.integers(8))
    if kind == 0:
        del holder[key]
    elif kind == 1:
        nested: Any = []
        for _ in range(900):
            nested = [nested]
        holder[key] = nested
    elif kind == 2:
        out = os.path.join("..", canary.folder.name, "secret.bin")
        holder[key] = [str(canary.folder / "secret.bin"), out][int(rng.integers(2))]
    else:
        holder[key] = _HOSTILE[int(rng.integers(len(_HOSTILE)))]
    return value


def _places(value: Any) -> Any:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _dumps(value: Any) -> str:
    return json.dumps(value)


WAYS: dict[str, Callable[[Path, Rng, Canary], bool]] = {
    "flip": _flip,
    "flip near an end": _flip_near_an_end,
    "truncate": _truncate,
    "erase": _erase,
    "replace": _replace,
    "pickle": _pickle,
    "torchscript": _torchscript,
    "json": _json,
    "safetensors header": _safetensors_header,
    "hdf5": _hdf5,
    "npz": _npz,
    "parquet": _parquet,
}
