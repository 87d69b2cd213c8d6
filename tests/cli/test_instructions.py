"""`vlfeedback instructions`, from the command line to the file."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from vlfeedback.cli import main
from vlfeedback.data.instruction_file import load_corpus
from vlfeedback.data.unseen_instructions import unseen_instructions
from vlfeedback.testing.chat_server import ChatServer, Reply

TASKS = "reach,push,door-open"


class Terminal:
    """Runs the command in this process."""

    def __init__(self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = patch, capsys

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what was printed with every run of spaces as one."""
        self._patch.setattr(sys, "argv", ["vlfeedback", "instructions", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = "".join(self._capsys.readouterr())
        return int(ended.value.code or 0), " ".join(printed.split())

    def write(self, server: ChatServer, out: Path, *arguments: str) -> tuple[int, str]:
        where = ("--model", "some-model", "--base-url", server.url, "--out", str(out))
        return self.run("write", *where, "--tasks", TASKS, "--count", "2", *arguments)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def task_of(request: Any) -> str:
    question = request["messages"][1]["content"]
    text = question if isinstance(question, str) else question[0]["text"]
    found = re.match(r"My instruction for (.+) task:", text)
    assert found is not None
    return found[1].lower().replace(" ", "-")


def two_phrases(request: Any) -> Reply:
    return Reply(json.dumps([f"{task_of(request)} please", f"kindly {task_of(request)}"]))


def test_the_instructions_of_a_task_are_shown_one_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["instructions", "show", "drawer-close", "--kind", "correct colour"]
    monkeypatch.setattr(sys, "argv", ["vlfeedback", *arguments])
    with pytest.raises(SystemExit):
        main()
    shown = tuple(capsys.readouterr().out.splitlines())
    assert shown == unseen_instructions("drawer-close", "correct colour")


def test_the_corpus_is_shown_by_default(terminal: Terminal) -> None:
    code, printed = terminal.run("show", "drawer-close")
    assert code == 0
    assert printed.startswith("close the drawer shut the drawer")


def test_an_unknown_task_is_one_sentence(terminal: Terminal) -> None:
    code, printed = terminal.run("show", "drawer-closed")
    assert code == 1
    assert "Did you mean 'drawer-close'" in printed


def test_every_task_is_written_and_is_a_corpus(terminal: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    with ChatServer(otherwise=two_phrases) as server:
        code, printed = terminal.write(server, out)
    assert (code, len(server.requests)) == (0, 3)
    assert f"6 instructions of 3 tasks are in {out}" in printed
    assert load_corpus(out) == {
        "reach": ("reach please", "kindly reach"),
        "push": ("push please", "kindly push"),
        "door-open": ("door-open please", "kindly door-open"),
    }


def test_the_file_says_how_it_was_made_and_not_where(terminal: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    with ChatServer(otherwise=two_phrases) as server:
        terminal.write(server, out)
    provenance = json.loads(out.read_text())["provenance"]
    assert provenance.pop("date")
    assert provenance == {"model": "some-model", "prompt": 1, "count": 2, "pictures": False}
    assert "127.0.0.1" not in out.read_text()


def test_a_run_that_was_cut_asks_only_for_what_is_missing(
    terminal: Terminal, tmp_path: Path
) -> None:
    out = tmp_path / "mine.json"
    first = Reply('["reach please", "kindly reach"]')
    with ChatServer([first, Reply("the power went", 400)]) as server:
        code, printed = terminal.write(server, out)
    assert code == 1
    assert "the power went" in printed
    assert f"1 of 3 tasks are in {out}; go on with the same command" in printed
    assert list(load_corpus(out)) == ["reach"]

    with ChatServer(otherwise=two_phrases) as server:
        code, _ = terminal.write(server, out)
    assert code == 0
    assert [task_of(request) for request in server.requests] == ["push", "door-open"]
    assert list(load_corpus(out)) == ["reach", "push", "door-open"]


def test_a_finished_file_needs_no_server(terminal: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    with ChatServer(otherwise=two_phrases) as server:
        terminal.write(server, out)
        before = out.read_text()
    assert terminal.write(server, out)[0] == 0
    assert out.read_text() == before


def test_a_phrase_of_two_tasks_is_kept_for_the_first(terminal: Terminal, tmp_path: Path) -> None:
    replies = ["do it", "do it now"], ["do it", "push on"], ["push it"], ["open", "open up"]
    out = tmp_path / "mine.json"
    with ChatServer([Reply(json.dumps(reply)) for reply in replies]) as server:
        assert terminal.write(server, out)[0] == 0
    assert load_corpus(out)["push"] == ("push on", "push it")


def test_a_task_the_model_fails_at_does_not_stop_the_others(
    terminal: Terminal, tmp_path: Path
) -> None:
    def mute_at_push(request: Any) -> Reply:
        return Reply("...") if task_of(request) == "push" else two_phrases(request)

    out = tmp_path / "mine.json"
    with ChatServer(otherwise=mute_at_push) as server:
        code, printed = terminal.write(server, out)
    assert code == 1
    assert "1 of 3 tasks are missing: push. 'some-model' gave no instruction of 'push'" in printed
    assert list(load_corpus(out)) == ["reach", "door-open"]


def test_a_file_begun_with_another_count_is_not_mixed(terminal: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    with ChatServer(otherwise=two_phrases) as server:
        terminal.write(server, out)
        code, printed = terminal.write(server, out, "--count", "3")
    assert code == 1
    assert "count was 2 and is 3" in printed


def test_the_model_is_shown_the_task_if_that_is_asked_for(
    terminal: Terminal, tmp_path: Path
) -> None:
    pytest.importorskip("metaworld")
    with ChatServer(otherwise=two_phrases) as server:
        code, _ = terminal.write(server, tmp_path / "mine.json", "--tasks", "reach", "--pictures")
    assert code == 0
    (request,) = server.requests
    _, image = request["messages"][1]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_openai_s_server_is_not_asked_without_a_key(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    code, printed = terminal.run("write", "--model", "m", "--out", str(tmp_path / "mine.json"))
    assert code == 1
    assert "OPENAI_API_KEY" in printed
