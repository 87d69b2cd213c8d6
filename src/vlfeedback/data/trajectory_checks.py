"""What the arrays, pictures and headers of trajectory files have to be, written or read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vlfeedback.data.learning_checks import check_finite
from vlfeedback.errors import DtypeError, ShapeError

__all__ = ["check_arrays", "check_header", "check_numbers", "check_stored_pictures", "check_times"]

_ROWS = ("env_rewards", "rewards", "successes")  # a number a step
_HEADER: Mapping[str, type] = {
    "id": str,
    "task": str,
    "terminated": bool,
    "truncated": bool,
    "info": dict,
}
_FACTS: Mapping[str, type] = {"level": str, "instruction": str, "seed": int, "stop": int}


def check_numbers(dtype: np.dtype[Any], *, name: str, where: str) -> None:
    """Refuse what is no array of real numbers or truth values.

    Raises:
        DtypeError: it holds texts, Python objects, records or complex numbers.
    """
    if dtype.kind not in "fiub":
        raise DtypeError(f"{where}: {name} is {dtype}; expected numbers or truth values.")


def check_arrays(arrays: Mapping[str, np.ndarray], *, where: str) -> None:
    """Refuse what no learner can use; ``env_rewards`` that are all NaN are not known.

    Args:
        arrays: by their names in `vlfeedback.types.Trajectory`.
        where: whose, for the message.

    Raises:
        DtypeError: an array holds no numbers.
        ShapeError: rewards or successes are not (L,).
        InvalidValueError: a number is NaN or infinite.
    """
    for name, array in arrays.items():
        check_numbers(array.dtype, name=name, where=where)
        if name in _ROWS and array.ndim != 1:
            raise ShapeError(f"{where}: {name} has shape {array.shape}; expected one for a step.")
        if name != "env_rewards" or not np.isnan(array).all():
            check_finite(array, name=name, where=where, first=0)


def check_stored_pictures(pictures: Any, n_times: int) -> None:
    """Refuse what is no uint8 RGB picture for each of some states.

    Args:
        pictures: an array, in memory or on disk.
        n_times: the states.

    Raises:
        ShapeError: they are not (F, H, W, 3) with as many pictures as states.
        DtypeError: they are not uint8.
    """
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or len(pictures) != n_times:
        raise ShapeError(
            f"pictures has shape {pictures.shape}; expected ({n_times}, H, W, 3), RGB last, one "
            "for each state that was rendered."
        )
    if pictures.dtype != np.uint8:
        raise DtypeError(f"pictures is {pictures.dtype}; expected uint8 0-255.")


def check_times(times: np.ndarray, *, where: str) -> None:
    """Refuse what is no list of states, each once and ascending.

    Raises:
        ShapeError: it is not.
    """
    is_list = times.ndim == 1 and times.dtype.kind in "iu"
    if not is_list or (len(times) and times[0] < 0) or np.any(times[1:] <= times[:-1]):
        raise ShapeError(
            f"{where}: times are {times.ravel()[:8].tolist()} of shape {times.shape}; expected "
            "each state once, ascending."
        )


def check_header(header: Any) -> None:
    """Refuse a header of other values than `Trajectory` has.

    Raises:
        ValueError: it is no object, or a value is of another type.
    """
    if not isinstance(header, dict):
        raise ValueError(f"its header is a {type(header).__name__}")
    info = header.get("info", {})
    for values, types in ((header, _HEADER), (info, _FACTS)):
        for name, expected in types.items():
            value = values.get(name)
            if name in values and type(value) is not expected and not _is_no_fact(name, value):
                raise ValueError(f"{name} in its header is {value!r}")


def _is_no_fact(name: str, value: Any) -> bool:
    return name in ("seed", "stop") and value is None
