"""What every adapter refuses: numbers that are none, and time-outs that pose as terminals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from vlfeedback.errors import FileFormatError

__all__ = ["LAST_OBSERVATION", "check_finite", "check_terminals"]

LAST_OBSERVATION = "last_observation"
"""Key of `Trajectory.info`: "repeated" where a format keeps no observation after the last action.

The last observation then stands there twice. A terminated episode does not mind: nothing is
learnt from what follows its end. Of a truncated one the last transition must not be learnt from.
"""


def check_finite(rows: Shaped[np.ndarray, "L ..."], *, name: str, where: str, first: int) -> None:
    """Refuse rows with a number that is not finite.

    Args:
        rows: of any dtype.
        name: of the array, for the message.
        where: which file or dataset, for the message.
        first: number of the first row there.

    Raises:
        FileFormatError: one is NaN or infinite; the message names the row.
    """
    if rows.dtype.kind not in "fc":
        return
    bad = np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))
    if len(bad):
        raise FileFormatError(
            f"{where}: {name} has a number that is NaN or infinite in row {first + bad[0]}. Mend "
            "or leave out that episode; learners would turn to NaN with it."
        )


def check_terminals(
    lengths: Sequence[int], terminated: Sequence[bool], *, where: str, trusted: bool
) -> None:
    """Refuse episodes that all terminate at the same length: those are time-outs.

    A learner takes the value after a terminal to be zero. Where an episode only ran out of time
    that is wrong, and with positive rewards by a lot.

    Args:
        lengths: steps of each episode.
        terminated: whether it terminated.
        where: which file or dataset, for the message.
        trusted: the user says that they are what they claim.

    Raises:
        FileFormatError: two or more episodes all terminate, after the same number of steps.
    """
    if trusted or len(lengths) < 2 or not all(terminated) or len(set(lengths)) > 1:
        return
    raise FileFormatError(
        f"{where}: all {len(lengths)} episodes terminate after exactly {lengths[0]} steps. That is "
        "a time limit marked as terminal, and a learner would take the value after it to be zero. "
        "Mark them as time-outs (terminated=False, truncated=True); or pass trust_terminals=True "
        "if episodes of this task do end there."
    )
