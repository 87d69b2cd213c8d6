"""Instructions from a model: what is asked, what is read, what is dropped, what is asked again."""

import json
import logging

import numpy as np
import pytest

from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.vlms.instruction_writer import parse_phrases, write_instructions
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

THREE = ["budge the drawer inward", "nudge the drawer home", "tuck the drawer away"]


def model_of(server: ChatServer) -> VLM:
    settings = VLMSettings(model="some-model", base_url=server.url, tries=3, first_wait_s=0.01)
    return VLM(settings)


class Conversation:
    """What was written about the drawer, and the requests that led to it."""

    def __init__(self, n: int, *answers: str, **options: object) -> None:
        with (
            ChatServer(map(Reply, answers)) as server,
            model_of(server) as vlm,
        ):
            self.phrases = write_instructions(vlm, "drawer-close", n, **options)  # type: ignore[arg-type]
        self.asked = [request["messages"] for request in server.requests]


def test_the_list_of_the_answer_is_what_comes_back() -> None:
    assert Conversation(3, json.dumps(THREE)).phrases == THREE


def test_the_prompt_is_that_of_the_paper() -> None:
    ((system, question),) = Conversation(3, json.dumps(THREE)).asked
    assert system["role"] == "system"
    assert "generating 3 new instructions for each task" in system["content"]
    assert "'Pick up the [NOUN]', 'Lift the [NOUN]'" in system["content"]
    assert "['bag', 'sack'" in system["content"]
    assert question == {
        "role": "user",
        "content": 'My instruction for Drawer Close task: "Close the drawer"\nAnswer:',
    }


def test_a_picture_goes_along_with_the_question() -> None:
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    ((_, question),) = Conversation(3, json.dumps(THREE), picture=picture).asked
    text, image = question["content"]
    assert text["text"].startswith("My instruction for Drawer Close task")
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_what_is_missing_is_asked_for_in_the_same_conversation() -> None:
    talk = Conversation(3, json.dumps(THREE[:1]), json.dumps(THREE[1:]))
    assert talk.phrases == THREE
    *_, answer, again = talk.asked[1]
    assert answer == {"role": "assistant", "content": json.dumps(THREE[:1])}
    assert again["content"].startswith("Write 2 more instructions of the same task")


def test_more_than_asked_for_is_cut() -> None:
    assert Conversation(2, json.dumps(THREE)).phrases == THREE[:2]


def test_an_answer_without_a_list_is_asked_for_again() -> None:
    talk = Conversation(3, "I am sorry, what drawer?", json.dumps(THREE))
    assert talk.phrases == THREE
    assert talk.asked[1][-1]["content"].startswith("That is no Python list of strings")


def test_a_busy_server_is_no_answer() -> None:
    with (
        ChatServer([Reply("busy", 429), Reply(json.dumps(THREE))]) as server,
        model_of(server) as vlm,
    ):
        assert write_instructions(vlm, "drawer-close", 3) == THREE
    assert server.requests[0] == server.requests[1]


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("Budge the drawer inward.", "said twice"),
        ("Open the drawer", "an instruction of drawer-open"),
        ("drawer shut tight", "kept for testing"),
        ("close the green drawer", "kept for testing"),
        ("move it on home", "an instruction of push"),
        ("close " * 25, "more than 24 words"),
    ],
)
def test_what_would_spoil_a_corpus_is_dropped_and_said_and_replaced(
    phrase: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = json.dumps([THREE[0], phrase, THREE[1]]), json.dumps([THREE[2]])
    talk = Conversation(3, *answers, taken={"Move it on home.": "push"})
    assert talk.phrases == THREE
    assert f"({reason})" in caplog.text


def test_phrases_of_the_task_s_own_corpus_are_kept() -> None:
    assert Conversation(1, '["Shut the drawer"]').phrases == ["shut the drawer"]


def test_a_model_that_runs_out_gives_what_it_has_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        talk = Conversation(9, json.dumps(THREE), "no more", answers=2)
    assert talk.phrases == THREE
    assert "drawer-close: 3 of 9 instructions" in caplog.text


def test_a_model_that_writes_nothing_usable_is_an_error_with_its_last_words() -> None:
    with pytest.raises(NeedsError, match=r"no instruction of 'drawer-close'.*in 2 answers.*I am a"):
        Conversation(3, "hello", "I am a teapot", answers=2)


def test_no_instruction_cannot_be_asked_for() -> None:
    with pytest.raises(NeedsError, match="n is 0; ask for at least 1"):
        Conversation(0)


def test_an_unknown_task_is_refused_before_anything_is_asked() -> None:
    with (
        ChatServer() as server,
        model_of(server) as vlm,
        pytest.raises(UnknownNameError, match="Did you mean 'drawer-close'"),
    ):
        write_instructions(vlm, "drawer-closed")
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "phrases"),
    [
        ('["Go there.", "go  here"]', ["go there", "go here"]),
        ("['Go there', \"it's here\"]", ["go there", "it's here"]),
        ('```python\n["go there"]\n```', ["go there"]),
        ('instructions = [\n  "go there",  # a comment\n]', ["go there"]),
        ('Nouns go in [NOUN]. Answer: ["go there"]', ["go there"]),
        ('["go there", ""]', ["go there"]),
        ("", None),
        ("no list", None),
        ("[]", None),
        ("[1, 2]", None),
        ('["go there", "go he', None),
        ('{"a": 1}', None),
        ('[__import__("os").getcwd()]', None),
        ("[" * 5000 + "]" * 5000, None),
    ],
)
def test_the_list_is_found_in_what_models_write_around_it(
    answer: str, phrases: list[str] | None
) -> None:
    assert parse_phrases(answer) == phrases
