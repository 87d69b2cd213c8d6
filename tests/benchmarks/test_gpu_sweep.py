"""A sweep whose runs are trained elsewhere; here elsewhere is the same processor."""

import importlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError
from vlfeedback.sweeps.data import describe_data
from vlfeedback.sweeps.feedback import make_feedback
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import Run, expand
from vlfeedback.sweeps.training import train as train_as_usual
from vlfeedback.types import ArrayFrames, Trajectory

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_sweep"
WORLD = """
import gymnasium as gym

if "Packed-v0" not in gym.registry:
    gym.register("Packed-v0", "vlfeedback.testing.point_reach:PointReachEnv", max_episode_steps=5)
"""
SWEEP = """
claim = "it runs"
tasks = ["dot"]
seeds = [0, 1]
steps = 20
pairs = { count = 6, length = 3, sampler = "uniform" }
evaluation = { every = 10, episodes = 2, metric = "return" }
own_tasks.dot = { env_id = "gpu_sweep_world:Packed-v0", instruction = "go right" }
labels.teacher = {}
learners.p-iql = { preset = "smoke", settings = { observation_scaler = "standard" } }
learners.cpl = { preset = "smoke", every = 5, settings = { batch_size = 4, bc_steps = 8 } }
learners.bc = { preset = "smoke" }
learners.nothing = {}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sweep with labels and no row, packed, and its actors."""
    path = tmp_path_factory.mktemp("sweep")
    (path / "gpu_sweep_world.py").write_text(WORLD)
    (path / "dots.toml").write_text(SWEEP + f'data = "{path / "dots.h5"}"\n'.replace("\\", "/"))
    write_trajectories(path / "dots.h5", trajectories())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT))
        patch.syspath_prepend(str(path))
        patch.setenv("PYTHONPATH", f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        folder = SweepFolder(path / "out")
        table = script("packing").read_table(path / "dots.toml")
        folder.begin(table, name="dots", command="vlfeedback sweep dots.toml")
        with pytest.raises(NeedsError, match=r"lacks labels .* dot_teacher_0"):
            script("packing").pack(path / "dots.toml", folder.root, path / "pack")
        for feedback in {f.id: f for run in runs(folder) if (f := run.feedback)}.values():
            settings = feedback.settings(folder.sweep(), describe_data(folder.sweep(), "dot"))
            made = make_feedback(folder.sweep(), feedback, folder)
            folder.write_row("feedback", feedback.id, {"settings": settings, **made})
        script("packing").pack(path / "dots.toml", folder.root, path / "pack")
        told: list[str] = []
        script("gpu_training").train(path / "pack", path / "actors", device="cpu", say=told.append)
        assert [line.split(":")[0] for line in told[1:]] == ["p-iql", "cpl", "bc"]
        assert told[0].endswith("not trained together: nothing.")
        yield path


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def trajectories() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(8):
        actions = rng.uniform(-1, 1, (5, 1)).astype(np.float32)
        places = np.concatenate([np.zeros((1, 1)), np.cumsum(actions / 5, axis=0)])
        made.append(
            Trajectory(
                places.astype(np.float32),
                actions,
                env_rewards=places[1:, 0].astype(np.float32),
                truncated=True,
                task="dot",
                id=str(number),
                frames=ArrayFrames(np.arange(6), np.zeros((6, 4, 4, 3), np.uint8)),
            )
        )
    return made


def runs(folder: SweepFolder) -> list[Run]:
    return expand(folder.sweep())


def test_a_pack_has_data_without_pictures_and_the_labels(place: Path) -> None:
    (packed,) = (place / "pack" / "data").iterdir()
    for trajectory, original in zip(read_trajectories(packed), trajectories(), strict=True):
        assert trajectory.frames is None and trajectory.id == original.id
        np.testing.assert_array_equal(trajectory.observations, original.observations)
    labels = {path.name for path in (place / "pack" / "feedback").glob("*.parquet")}
    assert labels == {"dot_teacher_0.parquet", "dot_teacher_1.parquet"}


def test_a_pack_that_is_too_large_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script("packing"), "MAX_BYTES", 1000)
    with pytest.raises(InvalidValueError, match="Make a sweep of fewer tasks"):
        script("packing").pack(place / "dots.toml", place / "out", place / "large")
    assert not (place / "large").exists()


