"""The phrases of each task: enough of them, of one task only, and readable by the word vectors."""

import re

import pytest

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import METAWORLD_TASKS, TASKS

EVERY_TASK = METAWORLD_TASKS

# In every phrase of the task, a pattern of the first kind; in none, one of the second.
MARKS = {
    "button-press": ("", "top|above|overhead|wall|barrier|obstacle|coffee|down"),
    "button-press-topdown": ("top|above|overhead", "wall|barrier|obstacle"),
    "button-press-topdown-wall": ("wall|barrier|obstacle", "side"),
    "button-press-wall": ("wall|barrier|obstacle", "top|above|overhead|down"),
    "coffee-pull": ("away|from", "push|to the|toward"),
    "coffee-push": ("under|beneath|to|toward", "pull|from|away"),
    "door-close": ("close|closed|shut|seal", "lock|latch|pull|unlock"),
    "door-lock": ("lock|bolt|latch|locking|locked", "open|unlock|unlocked|unlatch|release"),
    "door-open": ("open", "close|closed|shut|push|lock|unlock"),
    "door-unlock": ("unlock|unlocked|unbolt|unlatch|unlocking|release|undo|unfasten", "locked"),
    "drawer-close": ("close|closed|shut|in|seal", "open|pull|out"),
    "drawer-open": ("open|out", "close|closed|shut|push|in"),
    "faucet-close": ("close|shut|off|stop", "open|on"),
    "faucet-open": ("open|on|run", "close|shut|off|stop"),
    "handle-press": ("down|downward|lower|depress", "up|side|sideways|raise|lift"),
    "handle-press-side": ("side|sideways", "up|upward|raise|lift"),
    "handle-pull": ("up|upward|raise|lift", "down|side|sideways|push|press"),
    "handle-pull-side": ("side|sideways", "down|downward|push|press"),
    "lever-pull": ("up|upward|raise", "down|push|press|side"),
    "peg-insert-side": ("into", "out|from|unplug|pull"),
    "peg-unplug-side": ("out|from", "into|insert|push"),
    "pick-place-wall": ("wall|barrier|obstacle", "push"),
    "plate-slide": ("into", "out|side|sideways|back"),
    "plate-slide-back": ("out|back", "into|side|sideways|push"),
    "plate-slide-back-side": ("side|sideways", "into|push"),
    "plate-slide-side": ("side|sideways", "out|back|pull"),
    "push": ("", "back|backward|pull|wall|pick|lift"),
    "push-back": ("back|backward", "pull|wall|forward"),
    "push-wall": ("wall|barrier|obstacle", "back|pull|lift|pick"),
    "reach": ("", "wall|barrier|obstacle|puck"),
    "reach-wall": ("wall|barrier|obstacle", "puck"),
    "stick-pull": ("pull|drag|draw|tug", "push|shove"),
    "stick-push": ("push|shove|nudge|poke", "pull|drag|draw|tug"),
    "sweep": ("off|from", "into|hole|pit"),
    "sweep-into": ("into", "off"),
    "window-close": ("close|closed|shut|seal", "open"),
    "window-open": ("open", "close|closed|shut"),
}


def has(words: str, phrase: str) -> bool:
    return re.search(rf"\b(?:{words})\b", phrase) is not None


@pytest.mark.parametrize("task", EVERY_TASK)
def test_a_task_has_at_least_forty_distinct_phrases(task: str) -> None:
    phrases = instruction_corpus(task)
    assert len(phrases) == len(set(phrases)) >= 40


@pytest.mark.parametrize("task", EVERY_TASK)
def test_the_first_phrase_is_the_task_s_own_instruction(task: str) -> None:
    assert instruction_corpus(task)[0] == TASKS[task].instruction


def test_a_short_prefix_has_varied_verbs() -> None:
    assert instruction_corpus("drawer-close")[:5] == (
        "close the drawer",
        "shut the drawer",
        "push the drawer closed",
        "push the drawer shut",
        "push the drawer in",
    )


def test_no_phrase_belongs_to_two_tasks() -> None:
    owners: dict[str, str] = {}
    for task in EVERY_TASK:
        for phrase in instruction_corpus(task):
            assert owners.setdefault(phrase, task) == task, phrase


@pytest.mark.parametrize("task", EVERY_TASK)
def test_phrases_are_plain_words_and_single_spaces(task: str) -> None:
    for phrase in instruction_corpus(task):
        assert re.fullmatch(r"[a-z]+( [a-z]+)+", phrase), phrase


@pytest.mark.parametrize("task", EVERY_TASK)
def test_every_phrase_is_read_whole_by_the_default_encoding(task: str) -> None:
    words = WordVectors.load()
    for phrase in instruction_corpus(task):
        # One token a word: none is unknown, and none is pieced together.
        assert words.tokenize(phrase) == phrase.split()
    _, mask = words.encode(instruction_corpus(task))
    assert mask.sum(axis=1).tolist() == [len(p.split()) for p in instruction_corpus(task)]


@pytest.mark.parametrize("task", sorted(MARKS))
def test_what_sets_a_task_apart_is_in_each_of_its_phrases(task: str) -> None:
    present, absent = MARKS[task]
    for phrase in instruction_corpus(task):
        assert has(present, phrase), phrase
        assert not has(absent, phrase), phrase


def test_the_name_of_a_gymnasium_id_is_accepted() -> None:
    assert instruction_corpus("DrawerClose") == instruction_corpus("drawer-close")


def test_a_task_outside_meta_world_has_its_own_instruction_alone() -> None:
    assert instruction_corpus("cart-pole-balance") == (TASKS["cart-pole-balance"].instruction,)


def test_an_unknown_task_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'drawer-close'"):
        instruction_corpus("drawer-closed")
