"""The test sets of language: unseen in any corpus, of one task only, coloured as the scene is."""

from collections.abc import Iterator
from typing import get_args

import pytest

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.data.unseen_instructions import LanguageKind, unseen_instructions
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import METAWORLD_TASKS

EVERY_TASK = METAWORLD_TASKS
FEWEST: dict[LanguageKind, int] = {
    "seen": 40,
    "phrase": 4,
    "description": 3,
    "correct colour": 3,
    "incorrect colour": 3,
}
UNSEEN = [kind for kind in FEWEST if kind != "seen"]


def unseen_texts(task: str) -> Iterator[str]:
    for kind in UNSEEN:
        yield from unseen_instructions(task, kind)


def plain(text: str) -> str:
    return text.casefold().replace(".", "")


@pytest.fixture(scope="module")
def seen() -> frozenset[str]:
    """The corpora of all tasks."""
    return frozenset(plain(text) for task in EVERY_TASK for text in instruction_corpus(task))


def test_every_kind_is_asked_for_here() -> None:
    assert set(FEWEST) == set(get_args(LanguageKind))


@pytest.mark.parametrize("task", EVERY_TASK)
def test_a_task_has_enough_texts_of_every_kind(task: str) -> None:
    for kind, fewest in FEWEST.items():
        texts = unseen_instructions(task, kind)
        assert len(texts) == len(set(texts)) >= fewest, kind


@pytest.mark.parametrize("task", EVERY_TASK)
def test_no_text_occurs_in_the_corpus_of_any_task(task: str, seen: frozenset[str]) -> None:
    assert [text for text in unseen_texts(task) if plain(text) in seen] == []


def test_no_text_belongs_to_two_tasks_or_kinds() -> None:
    owners: dict[str, str] = {}
    for task in EVERY_TASK:
        for text in unseen_texts(task):
            assert plain(text) not in owners, f"{text!r} of {task} and {owners[plain(text)]}"
            owners[plain(text)] = task


@pytest.mark.parametrize("task", EVERY_TASK)
def test_texts_of_the_two_colours_differ_in_the_colour_alone(task: str) -> None:
    right = unseen_instructions(task, "correct colour")
    wrong = unseen_instructions(task, "incorrect colour")
    colours = set()
    for seen_colour, other_colour in zip(right, wrong, strict=True):
        # The colour is whatever makes a phrase of the corpus once it is taken out.
        colour, false_colour = colour_of(seen_colour, task), colour_of(other_colour, task)
        assert colour != false_colour
        assert seen_colour.replace(f" {colour} ", " ") == other_colour.replace(
            f" {false_colour} ", " "
        )
        colours.add(colour)
    assert len(colours) == 1


def colour_of(text: str, task: str) -> str:
    words = text.split()
    for length in (1, 2):
        for start in range(len(words) - length):
            rest = " ".join(words[:start] + words[start + length :])
            if rest in instruction_corpus(task):
                return " ".join(words[start : start + length])
    raise AssertionError(f"{text!r} is no phrase of {task} with a colour")


@pytest.mark.parametrize(
    ("task", "colour"),
    [("button-press", "red"), ("drawer-close", "green"), ("door-close", "dark blue")],
)
def test_the_correct_colour_is_that_of_meta_world_s_scene(task: str, colour: str) -> None:
    assert all(f" {colour} " in text for text in unseen_instructions(task, "correct colour"))


@pytest.mark.parametrize("task", EVERY_TASK)
def test_every_text_is_read_whole_by_the_default_encoding(task: str) -> None:
    words = WordVectors.load()
    texts = list(unseen_texts(task))
    _, mask = words.encode(texts)
    assert mask.sum(axis=1).tolist() == [len(words.tokenize(text)) for text in texts]


@pytest.mark.parametrize("task", EVERY_TASK)
def test_descriptions_are_sentences(task: str) -> None:
    for text in unseen_instructions(task, "description"):
        assert text[0].isupper() and text.endswith(".") and 1 <= text.count(".") <= 2


def test_seen_is_the_corpus() -> None:
    assert unseen_instructions("DrawerClose", "seen") == instruction_corpus("drawer-close")


def test_an_unknown_task_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'drawer-close'"):
        unseen_instructions("drawer-closed", "phrase")


def test_a_task_outside_meta_world_has_no_unseen_texts() -> None:
    with pytest.raises(UnknownNameError, match="'cart-pole-balance' has no texts of kind 'phrase'"):
        unseen_instructions("cart-pole-balance", "phrase")
