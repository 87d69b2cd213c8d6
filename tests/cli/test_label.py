"""`vlfeedback label`, from the command line to the file of labels."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.cli import main
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_clustered_pairs, sample_segment_pairs
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.preferences import make_preference_source
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.types import ArrayFrames, Trajectory

Run = Callable[..., tuple[int, str, str]]


def episode(seed: int, task: str = "drawer-close", length: int = 20) -> Trajectory:
    rng = np.random.default_rng(seed)
    return Trajectory(
        observations=rng.normal(size=(length + 1, 3)).astype(np.float32),
        actions=rng.uniform(-1, 1, size=(length, 2)).astype(np.float32),
        env_rewards=rng.normal(size=length).astype(np.float32),
        truncated=True,
        id=f"{task}/{seed:06d}",
        task=task,
    )


EPISODES = [episode(seed) for seed in range(8)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vlfeedback", "label", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_trajectories(Path("data.h5"), EPISODES)


TEACHER = ("--data", "data.h5", "--labeller", "teacher.mistake", "--out", "labels.parquet")
SMALL = ("--pairs", "12", "--length", "5", "--seed", "3")


@pytest.mark.parametrize("sampler", ["uniform", "clustered"])
def test_pairs_of_a_seed_are_labelled_as_in_python(run: Run, sampler: str) -> None:
    code, said, message = run(*TEACHER, *SMALL, "--sampler", sampler, "--set", "mistake=0.5")
    assert code == 0, message
    labelled = PreferenceDataset.load(Path("labels.parquet"), EPISODES)
    sample = sample_clustered_pairs if sampler == "clustered" else sample_segment_pairs
    pairs = sample(EPISODES, 12, 5, rng=np.random.default_rng(3))
    expected = label_pairs(pairs, make_preference_source("teacher.mistake", mistake=0.5))
    assert [(a.trajectory.id, a.start) for a, _ in labelled.pairs] == [
        (a.trajectory.id, a.start) for a, _ in pairs
    ]
    np.testing.assert_array_equal(labelled.labels.prefer_second, expected.labels.prefer_second)
    assert set(labelled.instructions) == {"close the drawer"}  # the task's
    assert "12 pairs (12 answered), $0.00" in said
    second = int(expected.labels.prefer_second.sum())
    assert f"{12 - second} for the first segment, {second} for the second, 0 ties." in said


def test_segments_of_one_trajectory_are_as_far_apart_as_asked(run: Run) -> None:
    code, _, message = run(*TEACHER, "--pairs", "200", "--length", "1", "--min-gap", "8")
    assert code == 0, message
    pairs = PreferenceDataset.load(Path("labels.parquet"), EPISODES).pairs
    same = [abs(a.start - b.start) for a, b in pairs if a.trajectory.id == b.trajectory.id]
    assert same and min(same) == 8


def test_the_next_command_is_named_with_how_the_data_are_read(run: Run) -> None:
    _, said, _ = run(*TEACHER, *SMALL)
    assert (
        "vlfeedback fit reward --data data.h5 --labels labels.parquet --out reward.safetensors\n"
        in said
    )
    assert (
        "vlfeedback train --learner cpl --data data.h5 --labels labels.parquet --out policy\n"
        in said
    )


def test_a_finished_file_is_left_and_more_pairs_are_added_to_it(run: Run) -> None:
    run(*TEACHER, *SMALL)
    before = PreferenceDataset.load(Path("labels.parquet"), EPISODES)
    written = Path("labels.parquet").stat().st_mtime_ns
    assert run(*TEACHER, *SMALL)[0] == 0
    assert Path("labels.parquet").stat().st_mtime_ns == written
    code, _, message = run(*TEACHER, *SMALL, "--set", "mistake=0.2")
    assert code == 1 and message.startswith("FileFormatError")
    assert before.digest() == PreferenceDataset.load(Path("labels.parquet"), EPISODES).digest()


def test_other_pairs_are_refused(run: Run) -> None:
    run(*TEACHER, *SMALL)
    code, _, message = run(*TEACHER, "--pairs", "12", "--length", "5", "--seed", "4")
    assert code == 1
    assert "labels.parquet holds answers about other pairs" in message


def test_a_dry_run_asks_nobody(run: Run) -> None:
    code, said, _ = run(*TEACHER, *SMALL, "--dry-run")
    assert code == 0 and not Path("labels.parquet").exists()
    assert "teacher.mistake would be asked about 12 pairs of 5 steps from" in said
    assert "told 'close the drawer'" in said and said.count(" from step ") == 6


def test_what_the_labeller_is_told_may_be_said(run: Run) -> None:
    run(*TEACHER, *SMALL, "--instruction", "shut the drawer")
    labelled = PreferenceDataset.load(Path("labels.parquet"), EPISODES)
    assert set(labelled.instructions) == {"shut the drawer"}


def test_tasks_are_never_compared_with_each_other(run: Run) -> None:
    other = [episode(seed, "door-open") for seed in range(4)]
    write_trajectories(Path("both.h5"), [*EPISODES, *other])
    two = ("--data", "both.h5", *TEACHER[2:], *SMALL)
    code, _, message = run(*two)
    assert code == 1
    assert "of 2 tasks: 'door-open', 'drawer-close'. Choose one with --task." in message
    assert run(*two, "--task", "DoorOpen")[0] == 0
    labelled = PreferenceDataset.load(Path("labels.parquet"), other)
    assert set(labelled.instructions) == {"open the door"}
    code, _, message = run(*two, "--task", "reach")
    assert code == 1 and "and none of 'reach'" in message


def test_a_labeller_that_reads_words_needs_some(run: Run) -> None:
    write_trajectories(Path("bare.h5"), [replace(t, task="") for t in EPISODES])
    code, _, message = run("--data", "bare.h5", "--labeller", "vlp", *SMALL, "--out", "l.parquet")
    assert code == 1 and "give one with --instruction 'close the drawer'" in message


def test_segments_begin_where_pictures_are(run: Run) -> None:
    times = np.arange(1, 21, 4)
    shown = ArrayFrames(times, np.zeros((len(times), 8, 8, 3), np.uint8))
    write_trajectories(Path("seen.h5"), [replace(t, frames=shown) for t in EPISODES])
    sees = ("--data", "seen.h5", "--labeller", "picture-energy", "--out", "seen.parquet")
    code, _, message = run(*sees, "--pairs", "9", "--length", "5")
    assert code == 0, message
    pairs = PreferenceDataset.load(Path("seen.parquet"), EPISODES).pairs
    assert {segment.start % 4 for pair in pairs for segment in pair} == {0}
    run(*TEACHER, *SMALL)  # reads none
    pairs = PreferenceDataset.load(Path("labels.parquet"), EPISODES).pairs
    assert {segment.start % 4 for pair in pairs for segment in pair} != {0}


@pytest.mark.slow
def test_a_killed_command_goes_on_with_the_same_pairs(tmp_path: Path) -> None:
    slowly = (
        "import time; import vlfeedback.preferences.teacher as t; ask = t.ScriptedTeacher.label\n"
        "def label(*a): time.sleep(0.05); return ask(*a)\n"
        "t.ScriptedTeacher.label = label\nfrom vlfeedback.cli import main; main()"
    )
    arguments = ["label", *TEACHER, "--pairs", "60", "--length", "5", "--batch-size", "2"]
    command = [sys.executable, "-c", slowly, *arguments]
    parts = tmp_path / "labels.parquet.parts"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        for _ in range(1200):
            if len(list(parts.glob("*.parquet"))) > 3 or process.poll() is not None:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    begun = PreferenceDataset.load(Path("labels.parquet"), EPISODES)
    assert 0 < len(begun) < 60
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = PreferenceDataset.load(Path("labels.parquet"), EPISODES)
    pairs = sample_segment_pairs(EPISODES, 60, 5, rng=np.random.default_rng(0))
    assert whole.digest() == label_pairs(pairs, make_preference_source("teacher.mistake")).digest()
    assert whole.take(slice(len(begun))).digest() == begun.digest()
