"""`vlfeedback label` before it asks: what it says with --dry-run, and the page of --preview."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.cli import main
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.types import ArrayFrames, Trajectory

Run = Callable[..., tuple[int, str, str]]


def episode(seed: int, length: int = 20) -> Trajectory:
    rng = np.random.default_rng(seed)
    times = np.arange(length + 1)
    return Trajectory(
        observations=rng.normal(size=(length + 1, 3)).astype(np.float32),
        actions=rng.uniform(-1, 1, size=(length, 2)).astype(np.float32),
        env_rewards=rng.normal(size=length).astype(np.float32),
        truncated=True,
        frames=ArrayFrames(times, rng.integers(0, 256, (length + 1, 8, 8, 3), dtype=np.uint8)),
        id=f"drawer-close/{seed:06d}",
        task="drawer-close",
    )


EPISODES = [episode(seed) for seed in range(8)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    write_trajectories(Path("my data.h5"), EPISODES)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vlfeedback", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


DATA = ("label", "--data", "my data.h5", "--labeller", "teacher.mistake")
JOB = (*DATA, "--pairs", "40", "--length", "5", "--out", "labels.parquet")
STAGES = ["random", {"labeller": "teacher", "max_pairs": 10}]
CASCADE = ("--labeller", "cascade", "--set", f"stages={json.dumps(STAGES)}")


def test_a_preview_writes_a_page_and_no_labels(run: Run) -> None:
    code, said, message = run(*JOB, "--preview", "pages/look.html")
    assert code == 0, message
    assert [path.name for path in Path().iterdir()] != [] and not Path("labels.parquet").exists()
    page = Path("pages/look.html").read_text(encoding="utf-8")
    assert "teacher.mistake on 20 of 40 pairs" in page and "close the drawer" in page
    assert "data:image/jpeg" in page  # the teacher looks at rewards; who reads the page does not
    assert "right by the task's own reward: " in said
    assert "The whole job: 40 questions, $0.00." in said


@pytest.mark.parametrize("option", [("--preview", "look.html"), ("--preview=look.html",)])
def test_the_page_ends_with_the_command_that_labels_all_pairs(
    run: Run, option: tuple[str, ...]
) -> None:
    _, said, _ = run(*JOB[:3], *option, *JOB[3:])
    page = Path("look.html").read_text(encoding="utf-8")
    following = unescape(re.findall(r"<pre>(vlfeedback .*?)</pre>", page)[-1])
    assert f"Look at look.html. All pairs: {following}\n" in said
    words = shlex.split(following)
    assert words == ["vlfeedback", *JOB]
    assert run(*words[1:])[0] == 0
    assert len(PreferenceDataset.load("labels.parquet", EPISODES)) == 40


def test_a_cascade_is_looked_at_with_its_share_of_the_budget(run: Run) -> None:
    code, said, message = run(*JOB, *CASCADE, "--preview", "look.html")
    assert code == 0, message
    page = Path("look.html").read_text(encoding="utf-8")
    assert "preferences.teacher:ScriptedTeacher" in page and "cascade:Cascade" in page
    assert "The whole job: 50 questions, $0.00." in said  # 40, and 10 of the teacher at most


def test_a_cascade_labels_from_the_command_line(run: Run) -> None:
    code, said, message = run(*JOB, *CASCADE)
    assert code == 0, message
    assert "40 of 40 pairs are answered" in said
    assert "40 pairs (40 answered)" in said  # chance is sure of all it says


def test_a_dry_run_says_what_it_would_take_where_that_is_known(run: Run) -> None:
    code, said, message = run(*JOB, *CASCADE, "--dry-run")
    assert code == 0, message
    assert "told 'close the drawer'. It would take about 50 questions, $0.00.\n" in said
    _, said, _ = run(*JOB, "--dry-run")
    assert "told 'close the drawer'.\n" in said  # the teacher cannot tell


def test_a_place_that_takes_no_page_is_said_before_anything_is_read(run: Run) -> None:
    Path("file").touch()
    code, _, message = run(*JOB, "--preview", "file/look.html")
    assert code == 1 and message.startswith("WriteError: Could not write file/look.html")
