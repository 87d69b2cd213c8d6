"""A model asked from ordinary code: event loops, threads, connections, and how a run ends."""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.vlms.words import MODEL, question, settings

from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM


def echo(request: Any) -> Reply:
    return Reply(f"{request['messages'][-1]['content']}!", tokens=(5, 1))


def test_the_question_goes_to_the_model_and_the_answer_comes_back() -> None:
    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:
        (answer,) = vlm.ask([question("well")])
    assert (answer.text, answer.outcome, answer.tokens) == ("well!", Outcome.ANSWERED, 6)
    assert answer.model == "scripted"
    assert answer.seconds > 0
    (request,) = server.requests
    assert request["model"] == MODEL
    assert request["messages"] == [{"role": "user", "content": "well"}]


def test_answers_come_in_the_order_of_the_questions() -> None:
    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:
        answers = vlm.ask([question(f"{number}") for number in range(40)])
    assert [answer.text for answer in answers] == [f"{number}!" for number in range(40)]


def test_no_questions_have_no_answers() -> None:
    with ChatServer() as server, VLM(settings(server)) as vlm:
        assert vlm.ask([]) == []


def test_a_conversation_goes_on_where_it_was() -> None:
    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:

        async def talk() -> str:
            first = question("well")
            answer = await vlm.answer(first)
            return (await vlm.answer(first.follow_up(answer.text, "really"))).text

        assert vlm.run([talk(), talk()]) == ["really!", "really!"]
    said = [[turn["content"] for turn in request["messages"]] for request in server.requests]
    assert said == [["well"], ["well", "well!", "really"]]


def test_it_works_where_an_event_loop_runs_already_as_in_a_notebook() -> None:
    async def cell(vlm: VLM) -> list[Answer]:
        return vlm.ask([question("well")])

    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:
        (answer,) = asyncio.run(cell(vlm))
    assert answer.text == "well!"


def test_a_program_with_an_event_loop_of_its_own_may_await_an_answer() -> None:
    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:
        assert asyncio.run(vlm.answer(question("well"))).text == "well!"
        assert asyncio.run(vlm.gives_logprobs())


def test_a_coroutine_may_ask_two_models() -> None:
    with (
        ChatServer(otherwise=echo) as server,
        VLM(settings(server)) as one,
        VLM(settings(server, model="other-model")) as other,
    ):

        async def both() -> str:
            return (await other.answer(question((await one.answer(question("well"))).text))).text

        assert one.run([both()]) == ["well!!"]
    assert [request["model"] for request in server.requests] == [MODEL, "other-model"]


def test_threads_may_share_a_model() -> None:
    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:
        texts: dict[int, list[str]] = {}

        def ask(number: int) -> None:
            questions = [question(f"{number}.{row}") for row in range(5)]
            texts[number] = [answer.text for answer in vlm.ask(questions)]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == {n: [f"{n}.{row}!" for row in range(5)] for n in range(4)}


def test_run_within_run_is_refused_in_place_of_waiting_for_ever() -> None:
    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:

        async def confused() -> list[Answer]:
            return vlm.ask([question()])

        with pytest.raises(NeedsError, match=r"await VLM\.answer there"):
            vlm.run([confused()])


def test_connections_are_kept_from_one_call_to_the_next() -> None:
    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:
        for number in range(5):
            vlm.ask([question(f"{number}")])
        assert len(server.requests) == 5
        assert server.n_connections <= 2  # one of them for the list of models


def test_a_closed_model_opens_again_when_it_is_asked() -> None:
    n_threads = threading.active_count()
    with ChatServer(otherwise=echo) as server:
        vlm = VLM(settings(server))
        vlm.close()
        for words in ("well", "really"):
            assert vlm.ask([question(words)])[0].text == f"{words}!"
            vlm.close()
            vlm.close()
    assert threading.active_count() <= n_threads + 2  # the server's threads end a little later


def test_a_model_that_is_forgotten_closes_itself() -> None:
    def names() -> list[str]:
        return [thread.name for thread in threading.enumerate()]

    with ChatServer(otherwise=echo) as server:
        vlm = VLM(settings(server))
        vlm.ask([question()])
        assert "vlfeedback-vlm" in names()
        del vlm
        gc.collect()
        assert "vlfeedback-vlm" not in names()


