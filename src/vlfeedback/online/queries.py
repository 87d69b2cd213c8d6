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
from vlfeedback.types import Trajectory

__all__ = ["QueryChooser"]


class QueryChooser:
    """Draws a pool of candidates, and keeps those that the config's sampler selects.

    Args:
        config: of the sampler.
        start_multiple: segments start at multiples of it, where pictures are.
        rng: what draws.
    """

    def __init__(
        self, config: FeedbackConfig, *, start_multiple: int, rng: np.random.Generator
    ) -> None:
        self._config, self._multiple, self.rng = config, start_multiple, rng
        self.asked = np.zeros((0, 0))  # features of pairs before, for samplers that cover

    def choose(
        self, episodes: Sequence[Trajectory], n_queries: int, learner: RewardLearner
    ) -> SegmentPairList:
        """Pairs to ask about; uniformly drawn ones as long as the reward model knows nothing.

        Raises:
            ShapeError: no episode is as long as a segment.

        Source: B-Pref, reward_model.py, its samplers.
        """
        config, sampler = self._config, self._config.sampler
        is_plain = learner.version == 0 or sampler == "uniform"
        n_candidates = n_queries * (1 if is_plain else config.pool_factor)
        candidates = sample_segment_pairs(
            episodes,
            n_candidates,
            config.segment_length,
            rng=self.rng,
            start_multiple=self._multiple,
        )
        covers = sampler.startswith("k-center")
        features = pair_features(candidates) if covers else np.zeros((n_candidates, 0))
        rows = np.arange(n_queries)
        if not is_plain:
            rows = self._select(candidates, features, n_queries, learner)
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
