"""RL-VLM-F's baseline: each picture is graded by itself, and the better grade is preferred.

Paper:    Wang et al. 2024, "RL-VLM-F", its baseline "VLM score"
Code read: yufeiwang63/RL-VLM-F at febe2f2 (reward_model_score.py), for its facts alone
Recipe:   1 show one picture, ask what it shows and how well it achieves the goal, from 0 to 1;
          2 in words alone, ask for the score that the answer gives, or -1 where it is unsure.
Differs:  words are ours; there, a reward model is fitted to the grades, scaled to [-1, 1], and
          nothing is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlfeedback.types import Outcome, PreferenceLabels
from vlfeedback.types.labels import TiePolicy
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.pairs import PicturePair
from vlfeedback.vlms.judging.replies import read_score
from vlfeedback.vlms.judging.verdicts import SKIPPED, Verdict, labels_of, outcome_of_unsure
from vlfeedback.vlms.questions import EncodedPicture, Question, Turn
from vlfeedback.vlms.vlm import VLM

__all__ = ["PROMPT", "PictureScores"]

PROMPT = "rl-vlm-f.score/1"
"""Name and version of the words."""

_LEAD = "Here is an image:"
_QUESTIONS = """\
1. What does the image show?
2. The goal is: {goal}. On a scale from 0 to 1, where 1 means that the goal is achieved, which \
score does the image deserve?"""
_EXTRACT = """\
These questions were asked about an image:
{questions}

This was the answer:
{answer}

Reply with one line: the score that the answer gives, a number from 0 to 1, or -1 if the answer is \
unsure."""

_Key = tuple[str, str]  # digest of a picture, goal


@dataclass(frozen=True, slots=True)
class _Grade:
    """Of one picture: its score, in [0, 1] where `outcome` is ANSWERED, and what it took."""

    outcome: Outcome
    answers: tuple[Answer, ...]
    score: float = 0.0


class PictureScores:
    """Grades pictures, each once under each goal, and labels pairs of them.

    Args:
        max_tokens: of each answer.
        tie_policy: what it means that a picture's score is unsure.
    """

    def __init__(self, *, max_tokens: int, tie_policy: TiePolicy) -> None:
        self._max_tokens = max_tokens
        self._tie_policy = tie_policy
        self._known: dict[_Key, _Grade] = {}

    def questions(self, shown: Sequence[PicturePair | None]) -> list[Question]:
        """What is asked first of each picture that has no grade yet."""
        return [self._first(*picture) for picture in self._unknown(shown).values()]

    def following(self, shown: Sequence[PicturePair | None]) -> list[Question]:
        """What is asked once these are answered, with nothing in the answers' place."""
        return [self._extract(goal, answer="") for _, goal in self._unknown(shown).values()]

    def label(self, vlm: VLM, shown: Sequence[PicturePair | None]) -> PreferenceLabels:
        """Grade the pictures, and prefer the better grade; equal ones tie.

        What grading a picture took counts for the first pair that it is in.
        """
        unknown = self._unknown(shown)
        work = [self._grade(vlm, *picture) for picture in unknown.values()]
        grades = vlm.run(work) if work else []
        unpaid = dict(zip(unknown, grades, strict=True))
        known = self._known | unpaid
        # What nothing came back about is asked about again, should it come again.
        self._known |= {k: g for k, g in unpaid.items() if g.outcome != Outcome.FAILED}
        verdicts = []
        for pair in shown:
            if pair is None:
                verdicts.append(SKIPPED)
                continue
            first, second = _keys(pair)
            taken = [unpaid.pop(key).answers for key in (first, second) if key in unpaid]
            answers = [answer for some in taken for answer in some]
            verdicts.append(self._compare(known[first], known[second], answers))
        return labels_of(verdicts)

    def _compare(self, first: _Grade, second: _Grade, answers: list[Answer]) -> Verdict:
        for grade in (first, second):
            if grade.outcome not in (Outcome.ANSWERED, Outcome.UNSURE):
                return Verdict.after(answers, outcome=grade.outcome)
        if Outcome.UNSURE in (first.outcome, second.outcome):
            return Verdict.after(answers, outcome=outcome_of_unsure(self._tie_policy))
        if first.score == second.score:
            return Verdict.after(answers)
        return Verdict.after(answers, prefer_second=float(second.score > first.score))

    async def _grade(self, vlm: VLM, picture: EncodedPicture, goal: str) -> _Grade:
        seen = await vlm.answer(self._first(picture, goal))
        if seen.outcome != Outcome.ANSWERED:
            return _Grade(seen.outcome, (seen,))
        said = await vlm.answer(self._extract(goal, seen.text))
        if said.outcome != Outcome.ANSWERED:
            return _Grade(said.outcome, (seen, said))
        score = read_score(said.text)
        if score is None:
            return _Grade(Outcome.UNPARSABLE, (seen, said))
        return _Grade(
            Outcome.UNSURE if score == -1 else Outcome.ANSWERED, (seen, said), max(score, 0.0)
        )

    def _extract(self, goal: str, answer: str) -> Question:
        words = _EXTRACT.format(questions=_QUESTIONS.format(goal=goal), answer=answer)
        return self._question("extract", words)

    def _first(self, picture: EncodedPicture, goal: str) -> Question:
        return self._question("score", _LEAD, picture, _QUESTIONS.format(goal=goal))

    def _question(self, stage: str, *parts: str | EncodedPicture) -> Question:
        return Question((Turn("user", parts),), PROMPT, stage, max_tokens=self._max_tokens)

    def _unknown(
        self, shown: Sequence[PicturePair | None]
    ) -> dict[_Key, tuple[EncodedPicture, str]]:
        """Pictures without a grade, each once, in the order in which they come."""
        return {
            key: (picture, pair.goal)
            for pair in shown
            if pair is not None
            for key, picture in zip(_keys(pair), (pair.first, pair.second), strict=True)
            if key not in self._known
        }


def _keys(pair: PicturePair) -> tuple[_Key, _Key]:
    return (pair.first.digest, pair.goal), (pair.second.digest, pair.goal)
