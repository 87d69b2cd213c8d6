"""Has a language model write instructions of a task, with the prompt of the VLP paper.

Source: appendix C, table 17. The table names two examples without printing them (verb structures
and synonym nouns, from the LAMP paper); theirs are replaced by our own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.instructions import instruction_corpus, other_instructions
from vlfeedback.data.unseen_instructions import has_unseen_instructions, unseen_instructions
from vlfeedback.errors import NeedsError, ServerError
from vlfeedback.tasks import TASKS, TaskSpec, get_task
from vlfeedback.types import Outcome
from vlfeedback.vlms.client.structured import json_of
from vlfeedback.vlms.questions import Part, Question, Turn, encode_picture
from vlfeedback.vlms.vlm import VLM

__all__ = ["PROMPT_VERSION", "parse_phrases", "write_instructions"]

PROMPT_VERSION = 1
"""Goes up whenever the words of the prompt change."""

_VERB_STRUCTURES = [
    "Pick up the [NOUN]",
    "Lift the [NOUN]",
    "Grab the [NOUN]",
    "Take hold of the [NOUN] and raise it",
    "Grasp the [NOUN] and lift it up",
    "Raise the [NOUN] off the table",
    "Reach for the [NOUN] and pick it up",
    "Move the gripper to the [NOUN] and lift it",
    "Collect the [NOUN]",
    "Get the [NOUN] off the table",
]
_SYNONYMS = ["bag", "sack", "pouch", "tote", "carrier", "handbag", "satchel", "shopping bag"]

_SYSTEM = """\
Suppose you are an advanced visual assistant. Your task is to generate more instructions with the \
same meaning but different expressions based on the task instruction I provide, generating {n} new \
instructions for each task. The instructions you generate need to be as simple and clear as \
possible. Below is an example of an answer for picking up an object. The answer should be \
formatted as a Python list.
- Begin of instruction example -
Task instruction: "Pick up the [NOUN]"
Answer:
{verb_structures}
- End of instruction example -
Moreover, you need to be mindful to replace the nouns in the instructions with synonyms, such as \
replacing "bag" with the following words in the Python list:
- Begin of synonym example -
{synonyms}
- End of synonym example -"""

_NO_LIST = "That is no Python list of strings. Answer with nothing but such a list."
_MORE = (
    "Write {n} more instructions of the same task, all different from those before. Answer with "
    "nothing but a Python list of strings."
)

_MOST_WORDS = 24  # word vectors read no further by default
_MOST_TOKENS = 8192  # of an answer, which may think first; our choice
_log = logging.getLogger(__name__)


def write_instructions(
    vlm: VLM,
    task: str | TaskSpec,
    n: int = 40,
    picture: UInt8[np.ndarray, "H W 3"] | None = None,
    *,
    taken: Mapping[str, str] | None = None,
    answers: int = 5,
) -> list[str]:
    """Have a model write instructions of a task, in lower case and without a final full stop.

    Dropped are phrases said twice, of more than 24 words, of another task, and those that are
    kept for testing (`vlfeedback.data.unseen_instructions`); what is missing then is asked for
    again. A warning is logged that says what was dropped and why, and whether any are missing.

    Args:
        vlm: the model to ask.
        task: a task, or its name, such as ``"drawer-close"``.
        n: how many, at least 1; the paper asks for 40.
        picture: the task's scene, ``(H, W, 3)`` uint8, for a model that reads pictures.
        taken: phrases that other tasks have beside those of the shipped corpus, and whose.
        answers: most answers read; fewer than `n` phrases come back if they do not suffice.

    Raises:
        UnknownNameError: there is no such task.
        NeedsError: `n` is below 1, or no answer had a phrase to keep.
        ServerError: a question had no answer in any of the tries.

    What `VLM.answer` raises is raised.
    """
    spec = get_task(task)
    if n < 1:
        raise NeedsError(f"n is {n}; ask for at least 1 instruction.")
    reserved = _reserved(spec, taken or {})
    question = _first_question(spec, n, picture)
    instructions: dict[str, None] = {}
    dropped: dict[str, str] = {}
    said, problem = "", ""
    for _ in range(answers):
        (answer,) = vlm.ask([question])
        if answer.outcome is Outcome.FAILED:
            raise ServerError(answer.problem)
        problem = answer.problem
        said = answer.text if answer.outcome is Outcome.ANSWERED else ""
        phrases = parse_phrases(said)
        for phrase in phrases or ():
            reason = "said twice" if phrase in instructions else _objection(phrase, reserved)
            if reason:
                dropped[phrase] = reason
            else:
                instructions[phrase] = None
        if len(instructions) >= n:
            break
        more = _NO_LIST if phrases is None else _MORE.format(n=n - len(instructions))
        question = question.follow_up(said or "[]", more)
    if not instructions:
        raise NeedsError(
            f"{vlm.settings.model!r} gave no instruction of {spec.name!r} to keep in {answers} "
            f"answers; the last was {said[:200]!r}. {problem or 'Try a larger model.'}"
        )
    _report(spec.name, min(len(instructions), n), n, dropped)
    return list(instructions)[:n]


def parse_phrases(answer: str) -> list[str] | None:
    """The strings of the Python or JSON list in an answer, tidied; None if there is no such list.

    Text around the list, such as a code fence, is passed over. Nothing in it is executed.

    >>> parse_phrases('Sure: ["Shut the  drawer.", "Close the drawer"]')
    ['shut the drawer', 'close the drawer']
    """
    items = json_of(answer)
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return None
    return [phrase for item in items if (phrase := _tidy(item))] if items else None


def _tidy(phrase: str) -> str:
    return " ".join(phrase.split()).lower().strip(" .\"'")


def _first_question(spec: TaskSpec, n: int, picture: UInt8[np.ndarray, "H W 3"] | None) -> Question:
    system = _SYSTEM.format(n=n, verb_structures=_VERB_STRUCTURES, synonyms=_SYNONYMS)
    system += f"\n{spec.scene}" if spec.scene else ""
    title = spec.name.replace("-", " ").title()
    instruction = spec.instruction[0].upper() + spec.instruction[1:]
    parts: list[Part] = [f'My instruction for {title} task: "{instruction}"\nAnswer:']
    if picture is not None:
        parts.append(encode_picture(picture))
    return Question(
        (Turn("system", (system,)), Turn("user", tuple(parts))),
        prompt=f"vlp-instructions/{PROMPT_VERSION}",
        max_tokens=_MOST_TOKENS,
        temperature=1.0,  # OpenAI's default, which the paper does not say it changed
    )


def _reserved(spec: TaskSpec, owners: Mapping[str, str]) -> dict[str, str]:
    """Phrases that may not be kept, and why."""
    reserved = {_tidy(text): "an instruction of another task" for text in other_instructions(spec)}
    for other in reversed(TASKS.own):  # of two with one instruction the first is named
        if has_unseen_instructions(other):
            for kind in ("phrase", "description", "correct colour", "incorrect colour"):
                for text in unseen_instructions(other, kind):
                    reserved[_tidy(text)] = "kept for testing"
        if other != spec.name:
            reserved |= dict.fromkeys(instruction_corpus(other), f"an instruction of {other}")
    return reserved | {
        _tidy(text): f"an instruction of {owner}"
        for text, owner in owners.items()
        if owner != spec.name
    }


def _objection(phrase: str, reserved: Mapping[str, str]) -> str:
    if len(phrase.split()) > _MOST_WORDS:
        return f"more than {_MOST_WORDS} words"
    return reserved.get(phrase, "")


def _report(task: str, n_instructions: int, n: int, dropped: Mapping[str, str]) -> None:
    if dropped:
        reasons = "; ".join(f"{phrase!r} ({reason})" for phrase, reason in dropped.items())
        _log.warning("%s: dropped %s", task, reasons)
    if n_instructions < n:
        _log.warning("%s: %d of %d instructions; the model has no more.", task, n_instructions, n)
