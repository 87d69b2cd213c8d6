"""How a pinned value is written down, and how two of them are compared."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CASES", "Case", "bit_differences", "case", "differences", "run_case", "tensors"]

_HEAD = 6  # values of an array that are written out
_RELATIVE, _ABSOLUTE = 1e-4, 1e-5  # another processor rounds sums in another order
_DIGEST = re.compile("[0-9a-f]{64}")
_PICTURE_LEVELS = 2.0  # grey levels by which the mean of pictures may differ between renderers


@dataclass(frozen=True, slots=True)
class Case:
    """One small computation whose result is known."""

    name: str
    run: Callable[[Path], Any]
    exact: bool  # NumPy arithmetic only: the same bits on every processor
    slow: bool  # takes more than a few seconds


CASES: dict[str, Case] = {}
"""All cases by name, filled by `case`."""


def case(
    *, exact: bool = False, slow: bool = False
) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    """Register a function as the case ``<subject>.<function>``; it is given an empty folder."""

    def register(run: Callable[[Path], Any]) -> Callable[[Path], Any]:
        subject = run.__module__.rpartition("pinned_")[2]
        name = f"{subject}.{run.__name__}"
        if name in CASES:
            raise ValueError(f"Two cases are called {name!r}.")
        CASES[name] = Case(name, run, exact, slow)
        return run

    return register


def run_case(chosen: Case) -> Any:
    """What a case gives, as JSON values; nothing is printed, and one thread computes."""
    with tempfile.TemporaryDirectory() as folder, _quietly():
        return _encode(chosen.run(Path(folder)))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)
        sys.stdout.flush()


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _encode_array(value)
    if isinstance(value, Mapping):
        return {str(key): _encode(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"A case gave a {type(value).__name__}; expected arrays and JSON values.")


def _encode_array(array: np.ndarray) -> dict[str, Any]:
    data = np.ascontiguousarray(array)
    said: dict[str, Any] = {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sha256": hashlib.sha256(data.tobytes()).hexdigest(),
        "head": [_short(x) for x in data.reshape(-1)[:_HEAD]],
    }
    if array.dtype.kind == "f" or _is_pictures(array.shape, str(array.dtype)):
        # They cover what the head leaves out.
        numbers = data.astype(np.float64)
        said["mean"] = float(numbers.mean()) if array.size else 0.0
        said["std"] = float(numbers.std()) if array.size else 0.0
    return said


def _short(number: Any) -> Any:
    return float(f"{number:.6g}") if isinstance(number, np.floating) else number.item()


def _is_pictures(shape: Any, dtype: str) -> bool:
    return dtype == "uint8" and len(shape) >= 3


def tensors(path: Path) -> dict[str, Any]:
    """Weights of a safetensors file: what they are called, and all their numbers in a row."""
    from safetensors.torch import load_file

    loaded = load_file(path)
    names = sorted(loaded)
    numbers = [loaded[name].double().numpy().reshape(-1) for name in names]
    return {
        "names": hashlib.sha256(" ".join(names).encode()).hexdigest()[:16],
        "shapes": [list(loaded[name].shape) for name in names][:8],
        "dtypes": sorted({str(loaded[name].dtype) for name in names}),
        "numbers": np.concatenate(numbers) if numbers else np.zeros(0),
    }


def bit_differences(recorded: Any, found: Any, where: str = "") -> list[str]:
    """Every place where two encoded values are not the same bits."""
    return _walk(recorded, found, where, lambda a, b: a == b or (_is_nan(a) and _is_nan(b)))


def differences(recorded: Any, found: Any, *, exact: bool) -> list[str]:
    """Every place where two encoded values differ by more than processors do.

    Texts, whole numbers and truth values have to be equal. Digests count where a case is
    `exact`, or where an array holds no floats.
    """
    if exact:
        return bit_differences(recorded, found)
    return _walk(recorded, found, "", _close)


def _walk(recorded: Any, found: Any, where: str, same: Callable[[Any, Any], bool]) -> list[str]:
    if isinstance(recorded, dict) and isinstance(found, dict):
        if same is _close and "sha256" in recorded and "sha256" in found:
            return _array_differences(recorded, found, where)
        said = [f"{where}/{key}: only on one side" for key in sorted({*recorded} ^ {*found})]
        for key in recorded.keys() & found.keys():
            said += _walk(recorded[key], found[key], f"{where}/{key}", same)
        return sorted(said)
    if isinstance(recorded, list) and isinstance(found, list):
        if len(recorded) != len(found):
            return [f"{where}: {len(recorded)} parts were recorded and {len(found)} found"]
        pairs = enumerate(zip(recorded, found, strict=True))
        return [text for i, (a, b) in pairs for text in _walk(a, b, f"{where}/{i}", same)]
    if type(recorded) is type(found) and same(recorded, found):
        return []
    return [f"{where}: {recorded!r} was recorded and {found!r} found"]


def _array_differences(recorded: dict[str, Any], found: dict[str, Any], where: str) -> list[str]:
    if recorded["sha256"] == found["sha256"] and recorded["shape"] == found["shape"]:
        return _walk(recorded["dtype"], found["dtype"], f"{where}/dtype", _close)
    said = []
    for key in ("shape", "dtype"):
        said += _walk(recorded[key], found[key], f"{where}/{key}", _close)
    if _is_pictures(recorded["shape"], recorded["dtype"]):
        if abs(recorded["mean"] - found["mean"]) > _PICTURE_LEVELS:
            said.append(f"{where}/mean: {recorded['mean']} was recorded and {found['mean']} found")
        return said
    if "mean" not in recorded:
        return [*said, f"{where}/sha256: these whole numbers were recorded otherwise"]
    for key in ("head", "mean", "std"):
        said += _walk(recorded[key], found[key], f"{where}/{key}", _close)
    return said


def _close(recorded: Any, found: Any) -> bool:
    if isinstance(recorded, float) and isinstance(found, float):
        if _is_nan(recorded) or _is_nan(found):
            return _is_nan(recorded) and _is_nan(found)
        return math.isclose(recorded, found, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    if isinstance(recorded, str) and isinstance(found, str):
        # What is a digest of floats says nothing on another processor.
        return recorded == found or bool(_DIGEST.fullmatch(recorded) and _DIGEST.fullmatch(found))
    return bool(recorded == found)


def _is_nan(number: Any) -> bool:
    return isinstance(number, float) and math.isnan(number)
