"""Many pairs against a server where all goes wrong that may: none is lost, or answered twice."""

from typing import Any

import pytest
from tests.vlms.words import question, settings

from vlfeedback.testing.chat_server import ChatServer, Fault, Faults, Reply
from vlfeedback.types import Outcome
from vlfeedback.vlms.client.structured import choice_of
from vlfeedback.vlms.vlm import VLM

FAULTS = Faults(
    {
        Fault.BUSY: 0.05,
        Fault.BUSY_UNTIL: 0.03,
        Fault.BUSY_SILENT: 0.03,
        Fault.ERROR: 0.05,
        Fault.SLOW: 0.05,
        Fault.DROPPED: 0.05,
        Fault.TRUNCATED: 0.05,
        Fault.PROSE: 0.05,
        Fault.REFUSAL: 0.05,
        Fault.THOUGHT: 0.05,
        Fault.CUT_OFF: 0.05,
        Fault.LOST: 0.02,
    },
    seed=3,
)
OUTCOMES: dict[
    Fault | None, Outcome
] = {  # of a question with a lasting fault; of the others ANSWERED
    Fault.PROSE: Outcome.UNPARSABLE,
    Fault.REFUSAL: Outcome.REFUSED,
    Fault.THOUGHT: Outcome.ANSWERED,
    Fault.CUT_OFF: Outcome.UNPARSABLE,
    Fault.LOST: Outcome.FAILED,
}


def right_answer(words: str) -> str:
    return str(int(words.removeprefix("pair ")) % 2)


def label(request: Any) -> Reply:
    return Reply(right_answer(request["messages"][-1]["content"]))


def times_asked(pair: str, is_lost: bool) -> int:
    """One more than what went wrong; a lost question is asked 6 times, beside named waits."""
    if is_lost:
        faults = [FAULTS.passing(pair, time) for time in range(FAULTS.most)]
        return 6 + sum(fault in (Fault.BUSY, Fault.BUSY_UNTIL) for fault in faults)
    time = 0
    while FAULTS.passing(pair, time) not in (None, Fault.SLOW):
        time += 1
    return time + 1


@pytest.mark.parametrize("n", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_every_pair_ends_in_the_outcome_that_it_should_and_is_answered_once(n: int) -> None:
    words = [f"pair {number}" for number in range(n)]

    with ChatServer(otherwise=label, faults=FAULTS) as server, VLM(settings(server)) as vlm:

        async def labelled(pair: str) -> tuple[Outcome, str | None]:
            answer = await vlm.answer(question(pair))
            if answer.outcome is not Outcome.ANSWERED:
                assert answer.problem
                return answer.outcome, None
            choice = choice_of(answer.text, ["0", "1", "-1"])
            return (Outcome.ANSWERED if choice else Outcome.UNPARSABLE), choice

        labels = vlm.run([labelled(pair) for pair in words])

    lasting = {pair: FAULTS.lasting(pair) for pair in words}
    expected = [OUTCOMES.get(fault, Outcome.ANSWERED) for fault in lasting.values()]
    assert [outcome for outcome, _ in labels] == expected
    assert set(expected) == set(OUTCOMES.values())
    for pair, (outcome, choice) in zip(words, labels, strict=True):
        assert choice == (right_answer(pair) if outcome is Outcome.ANSWERED else None)
    lost = {pair for pair, fault in lasting.items() if fault is Fault.LOST}
    assert server.answered == {pair: 1 for pair in words if pair not in lost}
    assert server.asked == {pair: times_asked(pair, pair in lost) for pair in words}
    assert 2 <= server.most_in_flight <= 16
