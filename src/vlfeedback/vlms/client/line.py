"""A line to one model, open while its event loop runs: what all of its questions share."""

from __future__ import annotations

import asyncio

from vlfeedback.errors import ServerError
from vlfeedback.vlms.client.learning import Learned
from vlfeedback.vlms.client.pace import Pace
from vlfeedback.vlms.client.problems import Problem
from vlfeedback.vlms.client.server import Server
from vlfeedback.vlms.ledger.budget import Budget
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["Line"]

_HOPELESS = 16  # questions that come to nothing before anything was answered; our choice


class Line:
    """Whom questions go to, how fast, at whose expense, and whether anything came back.

    Attributes:
        settings: of the model.
        server: whom questions go to.
        learned: what it can do.
        budget: of what may be spent.
        pace: how many are asked at a time.
        first_of_its_kind: held by a question that uses what no question has used before, so that
            one is refused and not many.
    """

    def __init__(
        self, settings: VLMSettings, server: Server, learned: Learned, budget: Budget
    ) -> None:
        self.settings = settings
        self.server = server
        self.learned = learned
        self.budget = budget
        self.pace = Pace(settings)
        self.first_of_its_kind = asyncio.Lock()
        self._last_answer_s = float("-inf")
        self._n_failed = 0
        server.open()

    @property
    def has_answered(self) -> bool:
        """Whether anything was answered yet."""
        return self._last_answer_s > float("-inf")

    def answered(self) -> None:
        """Note that something was answered."""
        self._last_answer_s = asyncio.get_running_loop().time()

    def failed(self, problem: Problem, *, since_s: float) -> None:
        """Note that a question came to nothing.

        Args:
            problem: of its last try.
            since_s: when it was sent first, on the loop's clock.

        Raises:
            ServerError: nobody had an answer meanwhile of a server that cannot be reached, or is
                something else; or none of the first 16 questions had one.
        """
        if problem.error is not None and self._last_answer_s < since_s:
            raise problem.error
        self._n_failed += 1
        if not self.has_answered and self._n_failed >= _HOPELESS:
            raise ServerError(
                f"Nothing came of the first {self._n_failed} questions to "
                f"{self.server.model!r}. {problem.text}"
            )
