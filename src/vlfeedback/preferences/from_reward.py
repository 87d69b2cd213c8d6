"""Any reward source as a labeller: the segment with the larger sum of rewards is preferred.

Where scores are log-odds, as those of the preference model are, labels may be probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlfeedback.arguments import reward_source
from vlfeedback.data.calibration import preference_probability
from vlfeedback.data.contents import digest_of_source
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.scoring import ask
from vlfeedback.types import (
    GivesLogOdds,
    Outcome,
    PreferenceLabels,
    RewardSource,
    SegmentPairs,
    class_and_settings,
    unwrapped,
)
from vlfeedback.vlms.transcript import transcript

__all__ = ["PreferenceFromReward", "PreferenceFromRewardConfig"]


@dataclass(frozen=True, slots=True)
class PreferenceFromRewardConfig:
    """Config of the labeller, as records of labels store it."""

    reward: str = ""  # class of the reward source
    reward_config: dict[str, Any] = field(default_factory=dict)  # its settings
    tie_margin: float = 0.0  # reward units
    soft: bool = False  # labels are probabilities


class PreferenceFromReward:
    """Compares summed rewards: 0 where the first segment has more, 1 where the second has.

    Sums whose gap is at most `tie_margin` tie: 0.5. Every pair is answered. Scores of windows
    and episodes count once, since they stand at one step. An offset per step would favour the
    longer segment, so compare segments of equal length.

    Args:
        source: any reward source, or the id of one.
        tie_margin: >= 0, in the unit of the source's rewards, for a whole segment.
        soft: label with the probability that the second is preferred, sigmoid(scale * (score of the
            second - score of the first)), where the source knows the scale: `GivesLogOdds`.

    Raises:
        ValueError: `tie_margin` is negative or no number.
        NeedsError: `soft`, and the source's scores say nothing of probabilities.
        TypeError: `source` is none.

    Source: the VLP paper labels its baselines so (appendix A.2); it is silent on ties.
    """

    def __init__(
        self, source: RewardSource | str, *, tie_margin: float = 0.0, soft: bool = False
    ) -> None:
        source = reward_source(source)
        self._scale = _log_odds_scale(source) if soft else None
        if not tie_margin >= 0:
            raise InvalidValueError(f"tie_margin={tie_margin}; expected a gap of at least 0.")
        self.source = source
        self.needs = source.needs
        reward, settings = class_and_settings(source)
        self.config = PreferenceFromRewardConfig(
            reward=reward, reward_config=settings, tie_margin=float(tie_margin), soft=soft
        )

    @property
    def content_id(self) -> str:
        """What the source says of its contents; see `NamesItsContent`."""
        return digest_of_source(self.source)

    def as_probabilities(self) -> PreferenceFromReward:
        """The same with soft labels where the source's scores are log-odds; else itself."""
        if self.config.soft or not isinstance(unwrapped(self.source), GivesLogOdds):
            return self
        return PreferenceFromReward(self.source, tie_margin=self.config.tie_margin, soft=True)

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Compare each pair.

        Raises:
            SourceAnswerError: the source's rewards are none, see `vlfeedback.scoring.ask`.

        What the source's `rewards` raises is raised.
        """
        # float64: sums of equal numbers in another order should not decide.
        with transcript() as said:
            first, second = (
                ask(self.source, batch).sum(axis=1, dtype=np.float64)
                for batch in (pairs.first, pairs.second)
            )
        gap = second - first
        tied = np.abs(gap) <= self.config.tie_margin
        sure = gap > 0 if self._scale is None else preference_probability(gap, self._scale)
        prefer_second = np.where(tied, 0.5, sure).astype(np.float32)
        n, answers = len(pairs), [answer for _, answer in said]
        tokens = np.linspace(0, sum(answer.tokens for answer in answers), n + 1).round()
        return PreferenceLabels(
            prefer_second,
            np.full(n, Outcome.ANSWERED, np.uint8),
            # A source is asked about many segments at once: what that took is shared out evenly.
            cost_usd=np.full(n, sum(answer.cost_usd for answer in answers) / max(n, 1)),
            tokens=np.diff(tokens).astype(np.int64),
            seconds=np.full(n, sum(answer.seconds for answer in answers) / max(n, 1)),
        )


def _log_odds_scale(source: RewardSource) -> float:
    source = unwrapped(source)
    if not isinstance(source, GivesLogOdds):
        raise NeedsError(
            f"The scores of {type(source).__name__} say nothing of probabilities, so its labels "
            "cannot be soft; only those of a preference model, such as 'vlp', can."
        )
    return float(source.log_odds_scale)
