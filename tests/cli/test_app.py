"""What a command says when something is wrong with what was typed, or with the machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vlfeedback
from vlfeedback.cli import main
from vlfeedback.cli.messages import message_of, options_of
from vlfeedback.errors import NeedsError


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Exit code, what was printed, and the message."""
    monkeypatch.setattr(sys, "argv", ["vlfeedback", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have every look for a dataset fail so."""

    def raising(*_: object) -> None:
        raise error

    monkeypatch.setattr("vlfeedback.adapters.formats.open_dataset", raising)


LABEL = ("label", "--data", "d.h5", "--labeller", "teacher", "--out", "l.parquet")
STOPPED = "Stopped. The same command goes on from there.\n"


def test_the_version_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, capsys, "--version") == (
        0,
        f"vlfeedback {vlfeedback.__version__}\n",
        "",
    )


@pytest.mark.parametrize(
    "error",
    [
        NeedsError("nothing to label."),
        BlockingIOError("Another process has it."),
        ChildProcessError("A worker was killed."),
        PermissionError(13, "Permission denied", "labels.parquet"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    fail(monkeypatch, error)
    code, _, message = run(monkeypatch, capsys, *LABEL)
    assert (code, message) == (1, f"{type(error).__name__}: {error}\n")


def test_a_message_sends_the_terminal_no_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, NeedsError("No task '\x1b[2J'."))
    assert run(monkeypatch, capsys, *LABEL)[2] == "NeedsError: No task '\\x1b[2J'.\n"


def test_notes_of_an_error_are_printed_below_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = NeedsError("no key.")
    error.add_note("The answers to the 64 pairs before them are kept in l.parquet.")
    fail(monkeypatch, error)
    _, _, message = run(monkeypatch, capsys, *LABEL)
    assert message.splitlines() == [
        "NeedsError: no key.",
        "The answers to the 64 pairs before them are kept in l.parquet.",
    ]


@pytest.mark.parametrize("error", [ValueError("ours"), RuntimeError("ours"), KeyError("ours")])
def test_a_mistake_of_ours_keeps_its_trace(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fail(monkeypatch, error)
    monkeypatch.setattr(sys, "argv", ["vlfeedback", *LABEL])
    with pytest.raises(type(error), match="ours"):
        main()


def test_ctrl_c_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, KeyboardInterrupt())
    assert run(monkeypatch, capsys, *LABEL) == (130, "", STOPPED)


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_in_one_line(tmp_path: Path) -> None:
    wait = "import time; print('ready', flush=True); time.sleep(60)"
    code = (
        "import vlfeedback.adapters.formats as f; from vlfeedback.cli import main\n"
        f"def wait(*_):\n    {wait}\nf.open_dataset = wait; main()"
    )
    command = [sys.executable, "-c", code, *LABEL]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=60)
    assert (process.returncode, message) == (130, STOPPED)


def test_messages_speak_of_the_options_that_the_command_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, NeedsError("batch_size=0; pass device='cuda', or between='hold'."))
    _, _, message = run(monkeypatch, capsys, *LABEL)  # has no --between
    assert message == "NeedsError: --batch-size 0; pass --device cuda, or between='hold'.\n"


def test_calls_in_a_message_stay_python() -> None:
    error = NeedsError("pass instruction='close the drawer', or f(a, seed=1) or x.seed=2.")
    assert message_of(error, ["instruction"]) == (
        "NeedsError: pass --instruction 'close the drawer', or f(a, seed=1) or x.seed=2."
    )
    assert message_of(NeedsError("f(seed=1), x.seed=2"), ["seed"]) == (
        "NeedsError: f(seed=1), x.seed=2"
    )


def raised(room: str, message: str) -> NeedsError:
    """An error that a function of this room of the library has raised."""
    functions: dict[str, object] = {"__name__": f"vlfeedback.{room}", "NeedsError": NeedsError}
    exec("def check(message): raise NeedsError(message)", functions)
    with pytest.raises(NeedsError) as caught:
        functions["check"](message)  # type: ignore[operator]
    return caught.value


def test_settings_in_a_message_are_written_as_the_command_takes_them() -> None:
    goal = raised("encoders.goals", "pass goal='my goal.png', alpha=0.5 or soft=True.")
    assert message_of(goal, ["set"]) == (
        'NeedsError: pass --set "goal=my goal.png", --set alpha=0.5 or --set soft=true.'
    )
    assert message_of(goal, ["source-config", "device"]) == (
        'NeedsError: pass --source-config \'{"goal": "my goal.png"}\', '
        "--source-config '{\"alpha\": 0.5}' or --source-config '{\"soft\": true}'."
    )
    assert message_of(goal, ["device"]).endswith("pass goal='my goal.png', alpha=0.5 or soft=True.")
    trust = raised("adapters.hdf5", "(terminated=False, truncated=True); or trust_terminals=True.")
    assert message_of(trust, ["reading", "set"]) == (
        "NeedsError: (terminated=False, truncated=True); or "
        "--reading '{\"trust_terminals\": true}'."
    )
    steps = raised("offline.train", "n_steps=0, log_every=7; pass architecture=... of timm.")
    assert message_of(steps, ["steps", "set"]) == (
        "NeedsError: --steps 0, --set log_every=7; pass --set architecture=... of timm."
    )
    limit = raised("vlms.budget", "Raise the limit, say to budget_usd=10.")
    assert message_of(limit, ["set"]) == "NeedsError: Raise the limit, say to --set budget_usd=10."
    assert message_of(raised("scoring.relabel", "between='hold'"), ["set"]).endswith(
        "between='hold'"
    )


def test_options_are_those_of_the_subcommand_that_is_called() -> None:
    import typer

    from vlfeedback.cli.app import app

    command = typer.main.get_command(app)
    assert "version" in options_of(command, [])
    assert "epochs" in options_of(command, ["fit", "reward", "--data", "label"])
    assert "labeller" in options_of(command, ["label"])
