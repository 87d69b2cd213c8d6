from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.types import PreferenceLabels, Trajectory


@pytest.fixture
def make_preferences() -> Callable[..., PreferenceDataset]:
    """Pairs of whole random trajectories, with these labels; nan is unanswered."""

    def make(
        labels: Sequence[float], *, length: int = 6, n_observations: int = 3, n_actions: int = 2
    ) -> PreferenceDataset:
        rng = np.random.default_rng(0)
        trajectories = [
            Trajectory(
                rng.standard_normal((length + 1, n_observations)),
                rng.uniform(-0.9, 0.9, (length, n_actions)),
                truncated=True,
                id=str(index),
            )
            for index in range(2 * len(labels))
        ]
        segments = [trajectory.segment(0, length) for trajectory in trajectories]
        given = np.array(labels, dtype=np.float32)
        return PreferenceDataset(
            list(zip(segments[::2], segments[1::2], strict=True)),
            PreferenceLabels(given, ~np.isnan(given)),
        )

    return make