@pytest.mark.slow
def test_rows_are_those_of_ordinary_runs_and_a_killed_evaluation_goes_on(place: Path) -> None:
    folder = SweepFolder(place / "out")
    saved = script("actors").SavedActors(place / "actors")
    ordinary = {run.id: train_as_usual(folder.sweep(), [run], folder)[0] for run in runs(folder)}
    first = runs(folder)[0]
    before = script("judging").judged_row(folder.sweep(), first, folder, saved, {})
    folder.write_row("runs", first.id, before | {"command": "of before the stop"})
    assert script("judging").evaluate(place / "actors", folder.root, 1) == 0
    rows = {run.id: row for run in runs(folder) if (row := folder.find("runs", run.id))}
    assert set(rows) == {name for name in ordinary if "nothing" not in name}
    assert rows[first.id]["command"] == "of before the stop"
    for name, row in rows.items():
        expected = ordinary[name]
        elsewhere = row.pop("trained_elsewhere")
        assert elsewhere["device"] == "cpu" and elsewhere["precision"] == "float16"
        assert elsewhere["wall_seconds"] > 0 and elsewhere["evaluations_left_out"] == 0
        assert row.keys() == expected.keys()
        same = ("id", "compared", "settings", "feedback", "training", "steps", "successes")
        assert [row[key] for key in same] == json.loads(json.dumps([expected[key] for key in same]))
        np.testing.assert_allclose(row["returns"], expected["returns"], atol=0.02)


def test_actors_of_other_settings_are_not_judged(place: Path) -> None:
    folder = SweepFolder(place / "out")
    out = place / "trial"
    script("gpu_training").train(
        place / "pack", out, device="cpu", steps=4, learners=["bc"], say=lambda _: None
    )
    saved = script("actors").SavedActors(out)
    run = next(run for run in runs(folder) if run.id in saved.runs)
    with pytest.raises(FileFormatError, match="n_steps was 4 and is 20"):
        script("judging").judged_row(folder.sweep(), run, folder, saved, {})


def test_fewer_actors_are_spread_evenly_and_the_last_is_among_them(place: Path) -> None:
    out = place / "fewer"
    script("gpu_training").train(
        place / "pack", out, device="cpu", learners=["cpl"], n_actors=2, say=lambda _: None
    )
    described = json.loads((out / "actors.json").read_text())
    assert {tuple(run["actors"]) for run in described["runs"].values()} == {("10", "20")}


def test_files_of_actors_are_few_and_small(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actors = script("actors")
    monkeypatch.setattr(actors, "MAX_BYTES", 1700)
    actors.check_fit([100] * 3 * actors.MAX_FILES)
    with pytest.raises(InvalidValueError, match=r"22 actors take .*\(--actors\)"):
        actors.check_fit([100] * (3 * actors.MAX_FILES + 1))
    writer = actors.ActorWriter(tmp_path, {})
    for run in range(3):
        writer.add(f"run-{run}", {k: np.full(100, run, np.float16) for k in range(7)}, {})
        writer.write()
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) == actors.MAX_FILES
    assert max(path.stat().st_size for path in files) <= 1700
    with pytest.raises(InvalidValueError, match="not empty"):
        actors.ActorWriter(tmp_path, {})


def test_where_memory_is_short_runs_are_trained_in_halves() -> None:
    sizes: list[int] = []

    def work(some: list[int]) -> str:
        sizes.append(len(some))
        if len(some) > 2:
            raise torch.OutOfMemoryError
        return "trained"

    assert list(script("gpu_training")._halved([1, 2, 3, 4], work)) == ["trained"] * 2
    assert sizes == [4, 2, 2]


def test_a_device_that_is_not_there_is_refused(place: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InvalidValueError, match="--device cpu"):
        script("gpu_training").train(place / "pack", place / "none", device="cuda")
    shutil.rmtree(place / "none", ignore_errors=True)
