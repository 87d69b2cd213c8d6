"""One window of an episode explained: where a VLP source looks while it scores that window."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import InvalidValueError
from vlfeedback.figures.explain import explanation_film, explanation_sheet
from vlfeedback.models.vlp.attention import read_attention
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.scoring.asking import ask
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.scoring.timing import states_back_from, steps_with_pictures
from vlfeedback.scoring.windows import window_ending_at
from vlfeedback.types import Trajectory

__all__ = ["Explanation", "choose_end", "explain_window"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """Pictures of a window, of attention and of saliency."""

    sheet: UInt8[np.ndarray, "Y X 3"]  # all of them, for a file
    film: UInt8[np.ndarray, "R H W 3"]  # one after the other, for `write_video`


def choose_end(trajectory: Trajectory) -> int:
    """Step at whose end a window shows most: the first with a picture once the task is done.

    Where it is never done, the first once the actor rests; else the last with a picture.

    Raises:
        NeedsError: there is no picture of any step.
    """
    steps = steps_with_pictures(trajectory)
    event = trajectory.rests_from
    if trajectory.first_success is not None:
        event = trajectory.first_success
    later = steps[steps >= event] if event is not None else steps[-1:]
    return int(later[0] if len(later) else steps[-1])


def explain_window(
    source: VLPReward,
    trajectory: Trajectory,
    end: int,
    instruction: str,
    *,
    word: str | None = None,
) -> Explanation:
    """Draw where the source looks in the window whose last step is `end`.

    Args:
        source: whose weights are explained; only sources `vlp` have this attention.
        trajectory: with the pictures that the source reads of this window.
        end: step, 0 to L - 1.
        instruction: what should happen.
        word: whose attention is shown; default: the mean over all words.

    Raises:
        ValueError: there is no such step.
        NeedsError: a picture that is read was not taken.
        UnknownNameError: the word is not in the instruction.
        MissingExtraError: Pillow or matplotlib is not installed.
    """
    if not 0 <= end < len(trajectory):
        raise InvalidValueError(
            f"end={end}; {trajectory!r} has the steps 0 to {len(trajectory) - 1}."
        )
    (times,) = states_back_from(np.array([end]), source.needs)
    window = window_ending_at(trajectory, end, needs=source.needs)
    segment = replace(window, instructions=[instruction])
    attention = read_attention(source.config.weights, segment)
    score = ask(source, segment)[0, -1]
    captions = [f"step {time - 1}" if time else "reset" for time in times]
    title = f"“{instruction}”: score {score:.2f}, {trajectory.id}, steps up to {end}"
    frames = pictures_of(trajectory).read(times)
    return Explanation(
        explanation_sheet(frames, attention, captions, title=title, word=word),
        explanation_film(frames, attention, captions, title=title, word=word),
    )
