"""The one call of a reward source: whoever wants rewards of segments gets them from `ask`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import SourceAnswerError
from vlfeedback.types import RewardSource, SegmentBatch, TellsSuccess

__all__ = ["ask", "ask_both"]


def ask(
    source: RewardSource, batch: SegmentBatch, *, where: Callable[[int, int], str] | None = None
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
    return _asked(source, source.rewards, batch, where)


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
    successes: list[Any] = []

    def rewards(batch: SegmentBatch) -> Any:
        answer, success = source.rewards_and_success(batch)
        successes.append(success)
        return answer

    checked = _asked(source, rewards, batch, None)
    success = np.asarray(successes[0])
    if success.shape != (len(batch),) or not ((success >= 0) & (success <= 1)).all():
        raise SourceAnswerError(
            f"{type(source).__name__}.rewards_and_success gave {success.dtype} of shape "
            f"{success.shape} for success; expected ({len(batch)},), probabilities in [0, 1]. "
            f"{_ADVICE}"
        )
    return checked, success.astype(np.float32)


def _asked(
    source: RewardSource,
    rewards_of: Callable[[SegmentBatch], Any],
    batch: SegmentBatch,
    where: Callable[[int, int], str] | None,
) -> Float32[np.ndarray, "N T"]:
    name = type(source).__name__
    try:
        answer = rewards_of(batch)
    except SourceAnswerError as error:
        if error.row is None or where is None:
            raise
        place = where(error.row, int(batch.last_steps[error.row]))
        raise SourceAnswerError(f"{error} It was asked for {place}.") from error
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
