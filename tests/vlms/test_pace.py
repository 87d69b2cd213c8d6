"""Limits: of questions at a time, and of requests and tokens a minute."""

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from tests.vlms.virtual_time import run_in_virtual_time
from tests.vlms.words import question, settings

from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.client.pace import Pace
from vlfeedback.vlms.client.runs import Run, RunEndedError
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

seconds = partial(pytest.approx, abs=1e-3)


def turns(tokens: list[int], *, used: int = 0, **limits: Any) -> list[float]:
    """When each of several questions has its turn, in seconds; each ends at once."""

    async def ask_all() -> list[float]:
        pace, run = Pace(VLMSettings(**limits)), Run()

        async def ask(estimated: int) -> float:
            await pace.enter(estimated, run)
            pace.settle(estimated, Answer("1", tokens_in=used))
            pace.leave()
            return asyncio.get_running_loop().time()

        return await asyncio.gather(*[ask(estimated) for estimated in tokens])

    return run_in_virtual_time(ask_all())


@pytest.mark.parametrize("limit", [1, 3, 16])
def test_as_many_questions_are_in_flight_as_may_be(limit: int) -> None:
    together = threading.Barrier(limit)

    def reply(request: Any) -> Reply:
        if "first" not in str(request["messages"]):
            together.wait(timeout=60)  # until as many are here
        return Reply("1")

    with ChatServer(otherwise=reply) as server, VLM(settings(server, in_flight=limit)) as vlm:
        vlm.ask([question("first")])
        answers = vlm.ask([question(f"{number}") for number in range(3 * limit)])
    assert [answer.text for answer in answers] == ["1"] * (3 * limit)
    assert server.most_in_flight == limit


def test_without_a_limit_all_have_their_turn_at_once() -> None:
    assert turns([100] * 50) == [0.0] * 50


def test_requests_keep_to_their_limit_in_every_second() -> None:
    times = turns([1] * 30, requests_per_minute=600)  # 10 at once, then one each 0.1 s
    expected = [0.0] * 10 + [0.1 * number for number in range(1, 21)]
    assert sorted(times) == seconds(expected)


def test_a_slow_limit_lets_one_after_another_through() -> None:
    assert turns([1] * 4, requests_per_minute=10) == seconds([0.0, 6.0, 12.0, 18.0])


@pytest.mark.parametrize("per_minute", [1, 7, 59, 61, 90, 240])
def test_no_minute_sees_more_than_the_limit_and_a_second_s_share(per_minute: int) -> None:
    times = turns([1] * (3 * per_minute), requests_per_minute=per_minute)
    most = max(sum(first <= time < first + 60 for time in times) for first in set(times))
    assert per_minute <= most <= per_minute + max(1, per_minute / 60) + 1


def test_tokens_keep_to_their_limit() -> None:
    times = turns([50] * 6, used=50, tokens_per_minute=6000)  # 100 a second
    assert times == seconds([0.0, 0.0, 0.5, 1.0, 1.5, 2.0])


def test_what_answers_really_take_is_waited_for_by_the_next_question() -> None:
    times = turns([50] * 4, used=150, tokens_per_minute=6000, in_flight=1)
    # 50 at once; then each waits for its own 50 and the 100 that the one before took beyond.
    assert times == seconds([0.0, 1.0, 2.5, 4.0])


def test_a_question_that_took_less_than_estimated_leaves_the_rest_to_the_next() -> None:
    times = turns([100] * 4, used=50, tokens_per_minute=6000, in_flight=1)
    assert times == seconds([0.0, 0.5, 1.0, 1.5])


def test_a_question_of_more_tokens_than_a_second_has_waits_for_several() -> None:
    assert turns([1000], used=1000, tokens_per_minute=6000) == seconds([9.0])


def test_nobody_has_a_turn_while_there_is_a_pause() -> None:
    async def ask_after_a_pause() -> float:
        pace = Pace(VLMSettings())
        pace.pause(30.0)
        pace.pause(5.0)
        await pace.enter(1, Run())
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(ask_after_a_pause()) == 30.0


def test_whoever_waits_for_a_turn_ends_with_the_run_and_frees_the_place() -> None:
    async def stop_while_waiting() -> float:
        pace, run = Pace(VLMSettings(in_flight=1)), Run()
        pace.pause(3600.0)
        asyncio.get_running_loop().call_later(2.0, run.stop, KeyError("mine"))
        for _ in range(2):
            with pytest.raises(RunEndedError):
                await pace.enter(1, run)
        stopped = asyncio.get_running_loop().time()
        await pace.enter(1, Run())  # another run has its turn after the pause
        assert asyncio.get_running_loop().time() == 3600.0
        return stopped

    assert run_in_virtual_time(stop_while_waiting()) == 2.0
