"""What goes wrong with a server of chat completions, on a schedule that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum

from vlfeedback.testing.chat_replies import Reply

__all__ = ["Fault", "Faults"]


class Fault(Enum):
    """One kind of fault; those up to `TRUNCATED` pass, and the question may be asked again.

    Attributes:
        BUSY: status 429, which says in how many seconds to come back.
        BUSY_UNTIL: the same, which says when.
        BUSY_SILENT: the same, which does not say.
        ERROR: status 500.
        SLOW: the answer comes late.
        DROPPED: the connection ends without an answer.
        TRUNCATED: half of the JSON comes.
        PROSE: the answer is a sentence in place of a word.
        REFUSAL: the model refuses.
        THOUGHT: the answer stands in the field of what the model thought.
        CUT_OFF: the model thinks until its tokens are used up.
        LOST: status 500, however often it is asked.
    """

    BUSY = "busy"
    BUSY_UNTIL = "busy until"
    BUSY_SILENT = "busy, silent"
    ERROR = "error"
    SLOW = "slow"
    DROPPED = "dropped"
    TRUNCATED = "truncated"
    PROSE = "prose"
    REFUSAL = "refusal"
    THOUGHT = "thought"
    CUT_OFF = "cut off"
    LOST = "lost"


_LASTING = (Fault.PROSE, Fault.REFUSAL, Fault.THOUGHT, Fault.CUT_OFF, Fault.LOST)


@dataclass(frozen=True)
class Faults:
    """How often which fault occurs.

    Attributes:
        rates: by fault, in [0, 1]: the share of requests, and of the lasting ones (from `PROSE`
            on) the share of questions.
        seed: decides which; the same question has the same faults, whenever it is asked.
        most: passing faults of one question.
        wait_s: that a busy server asks to wait, in seconds.
        slow_s: that a slow answer takes, in seconds.
        quota: questions that are answered before the quota is used up; None never ends.
    """

    rates: Mapping[Fault, float] = field(default_factory=dict)
    seed: int = 0
    most: int = 3
    wait_s: float = 0.02
    slow_s: float = 0.05
    quota: int | None = None

    def passing(self, question: str, time: int) -> Fault | None:
        """The fault of one request.

        Args:
            question: see `vlfeedback.testing.chat_server.question_in`.
            time: how often it was asked before.
        """
        if time >= self.most:
            return None
        rates = {fault: rate for fault, rate in self.rates.items() if fault not in _LASTING}
        return _drawn(rates, f"{self.seed} {question} {time}")

    def lasting(self, question: str) -> Fault | None:
        """The fault of a question, however often it is asked."""
        rates = {fault: rate for fault, rate in self.rates.items() if fault in _LASTING}
        return _drawn(rates, f"{self.seed} {question}")

    def spoil(self, reply: Reply, fault: Fault) -> Reply:
        """The reply with a fault."""
        now = format_datetime(datetime.now(UTC), usegmt=True)
        busy = Reply("Rate limit reached.", 429, code="rate_limit_exceeded")
        spoilt = {
            Fault.BUSY: replace(busy, headers={"retry-after": f"{self.wait_s:g}"}),
            Fault.BUSY_UNTIL: replace(busy, headers={"retry-after": now}),
            Fault.BUSY_SILENT: busy,
            Fault.ERROR: Reply("The server had an error.", 500),
            Fault.SLOW: replace(reply, delay_s=self.slow_s),
            Fault.DROPPED: replace(reply, broken="dropped"),
            Fault.TRUNCATED: replace(reply, broken="truncated"),
            Fault.PROSE: replace(reply, text="Both of them look rather good to me."),
            Fault.REFUSAL: Reply(refusal="I cannot help with that."),
            Fault.THOUGHT: replace(reply, text="", reasoning=reply.text),
            Fault.CUT_OFF: Reply(reasoning="Let me think about", finish="length"),
            Fault.LOST: Reply("The server had an error.", 500),
        }
        return spoilt[fault]

    @staticmethod
    def no_quota() -> Reply:
        """What is said when the quota is used up."""
        return Reply("You exceeded your current quota.", 429, code="insufficient_quota")


def _drawn(rates: Mapping[Fault, float], seed: str) -> Fault | None:
    left = random.Random(seed).random()
    for fault, rate in rates.items():
        left -= rate
        if left < 0:
            return fault
    return None
