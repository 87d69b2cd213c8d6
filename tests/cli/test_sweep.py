"""`vlfeedback sweep` and `vlfeedback report`, with real processes, training and episodes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.warm_python import command_line

from vlfeedback.cli import main
from vlfeedback.offline.training_state import load_state

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()"]
SWEEP = """
claim = "it runs"
tasks = ["cart-pole-balance"]
levels = ["random"]
seeds = [0]
steps = 20
pairs = { count = 12, length = 5, sampler = "uniform" }
evaluation = { every = 10, episodes = 2, horizon = 5, metric = "return" }
[labels.teacher]
[labels.returns] # the same answers by another road
source = "env"
[rewards.env]
[learners.cpl]
settings = { bc_steps = 5 }
[learners.iql]
[learners.bc]
every = 20
[paper]
"env/iql" = "offline-rl-vlm-f-1/IQL-GT"
"""
TEACHER, TWIN = "cart-pole-balance_teacher_cpl_0", "cart-pole-balance_returns_cpl_0"


def run_here(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Exit code and what was printed, by a command that starts no worker."""
    monkeypatch.setattr(sys, "argv", ["vlfeedback", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "cartpole"
    options = ["--tasks", "cart-pole-balance", "--episodes", "4", "--workers", "1"]
    done = command_line("collect", "--out", out, *options)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SWEEP, encoding="utf-8")
    return path


def row(out: Path, name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "runs" / f"{name}.json").read_text(encoding="utf-8"))
    return read


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Processes that train policies."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"runs" in words_of(child)]


