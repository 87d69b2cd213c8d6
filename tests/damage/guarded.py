"""Reads damaged files of one kind, in a process of its own that notices what it should not do.

``python -m tests.damage.guarded FORMAT SEED N FOLDER`` prints one JSON object a case: the way of
damage, and the outcome, which is "refused", "same", "changed" or what went wrong.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.errors import VLFeedbackError

__all__ = ["run"]

_LIMIT_S = 20
_MEMORY_BYTES = 12 * 2**30
_FORBIDDEN = {
    "os.system",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
}


class _TakesTooLong(BaseException):
    """Raised in the middle of a reader that does not end."""


def run(name: str, seed: int, n: int, root: Path) -> Iterable[dict[str, Any]]:
    """Damage a file and read it, `n` times.

    Args:
        name: in `FORMATS`.
        seed: of all that is drawn.
        n: cases.
        root: an empty folder.
    """
    from tests.damage import weights_formats  # noqa: F401  (registers its formats)
    from tests.damage.formats import FORMATS
    from tests.damage.ways import WAYS, Canary

    kind = FORMATS[name]
    whole, folder = root / "whole", root / "case"
    whole.mkdir()
    kind.write(whole)
    expected = _digest(kind.read(_copied(whole, folder)))
    files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    files = [p for p in files if (whole / p).stat().st_size]
    canary = Canary(root / "elsewhere")
    guard = _Guard(folder, canary.folder)
    sys.addaudithook(guard)
    for case in range(n):
        rng = np.random.default_rng([seed, case])
        _copied(whole, folder)
        file = files[int(rng.integers(len(files)))]
        # The ways go round, so that each format meets each of its own several times.
        ways = list(WAYS)
        for turn in range(len(ways)):
            way = ways[(case + turn) % len(ways)]
            if WAYS[way](folder / file, rng, canary):
                break
        outcome = _outcome(kind.read, folder, guard, expected)
        if canary.touched.exists():
            outcome = "EXECUTED: what the file holds ran"
            shutil.rmtree(canary.touched, ignore_errors=True)
            canary.touched.unlink(missing_ok=True)
        if outcome == "changed" and kind.knows and not _is_hostile(way):
            outcome = "CHANGED: other data were read, and the format can know"
        yield {"case": case, "way": way, "file": str(file), "outcome": outcome}


def _is_hostile(way: str) -> bool:
    """Whether somebody wrote the file so, and its digest as well or none."""
    return way in ("json", "safetensors header", "hdf5", "npz", "parquet", "pickle", "torchscript")


def _copied(whole: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    return folder


def _outcome(read: Any, folder: Path, guard: _Guard, expected: str) -> str:
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(_LIMIT_S)
    guard.begin()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = read(folder)
            found = _digest(value)
    except _TakesTooLong:
        return f"HANGS: longer than {_LIMIT_S} s"
    except VLFeedbackError as error:
        return "refused" if str(error).strip() else f"SILENT: {error!r}"
    except OSError as error:
        sentence = isinstance(error, FileNotFoundError) or error.errno is None
        return "refused" if sentence else _foreign(error)
    except Exception as error:
        return _foreign(error)
    finally:
        signal.alarm(0)
        broken = guard.end()
        if broken:
            return f"OUTSIDE: {broken[0]}"  # noqa: B012  (worse than whatever else was found)
    if str(_mark()) in _texts(value):
        return "OUTSIDE: what lies elsewhere was read"
    return "same" if found == expected else "changed"


def _foreign(error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)
    ours = [f for f in where if "/vlfeedback/" in f.filename]
    last = ours[-1] if ours else where[-1]
    return f"FOREIGN: {type(error).__name__}: {error} in {Path(last.filename).name}:{last.lineno}"


class _Guard:
    """An audit hook: what is opened outside of a folder, and what is started."""

    def __init__(self, folder: Path, elsewhere: Path) -> None:
        self._folder, self._elsewhere = str(folder), str(elsewhere)
        self._on = False
        self._broken: list[str] = []

    def begin(self) -> None:
        self._broken = []
        self._on = True

    def end(self) -> list[str]:
        self._on = False
        return self._broken

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event in _FORBIDDEN:
            self._broken.append(f"{event} {arguments[:1]}")
        elif event == "open":
            path, _, flags = arguments
            if not isinstance(path, str | bytes):
                return
            absolute = os.path.realpath(os.fsdecode(path))
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            inside = (
                absolute.startswith((self._folder, "/dev/", "/proc/")) or "__pycache__" in absolute
            )
            if absolute.startswith(self._elsewhere) or (writes and not inside):
                self._broken.append(f"open {absolute}")
        elif event in ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree"):
            for path in arguments[:2]:
                if isinstance(path, str | bytes | os.PathLike) and os.path.isabs(path):
                    absolute = os.path.realpath(os.fsdecode(path))
                    if not absolute.startswith(self._folder):
                        self._broken.append(f"{event} {absolute}")


def _stop(*_: object) -> None:
    raise _TakesTooLong


def _mark() -> float:
    from tests.damage.ways import Canary

    return Canary.MARK


def _digest(value: Any) -> str:
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(part)
    return digest.hexdigest()


def _texts(value: Any) -> str:
    """Numbers and texts of a small value, to look for the mark in."""
    return " ".join(
        str(part.tolist()) if isinstance(part, np.ndarray) else str(part)
        for part in _leaves(value)
        if not isinstance(part, np.ndarray) or part.size < 100_000
    )


def _parts(value: Any) -> Iterable[bytes]:
    for leaf in _leaves(value):
        if isinstance(leaf, np.ndarray):
            yield f"{leaf.dtype}{leaf.shape}".encode()
            yield repr(leaf.tolist()).encode() if leaf.dtype.kind == "O" else leaf.tobytes()
        else:
            yield repr(leaf).encode()


def _leaves(value: Any) -> Iterable[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        yield value.detach().float().numpy()
    elif isinstance(value, np.ndarray | str | bytes | int | float | bool | Path) or value is None:
        yield value
    elif hasattr(value, "read") and hasattr(value, "times"):
        yield np.asarray(value.times)
        yield value.read(value.times)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, Iterable):
        for item in value:
            yield from _leaves(item)
    else:
        yield str(value)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    for line in run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]).resolve()):
        print(json.dumps(line), flush=True)
