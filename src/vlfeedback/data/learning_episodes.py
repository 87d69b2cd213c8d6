"""What of recorded episodes a policy learns from, and which environment it has to act in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vlfeedback.data.cut_off import without_rest
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.types import Trajectory

__all__ = ["env_options_of", "episodes_to_learn", "forget_stops"]


def episodes_to_learn(
    trajectories: Sequence[Trajectory],
    *,
    rest: bool,
    levels: Sequence[str] | None = None,
    where: str,
) -> list[Trajectory]:
    """The trajectories that a policy learns from.

    Args:
        trajectories: as they were recorded.
        rest: False: without what was recorded after an episode's end, see `without_rest`.
        levels: of optimality that are learnt from; None: all.
        where: the data, for the message.

    Raises:
        NeedsError: there is none of these levels.
    """
    episodes = [
        trajectory if rest else without_rest(trajectory)
        for trajectory in trajectories
        if levels is None or trajectory.level in levels
    ]
    if levels is not None and not episodes:
        raise NeedsError(
            f"No trajectory is of the levels {sorted(levels)}; those of {where} are "
            f"{sorted({t.level for t in trajectories})}."
        )
    return episodes


def forget_stops(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """The same, which do not say where their actors rested: learners from pairs clone that too."""
    return [replace(trajectory, stopped_at=None) for trajectory in trajectories]


def env_options_of(trajectories: Sequence[Trajectory], *, where: str) -> dict[str, Any]:
    """Keyword arguments of the environment that these were recorded in, which judges policies too.

    Args:
        trajectories: of one task; there is at least one.
        where: the data, for the message.

    Raises:
        FileFormatError: they were recorded in different ones.
    """
    options = [trajectory.env_options for trajectory in trajectories]
    other = next((one for one in options if one != options[0]), None)
    if other is not None:
        raise FileFormatError(
            f"{where} has trajectories of environments with {options[0]} and with {other}; "
            "a policy is judged in the one it learnt in. Keep them in files of their own."
        )
    return options[0]
