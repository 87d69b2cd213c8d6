"""Limits hold: in one run, over restarts, and with many questions in flight."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from tests.vlms.questions_by_hand import MODEL, answer

from vlfeedback.errors import BudgetSpentError, NeedsError
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.ledger.budget import Budget
from vlfeedback.vlms.ledger.prices import Price
from vlfeedback.vlms.ledger.store import AnswerStore
from vlfeedback.vlms.ledger.store_totals import Spent
from vlfeedback.vlms.settings import VLMSettings

PRICE = Price("m", usd_in=1_000.0, usd_out=10_000.0)  # a tenth of a cent, and a cent, a token


def store_at(path: Path) -> AnswerStore:
    return AnswerStore(path / "answers.sqlite", model=MODEL)


def ask(
    budget: Budget, tokens_in: int = 10, max_tokens_out: int = 9, tokens_out: int = 1
) -> Answer:
    """Costs at most 0.01 + 0.09 = 0.10 dollars, and then 0.01 + 0.01 = 0.02."""
    budget.reserve(tokens_in, max_tokens_out)
    return budget.spend(Answer("yes", tokens_in=tokens_in, tokens_out=tokens_out))


def count(budget: Budget) -> int:
    """How many questions can be asked, one after the other."""
    for n in range(100):
        try:
            ask(budget)
        except BudgetSpentError:
            return n
    raise AssertionError("never stops")


def test_an_answer_is_priced(tmp_path: Path) -> None:
    priced = ask(Budget(PRICE, store=store_at(tmp_path)))
    assert priced.cost_usd == pytest.approx(0.02) and priced.price_known
    spent = store_at(tmp_path).spent()
    assert (spent.usd, spent.tokens, spent.requests) == pytest.approx((0.02, 11, 1))


def test_what_came_from_the_store_is_not_paid_again(tmp_path: Path) -> None:
    budget = Budget(PRICE, usd=0.1, store=store_at(tmp_path))
    stored = answer(stored=True, cost_usd=0.0)
    assert budget.spend(stored) is stored
    assert budget.spent() == Spent()


@pytest.mark.parametrize("kept", [True, False])
def test_it_stops_before_the_limit_can_be_passed(tmp_path: Path, kept: bool) -> None:
    # The fifth may cost 0.10, with 0.08 spent; after it 0.10 are, and the sixth is not asked.
    budget = Budget(PRICE, usd=0.18, store=store_at(tmp_path) if kept else None)
    assert count(budget) == 5
    assert budget.spent().usd == pytest.approx(0.10)


def test_a_limit_of_tokens_stops_too() -> None:
    budget = Budget(None, tokens=11 * 3 + 19)  # 19 at most each, and then 11
    assert count(budget) == 4


def test_the_limit_is_reached_to_the_last_cent() -> None:
    budget = Budget(PRICE, usd=0.3)
    for _ in range(3):  # 0.1 + 0.1 + 0.1 is a little more than 0.3 in floating point
        ask(budget, tokens_in=0, max_tokens_out=10, tokens_out=10)
    with pytest.raises(BudgetSpentError):
        budget.reserve(1, 0)


def test_a_limit_holds_over_restarts_and_raised_it_goes_on(tmp_path: Path) -> None:
    assert count(Budget(PRICE, usd=0.18, store=store_at(tmp_path))) == 5
    assert count(Budget(PRICE, usd=0.18, store=store_at(tmp_path))) == 0
    assert count(Budget(PRICE, usd=0.24, store=store_at(tmp_path))) == 3


def test_what_another_run_spends_meanwhile_counts(tmp_path: Path) -> None:
    here = Budget(PRICE, usd=0.18, store=store_at(tmp_path))
    there = Budget(PRICE, store=store_at(tmp_path))
    ask(here)
    for _ in range(4):
        ask(there)
    assert count(here) == 0


def test_a_failed_request_that_was_paid_for_counts(tmp_path: Path) -> None:
    budget = Budget(PRICE, usd=0.18, store=store_at(tmp_path))
    budget.reserve(10, 9)
    failed = budget.spend(Answer("", Outcome.FAILED, tokens_in=80, problem="cut off"))
    assert failed.cost_usd == pytest.approx(0.08)
    assert count(Budget(PRICE, usd=0.18, store=store_at(tmp_path))) == 1
    assert store_at(tmp_path).spent().failed == 1


def test_what_is_in_flight_cannot_pass_the_limit_together() -> None:
    budget = Budget(PRICE, usd=0.35)  # three may cost 0.10 each
    n_asked = 0

    async def one() -> None:
        nonlocal n_asked
        budget.reserve(10, 9)
        n_asked += 1
        await asyncio.sleep(0)
        budget.spend(Answer("yes", tokens_in=10, tokens_out=9))

    async def many() -> list[BaseException | None]:
        return await asyncio.gather(*(one() for _ in range(8)), return_exceptions=True)

    stopped = [error for error in asyncio.run(many()) if error is not None]
    assert n_asked == 3
    assert len(stopped) == 5 and all(isinstance(error, BudgetSpentError) for error in stopped)
    assert budget.spent().usd == pytest.approx(0.30)


def test_a_request_that_is_tried_again_is_set_aside_once() -> None:
    budget = Budget(PRICE, usd=0.15)
    for _ in range(5):
        budget.reserve(10, 9)


def test_what_a_task_set_aside_is_let_go_when_it_ends_without_an_answer() -> None:
    budget = Budget(PRICE, usd=0.15)

    async def stopped() -> None:
        budget.reserve(10, 9)
        raise ConnectionError

    async def one_after_the_other() -> None:
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await asyncio.create_task(stopped())

    asyncio.run(one_after_the_other())


def test_pictures_that_are_priced_each_are_counted() -> None:
    budget = Budget(Price("m", usd_in=0.0, usd_out=0.0, usd_image=0.01), usd=0.05)
    budget.reserve(10, 10, pictures=4)
    assert budget.spend(Answer("yes", tokens_in=10, tokens_out=1)).cost_usd == pytest.approx(0.04)
    with pytest.raises(BudgetSpentError):
        budget.reserve(10, 10, pictures=2)


def test_the_error_says_what_is_spent_what_is_left_and_what_to_raise(tmp_path: Path) -> None:
    budget = Budget(PRICE, usd=0.18, store=store_at(tmp_path))
    count(budget)
    budget.questions_left = 120
    with pytest.raises(BudgetSpentError) as spent:
        budget.reserve(10, 9)
    assert isinstance(spent.value, RuntimeError)
    assert str(spent.value) == (
        "$0.1000 of $0.1800 is spent, and the next question may cost $0.1000. 120 questions are "
        "left. Raise the limit, say to budget_usd=0.36. The answers so far are kept in "
        f"{tmp_path}/answers.sqlite: the same command goes on."
    )


def test_without_a_limit_an_unknown_price_is_said_once_and_costs_nothing_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = VLMSettings(model="new-model", budget_tokens=1000)
    budget = Budget.of(settings, store_at(tmp_path))
    answers = [ask(budget) for _ in range(3)]
    assert [(one.cost_usd, one.price_known) for one in answers] == [(0.0, False)] * 3
    assert budget.spent().unpriced == 3
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "No price is known of 'new-model' on api.openai.com" in warnings[0].getMessage()


def test_a_limit_in_dollars_needs_a_price() -> None:
    with pytest.raises(NeedsError, match="budget_usd=1 needs one"):
        Budget.of(VLMSettings(model="new-model", budget_usd=1.0), None)
    budget = Budget.of(VLMSettings(model="gpt-5-mini", budget_usd=1.0), None)
    budget.reserve(1000, 1000)
