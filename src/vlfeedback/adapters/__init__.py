"""Other libraries' datasets to trajectories and back, and SB3's policies; conversions only.

What a file or library calls ``rewards`` becomes `Trajectory.env_rewards`, the environment's own.
Where trajectories were relabelled, their `rewards` are what is written, and the environment's
own are kept beside them wherever the format has a place for them.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlfeedback.adapters import (
        crowd_labels,
        d3rlpy,
        formats,
        hdf5,
        lerobot,
        maniskill,
        minari,
        npz,
        robomimic,
        sb3,
    )

__all__ = [
    "crowd_labels",
    "d3rlpy",
    "formats",
    "hdf5",
    "lerobot",
    "maniskill",
    "minari",
    "npz",
    "robomimic",
    "sb3",
]


if not TYPE_CHECKING:  # or a type checker would take any name for one of these

    def __getattr__(name: str) -> ModuleType:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
