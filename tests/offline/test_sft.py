from collections.abc import Callable
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.logging import NoopAdapterFactory

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.offline.preference_buffer import PreferenceBuffer
from vlfeedback.offline.sft import SFT, SFTConfig

Make = Callable[..., PreferenceDataset]


def fit(algo: SFT, dataset: PreferenceDataset, n_steps: int) -> dict[str, float]:
    ((_, metrics),) = algo.fit(
        PreferenceBuffer(dataset),
        n_steps=n_steps,
        n_steps_per_epoch=n_steps,
        logger_adapter=NoopAdapterFactory(),
        show_progress=False,
    )
    return dict(metrics)


def distances(algo: SFT, dataset: PreferenceDataset) -> np.ndarray:
    """Mean squared distance from the policy to each segment's actions, summed over entries."""
    gaps = [
        algo.predict(segment.read("observations").astype(np.float32)) - segment.read("actions")
        for pair in dataset.pairs
        for segment in pair
    ]
    return np.array([(gap**2).sum(axis=1).mean() for gap in gaps]).reshape(-1, 2)


def learner(**settings: Any) -> SFT:
    return SFTConfig(**{"hidden": [16], "dropout": 0.0, "batch_size": 8, **settings}).create()


@pytest.mark.parametrize(
    ("bc_steps", "cloned"),
    [(1, [[1, 1], [1, 1], [1, 1]]), (0, [[1, 0], [0, 1], [1, 1]])],
)
def test_it_clones_all_segments_and_then_the_preferred_ones_and_both_of_a_tie(
    make_preferences: Make, bc_steps: int, cloned: list[list[int]]
) -> None:
    dataset, algo = make_preferences([0.0, 1.0, 0.5]), learner(bc_steps=bc_steps)
    algo.create_impl((3,), 2)
    expected = distances(algo, dataset)[np.array(cloned, dtype=bool)].mean()
    assert fit(algo, dataset, 1)["bc_loss"] == pytest.approx(expected, rel=1e-5)


def test_it_ends_nearer_to_the_preferred_segments(make_preferences: Make) -> None:
    dataset, algo = make_preferences([0.0, 1.0]), learner(bc_steps=0, learning_rate=1e-2)
    fit(algo, dataset, 100)
    gap = distances(algo, dataset) @ np.array([-1.0, 1.0])
    assert gap[0] > 0 > gap[1]


def test_a_loaded_learner_goes_on_with_the_preferred_segments(
    make_preferences: Make, tmp_path: Path
) -> None:
    dataset, algo = make_preferences([0.0, 1.0]), learner(bc_steps=2)
    fit(algo, dataset, 3)
    algo.save(str(tmp_path / "sft.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "sft.d3"))
    assert isinstance(loaded, SFT)
    assert fit(loaded, dataset, 1)["bc_loss"] == fit(algo, dataset, 1)["bc_loss"]
    for one, other in zip(
        loaded.impl.policy.parameters(), algo.impl.policy.parameters(), strict=True
    ):
        assert torch.equal(one, other)
