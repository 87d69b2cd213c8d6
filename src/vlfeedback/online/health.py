"""What goes wrong in silence: labels that say nothing, rewards that pay for the wrong thing."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import VLFeedbackWarning

__all__ = ["Health", "LearnedRewardWarning"]

_NEAR_ONE, _MOST = 0.95, 0.95
_EPISODES = 20  # of each of two stretches that are compared
_FALL = 0.2


class LearnedRewardWarning(VLFeedbackWarning):
    """A reward that is being learned pays for nothing, or for the wrong thing."""


class Health:
    """Looks at sessions and episodes, and warns of each trouble once."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._learned: deque[float] = deque(maxlen=2 * _EPISODES)
        self._successes: deque[bool] = deque(maxlen=2 * _EPISODES)

    def look_at_labels(self, dataset: PreferenceDataset) -> None:
        """Warn where labels of a session order nothing, or its pairs show the same twice."""
        answered = dataset.answered()
        labels = answered.labels.prefer_second
        if len(dataset) and not len(answered):
            self._warn(
                "unanswered",
                f"None of the {len(dataset)} pairs of a session was answered, so that the reward "
                "stays as it is. Ask the labeller about a few pairs by hand: vlfeedback label.",
            )
        elif len(answered) and np.all(labels == 0.5):
            self._warn(
                "ties",
                f"All {len(answered)} labels of a session are ties: the labeller sees no "
                "difference. Compare longer segments, or lower its tie margin.",
            )
        same = [
            np.array_equal(first.read("observations"), second.read("observations"))
            for first, second in answered.pairs
        ]
        if same and np.mean(same) > 0.5:
            self._warn(
                "identical",
                f"{np.sum(same)} of {len(same)} pairs compare a segment with one that is the same "
                "number by number: the agent does the same in every episode.",
            )

    def look_at_rewards(self, rewards: Float[np.ndarray, " B"]) -> None:
        """Warn where nearly all learned rewards are at the end of what tanh can say."""
        if len(rewards) and np.mean(np.abs(rewards) > _NEAR_ONE) > _MOST:
            self._warn(
                "saturated",
                f"{np.mean(np.abs(rewards) > _NEAR_ONE):.0%} of the learned rewards are beyond "
                f"{_NEAR_ONE} of the 1 that tanh can give, and tell states apart no more. Train "
                "the reward model for fewer passes, or give it output='linear'.",
            )

    def look_at_episodes(self, learned_returns: Sequence[float], successes: Sequence[bool]) -> None:
        """Warn where the learned return has risen while episodes succeed less often."""
        self._learned.extend(learned_returns)
        self._successes.extend(successes)
        if len(self._learned) < 2 * _EPISODES or len(self._successes) < 2 * _EPISODES:
            return
        learned, success = np.array(self._learned), np.array(self._successes, dtype=float)
        before, after = success[:_EPISODES].mean(), success[_EPISODES:].mean()
        if learned[_EPISODES:].mean() > learned[:_EPISODES].mean() and before - after >= _FALL:
            self._warn(
                "hacked",
                f"The learned return rises and success fell from {before:.0%} to {after:.0%} over "
                f"the last {2 * _EPISODES} episodes: the agent may have found what the reward "
                "model pays by mistake. Ask more often, and look at its latest episodes.",
            )

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(message, LearnedRewardWarning, stacklevel=3)
