"""What a model answers is kept in the store, and what it costs counts."""

from pathlib import Path
from typing import Any

import pytest
from tests.vlms.words import question, settings

from vlfeedback.errors import BudgetSpentError
from vlfeedback.testing.chat_server import ChatServer, Fault, Faults, Reply
from vlfeedback.types import Outcome
from vlfeedback.vlms.ledger.budget import Budget
from vlfeedback.vlms.ledger.prices import Price
from vlfeedback.vlms.ledger.store import AnswerStore, open_store
from vlfeedback.vlms.vlm import VLM

QUESTIONS = [question(f"{number}") for number in range(30)]


def reply(request: Any) -> Reply:
    return Reply("1", tokens=(100, 10))


def test_a_second_run_asks_nothing_and_costs_nothing(tmp_path: Path) -> None:
    store = str(tmp_path / "answers.sqlite")
    with ChatServer(otherwise=reply) as server:
        with VLM(settings(server, store=store)) as vlm:
            first = vlm.ask(QUESTIONS)
        with VLM(settings(server, store=store)) as vlm:
            second = vlm.ask(QUESTIONS)
        assert len(server.requests) == 30
    assert [answer.text for answer in second] == [answer.text for answer in first]
    assert all(answer.stored and not answer.seconds for answer in second)
    assert not any(answer.stored for answer in first)


def test_another_address_of_the_same_model_has_the_same_answers(tmp_path: Path) -> None:
    store = str(tmp_path / "answers.sqlite")
    for n_requests in (30, 0):
        with ChatServer(otherwise=reply) as server, VLM(settings(server, store=store)) as vlm:
            vlm.ask(QUESTIONS)
        assert len(server.requests) == n_requests


def test_what_fails_is_not_kept_but_what_is_refused_is(tmp_path: Path) -> None:
    store = str(tmp_path / "answers.sqlite")
    faults = Faults({Fault.LOST: 0.2, Fault.REFUSAL: 0.2, Fault.CUT_OFF: 0.2})
    n_lost = 0
    with ChatServer(otherwise=reply, faults=faults) as server:
        for _ in range(2):
            with VLM(settings(server, store=store, tries=1)) as vlm:
                answers = vlm.ask(QUESTIONS)
            n_lost = sum(answer.outcome is Outcome.FAILED for answer in answers)
            assert {answer.outcome for answer in answers} == {
                Outcome.ANSWERED,
                Outcome.REFUSED,
                Outcome.UNPARSABLE,
                Outcome.FAILED,
            }
        assert len(server.requests) == 30 + n_lost


def test_whether_there_are_log_probabilities_is_asked_beside_the_store(tmp_path: Path) -> None:
    with ChatServer(otherwise=reply) as server:
        given = settings(server, store=str(tmp_path / "answers.sqlite"))
        with VLM(given) as vlm:
            assert vlm.run([vlm.gives_logprobs()]) == [True]
        store = open_store(given)
    assert store is not None
    assert store.totals() == []
    assert store.spent().tokens == 110


def test_every_request_counts_also_one_that_fails() -> None:
    store = AnswerStore(None, model="some-model")
    with (
        ChatServer([Reply("broken", 500)], reply) as server,
        VLM(settings(server), store=store) as vlm,
    ):
        vlm.ask(QUESTIONS[:2])
    spent = store.spent()
    assert (spent.requests, spent.failed, spent.tokens) == (3, 1, 220)


def test_a_spent_budget_ends_the_run_and_keeps_what_was_paid() -> None:
    store = AnswerStore(None, model="some-model")
    price = Price("some-model", usd_in=10.0, usd_out=100.0)  # 0.2 cents a question
    budget = Budget(price, usd=0.02, store=store)
    asked = [question(f"{number}", max_tokens=10) for number in range(30)]
    with (
        ChatServer(otherwise=reply) as server,
        VLM(settings(server, in_flight=1), store=store, budget=budget) as vlm,
    ):
        with pytest.raises(BudgetSpentError, match=r"of \$0\.0200 is spent"):
            vlm.ask(asked)
        n_asked = len(server.requests)
        assert 8 <= n_asked <= 10
        answers = vlm.ask(asked[:n_asked])
        assert len(server.requests) == n_asked
    assert all(answer.stored for answer in answers)
    assert store.spent().usd == pytest.approx(0.002 * n_asked)
