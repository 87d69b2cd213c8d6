"""Choices and JSON in what models say: read where they are clear, and never guessed."""

from typing import Any

import pytest

from vlfeedback.vlms.client.structured import choice_of, json_of

LABELS = ["0", "1", "-1"]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("1", "1"),
        (" 1\n", "1"),
        ("-1", "-1"),
        ("\N{MINUS SIGN}1", "-1"),
        ("**-1**", "-1"),
        ("`0`.", "0"),
        ("\n\n 1", "1"),
        ("1\nbecause image 0 is darker", "1"),
        ("1, since the drawer is open", "1"),
        ("-1 (unsure)", "-1"),
        ("Answer: -1", "-1"),
        ("**Answer:** 1", "1"),
        ("The final answer is 0.", "0"),
        ('{"answer": "1"}', "1"),
        ('{"answer": -1}', "-1"),
        ('{\n  "answer": "0"\n}', "0"),
        ('Here it is:\n```json\n{"answer": "0"}\n```', "0"),
        ("", None),
        (" \n ", None),
        ("0 or 1", None),
        ("1, or rather 0", None),
        ("1.5", None),
        ("10", None),
        ("1. Image 1 shows a drawer.", None),
        ("1: a drawer.", None),
        ("Image 2", None),
        ("I think it is 1", None),
        ("Both of them look rather good to me.", None),
        ('{"answer": "2"}', None),
        ('{"answer": true}', None),
        ('{"answer": ["1"]}', None),
        ('{"label": "1"}', None),
        ("answer", None),
    ],
)
def test_a_label_is_read_where_it_is_clear(text: str, choice: str | None) -> None:
    assert choice_of(text, LABELS) == choice


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("yes", "Yes"),
        ("Yes!", "Yes"),
        ('"No"', "No"),
        ("No, it does not.", "No"),
        ("No, yes", None),
        ("Nothing", None),
        ("unsure", None),
    ],
)
def test_words_are_read_in_any_letter_case(text: str, choice: str | None) -> None:
    assert choice_of(text, ["Yes", "No"]) == choice


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1, 2]", [1, 2]),
        ('Sure: {"a": [1, {"b": 2}]} Anything else?', {"a": [1, {"b": 2}]}),
        ("```json\n[1]\n```", [1]),
        ('```\n{"a": 1}\n``` and {"b": [1, 2, 3, 4, 5]}', {"a": 1}),
        ('As [1] says: {"frames": [1, 2]}', {"frames": [1, 2]}),
        ("['it', \"it's\"]", ["it", "it's"]),
        ('{"a": 1,}', {"a": 1}),
        ('["go there", "go he', None),
        ('{"a": NaN}', None),
        ('[__import__("os").getcwd()]', None),
        ("{1, 2}", None),
        ('"hello"', None),
        ("12", None),
        ("", None),
        ("[" * 5000 + "]" * 5000, None),
    ],
)
def test_json_is_found_in_what_stands_around_it(text: str, value: Any) -> None:
    assert json_of(text) == value
