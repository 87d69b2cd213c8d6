"""Scores as the mean over the probabilities of letters."""

import math

import pytest

from vlfeedback.errors import InvalidValueError
from vlfeedback.vlms.judging.score_tokens import expected_score, letter_scale


def scores(**chances: float) -> dict[str, float]:
    return {token: math.log(chance) for token, chance in chances.items()}


def test_twenty_letters_go_from_one_to_zero_in_even_steps() -> None:
    scale = letter_scale(20)
    assert "".join(scale) == "ABCDEFGHIJKLMNOPQRST"
    assert (scale["A"], scale["T"]) == (1.0, 0.0)
    assert scale["B"] == pytest.approx(18 / 19)


@pytest.mark.parametrize("granularity", [1, 0, 21])
def test_a_scale_has_two_to_twenty_letters(granularity: int) -> None:
    with pytest.raises(InvalidValueError, match=f"granularity={granularity}; expected 2 to 20"):
        letter_scale(granularity)


def test_the_score_is_the_mean_over_the_letters_chances() -> None:
    scale = letter_scale(5)  # 1, 0.75, 0.5, 0.25, 0
    found = expected_score([scores(A=0.1, B=0.6, C=0.3)], scale)
    assert found == pytest.approx(0.1 * 1 + 0.6 * 0.75 + 0.3 * 0.5)


def test_what_is_no_letter_of_the_scale_does_not_count() -> None:
    scale = letter_scale(5)
    found = expected_score([scores(A=0.2, E=0.3, Z=0.1, The=0.4) | {"\n": -9.0}], scale)
    assert found is None  # "The" is the likeliest: this is not where the letter stands
    found = expected_score([scores(A=0.2, E=0.3, Z=0.1, The=0.25)], scale)
    assert found == pytest.approx(0.2 / (0.2 + 0.3))


def test_spellings_of_one_letter_count_together() -> None:
    scale = letter_scale(3)
    spelt = {"A": math.log(0.2), " A": math.log(0.1), "a": math.log(0.1), " C": math.log(0.4)}
    assert expected_score([spelt], scale) == pytest.approx(0.5)


def test_the_first_token_that_is_a_letter_counts() -> None:
    scale = letter_scale(3)
    in_json = [scores(**{'{"': 0.9}), scores(answer=0.9), scores(**{'":"': 1.0}), scores(B=0.9)]
    assert expected_score([*in_json, scores(**{'"}': 1.0})], scale) == 0.5
    assert expected_score([scores(C=1.0), scores(A=1.0)], scale) == 0.0


def test_without_a_letter_there_is_no_score() -> None:
    assert expected_score([], letter_scale(3)) is None
    assert expected_score([scores(yes=0.9), {}], letter_scale(3)) is None
