"""Which actions and states are discrete: one rule for buffers, learners and reward models.

Whole numbers of shape (L,) or (L, 1) are discrete values 0, 1, 2 ..., as Gymnasium's ``Discrete``
and d3rlpy hold them. Whatever else there is, vectors of whole numbers among it, is continuous.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import Trajectory

__all__ = ["are_discrete", "check_continuous", "count_values", "discrete_refused"]

_MOST_VALUES = 2**16  # a network has an entry for each


def are_discrete(arrays: Iterable[np.ndarray]) -> bool:
    """Whether all of these are discrete values.

    >>> are_discrete([np.array([0, 2, 1])]), are_discrete([np.array([[0], [2]])])
    (True, True)
    >>> are_discrete([np.array([[0, 1], [2, 0]])]), are_discrete([np.array([0.0, 2.0])])
    (False, False)
    """
    return all(rows.dtype.kind in "iub" and rows.shape[1:] in ((), (1,)) for rows in arrays)


def count_values(arrays: Iterable[np.ndarray], name: str) -> int:
    """How many values there are, the greatest one plus one.

    Args:
        arrays: discrete values, see `are_discrete`.
        name: of what they are, for the message.

    Raises:
        InvalidValueError: one is negative, or 65,536 or more.
    """
    ranges = [(int(rows.min()), int(rows.max())) for rows in arrays]
    least, greatest = min(low for low, _ in ranges), max(high for _, high in ranges)
    if least < 0 or greatest >= _MOST_VALUES:
        raise InvalidValueError(
            f"{name} are discrete, whole numbers in one column, and go from {least} to {greatest};"
            f" expected 0 to at most {_MOST_VALUES - 1}. If they are amounts, make them floats: "
            f"dataclasses.replace(trajectory, {name}=trajectory.{name}.astype('float32'))."
        )
    return greatest + 1


def check_continuous(trajectories: Iterable[Trajectory], *, learner: str) -> None:
    """Refuse trajectories with discrete actions, for who learns to act with vectors of numbers.

    Args:
        trajectories: what is learnt from.
        learner: who learns, for the message.

    Raises:
        InvalidValueError: actions of one are discrete.
    """
    for trajectory in trajectories:
        if are_discrete([trajectory.actions]):
            about = f"{trajectory.actions.dtype} of shape {trajectory.actions.shape}"
            raise discrete_refused(f"Trajectory {trajectory.id!r}", about, learner=learner)


def discrete_refused(data: str, about: str, *, learner: str) -> InvalidValueError:
    """The error that `check_continuous` raises.

    Args:
        data: what has discrete actions.
        about: what they are, such as their dtype.
        learner: who learns.
    """
    return InvalidValueError(
        f"{data} has discrete actions ({about}), and {learner} acts with vectors of numbers "
        "alone. Fit a discrete algorithm of d3rlpy, such as DiscreteCQL, on "
        "vlfeedback.adapters.d3rlpy.to_replay_buffer(trajectories); or, if they are amounts, make "
        "them floats: dataclasses.replace(t, actions=t.actions.astype('float32'))."
    )