def words_of(pid: str) -> list[bytes]:
    """The command line of a process; nothing of one that has ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


@pytest.mark.slow
def test_a_sweep_is_run_reported_and_resumed(file: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["sweep", str(file), "--out", str(out), "--data", str(data), "--workers", "2"]
    done = command_line(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 runs are finished" in done.stdout

    teacher, twin = row(out, TEACHER), row(out, TWIN)
    assert teacher["steps"] == [10, 20]
    assert [len(e) for e in teacher["returns"]] == [2, 2]
    assert teacher["feedback"]["accuracy"] == 1 and teacher["feedback"]["pairs"] == 12
    assert teacher["settings"]["learner"]["settings"] == {"bc_steps": 5}
    assert teacher["versions"]["torch"] and teacher["hardware"]["cores"]
    assert teacher["wall_seconds"] > 0 and teacher["cpu_seconds"] > 0
    assert twin["same_labels_as"] == TEACHER and twin["returns"] == teacher["returns"]
    cloned = row(out, "cart-pole-balance_bc_0")
    assert cloned["feedback"] is None and cloned["steps"] == [20]

    reported = command_line("report", out)
    assert reported.returncode == 0, reported.stderr
    assert "4 of 4 runs are finished" in reported.stdout
    figures = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert set(figures["runs"]) == {path.stem for path in (out / "runs").iterdir()}
    assert "(Offline RL-VLM-F, Table I, IQL-GT)" in (out / "report.md").read_text("utf-8")
    assert (out / "report.html").stat().st_size > 10_000

    before = {path: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    next(iter(before)).unlink()
    again = command_line(*arguments)
    assert again.returncode == 0, again.stderr
    after = {path: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert set(after) == set(before)
    assert sum(after[path] != before[path] for path in before) == 1


@pytest.mark.slow
def test_runs_that_are_trained_together_fill_the_same_rows(
    file: Path, data: Path, tmp_path: Path
) -> None:
    seeds = SWEEP.replace("seeds = [0]", "seeds = [0, 1, 2]", 1)
    file.write_text(seeds + "[learners.diffusion]\nsettings = { batch_size = 4 }\n", "utf-8")
    out, alone = tmp_path / "out", tmp_path / "alone"
    options: list[str | Path] = ["--data", data, "--workers", "1"]
    done = command_line("sweep", file, "--out", out, *options, "--batched", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 of 15 runs are finished" in done.stdout
    single = command_line("sweep", file, "--out", alone, *options)
    assert single.returncode == 0, single.stdout + single.stderr
    for path in (alone / "runs").iterdir():
        expected, found = row(alone, path.stem), row(out, path.stem)
        assert expected.keys() == found.keys()
        for key in ("settings", "training", "steps", "same_labels_as", "compared"):
            assert found[key] == expected[key]
    together = [
        row(out, f"cart-pole-balance_teacher_cpl_{s}")["trained_together"] for s in range(3)
    ]
    assert together == [2, 1, 1] or sorted(together) == [1, 2, 2]
    assert row(out, "cart-pole-balance_diffusion_0")["trained_together"] == 1
    again = command_line("sweep", file, "--out", out, *options)  # finished either way
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_runs_of_a_group_that_fails_are_trained_alone(
    file: Path, data: Path, tmp_path: Path
) -> None:
    sweep = SWEEP.replace("seeds = [0]", "seeds = [0, 1]", 1).replace(
        "[learners.cpl]", "[learners.ipl]"
    )
    sweep = sweep.replace("{ bc_steps = 5 }", "{ replay = true, hidden = [8] }")
    file.write_text(sweep, "utf-8")
    options: list[str | Path] = ["--data", data, "--workers", "1", "--batched", "4"]
    done = command_line("sweep", file, "--out", tmp_path / "out", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "leave replay=True out" in done.stdout
    assert row(tmp_path / "out", "cart-pole-balance_teacher_ipl_1")["trained_together"] == 1


@pytest.mark.slow
def test_equal_labels_trained_twice_give_bit_identical_curves(
    file: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = command_line("sweep", file, "--out", out, "--data", data, "--no-share")
    assert done.returncode == 0, done.stdout + done.stderr
    assert row(out, TWIN)["same_labels_as"] is None
    assert row(out, TWIN)["returns"] == row(out, TEACHER)["returns"]
    command_line("report", out)
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "equal labels, each trained: 1; all their evaluations are bit for bit the same." in text


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_killed_sweep_goes_on(
    file: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    file.write_text(SWEEP.replace("steps = 20", "steps = 300", 1), encoding="utf-8")
    arguments = ["sweep", str(file), "--out", str(out), "--data", str(data), "--workers", "1"]
    command = [*COMMAND, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as (
        process
    ):
        first = wait_for_worker(process)
        os.kill(first, signal.SIGKILL)
        second = wait_for_worker(process, but=first)
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
    assert "retried: killed by SIGKILL. Its log is" in said
    for _ in range(100):
        if not Path(f"/proc/{second}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{second}").exists()
    done = command_line(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 runs are finished" in done.stdout
    assert not list(out.rglob("*.partial")) and not list(out.rglob("*.progress"))


@pytest.mark.slow
def test_a_group_of_a_killed_sweep_goes_on_from_its_last_evaluation(
    file: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sweep = SWEEP.replace("steps = 20", "steps = 200", 1).replace("seeds = [0]", "seeds = [0, 1]")
    file.write_text(sweep, encoding="utf-8")
    arguments = ["sweep", str(file), "--out", str(out), "--data", str(data), "--workers", "1"]
    command = [*COMMAND, *arguments, "--batched", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while not (states := list(out.glob("unfinished/*/training/state.safetensors"))):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    kept = load_state(states[0])
    name = states[0].parent.parent.name
    assert kept is not None and not out.joinpath("runs", f"{name}.json").exists()
    done = command_line(*arguments, "--batched", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    finished = row(out, name)
    assert finished["trained_together"] > 1 and finished["cpu_seconds"] > kept["cpu_seconds"]
    (steps, found) = kept["evaluations"][0][:2]
    assert finished["steps"][0] == steps and finished["successes"][0] == found.tolist()
    assert not list(out.glob("unfinished/*"))


def wait_for_worker(process: subprocess.Popen[str], but: int = 0) -> int:
    """A process that trains, once it has its libraries."""
    while process.poll() is None:
        for worker in workers_of(process):
            if worker != but and b"libtorch" in Path(f"/proc/{worker}/maps").read_bytes():
                return worker
        time.sleep(0.02)
    raise AssertionError("the sweep ended before it trained")


@pytest.mark.slow
def test_ctrl_c_stops_in_one_sentence(file: Path, data: Path, tmp_path: Path) -> None:
    file.write_text(SWEEP.replace("steps = 20", "steps = 100000", 1), encoding="utf-8")
    out = tmp_path / "out"
    command = [*COMMAND, "sweep", str(file), "--out", str(out), "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as (
        process
    ):
        worker = wait_for_worker(process)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert message == "Stopped. Finished runs are kept; the same command goes on.\n"
    assert not Path(f"/proc/{worker}").exists()


@pytest.mark.slow
def test_a_run_that_fails_is_reported_with_its_log_and_the_others_go_on(
    file: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    file.write_text(SWEEP.replace("bc_steps = 5", "bc_stepps = 5"), encoding="utf-8")
    done = command_line("sweep", file, "--out", out, "--data", data)
    assert done.returncode == 1
    log = out / "logs" / f"{TEACHER}.log"
    assert f"{TEACHER} failed: " in done.stdout and f"Its log is {log}." in done.stdout
    assert "bc_stepps" in done.stdout and "Traceback" in log.read_text(encoding="utf-8")
    assert "2 of 4 runs are finished" in done.stdout
    assert f"{TWIN} failed: {TEACHER}, whose labels it shares, failed." in done.stdout
    assert command_line("report", out).returncode == 0
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "missing (0 of 1 seeds)" in report
    assert f"Missing runs, counted nowhere: 2 ({TEACHER}: UnknownNameError: " in report
    assert "bc_stepps" in report and f"; {TWIN}: {TEACHER}, whose labels it shares, fa" in report
    file.write_text(SWEEP, encoding="utf-8")
    assert command_line("sweep", file, "--out", out, "--data", data).returncode == 0
    assert not list((out / "logs").glob("*.failed"))


def test_a_dry_run_shows_all_runs_and_starts_none(
    file: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = ["sweep", str(file), "--out", str(out), "--data", str(data), "--dry-run"]
    code, said, _ = run_here([*arguments, "--seeds", "0,3"], monkeypatch, capsys)
    assert code == 0
    assert "8 of 8 runs are to do" in said
    assert said.count("cart-pole-balance") == 8
    assert not out.exists()


@pytest.mark.parametrize(
    ("old", "new", "message", "note"),
    [
        ("[labels.teacher]", "[labels.vlp]", "has no pictures", "labels of 'vlp'"),
        ("[rewards.env]", "[rewards.picture-energy]", "has no pictures", "'picture-energy'"),
        ("length = 5", "length = 500", "Segments of 500 steps do not fit", "labels of 'teacher'"),
        ("[rewards.env]", "[rewards.random]\nconfig.seed = 2.5", "is 2.5, a float", "'random'"),
    ],
)
def test_what_a_source_cannot_read_is_found_by_a_dry_run(
    file: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    message: str,
    note: str,
) -> None:
    text = SWEEP.replace(old, new, 1).replace('"env/iql" = "offline-rl-vlm-f-1/IQL-GT"', "")
    file.write_text(text, encoding="utf-8")
    arguments = ["sweep", str(file), "--out", str(tmp_path / "out"), "--data", str(data)]
    code, _, error = run_here([*arguments, "--dry-run"], monkeypatch, capsys)
    assert code == 1 and message in error
    assert f"{note}, task 'cart-pole-balance' of tiny." in error


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[labels.teacher]", "[labels.teachr]", "No preference source 'teachr'. Did you mean 'tea"),
        ("[rewards.env]", '[rewards.env]\nsource = "en"', "No reward source 'en'. Did you mean"),
        ("[learners.bc]", "[learners.bk]", "learner 'bk'. Did you mean 'bc'"),
        ('"cart-pole-balance"', '"reach"', "lacks 1 of 1 files, such as reach/random.h5"),
        ("levels", "level", "no key 'level'. Did you mean 'levels'"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_runs(
    file: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    message: str,
) -> None:
    file.write_text(SWEEP.replace(old, new, 1), encoding="utf-8")
    out = tmp_path / "out"
    arguments = ["sweep", str(file), "--out", str(out), "--data", str(data)]
    code, _, error = run_here(arguments, monkeypatch, capsys)
    assert code == 1
    assert message in error and len(error.splitlines()) <= 2
    assert not out.exists()


def test_a_sweep_without_data_says_how_to_name_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run_here(
        ["sweep", str(file), "--out", str(tmp_path / "out")], monkeypatch, capsys
    )
    assert code == 1
    assert error == "NeedsError: tiny names no data; add --data FOLDER, or data = ... to it.\n"


def test_seeds_that_are_no_numbers_are_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", str(file), "--out", str(tmp_path / "out"), "--seeds", "0,x"]
    code, _, error = run_here(arguments, monkeypatch, capsys)
    assert code == 2 and "expected whole numbers such as 0,1,2" in error
