"""What sources answer: scores along a clip, and which of two clips a labeller prefers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from vlfeedback.data.correlation import pearson, spearman
from vlfeedback.evaluation.diagnosis.episode_curves import until_success
from vlfeedback.evaluation.diagnosis.episode_scores import steps_to_score
from vlfeedback.evaluation.labels.pairings import picture_stride
from vlfeedback.preferences.accuracy import sides
from vlfeedback.scoring.labelling import ask_labeller
from vlfeedback.scoring.paced import pace_of, paced
from vlfeedback.scoring.steps import score_along
from vlfeedback.scoring.windows import window_ending_at
from vlfeedback.types import (
    PreferenceSource,
    RewardSource,
    SegmentBatch,
    SegmentPairs,
    Trajectory,
)

__all__ = ["ClipAnswer", "ask_about_clip", "ask_about_pair"]


@dataclass(frozen=True, slots=True)
class ClipAnswer:
    """Scores of one clip.

    Attributes:
        scores: at some of its steps, ascending; the last is that of the whole clip.
        steps: which; they count time.
        n_rising: so many of them from its beginning while it gets on; 0 where nobody asked.
    """

    scores: Sequence[float]
    steps: Sequence[int]
    n_rising: int

    @property
    def last(self) -> float:
        """What is said when the clip is over."""
        return float(self.scores[-1])

    @property
    def mean(self) -> float:
        """Mean of what is said along it."""
        return float(np.mean(self.scores))

    @property
    def spearman(self) -> float:
        """Rank correlation of score and time while it gets on, 0 for constant scores.

        NaN where fewer than two scores are there.

        Source: GVL (Ma et al. 2024), section 4, value-order correlation.
        """
        return spearman(*self._rising(), if_constant=0.0)

    @property
    def pearson(self) -> float:
        """The same of the values themselves: how straight the line is.

        Source: Robometer's ``reward_alignment``, whose target is time as a share.
        """
        return pearson(*self._rising(), if_constant=0.0)

    def _rising(self) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        scores = np.array(self.scores[: self.n_rising], dtype=np.float64)
        return scores, np.array(self.steps[: self.n_rising], dtype=np.float64)


def ask_about_clip(
    source: RewardSource, episode: Trajectory, instruction: str, *, along: bool, rises: bool
) -> ClipAnswer:
    """The scores of a clip, of each of its pictures or of the last alone.

    Args:
        source: any; windows and episodes are scored as if the clip ended there.
        episode: the clip, with pictures in the source's rhythm.
        instruction: what is to be done.
        along: score it from beginning to end.
        rises: it gets on, up to its first success.

    Raises:
        NeedsError: the clip lacks what the source reads, or has pictures in another rhythm.
        SourceAnswerError: see `vlfeedback.scoring.ask`.
    """
    stride = picture_stride([episode])
    paced_source = paced(source, pace_of(source.needs, stride))
    steps = steps_to_score(episode, paced_source)
    n_rising = int(until_success(episode, steps).sum()) if rises else 0
    if not along:
        steps = steps[-1:]
    scores = score_along(paced_source, episode, [instruction], steps)[0]
    return ClipAnswer([float(s) for s in scores], steps.tolist(), n_rising if along else 0)


def ask_about_pair(
    labeller: PreferenceSource, first: Trajectory, second: Trajectory, instruction: str
) -> float:
    """Which of two clips a labeller prefers: -1 the first, 1 the second, 0 a tie or no answer.

    Each is shown whole.

    Args:
        labeller: any.
        first: a clip, with pictures in the labeller's rhythm.
        second: another, which may be longer or shorter.
        instruction: of both.

    Raises:
        NeedsError: a clip lacks what the labeller reads, or has pictures in another rhythm.
        SourceAnswerError: the labeller answered with something that is no label of this pair.
    """
    shown = [_whole(labeller, episode, instruction) for episode in (first, second)]
    return float(sides(ask_labeller(labeller, SegmentPairs(*shown)))[0])


def _whole(labeller: PreferenceSource, episode: Trajectory, instruction: str) -> SegmentBatch:
    pace = pace_of(labeller.needs, picture_stride([episode]))
    needs = replace(labeller.needs, granularity="episode", context=1, frame_stride=pace)
    last = len(episode) - 1
    batch = window_ending_at(episode, last - last % pace, needs=needs)
    return replace(batch, instructions=[instruction])
