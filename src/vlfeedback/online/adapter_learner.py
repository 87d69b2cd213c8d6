"""Adapters that are trained in place, session after session, on all that a person said so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float32

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.models.adapters.network import EncoderAdapters
from vlfeedback.models.adapters.pictures import PicturedPairs, PicturedSteps
from vlfeedback.models.adapters.training import AdapterReport, AdapterTrainer, AdapterTraining
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.types import EmbedsTexts, Trajectory

__all__ = ["AdapterLearner"]

_GROWING = ("first", "second", "texts", "prefer_second")  # arrays of `PicturedPairs`


class AdapterLearner:
    """Adapters, their trainer, and the frozen encoder's features of all that they learn from.

    Args:
        encoder: that they sit on.
        adapters: trained in place.
        training: of one session.
        actions: the environment's.
        length: steps of a segment.
        seed: of the guess of actions and of batches.

    Attributes:
        reports: of each session in which something was learnt.
    """

    def __init__(
        self,
        encoder: EmbedsTexts,
        adapters: EncoderAdapters,
        training: AdapterTraining,
        *,
        actions: gym.spaces.Box,
        length: int,
        seed: int,
    ) -> None:
        self._encoder, self._actions = encoder, actions
        self._with_dynamics = training.dynamics_weight > 0
        n_action = int(np.prod(actions.shape))
        self._trainer = AdapterTrainer(adapters, training, n_action=n_action, seed=seed)
        self._pairs = PicturedPairs.none(
            length=length, stride=encoder.needs.frame_stride, width=adapters.width
        )
        self._features: dict[Trajectory, np.ndarray] = {}  # of the pictures of kept episodes
        self.reports: list[AdapterReport] = []

    def learn(self, said: PreferenceDataset, episodes: Iterable[Trajectory]) -> None:
        """Add what the person answered in a session, and train on all of it.

        As long as the person has said nothing, the adapters stay as they are.

        Args:
            said: answered pairs; may be none.
            episodes: the latest ones, for inverse dynamics.

        Raises:
            NeedsError: pictures are missing.
        """
        labels = said.labels.prefer_second
        self._pairs = self._pairs.append(
            said.pairs, said.instructions, labels, encoder=self._encoder
        )
        if len(self._pairs):
            steps = self._steps(episodes) if self._with_dynamics else None
            self.reports.append(self._trainer.fit(self._pairs, steps))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All that the next session depends on: arrays, and JSON values."""
        arrays, notes = self._trainer.state()
        arrays |= {f"pairs.{name}": getattr(self._pairs, name) for name in _GROWING}
        return arrays, {**notes, "reports": [asdict(report) for report in self.reports]}

    def restore(self, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
        """Go back to a `state`."""
        self._trainer.restore(arrays, notes)
        pairs = {name: arrays[f"pairs.{name}"] for name in _GROWING}
        self._pairs = PicturedPairs(**pairs, shares=self._pairs.shares)
        self.reports = [AdapterReport(**report) for report in notes["reports"]]

    def _steps(self, episodes: Iterable[Trajectory]) -> PicturedSteps:
        """Neighbouring pictures; each episode is encoded once, and by itself.

        Encoded together, the last bits of features would depend on which others there were, and a
        training that was killed would not go on exactly.
        """
        self._features = {
            episode: self._features[episode] if episode in self._features else self._encode(episode)
            for episode in episodes
        }
        low, high = self._actions.low.reshape(-1), self._actions.high.reshape(-1)
        return PicturedSteps.of(
            list(self._features.items()), scale=lambda a: 2 * (a - low) / (high - low) - 1
        )

    def _encode(self, episode: Trajectory) -> Float32[np.ndarray, "F D"]:
        frames = pictures_of(episode)
        return self._encoder.embed(frames.read(frames.times))
