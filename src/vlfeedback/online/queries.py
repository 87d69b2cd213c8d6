"""Which segments of the latest episodes to ask about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlfeedback.data.calibration import preference_probability
from vlfeedback.data.queries import (
    pair_features,
    select_disagreement,
    select_entropy,
    select_k_center,
    select_k_center_disagreement,
    select_k_center_entropy,
)
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.online.reward_learner import RewardLearner
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.online.surf import widened
from vlfeedback.types import Segment, Trajectory

__all__ = ["QueryChooser"]


class QueryChooser:
    """Draws a pool of candidates, and keeps those that the config's sampler selects.

    Args:
        config: of the sampler.
        start_multiple: segments start at multiples of it, where pictures are.
        rng: what draws.
        margin: steps that episodes have before each segment, and after it; those that choose look
            at them too. SURF's window.
    """

    def __init__(
        self,
        config: FeedbackConfig,
        *,
        start_multiple: int,
        rng: np.random.Generator,
        margin: int = 0,
    ) -> None:
        self._config, self._multiple, self.rng = config, start_multiple, rng
        self._margin = margin
        self._before = -(-margin // start_multiple) * start_multiple  # the first start there may be
        self.asked = np.zeros((0, 0))  # features of pairs before, for samplers that cover

    @property
    def span(self) -> int:
        """Least steps of an episode that a segment is drawn from."""
        return self._before + self._config.segment_length + self._margin

    def can_draw(self, episodes: Sequence[Trajectory]) -> bool:
        """Whether any episode is long enough."""
        return any(len(episode) >= self.span for episode in episodes)

    def draw(self, episodes: Sequence[Trajectory], n_pairs: int) -> SegmentPairList:
        """Pairs drawn uniformly.

        Raises:
            ShapeError: no episode is as long as `span`.
        """
        drawn = sample_segment_pairs(
            episodes, n_pairs, self.span, rng=self.rng, start_multiple=self._multiple
        )
        return [(self._within(first), self._within(second)) for first, second in drawn]

    def _within(self, drawn: Segment) -> Segment:
        start = drawn.start + self._before
        return drawn.trajectory.segment(start, self._config.segment_length)

    def choose(
        self, episodes: Sequence[Trajectory], n_queries: int, learner: RewardLearner
    ) -> SegmentPairList:
        """Pairs to ask about; uniformly drawn ones as long as the reward model knows nothing.

        Raises:
            ShapeError: no episode is as long as `span`.

        Source: B-Pref, reward_model.py, its samplers.
        """
        sampler = self._config.sampler
        is_plain = learner.version == 0 or sampler == "uniform"
        n_candidates = n_queries * (1 if is_plain else self._config.pool_factor)
        candidates = self.draw(episodes, n_candidates)
        seen = widened(candidates, self._margin)
        covers = sampler.startswith("k-center")
        features = pair_features(seen) if covers else np.zeros((n_candidates, 0))
        rows = np.arange(n_queries)
        if not is_plain:
            rows = self._select(seen, features, n_queries, learner)
        if covers:
            self.asked = np.concatenate([self.asked.reshape(-1, features.shape[1]), features[rows]])
        return [candidates[row] for row in rows]

    def _select(
        self,
        candidates: SegmentPairList,
        features: np.ndarray,
        n_queries: int,
        learner: RewardLearner,
    ) -> np.ndarray:
        sampler = self._config.sampler
        labelled = self.asked if len(self.asked) else None
        if sampler == "k-center":
            return select_k_center(features, n_queries, labelled=labelled)
        logits = learner.member_logits(candidates)
        prefer_second = preference_probability(logits, 1.0)
        if sampler == "disagreement":
            return select_disagreement(prefer_second, n_queries)
        if sampler == "entropy":
            return select_entropy(logits, n_queries, logits=True)
        if sampler == "k-center-disagreement":
            return select_k_center_disagreement(
                prefer_second, features, n_queries, labelled=labelled
            )
        return select_k_center_entropy(logits, features, n_queries, labelled=labelled, logits=True)
