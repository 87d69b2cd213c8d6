"""Where pictures have their channels: told, or unmistakable by their shape, and never guessed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Shaped

from vlfeedback.errors import InvalidValueError

__all__ = ["Channels", "channels_of", "move_channels"]

Channels = Literal["first", "last"]

_COUNTS = (1, 3, 4)  # channels that one picture may have: grey, RGB, with alpha (or four greys)


def channels_of(shape: tuple[int, ...]) -> Channels | None:
    """Where pictures of this shape have their channels; None for what is no picture for sure.

    An axis of 1, 3 or 4 is that of the channels where it is the first or the last one, and the
    other one is longer.

    Args:
        shape: of three numbers, without the axis of time.

    Raises:
        InvalidValueError: both may be.

    >>> channels_of((84, 84, 3)), channels_of((4, 84, 84)), channels_of((84, 84, 12))
    ('last', 'first', None)
    """
    first, last = shape[0] in _COUNTS, shape[-1] in _COUNTS
    if first and last:
        raise InvalidValueError(
            f"Observations of shape {shape} may have their channels first or last; say which "
            "with channels='first' or channels='last'."
        )
    return "last" if last else "first" if first else None


def move_channels(
    observations: Shaped[np.ndarray, "L1 ..."], channels: str | None, *, to: Channels
) -> Shaped[np.ndarray, "L1 ..."]:
    """Pictures of a trajectory as d3rlpy has them, channels first, or back.

    Args:
        observations: uint8 with four axes; others are given back as they are.
        channels: where those of trajectories are: "last", which are moved, or "first", which are
            not; None for what the shape says, see `channels_of`.
        to: "first" from a trajectory to d3rlpy, "last" from there.

    Raises:
        InvalidValueError: nothing was told and both may be; or `channels` is another word.
    """
    if channels not in (None, "first", "last"):
        raise InvalidValueError(f"channels={channels!r}; expected 'first', 'last' or None.")
    if observations.dtype != np.uint8 or observations.ndim != 4:
        return observations
    if channels is not None:
        moves = channels == "last"
    else:
        moves = channels_of(observations.shape[1:]) == ("last" if to == "first" else "first")
    order = (0, 3, 1, 2) if to == "first" else (0, 2, 3, 1)
    return np.ascontiguousarray(observations.transpose(order)) if moves else observations
