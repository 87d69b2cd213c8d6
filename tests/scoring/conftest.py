"""Every test has a memory of embeddings of its own, whatever another one left alive."""

from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest
from tests.scoring.recorded_walks import LIMITS, record, world
from tests.scoring.stopped_labelling import Known, label

from vlfeedback.scoring import embedding_cache
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture(autouse=True)
def own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "_OPEN", WeakValueDictionary())


@pytest.fixture(scope="module")
def recorded() -> list[Trajectory]:
    """Episodes of several lengths, some terminated and some truncated."""
    episodes = [record(world(time_limit), seed) for seed, time_limit in enumerate(LIMITS)]
    assert {(t.terminated, t.truncated) for t in episodes} == {(True, False), (False, True)}
    return episodes


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A file whose labeller failed in its third batch of three pairs, of ten pairs in all."""
    with pytest.raises(TimeoutError):
        label(10, Known(stop_at=2), tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


@pytest.fixture
def line() -> Trajectory:
    """Ten steps forwards; the picture of state i has the brightness i / 10."""
    shades = np.array([round(255 * i / 10) for i in range(11)], dtype=np.uint8)
    return Trajectory(
        np.zeros((11, 1), np.float32),
        np.ones((10, 1), np.float32),
        frames=ArrayFrames(
            np.arange(11), np.broadcast_to(shades[:, None, None, None], (11, 2, 2, 3)).copy()
        ),
        id="line",
    )
