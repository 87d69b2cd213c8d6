"""What was asked of models while something was done, and what they said: for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.questions import Question

__all__ = ["note", "transcript", "words_of"]

Exchange = tuple[Question, Answer]


@contextmanager
def transcript() -> Iterator[list[Exchange]]:
    """Every question that is answered while the block lasts, in the order of the answers.

    Answers that are kept are among them. Of two blocks, one in the other, both read them.

    >>> from vlfeedback.vlms.questions import Turn
    >>> with transcript() as said:
    ...     note(Question((Turn("user", ("Is water wet?",)),), "p/1"), Answer("yes"))
    >>> [(words_of(question), answer.text) for question, answer in said]
    [('Is water wet?', 'yes')]
    """
    said: list[Exchange] = []
    around = _SAID.get()
    token = _SAID.set(said)  # coroutines that are begun in the block see it, in any thread
    try:
        yield said
    finally:
        _SAID.reset(token)
        if around is not None:
            around += said


def note(question: Question, answer: Answer) -> None:
    """Write down an answer, where somebody wants to read it; `VLM.answer` does."""
    said = _SAID.get()
    if said is not None:
        said.append((question, answer))


def words_of(question: Question) -> str:
    """The words of what is asked last, a line for each part; pictures are left out."""
    return "\n".join(part for part in question.turns[-1].parts if isinstance(part, str))


_SAID: ContextVar[list[Exchange] | None] = ContextVar("said", default=None)
