"""Whether a device computes faster in bfloat16 than in float32: by timing a product.

What a processor says of itself does not decide it. Without instructions for bfloat16 a product
takes many times as long as in float32 (17 times on one without AVX512-BF16 or AMX); and some that
have them are no faster.
"""

from __future__ import annotations

import time
import warnings
from functools import cache

import torch
from torch.nn import functional

from vlfeedback.errors import InvalidValueError

__all__ = ["bfloat16_speedup", "is_bfloat16_faster", "uses_bfloat16"]

_ROWS, _WIDTH = 512, 256  # a hidden layer on a CPU; on other devices 8 times as large each way
_REPEATS = 5  # of which the fastest counts
_WORTH = 1.2  # least gain that makes up for the rounding; our choice


def is_bfloat16_faster(device: str) -> bool:
    """Whether "auto" means bfloat16 on this device, such as ``"cpu"`` or ``"cuda"``."""
    return bfloat16_speedup(device) >= _WORTH


def uses_bfloat16(setting: bool | str, device: str) -> bool:
    """What a setting comes to on this device: True and False as they are, "auto" by timing.

    Warns where True is slower than float32.

    Raises:
        InvalidValueError: it is none of the three.
    """
    if setting not in (True, False, "auto"):
        raise InvalidValueError(
            f"bfloat16 is {setting!r}; expected True, False or 'auto', which is what is faster on "
            "the device."
        )
    if setting == "auto":
        return is_bfloat16_faster(device)
    if setting and bfloat16_speedup(device) < 1:
        warnings.warn(
            f"{device!r} takes {1 / max(bfloat16_speedup(device), 1e-3):.1f} times as long for a "
            "product in bfloat16 as in float32. Say 'auto' in place of True, and the faster one "
            "is taken.",
            UserWarning,
            stacklevel=2,
        )
    return bool(setting)


@cache
def bfloat16_speedup(device: str) -> float:
    """Time of a product in float32 over its time in bfloat16, measured once a process.

    0 where the device cannot multiply in bfloat16.
    """
    if torch.device(device).type == "meta":  # computes nothing
        return 0.0
    fastest: dict[torch.dtype, float] = {}
    try:
        for _ in range(_REPEATS):  # in turns, so that what else runs slows both
            for dtype in (torch.float32, torch.bfloat16):
                seconds = _time_product(dtype, device)
                fastest[dtype] = min(fastest.get(dtype, seconds), seconds)
    except (AssertionError, RuntimeError, TypeError):  # torch's, where it has no such product
        return 0.0
    return fastest[torch.float32] / fastest[torch.bfloat16]


@torch.inference_mode()
def _time_product(dtype: torch.dtype, device: str) -> float:
    """Seconds for one product, after one that is not timed."""
    scale = 1 if torch.device(device).type == "cpu" else 8
    rows = torch.ones(scale * _ROWS, scale * _WIDTH, dtype=dtype, device=device)
    weight = torch.ones(scale * _WIDTH, scale * _WIDTH, dtype=dtype, device=device)
    float(functional.linear(rows, weight)[0, 0])
    begin = time.perf_counter()
    float(functional.linear(rows, weight)[0, 0])  # waits for the device
    return time.perf_counter() - begin
