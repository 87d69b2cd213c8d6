"""What questions will cost, against numbers worked out by hand."""

from dataclasses import astuple
from pathlib import Path

import pytest
from tests.vlms.questions_by_hand import answer, black, question

from vlfeedback.vlms.ledger.estimate import Estimate, estimate, tokens_of
from vlfeedback.vlms.ledger.store import AnswerStore
from vlfeedback.vlms.questions import Question, Turn
from vlfeedback.vlms.settings import VLMSettings

MODEL = "gpt-5-mini"  # 0.25 and 2 US dollars; patches of 32 px, times 1.2
SETTINGS = VLMSettings(model=MODEL)


def asked(text: str, **changes: int) -> Question:
    """64 x 64 pixels are 2 x 2 patches: 4.8, so 5 tokens. 40 letters are 10."""
    turn = Turn("user", (black(64), text.ljust(40, "!")))
    return Question((turn,), "drawer/1", "look", max_tokens=changes.get("max_tokens", 100))


def test_a_question_is_as_long_as_its_words_and_pictures() -> None:
    assert tokens_of(asked("open?"), MODEL) == 5 + 10
    both = asked("open?").follow_up("12345678", black(64), "and now?", schema="{}")
    assert tokens_of(both, MODEL) == (5 + 10) + 2 + (5 + 2) + 1


def test_words_of_other_scripts_are_longer() -> None:
    words = Question((Turn("user", ("引き出し",)),), "p/1")  # 4 letters, 12 bytes
    assert tokens_of(words, MODEL) == 3


def test_answers_that_were_never_given_are_as_long_as_they_may_be() -> None:
    questions = [asked("a"), asked("b", max_tokens=300)]
    assert astuple(estimate(questions, SETTINGS, None)) == (
        *(2, 0, 30, 400),
        pytest.approx(30 * 0.25e-6 + 400 * 2e-6),
    )


def test_what_is_stored_costs_nothing_and_tells_how_long_answers_are(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", model=MODEL)
    for text, tokens in (("a", 10), ("b", 31)):
        store.put(asked(text).key(MODEL), asked(text), answer(tokens_out=tokens))
    questions = [asked(text) for text in "abcde"]
    # Three of 15 tokens read; 20.5 on average, so 61.5 written.
    assert astuple(estimate(questions, SETTINGS, store)) == (
        *(5, 2, 45, 62),
        pytest.approx(45 * 0.25e-6 + 62 * 2e-6),
    )


def test_answers_are_never_longer_than_they_may_be_and_those_of_other_stages_tell_nothing(
    tmp_path: Path,
) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", model=MODEL)
    other = question(stage="judge")
    store.put(asked("a").key(MODEL), asked("a"), answer(tokens_out=90))
    store.put(other.key(MODEL), other, answer(tokens_out=3))
    assert estimate([asked("b", max_tokens=50)], SETTINGS, store).tokens_out == 50
    assert estimate([asked("b")], SETTINGS, store).tokens_out == 90


def test_equal_questions_are_asked_once() -> None:
    assert estimate([asked("a"), asked("a")], SETTINGS, None).questions == 1


def test_a_server_of_ones_own_costs_nothing_and_an_unknown_price_is_none() -> None:
    own = VLMSettings(model="qwen3-vl", base_url="http://localhost:8000/v1")
    assert estimate([asked("a")], own, None).usd == 0
    elsewhere = VLMSettings(model="qwen3-vl", base_url="https://models.example/v1")
    assert estimate([asked("a")], elsewhere, None).usd is None


def test_pictures_that_are_priced_each_are_counted(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "*"\nusd_in = 0\nusd_out = 0\nusd_image = 0.01\n')
    settings = VLMSettings(model=MODEL, prices=str(prices))
    both = asked("a").follow_up("yes", black(32), "and now?")
    assert estimate([both, asked("b")], settings, None).usd == pytest.approx(0.03)


def test_the_page_shows_what_its_example_prints() -> None:
    page = (Path(__file__).parents[2] / "docs" / "answers.md").read_text(encoding="utf-8")
    questions = [
        Question((Turn("user", (f"Is {n} a prime number?",)),), prompt="primes/1", max_tokens=8)
        for n in range(100)
    ]
    assert f"```\n{estimate(questions, SETTINGS, None)}\n```" in page


def test_an_estimate_is_a_sentence() -> None:
    assert str(Estimate(1200, 200, 85_000, 6400, 0.034)) == (
        "1,200 questions, 200 of them answered before; for the others about 85,000 tokens are "
        "read and 6,400 written, about $0.0340"
    )
    assert str(Estimate(1, 0, 15, 100, None)).endswith("at an unknown price")
