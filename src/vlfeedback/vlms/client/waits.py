"""How long to wait before asking again: what the server says, else longer each time."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST_WAIT_S", "asked_wait", "own_wait"]

LONGEST_WAIT_S = 600.0
"""Whoever is told to wait longer stops: that is no crowd any more. Our choice."""

_LONGEST_OWN_WAIT_S = 60.0  # where the server names no time; our choice
_RETRY_DELAY = re.compile(r'"retryDelay"\s*:\s*"([0-9.]+)s"')  # Gemini's, in the body


def asked_wait(headers: Mapping[str, str], body: str, now: datetime) -> float | None:
    """Seconds that the server asks to wait; None where it does not say.

    Args:
        headers: of its answer, by lower-case names: ``retry-after-ms`` in milliseconds, or
            ``retry-after`` in seconds or as the date to wait for.
        body: of its answer: Google's ``RetryInfo`` stands there.
        now: with a time zone.

    Source: RFC 9110, section 10.2.3; OpenAI's Python library for the milliseconds.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after", "")
    seconds = _number(after)
    if seconds is None and after:
        seconds = _seconds_until(after, now)
    if seconds is None and (match := _RETRY_DELAY.search(body)):
        seconds = _number(match[1])
    return seconds


def own_wait(failures: int, *, first_s: float, key: str) -> float:
    """Seconds to wait after so many failures: doubled each time, at most a minute.

    Up to a quarter is taken off, another share for each question, so that those that failed
    together do not come back together.

    Args:
        failures: of this question so far, at least 1.
        first_s: after the first, in seconds.
        key: of the question, hexadecimal.
    """
    share = int(key[:8], 16) / 0xFFFFFFFF
    wait = min(first_s * 2.0 ** min(failures - 1, 30), _LONGEST_OWN_WAIT_S)
    return wait * (1 - share / 4)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return max(value, 0.0) if math.isfinite(value) else None


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max((then - now).total_seconds(), 0.0)
