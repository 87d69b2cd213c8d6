"""Scores that a model gives as one letter, read as the mean of how likely it finds each letter.

Source: LLM-as-a-Verifier (arXiv 2607.05391) and its code, llm-as-a-verifier at 115de30: G letters
from A, the best; sum_g p(v_g) phi(v_g), with phi evenly spaced and p scaled to the letters.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence

from vlfeedback.errors import InvalidValueError
from vlfeedback.vlms.answers import TokenScores

__all__ = ["MOST_LETTERS", "expected_score", "letter_scale"]

MOST_LETTERS = 20
"""As many as there are alternatives of a token whose log-probabilities a server tells."""

_AROUND_A_LETTER = string.whitespace + "\"'`*>:{}[]()."


def letter_scale(granularity: int) -> dict[str, float]:
    """What each of G letters is worth: A is 1, the last one 0, the others evenly between.

    Raises:
        InvalidValueError: fewer than 2 or more than 20.

    >>> letter_scale(3)
    {'A': 1.0, 'B': 0.5, 'C': 0.0}
    """
    if not 2 <= granularity <= MOST_LETTERS:
        raise InvalidValueError(
            f"granularity={granularity}; expected 2 to {MOST_LETTERS} letters, as many as servers "
            "give log-probabilities of."
        )
    letters = string.ascii_uppercase[:granularity]
    return {letter: 1 - k / (granularity - 1) for k, letter in enumerate(letters)}


def expected_score(logprobs: Sequence[TokenScores], scale: Mapping[str, float]) -> float | None:
    """The mean score under the probabilities of the first token that is a letter of the scale.

    A letter's spellings, such as "B", " B" and "b", count together; what is no letter of the scale
    does not count.

    Args:
        logprobs: alternatives of each token of the answer, see `Answer.logprobs`.
        scale: see `letter_scale`.

    Returns:
        In [0, 1]; None where no token is a letter.

    >>> round(expected_score([{"A": math.log(0.5), " B": math.log(0.2)}], letter_scale(3)), 4)
    0.8571
    """
    for alternatives in logprobs:
        likeliest = max(alternatives, key=alternatives.__getitem__, default="")
        if _letter(likeliest) not in scale:
            continue
        weights = {token: math.exp(logprob) for token, logprob in alternatives.items()}
        known = [
            (weight, scale[_letter(token)])
            for token, weight in weights.items()
            if _letter(token) in scale
        ]
        return sum(weight * score for weight, score in known) / sum(w for w, _ in known)
    return None


def _letter(token: str) -> str:
    return token.strip(_AROUND_A_LETTER).upper()
