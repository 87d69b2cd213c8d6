"""Labels, scores and letters in what models say, and what is none of them."""

import pytest

from vlfeedback.vlms.judging.replies import read_choice, read_letter, read_score


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("0", 0),
        (" 1\n", 1),
        ("-1", -1),
        ("\n\n1", 1),
        ("0.", 0),
        ('"1"', 1),
        ("'-1'", -1),
        ("**1**", 1),
        ("`0`", 0),
        ("(1)", 1),
        ('{"answer": "-1"}', -1),
        ('{"label": 1}', 1),
        ("Answer: 0", 0),
        ("1 (Image 2)", 1),
        ("\N{MINUS SIGN}1", -1),
        ("\N{EN DASH}1", -1),
        ("0\nSince the drawer is open in Image 1.", 0),
    ],
)
def test_a_first_line_that_is_a_label_is_the_label(reply: str, label: int) -> None:
    assert read_choice(reply) == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("I cannot see a difference.\n-1", -1),
        ("The goal is better achieved in Image 2.\n\n1\n", 1),
        ("Image 2 is better.\n1\nIn short:\n1", 1),
    ],
)
def test_where_the_first_line_is_prose_the_label_may_stand_on_a_line_of_its_own(
    reply: str, label: int
) -> None:
    assert read_choice(reply) == label


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "\n \n",
        "Image 2",
        "2",
        "0.5",
        "10",
        "- 1",
        "--1",
        "1. Image 1 shows a closed drawer.",
        "1. Image 1 shows a drawer.\n2. Image 2 too.\n3. They do not differ.",
        "The answer is 1, since the drawer is open.",
        "I'm sorry, but I can't help with that.",
        "It depends:\n0\n1",
        "0 or 1",
        '{"first": "0", "second": "1"}',
    ],
)
def test_prose_refusals_and_contradictions_are_no_label(reply: str) -> None:
    assert read_choice(reply) is None


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("1. A drawer.\n2. The same drawer, open.\n3. Image 2 is nearer.\n1", 1),
        ("0\nNo: after a closer look\n1", 1),
        ("The images are alike.\n\n-1\n\n", -1),
        ("1\nThe second is better, so I say one.", 1),
    ],
)
def test_of_an_answer_that_ends_with_the_label_the_last_line_decides(
    reply: str, label: int
) -> None:
    assert read_choice(reply, line="last") == label


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("0.7", 0.7),
        (".25", 0.25),
        ("1", 1.0),
        ("0", 0.0),
        ("-1", -1.0),
        ("\N{MINUS SIGN}1", -1.0),
        ("Score: 0.4.", 0.4),
        ('{"score": 0.4}', 0.4),
        ("0.9\nThe drawer is nearly open.", 0.9),
    ],
)
def test_a_score_is_a_number_from_zero_to_one_or_minus_one(reply: str, score: float) -> None:
    assert read_score(reply) == score


@pytest.mark.parametrize(
    "reply", ["", "1.2", "-0.5", "70 %", "7/10", "about 0.7", "between 0.2 and 0.4", "unsure"]
)
def test_what_is_no_such_number_is_no_score(reply: str) -> None:
    assert read_score(reply) is None


@pytest.mark.parametrize("reply", ["C", " c\n", '"C"', "**C**", "Score: C.", '{"answer": "C"}'])
def test_a_letter_is_read_in_any_dress(reply: str) -> None:
    assert read_letter(reply, "ABCDE") == "C"


@pytest.mark.parametrize("reply", ["", "F", "CD", "C or D", "I would say C", "3"])
def test_anything_but_one_letter_of_the_scale_is_none(reply: str) -> None:
    assert read_letter(reply, "ABCDE") is None
