"""What came in place of an answer, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vlfeedback.errors import VLFeedbackError
from vlfeedback.vlms.client.abilities import Feature
from vlfeedback.vlms.client.api_key import APIKey

__all__ = ["Asked", "Problem", "Remedy", "stop"]


class Remedy(Enum):
    """What to do about a problem.

    Attributes:
        WAIT: too many questions: all of them wait, then this one is asked again.
        REPEAT: ask again.
        LEAVE_OUT: ask again without a feature.
        ACCEPT: a filter refused the question: that is the answer.
        GIVE_UP: this question has no answer; the next one may.
        STOP: no question will have one.
    """

    WAIT = "wait"
    REPEAT = "repeat"
    LEAVE_OUT = "leave out"
    ACCEPT = "accept"
    GIVE_UP = "give up"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer yet.

    Attributes:
        remedy: what to do.
        text: what is wrong, as sentences without the API key.
        wait_s: that the server asks to wait; None where it does not say.
        feature: to leave out.
        error: to be raised: at once if the remedy is to stop; after the last try, if the server
            never answered meanwhile, otherwise.
    """

    remedy: Remedy
    text: str
    wait_s: float | None = None
    feature: Feature | None = None
    error: VLFeedbackError | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom, and with what: for messages, and for what can be left out.

    Attributes:
        address: of the server's API, without a password.
        model: its name there.
        key: hidden from what the server says.
        features: that the request uses.
    """

    address: str
    model: str
    key: APIKey
    features: frozenset[Feature] = frozenset()


def stop(error: VLFeedbackError) -> Problem:
    """The problem that raises this error at once."""
    return Problem(Remedy.STOP, str(error), error=error)
