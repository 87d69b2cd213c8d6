"""The one call of a reward source: whoever wants rewards of segments gets them from `ask`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import SourceAnswerError
from vlfeedback.types import AskedAtOnce, RewardSource, SegmentBatch, TellsSuccess

__all__ = ["ask", "ask_all", "ask_both"]

Where = Callable[[int, int], str]
"""What a row and a step of a batch are, in words."""


def ask(
    source: RewardSource, batch: SegmentBatch, *, where: Where | None = None
) -> Float32[np.ndarray, "N T"]:
    """The rewards of a batch of segments, checked; the same for our sources and a plugin's.

    Args:
        source: any reward source.
        batch: N segments of T steps with what the source reads.
        where: what a row and a step of the batch are, for the message; by default their numbers.

    Raises:
        SourceAnswerError: the source returned another shape than (N, T), something else than
            real numbers, or a number on a real step (see `SegmentBatch.mask`) that is NaN or
            infinite. What the source itself raises passes through, with the place of the segment
            where it names one.
    """
    with _naming([batch], [where]):
        answer = source.rewards(batch)
    return _checked(source, answer, batch, where)


def ask_all(
    source: RewardSource, batches: Sequence[SegmentBatch], *, where: Sequence[Where]
) -> list[Float32[np.ndarray, "N T"]]:
    """The rewards of several batches, checked; at once, where the source is `AskedAtOnce`.

    Args:
        source: any reward source.
        batches: see `ask`.
        where: see `ask`, of each batch.

    Raises:
        SourceAnswerError: see `ask`; or there are more or fewer answers than batches.
    """
    if not isinstance(source, AskedAtOnce):
        return [
            ask(source, batch, where=place) for batch, place in zip(batches, where, strict=True)
        ]
    with _naming(batches, where):
        answers = source.rewards_of(batches)
    if len(answers) != len(batches):
        raise SourceAnswerError(
            f"{type(source).__name__}.rewards_of gave {len(answers)} answers to {len(batches)} "
            f"batches; expected one for each. {_ADVICE}"
        )
    return [_checked(source, *one) for one in zip(answers, batches, where, strict=True)]


def ask_both(
    source: TellsSuccess, batch: SegmentBatch
) -> tuple[Float32[np.ndarray, "N T"], Float32[np.ndarray, " N"]]:
    """The rewards of a batch of segments, and how likely each ends with its task done, checked.

    Args:
        source: one whose `tells_success` is true.
        batch: see `ask`.

    Raises:
        SourceAnswerError: see `ask`; or the second are no N numbers in [0, 1].
    """
    with _naming([batch], [None]):
        rewards, success = source.rewards_and_success(batch)
    checked = _checked(source, rewards, batch, None)
    success = np.asarray(success)
    if success.shape != (len(batch),) or not ((success >= 0) & (success <= 1)).all():
        raise SourceAnswerError(
            f"{type(source).__name__}.rewards_and_success gave {success.dtype} of shape "
            f"{success.shape} for success; expected ({len(batch)},), probabilities in [0, 1]. "
            f"{_ADVICE}"
        )
    return checked, success.astype(np.float32)


@contextmanager
def _naming(batches: Sequence[SegmentBatch], where: Sequence[Where | None]) -> Iterator[None]:
    """Have an error of the source say which of the rows of all batches it is about."""
    try:
        yield
    except SourceAnswerError as error:
        row = error.row
        for batch, place in zip(batches, where, strict=True):
            if row is None or place is None:
                break
            if row < len(batch):
                asked_for = place(row, int(batch.last_steps[row]))
                raise SourceAnswerError(f"{error} It was asked for {asked_for}.") from error
            row -= len(batch)
        raise


def _checked(
    source: RewardSource, answer: Any, batch: SegmentBatch, where: Where | None
) -> Float32[np.ndarray, "N T"]:
    name = type(source).__name__
    try:
        rewards = np.asarray(answer)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors elsewhere
        raise SourceAnswerError(
            f"{name}.rewards returned a {type(answer).__name__} that is no NumPy array: {error}. "
            f"Of a tensor, return .detach().cpu().numpy(). {_ADVICE}"
        ) from error
    if rewards.shape != (len(batch), batch.n_steps):
        raise SourceAnswerError(
            f"{name}.rewards returned shape {rewards.shape}; expected ({len(batch)}, "
            f"{batch.n_steps}), one number a step. {_ADVICE}"
        )
    if rewards.dtype.kind not in "fiub":
        raise SourceAnswerError(
            f"{name}.rewards returned {rewards.dtype}; expected float32. {_ADVICE}"
        )
    with np.errstate(over="ignore"):  # 1e300 is infinite in float32, and refused as that
        rewards = rewards.astype(np.float32)
    strange = ~np.isfinite(rewards)
    if batch.mask is not None:
        strange &= batch.mask
    if strange.any():
        row, step = (int(place) for place in np.argwhere(strange)[0])
        place = f"step {step} of segment {row}" if where is None else where(row, step)
        raise SourceAnswerError(
            f"{name} gave {rewards[row, step]} for {place} ({strange.sum()} of {strange.size} "
            "rewards); a reward is a finite number. Look at what it read there: a number that is "
            f"not finite, or a picture that is broken? {_ADVICE}"
        )
    return rewards


_ADVICE = "`vlfeedback.testing.RewardSourceContract` tests a source."
