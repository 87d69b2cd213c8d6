"""Small episodes of noise, and whether one is another."""

from __future__ import annotations

from typing import Any

import numpy as np

from vlfeedback.types import ArrayFrames, Trajectory

__all__ = ["assert_same", "episode"]

ARRAYS = ("observations", "actions", "env_rewards", "rewards", "successes")


def episode(seed: int = 0, length: int = 20, size: int = 8, **changes: Any) -> Trajectory:
    rng = np.random.default_rng(seed)
    times = np.concatenate([[0], np.arange(1, length + 1, 7)])
    fields: dict[str, Any] = {
        "observations": rng.normal(size=(length + 1, 3)).astype(np.float32),
        "actions": rng.normal(size=(length, 2)).astype(np.float32),
        "env_rewards": rng.normal(size=length).astype(np.float32),
        "successes": rng.random(length) < 0.5,
        "frames": ArrayFrames(
            times, rng.integers(0, 256, (len(times), size, size, 3), dtype=np.uint8)
        ),
        "truncated": True,
        "task": "reach",
        "id": f"reach/expert/{seed}",
        "info": {"level": "expert", "seed": seed, "stop": None, "nested": {"a": [1, 2.5, "x"]}},
    }
    return Trajectory(**(fields | changes))


def assert_same(read: Trajectory, written: Trajectory) -> None:
    for name in ARRAYS:
        one, other = getattr(read, name), getattr(written, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other, err_msg=name)
    for name in ("terminated", "truncated", "task", "id", "info"):
        assert getattr(read, name) == getattr(written, name), name
    assert (read.frames is None) == (written.frames is None)
    if read.frames is not None and written.frames is not None:
        times = written.frames.times
        np.testing.assert_array_equal(read.frames.times, times)
        np.testing.assert_array_equal(read.frames.read(times), written.frames.read(times))
