"""What a server can do is found out once, from its first refusals, and remembered for a while."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.vlms.words import picture, question, settings

from vlfeedback.data.cache_folder import cache_folder
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.testing.chat_server import CHAT_DIALECTS, ChatDialect, ChatServer, Reply
from vlfeedback.types import Outcome
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

PROUD = replace(  # as OpenAI's reasoning models are
    CHAT_DIALECTS["openai"], refused=("max_tokens", "temperature"), logprobs="refused"
)


def serving(dialect: str | ChatDialect = "plain", text: str = "1", **more: Any) -> ChatServer:
    return ChatServer(otherwise=lambda request: Reply(text), dialect=dialect, **more)


@pytest.mark.parametrize("dialect", ["openai", "gemini", "vllm", "sglang", "ollama", "lmstudio"])
@pytest.mark.parametrize("told", [True, False])
def test_every_server_answers_questions_of_every_kind(dialect: str, told: bool) -> None:
    speaks = dialect if told else "auto"
    with serving(dialect) as server, VLM(settings(server, dialect=speaks)) as vlm:
        asked = [question("words"), question("choice", choices=("0", "1"))]
        asked += [question("picture", picture()), question("scores", top_logprobs=5)]
        answers = vlm.ask(asked)
    assert [answer.text for answer in answers] == ["1"] * 4
    assert {answer.outcome for answer in answers} == {Outcome.ANSWERED}
    gives = dialect not in ("gemini", "lmstudio")
    assert answers[3].logprobs == (({"1": 0.0},) if gives else ())
    assert server.answered.total() == 4
    if told:
        assert len(server.requests) == 4  # nothing was refused


@pytest.mark.parametrize(
    ("dialect", "name"), [("vllm", "vllm"), ("sglang", "sglang"), ("gemini", "plain")]
)
def test_a_server_whose_address_does_not_tell_is_asked_for_its_models(
    dialect: str, name: str
) -> None:
    with serving(dialect) as server, VLM(settings(server)) as vlm:
        vlm.ask([question(f"{number}") for number in range(5)])
        assert vlm.abilities.dialect == name


def test_many_questions_at_once_find_out_each_thing_once() -> None:
    with (
        serving(PROUD, latency_s=0.02) as server,
        VLM(settings(server, dialect="plain")) as vlm,
    ):
        answers = vlm.ask([question(f"{number}", top_logprobs=5) for number in range(40)])
        can = vlm.abilities
    assert {answer.outcome for answer in answers} == {Outcome.ANSWERED}
    # Refused: the name of the limit, the temperature, 5 log-probabilities at most of 20, and of 5.
    assert len(server.requests) == 40 + 4
    assert (can.token_field, can.temperature, can.top_logprobs) == (
        "max_completion_tokens",
        False,
        0,
    )


def test_a_form_that_is_refused_is_asked_for_in_words() -> None:
    plainest = replace(CHAT_DIALECTS["plain"], response_formats=())
    with serving(plainest) as server, VLM(settings(server)) as vlm:
        answers = vlm.ask([question(f"{n}", choices=("0", "1")) for n in range(10)])
        assert vlm.abilities.response_format == "none"
    assert [answer.text for answer in answers] == ["1"] * 10
    assert len(server.requests) == 10 + 2
    assert "Answer with one of these alone" in server.requests[-1]["messages"][0]["content"]


def test_fewer_log_probabilities_are_taken_where_fewer_are_given() -> None:
    stingy = replace(CHAT_DIALECTS["plain"], most_logprobs=5)
    with serving(stingy) as server, VLM(settings(server)) as vlm:
        (answer,) = vlm.ask([question(top_logprobs=20)])
        assert vlm.run([vlm.gives_logprobs()]) == [True]
    assert answer.logprobs == ({"1": 0.0},)
    assert [request.get("top_logprobs") for request in server.requests] == [20, 5]


@pytest.mark.parametrize(
    ("dialect", "gives", "n_requests"),
    [("plain", True, 1), ("lmstudio", False, 1), (PROUD, False, 5)],
)
def test_whether_a_model_gives_log_probabilities_is_asked_once(
    dialect: str | ChatDialect, gives: bool, n_requests: int, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(dialect, "yes") as server, VLM(settings(server)) as vlm:
        answers = vlm.run([vlm.gives_logprobs() for _ in range(30)])
        assert vlm.run([vlm.gives_logprobs()]) == [gives]
    assert answers == [gives] * 30
    assert len(server.requests) == n_requests
    said = [r for r in caplog.records if "gives no log-probabilities" in r.getMessage()]
    assert len(said) == (not gives)


def test_a_dialect_that_never_gives_them_is_not_asked(caplog: pytest.LogCaptureFixture) -> None:
    with serving("gemini") as server, VLM(settings(server, dialect="gemini")) as vlm:
        assert vlm.run([vlm.gives_logprobs()]) == [False]
        assert vlm.ask([question(top_logprobs=5)])[0].logprobs == ()
    assert len(server.requests) == 1
    assert caplog.text.count("gives no log-probabilities") == 1


def test_a_question_with_them_answers_that_too() -> None:
    with serving() as server, VLM(settings(server)) as vlm:
        vlm.ask([question(top_logprobs=5)])
        assert vlm.run([vlm.gives_logprobs()]) == [True]
    assert len(server.requests) == 1


def test_a_server_in_trouble_says_nothing_about_what_it_can_do() -> None:
    broken = Reply("broken", 500)
    with (
        ChatServer([broken, broken], lambda request: Reply("yes")) as server,
        VLM(settings(server, tries=2)) as vlm,
    ):
        assert vlm.run([vlm.gives_logprobs()]) == [False]
        assert vlm.run([vlm.gives_logprobs()]) == [True]


def test_a_question_that_is_wrong_in_itself_takes_nothing_from_the_others() -> None:
    def reply(request: Any) -> Reply:
        if "response_format" in request and "odd" in str(request["messages"]):
            return Reply("Invalid schema for response_format", 400, param="response_format")
        return Reply("1")

    with ChatServer(otherwise=reply) as server, VLM(settings(server)) as vlm:
        for words in ("even", "odd", "even too"):
            assert vlm.ask([question(words, choices=("0", "1"))])[0].text == "1"
        assert vlm.abilities.response_format == "json_schema"
    assert "response_format" in server.requests[-1]


def test_thinking_is_switched_off_where_it_may_be(caplog: pytest.LogCaptureFixture) -> None:
    stubborn = replace(CHAT_DIALECTS["vllm"], refused=("chat_template_kwargs",))
    for dialect, is_off in (("vllm", True), (stubborn, False)):
        with serving(dialect) as server, VLM(settings(server, thinking="off")) as vlm:
            assert vlm.ask([question()])[0].text == "1"
        assert ("chat_template_kwargs" in server.requests[-1]) == is_off
        assert ("does not let its thinking be switched off" in caplog.text) == (not is_off)


def test_where_it_is_not_known_how_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server, VLM(settings(server, thinking="off")) as vlm:
        assert vlm.ask([question()])[0].text == "1"
    assert "switches thinking off is not known" in caplog.text


def test_a_model_that_sees_no_pictures_is_found_out_and_asked_again_another_time() -> None:
    blind = replace(CHAT_DIALECTS["plain"], pictures=())
    with serving(blind) as server, VLM(settings(server)) as vlm:
        with pytest.raises(InvalidValueError, match="does not see pictures"):
            vlm.ask([question("well?", picture())])
        assert not vlm.abilities.pictures
        server.dialect = CHAT_DIALECTS["plain"]
        assert vlm.ask([question("well?", picture())])[0].text == "1"
        assert vlm.abilities.pictures


def test_more_pictures_than_the_server_takes_are_an_error_that_says_what_to_do() -> None:
    one = replace(CHAT_DIALECTS["vllm"], most_pictures=1)
    with (
        serving(one) as server,
        VLM(settings(server)) as vlm,
        pytest.raises(InvalidValueError, match="limit-mm-per-prompt"),
    ):
        vlm.ask([question("well?", picture(0), picture(1))])


class TestMemory:
    """What is found out is in a file beside the store, for the next process."""

    def ask(self, server: ChatServer, store: str, **changes: Any) -> None:
        with VLM(settings(server, store=store, dialect="plain")) as vlm:
            vlm.ask([question(f"{len(server.requests)}", **changes)])

    def test_the_next_process_is_refused_nothing(self, tmp_path: Path) -> None:
        store = str(tmp_path / "answers.sqlite")
        with serving(PROUD) as server:
            self.ask(server, store, top_logprobs=5)
            n_requests = len(server.requests)
            self.ask(server, store, top_logprobs=5)
            assert len(server.requests) == n_requests + 1
            content = json.loads((tmp_path / "vlm_abilities.json").read_text())
        assert content["format"] == "vlfeedback.vlm_abilities/1"
        assert content["models"] == {
            f"{server.url} some-model": {
                "dialect": "plain",
                "token_field": "max_completion_tokens",
                "temperature": False,
                "top_logprobs": 0,
                "date": datetime.now(UTC).date().isoformat(),
            }
        }

    def test_it_is_in_the_user_s_cache_folder_where_no_store_is_named(self) -> None:
        with serving() as server:
            self.ask(server, "")
        assert (cache_folder() / "vlm_abilities.json").exists()

    def test_nothing_is_kept_where_no_answer_is(self) -> None:
        with serving() as server:
            self.ask(server, "none")
        assert not cache_folder().exists()

    def test_a_model_that_can_more_by_now_is_found_out_after_a_week(self, tmp_path: Path) -> None:
        store, file = str(tmp_path / "answers.sqlite"), tmp_path / "vlm_abilities.json"
        with serving(PROUD) as server:
            self.ask(server, store, top_logprobs=5)
            server.dialect = CHAT_DIALECTS["plain"]
            self.ask(server, store, top_logprobs=5)
            assert "logprobs" not in server.requests[-1]
            today = datetime.now(UTC).date()
            last_week = (today - timedelta(days=7)).isoformat()
            file.write_text(file.read_text().replace(today.isoformat(), last_week))
            self.ask(server, store, top_logprobs=5)
            assert "logprobs" in server.requests[-1]

    def test_a_model_that_can_less_by_now_is_found_out_at_once(self, tmp_path: Path) -> None:
        store = str(tmp_path / "answers.sqlite")
        with serving() as server:
            self.ask(server, store)
            server.dialect = PROUD
            self.ask(server, store)
            self.ask(server, store)
            assert len(server.requests) == 1 + 3 + 1

    @pytest.mark.parametrize(
        "content",
        ["", "[]", "{", '{"format": "other/1", "models": {}}', '{"models": []}', "\N{BROKEN BAR}"],
    )
    def test_a_damaged_file_is_done_without(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "vlm_abilities.json"
        file.write_bytes(content.encode("latin-1"))
        with serving() as server:
            self.ask(server, str(tmp_path / "answers.sqlite"))
        assert f"{server.url} some-model" in json.loads(file.read_text())["models"]

    def test_a_place_that_cannot_be_written_is_done_without(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        (tmp_path / "vlm_abilities.json").mkdir()
        with serving() as server:
            self.ask(server, str(tmp_path / "answers.sqlite"))
        assert "What some-model can do is not kept" in caplog.text

    def test_a_password_in_the_address_is_in_no_file(self, tmp_path: Path) -> None:
        with serving() as server:
            url = server.url.replace("//", "//me:secret@")
            given = settings(server, base_url=url, store=str(tmp_path / "answers.sqlite"))
            with VLM(given) as vlm:
                assert vlm.ask([question()])[0].text == "1"
        assert "secret" not in (tmp_path / "vlm_abilities.json").read_text()


class TestKeys:
    """Which environment variable a key is read from, and when there must be one."""

    @pytest.fixture(autouse=True)
    def no_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
            monkeypatch.delenv(name, raising=False)

    def key_sent(self, dialect: str) -> str:
        with serving() as server, VLM(settings(server, dialect=dialect)) as vlm:
            vlm.ask([question()])
        return server.keys[0]

    def test_a_server_of_one_s_own_needs_none(self) -> None:
        assert self.key_sent("auto") == "none"

    def test_gemini_has_a_variable_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "usual")
        assert self.key_sent("gemini") == "usual"
        monkeypatch.setenv("GEMINI_API_KEY", "google's")
        assert self.key_sent("gemini") == "google's"
        assert self.key_sent("auto") == "usual"

    @pytest.mark.parametrize(
        ("base_url", "variable"),
        [
            ("", "OPENAI_API_KEY"),
            ("https://api.openai.com/v1", "OPENAI_API_KEY"),
            ("https://generativelanguage.googleapis.com/v1beta/openai/", "GEMINI_API_KEY"),
        ],
    )
    def test_those_that_want_one_are_not_asked_without(self, base_url: str, variable: str) -> None:
        with pytest.raises(NeedsError, match=f"environment variable {variable}"):
            VLM(VLMSettings(model="m", base_url=base_url, store="none"))