def test_equal_questions_at_a_time_are_asked_once() -> None:
    with ChatServer(otherwise=echo, latency_s=0.05) as server, VLM(settings(server)) as vlm:
        answers = vlm.ask([question("well")] * 10 + [question("well", sample=1)])
    assert [answer.text for answer in answers] == ["well!"] * 11
    assert len(server.requests) == 2
    assert [answer.stored for answer in answers] == [False] + [True] * 9 + [False]
    assert sum(answer.seconds > 0 for answer in answers) == 2


def test_the_first_error_of_a_coroutine_ends_the_run_and_closes_what_was_not_begun() -> None:
    begun = []

    async def work(number: int) -> None:
        begun.append(number)
        await vlm.answer(question(f"{number}"))
        if number == 3:
            raise KeyError("mine")

    with (
        ChatServer(otherwise=echo) as server,
        VLM(settings(server, in_flight=1)) as vlm,
        pytest.raises(KeyError, match="mine"),
    ):
        vlm.run([work(number) for number in range(50)])
    assert len(begun) < 10
    assert len(server.requests) < 10


def test_after_an_error_the_model_can_be_asked_again() -> None:
    async def wrong() -> None:
        raise KeyError("mine")

    with ChatServer(otherwise=echo) as server, VLM(settings(server)) as vlm:
        with pytest.raises(KeyError):
            vlm.run([wrong()])
        assert vlm.ask([question("well")])[0].text == "well!"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, as in a shell; it is ignored where tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_caller_interrupts_what_it_waits_for() -> None:
    ended = []

    async def long() -> None:
        try:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with ChatServer() as server, VLM(settings(server)) as vlm, pytest.raises(KeyboardInterrupt):
        vlm.run([long()])
    assert ended == [True]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": ""}, NeedsError, "No model is named"),
        ({"base_url": "localhost:8000"}, NeedsError, "base_url is 'localhost:8000'"),
        ({"base_url": "http://"}, NeedsError, "base_url is 'http://'"),
        ({"base_url": "http://here:port/v1"}, NeedsError, "base_url is"),
        ({"dialect": "olama"}, UnknownNameError, "Did you mean 'ollama'"),
        ({"in_flight": 0}, InvalidValueError, "in_flight=0"),
        ({"tries": 0}, InvalidValueError, "tries=0"),
        ({"timeout_s": 0.0}, InvalidValueError, "timeout_s=0.0"),
        ({"requests_per_minute": -1}, InvalidValueError, "requests_per_minute=-1"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_asked(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    given: dict[str, Any] = {"model": "m", "base_url": "http://127.0.0.1:9/v1", **changes}
    make: Callable[[], VLM] = lambda: VLM(VLMSettings(**given))  # noqa: E731
    with pytest.raises(error, match=message):
        make()


def test_a_way_of_thinking_that_there_is_not_is_refused() -> None:
    given = VLMSettings(model="m", base_url="http://127.0.0.1:9/v1")
    object.__setattr__(given, "thinking", "on")  # the tests' type checker would not let it in
    with pytest.raises(InvalidValueError, match="thinking='on'; expected one of default, off"):
        VLM(given)


def test_a_model_without_its_thoughts_is_another_to_the_store() -> None:
    usual, off = VLMSettings(model=MODEL), VLMSettings(model=MODEL, thinking="off")
    assert usual.asked_model == MODEL
    assert off.asked_model == "some-model thinking=off"


def test_closing_interrupts_what_is_still_asked() -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def never(request: Any) -> Reply:
        is_asked.set()
        may_answer.wait(60)
        return Reply("1")

    ended: list[BaseException] = []

    def ask(vlm: VLM) -> None:
        try:
            vlm.ask([question()])
        except BaseException as error:
            ended.append(error)

    with ChatServer(otherwise=never) as server, VLM(settings(server)) as vlm:
        thread = threading.Thread(target=ask, args=(vlm,))
        thread.start()
        assert is_asked.wait(60)
        vlm.close()
        thread.join(60)
        may_answer.set()
    assert [type(error).__name__ for error in ended] == ["CancelledError"]


def test_an_error_that_ends_a_run_comes_of_nothing_else() -> None:
    busy = Reply("busy", 429, {"retry-after": "60"})
    with (
        ChatServer([Reply("1"), busy], echo) as server,
        VLM(settings(server)) as vlm,
    ):
        vlm.ask([question("first")])

        async def fail() -> None:
            while len(server.requests) < 2:
                await asyncio.sleep(0.01)
            raise KeyError("mine")

        async def wait() -> None:
            await vlm.answer(question("second"))

        with pytest.raises(KeyError, match="mine") as raised:
            vlm.run([wait(), fail(), wait()])
    assert raised.value.__context__ is None
    assert len(server.requests) == 2
