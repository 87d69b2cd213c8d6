"""The command that serves the page, and `vlfeedback label` with people, also after a kill."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from tests.labelling_page.served import Person, Server
from tests.warm_python import command_line, python
from typer.testing import CliRunner

from vlfeedback.cli.app import app

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()"]


def test_it_makes_the_queue_and_says_what_to_open_here_and_through_a_tunnel(tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    with subprocess.Popen(
        [*COMMAND, "serve", str(queue), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    match = re.fullmatch(r"Open http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)", lines[0])
    assert match is not None
    port, token = match.groups()
    host = socket.gethostname()
    assert lines[1:3] == [
        f"From another machine, run there: ssh -N -L {port}:127.0.0.1:{port} {host}",
        f"and open http://localhost:{port}/?token={token}",
    ]
    assert (queue / "queue.sqlite").exists()
    assert errors.strip() == "Stopped. The same command goes on from there."


def test_a_port_that_is_taken_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with Server(tmp_path / "queue") as server:
        done = command_line("serve", str(tmp_path / "other"), "--port", str(server.port))
    assert done.returncode == 1
    assert f"Port {server.port} of 127.0.0.1 is taken" in done.stderr
    assert f"--port {server.port + 1}" in done.stderr
    assert "--port 0" in done.stderr


def test_a_host_that_is_none_is_refused(tmp_path: Path) -> None:
    done = command_line("serve", str(tmp_path / "queue"), "--host", "203.0.113.7", "--port", "0")
    assert done.returncode == 1
    assert "--host 203.0.113.7 cannot be listened on" in done.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--token", "x", "--no-token"], "--token x and --no-token contradict each other"),
        (["--token", ""], "--token is empty; give one, or say --no-token"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path, options: list[str], problem: str
) -> None:
    result = CliRunner().invoke(app, ["serve", str(tmp_path / "queue"), *options])
    assert problem in str(result.exception)


def test_without_its_packages_it_says_which_extra_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        f"sys.argv = ['vlfeedback', 'serve', {str(tmp_path / 'queue')!r}]\n"
        "from vlfeedback.cli import main; main()"
    )
    done = python("-c", code)
    assert done.returncode == 1
    assert 'pip install "vlfeedback[label-ui]"' in done.stderr


def test_people_label_pairs_of_a_dataset_and_a_killed_command_goes_on(
    tiny_dataset: Path, tmp_path: Path, kill: Callable[[list[str], str, str, int], None]
) -> None:
    queue, out = tmp_path / "queue", tmp_path / "labels.parquet"
    arguments = ["label", "--data", str(tiny_dataset), "--labeller", "human", "--pairs", "6"]
    arguments += ["--set", f"queue={queue}", "--set", "undo_s=0", "--set", "poll_s=0.05"]
    arguments += ["--length", "15", "--out", str(out), "--batch-size", "3"]
    with Server(queue) as server:
        kill(
            arguments, "vlfeedback.data.label_queue", "LabelQueue.read_answers", 3
        )  # while it waits
        person = Person(server.url)
        pair = person.ask("next")["pair"]
        while pair is not None:  # nobody waits for these
            pair = person.ask("answer", pair=pair["number"], said="equal")["pair"]
        command = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
        answered = 3
        while command.poll() is None:
            pair = person.ask("next")["pair"]
            if pair is not None:
                person.ask("answer", pair=pair["number"], said="unsure")
                answered += 1
        _, errors = command.communicate()
    assert command.returncode == 0, errors
    assert "Warning" not in errors
    outcomes = parquet.read_table(out).column("outcome").to_pylist()
    assert outcomes == ["answered"] * 3 + ["unsure"] * 3
    assert answered == 6


def test_a_policy_may_be_trained_on_what_people_say(
    tiny_dataset: Path, tmp_path: Path, kill: Callable[[list[str], str, str, int], None]
) -> None:
    """As far as the labels, which a person gives as above."""
    queue, out = tmp_path / "queue", tmp_path / "policy"
    arguments = ["train", "--learner", "cpl", "--data", str(tiny_dataset), "--out", str(out)]
    arguments += ["--labeller", "human", "--set-labeller", f"queue={queue}", "--pairs", "4"]
    arguments += ["--length", "15", "--episodes", "0"]
    kill(arguments, "vlfeedback.data.label_queue", "LabelQueue.read_answers", 1)
    with Server(queue) as server:
        assert Person(server.url).ask("next")["progress"]["pairs"] == 4


def test_a_folder_that_is_not_named_is_asked_for_as_the_command_takes_it(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    done = command_line(
        *("label", "--data", str(tiny_dataset), "--labeller", "human"),
        *("--out", str(tmp_path / "labels.parquet")),
    )
    assert done.returncode == 1
    assert "--set queue=FOLDER" in done.stderr and "vlfeedback serve FOLDER" in done.stderr
