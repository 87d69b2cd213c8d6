"""A limit to what may be spent, in all runs that share a store."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from vlfeedback.errors import BudgetSpentError
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.ledger.prices import Price, dollars, find_price, needed_price
from vlfeedback.vlms.ledger.store import AnswerStore
from vlfeedback.vlms.ledger.store_totals import Spent
from vlfeedback.vlms.servers import host_of
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["Budget"]

_ROUNDING = 1e-9  # of sums of prices

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Reserved:
    usd: float
    tokens: int
    pictures: int


class Budget:
    """Money and tokens that questions to a model may cost; threads and coroutines may share it.

    `reserve` before each request sets the most aside that it may cost, so that what is in flight
    cannot pass the limit together; `spend` books what it did cost. What a store has booked, in this
    run or an earlier one, for whichever model, counts too. Other processes that ask meanwhile count
    with what they have booked, and not with what they have in flight: there the limit may be passed
    by that.

    Args:
        price: of the model; None unknown, then nothing is said to cost anything.
        usd: most US dollars; 0 sets no limit.
        tokens: most tokens read and written; 0 sets no limit.
        store: where spending is booked; None: nowhere, and it counts in this object alone.

    Attributes:
        questions_left: how many there are still to ask, where the caller knows; for the message.

    Example:
        >>> budget = Budget(Price("m", usd_in=10.0, usd_out=100.0), usd=0.02)
        >>> budget.reserve(tokens_in=500, max_tokens_out=100)
        >>> answer = budget.spend(Answer("yes", tokens_in=480, tokens_out=2))
        >>> answer.cost_usd
        0.005
        >>> budget.reserve(tokens_in=600, max_tokens_out=100)
        Traceback (most recent call last):
        ...
        vlfeedback.errors.BudgetSpentError: $0.0050 of $0.0200 is spent, and the ...
    """

    def __init__(
        self,
        price: Price | None,
        *,
        usd: float = 0.0,
        tokens: int = 0,
        store: AnswerStore | None = None,
    ) -> None:
        self.questions_left: int | None = None
        self._price = price
        self._limits = (usd, tokens)
        self._store = store
        self._lock = threading.Lock()
        self._spent = Spent()
        # By the task or thread that asks; what ends without an answer is let go with it.
        self._reserved: WeakKeyDictionary[object, _Reserved] = WeakKeyDictionary()

    @classmethod
    def of(cls, settings: VLMSettings, store: AnswerStore | None) -> Budget:
        """The budget that settings set.

        Says once, in the log, that the price of the model is unknown.

        Raises:
            NeedsError: they limit US dollars, and the price of the model is unknown.
            FileFormatError: the file of prices is none.
            FileNotFoundError: there is no such file.
        """
        price = needed_price(settings) if settings.budget_usd else find_price(settings)
        if price is None:
            _log.warning(
                "No price is known of %r on %s: what it costs is not counted. docs/answers.md "
                "says how to add one.",
                settings.model,
                host_of(settings.base_url),
            )
        return cls(price, usd=settings.budget_usd, tokens=settings.budget_tokens, store=store)

    def reserve(self, tokens_in: int, max_tokens_out: int, *, pictures: int = 0) -> None:
        """Set aside the most that a request may cost.

        It holds until `spend` in the same task or thread, the next `reserve` there, as of a request
        that is tried again, or the task's end.

        Args:
            tokens_in: that the question is read as, about; see `tokens_of`.
            max_tokens_out: most that the answer may take.
            pictures: of the question.

        Raises:
            BudgetSpentError: more might be spent than may be; nothing is set aside.
        """
        usd = self._price.cost(tokens_in, max_tokens_out, pictures) if self._price else 0.0
        wanted = _Reserved(usd, tokens_in + max_tokens_out, pictures)
        with self._lock:
            self._reserved.pop(_asker(), None)
            self._check(wanted)
            self._reserved[_asker()] = wanted

    def spend(self, answer: Answer) -> Answer:
        """Book what a request has cost, failed ones too, and put the price into its answer.

        Args:
            answer: with its tokens; one of the store is passed on as it is.

        Returns:
            The answer with its price.
        """
        if answer.stored:
            return answer
        with self._lock:
            reserved = self._reserved.pop(_asker(), _Reserved(0.0, 0, 0))
            answer = self._priced(answer, reserved.pictures)
            if self._store is None:
                self._count(Spent(answer.cost_usd, answer.tokens))
            else:
                self._store.book(answer)
        return answer

    def spent(self) -> Spent:
        """What has been spent by all who share the store."""
        with self._lock:
            return self._up_to_date()

    def _priced(self, answer: Answer, pictures: int) -> Answer:
        if self._price is None:
            return replace(answer, cost_usd=0.0, price_known=False)
        cost = self._price.cost(
            answer.tokens_in, answer.tokens_out, pictures if answer.tokens else 0
        )
        return replace(answer, cost_usd=cost, price_known=True)

    def _up_to_date(self) -> Spent:
        if self._store is not None:
            self._count(self._store.spent(after=self._spent.last))
        return self._spent

    def _count(self, more: Spent) -> None:
        now = self._spent
        self._spent = Spent(
            now.usd + more.usd,
            now.tokens + more.tokens,
            now.requests + more.requests,
            now.failed + more.failed,
            now.unpriced + more.unpriced,
            max(now.last, more.last),
        )

    def _check(self, wanted: _Reserved) -> None:
        most_usd, most_tokens = self._limits
        if not most_usd and not most_tokens:
            return
        spent, others = self._up_to_date(), list(self._reserved.values())
        usd = sum(one.usd for one in others)
        tokens = sum(one.tokens for one in others)
        if most_usd and spent.usd + usd + wanted.usd > most_usd * (1 + _ROUNDING):
            raise self._error(
                f"budget_usd={2 * most_usd:g}",
                f"{dollars(spent.usd)} of {dollars(most_usd)} is spent",
                dollars(usd) if usd else "",
                dollars(wanted.usd),
            )
        if most_tokens and spent.tokens + tokens + wanted.tokens > most_tokens:
            raise self._error(
                f"budget_tokens={2 * most_tokens}",
                f"{spent.tokens:,} of {most_tokens:,} tokens are spent",
                f"{tokens:,}" if tokens else "",
                f"{wanted.tokens:,}",
            )

    def _error(self, raised: str, spending: str, in_flight: str, wanted: str) -> BudgetSpentError:
        asked = f", those being asked may cost {in_flight}" if in_flight else ""
        left = "" if self.questions_left is None else f" {self.questions_left} questions are left."
        kept = ""
        if self._store is not None and self._store.path is not None:
            kept = f" The answers so far are kept in {self._store.path}: the same command goes on."
        return BudgetSpentError(
            f"{spending}{asked}, and the next question may cost {wanted}.{left} Raise the "
            f"limit, say to {raised}.{kept}"
        )


def _asker() -> object:
    """The task that runs this, or the thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        task = None
    return threading.current_thread() if task is None else task
