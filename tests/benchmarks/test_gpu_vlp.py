"""Clips that travel to where the GPU is."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.models.vlp.data import load_episodes, load_scenes
from vlfeedback.types import ArrayFrames, Trajectory

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_vlp"
TASKS = ("drawer-close", "reach")
LEVELS = ("expert", "medium", "random", "scattered")
LENGTH, TIMES = 8, np.array([0, 3, 6])


@pytest.fixture
def packing() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT))
        yield importlib.import_module("packed_clips")


def trajectory(rng: np.random.Generator, task: str, level: str, k: int) -> Trajectory:
    """Smooth pictures, as a renderer's are: what a video keeps best."""
    ramp = np.linspace(0, 200, 32, dtype=np.float32)
    shades = (ramp[:, None, None] + rng.uniform(0, 50, (3, 1, 1, 3))) * np.ones((32, 32, 3))
    is_episode = level != "scattered"
    return Trajectory(
        rng.uniform(-1, 1, (LENGTH + 1, 39)).astype(np.float32),
        rng.uniform(-1, 1, (LENGTH, 4)).astype(np.float32),
        env_rewards=rng.uniform(0, 10, LENGTH).astype(np.float32) if is_episode else None,
        successes=rng.random(LENGTH) < 0.5 if is_episode else None,
        truncated=True,
        frames=ArrayFrames(TIMES, shades.astype(np.uint8)),
        task=task,
        level=level,
        id=f"{task}/{level}/{k}",
    )


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    rng = np.random.default_rng(0)
    made = Collection.create(tmp_path / "clips", {"seed": 0})
    for task in TASKS:
        for level in LEVELS:
            made.path(task, level).parent.mkdir(exist_ok=True)
            write_trajectories(
                made.path(task, level), [trajectory(rng, task, level, k) for k in range(2)]
            )
    return made


def test_what_the_training_reads_arrives(
    packing: ModuleType, collection: Collection, tmp_path: Path
) -> None:
    size = packing.pack([collection.root], tmp_path / "pack")
    files = [path for path in (tmp_path / "pack").rglob("*") if path.is_file()]
    assert size == sum(path.stat().st_size for path in files)
    (arrived,) = packing.unpack(tmp_path / "pack", tmp_path / "there")
    assert arrived.settings == collection.settings
    before, after = (load_episodes(c, TASKS) for c in (collection, arrived))
    for name in ("task", "level", "reward", "window_return"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    np.testing.assert_allclose(after.positions, before.positions, atol=1e-3)
    np.testing.assert_allclose(after.progress, before.progress, atol=2e-3)
    difference = after.pictures.astype(int) - before.pictures
    assert after.pictures.shape == before.pictures.shape == (12, 3, 32, 32, 3)
    assert np.abs(difference).mean() < 4
    scenes = [load_scenes(c, TASKS) for c in (collection, arrived)]
    np.testing.assert_allclose(scenes[1].positions, scenes[0].positions, atol=1e-3)


def test_what_was_unpacked_is_taken_again(
    packing: ModuleType, collection: Collection, tmp_path: Path
) -> None:
    packing.pack([collection.root], tmp_path / "pack")
    (first,) = packing.unpack(tmp_path / "pack", tmp_path / "there")
    files = {path: path.stat().st_mtime_ns for path in first.root.rglob("*.h5")}
    (second,) = packing.unpack(tmp_path / "pack", tmp_path / "there")
    assert {path: path.stat().st_mtime_ns for path in second.root.rglob("*.h5")} == files


def test_several_collections_arrive_in_their_order(
    packing: ModuleType, collection: Collection, tmp_path: Path
) -> None:
    other = Collection.create(tmp_path / "a-later-name", {"seed": 1})
    rng = np.random.default_rng(1)
    other.path("reach", "idle").parent.mkdir()
    write_trajectories(other.path("reach", "idle"), [trajectory(rng, "reach", "idle", 0)])
    packing.pack([collection.root, other.root], tmp_path / "pack")
    arrived = packing.unpack(tmp_path / "pack", tmp_path / "there")
    assert [one.root.name for one in arrived] == ["clips", "a-later-name"]
    assert arrived[1].load("reach", ["idle"])[0].level == "idle"


def test_a_pack_that_is_too_large_to_travel_is_refused(
    packing: ModuleType, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MAX_BYTES", 1000)
    with pytest.raises(InvalidValueError, match="rate factor above 26"):
        packing.pack([collection.root], tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_episodes_without_pictures_are_refused(
    packing: ModuleType, collection: Collection, tmp_path: Path
) -> None:
    blind = Trajectory(np.zeros((3, 39), np.float32), np.zeros((2, 4), np.float32), id="blind")
    write_trajectories(collection.path("reach", "expert"), [blind])
    with pytest.raises(NeedsError, match="has no pictures"):
        packing.pack([collection.root], tmp_path / "pack")
