"""Checks of trajectories before a learner is trained on them: rewards, actions and terminals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Shaped

from vlfeedback.data.discrete import are_discrete
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import Trajectory

__all__ = [
    "check_action_range",
    "check_finite",
    "check_terminals",
    "reward_field",
    "rewards_of",
]

_ROUNDING = 1e-6  # by which an action of 1 may have grown in another's arithmetic; our choice

_FIELDS: Mapping[str, str | None] = {"source": "rewards", "env": "env_rewards", "none": None}


def reward_field(rewards: str) -> str | None:
    """The field of a `Trajectory` that holds the rewards "source", "env" or "none" names.

    Args:
        rewards: ``"source"``, those of relabelling; ``"env"``, the environment's own; ``"none"``.

    Returns:
        The field of `Trajectory`; None for ``"none"``.

    Raises:
        ValueError: another word.
    """
    if rewards not in _FIELDS:
        raise InvalidValueError(f"rewards={rewards!r}; expected 'source', 'env' or 'none'.")
    return _FIELDS[rewards]


def rewards_of(trajectories: Sequence[Trajectory], rewards: str) -> list[Float32[np.ndarray, " L"]]:
    """Each trajectory's rewards to learn from.

    Args:
        trajectories: in the order of the result.
        rewards: see `reward_field`; ``"none"`` gives zeros.

    Raises:
        NeedsError: a trajectory has no such rewards.
        ValueError: `rewards` is another word.
    """
    field = reward_field(rewards)
    if field is None:
        return [np.zeros(len(trajectory), dtype=np.float32) for trajectory in trajectories]
    arrays = [getattr(trajectory, field) for trajectory in trajectories]
    without = [t.id for t, rows in zip(trajectories, arrays, strict=True) if rows is None]
    if without:
        raise NeedsError(
            f"Trajectory {without[0]!r} has no {field} ({len(without)} of {len(arrays)} have "
            "none). "
            + (
                "Give each step a reward with vlfeedback.relabel(trajectories, source), or learn "
                "from the environment's own with rewards='env'."
                if rewards == "source"
                else "Record the environment's rewards, or relabel and use rewards='source'."
            )
        )
    return arrays


def check_action_range(actions: Iterable[Shaped[np.ndarray, "_ ..."]]) -> None:
    """Refuse continuous actions that a policy ending in tanh cannot reach.

    Trained on them all the same, it would settle at the edge of what it reaches, and say nothing.

    Args:
        actions: rows of each episode or segment; discrete ones are passed over.

    Raises:
        InvalidValueError: one lies outside [-1, 1].
    """
    rows = [part for part in actions if not are_discrete([part])]
    low = min((float(part.min()) for part in rows), default=0.0)
    high = max((float(part.max()) for part in rows), default=0.0)
    if max(-low, high) > 1 + _ROUNDING:
        raise InvalidValueError(
            f"Actions lie in [{low:g}, {high:g}]; expected [-1, 1], which is what a policy can "
            "reach. Set action_scaler to 'min-max', to scale by the least and largest actions of "
            'the data, or to the bounds of the environment, {"minimum": [...], "maximum": [...]}: '
            "the policy then answers in the data's own units. Or scale them before, "
            "2 (a - minimum) / (maximum - minimum) - 1, and back before acting."
        )


def check_finite(rows: Shaped[np.ndarray, "L ..."], *, name: str, where: str, first: int) -> None:
    """Refuse rows with a number that is not finite.

    Args:
        rows: of any dtype.
        name: of the array, for the message.
        where: which file, dataset or episode, for the message.
        first: number of the first row there.

    Raises:
        InvalidValueError: one is NaN or infinite; the message names the row.
    """
    if rows.dtype.kind not in "fc":
        return
    not_finite = np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))
    if len(not_finite):
        raise InvalidValueError(
            f"{where}: {name} has a number that is NaN or infinite in row {first + not_finite[0]}. "
            "Mend or leave out that episode; learners would turn to NaN with it."
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
        InvalidValueError: two or more episodes all terminate, after the same number of steps.
    """
    if trusted or len(lengths) < 2 or not all(terminated) or len(set(lengths)) > 1:
        return
    raise InvalidValueError(
        f"{where}: all {len(lengths)} episodes terminate after exactly {lengths[0]} steps. That is "
        "a time limit marked as terminal, and a learner would take the value after it to be zero. "
        "Mark them as time-outs (terminated=False, truncated=True); or pass trust_terminals=True "
        "if episodes of this task do end there."
    )
