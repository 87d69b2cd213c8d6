"""What asking a labeller will take, as far as that can be told before anybody is asked."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CostForecast"]


@dataclass(frozen=True, slots=True)
class CostForecast:
    """An estimate for some pairs, or for all of a job; a sum of two is that of both.

    Attributes:
        questions: to a model or a person, >= 0.
        tokens: of a language model, read and written, >= 0.
        cost_usd: US dollars, >= 0; None where the price is not known.

    >>> a_pair = CostForecast(questions=2.0, tokens=1500.0, cost_usd=0.01)
    >>> print(a_pair.times(100.0))
    200 questions, 150,000 tokens, $1.00
    >>> print(a_pair + CostForecast(questions=1.0))
    3 questions, 1,500 tokens, at a price that is not known
    """

    questions: float = 0.0
    tokens: float = 0.0
    cost_usd: float | None = None

    def times(self, factor: float) -> CostForecast:
        """The estimate for so many times as many pairs."""
        cost = None if self.cost_usd is None else factor * self.cost_usd
        return CostForecast(factor * self.questions, factor * self.tokens, cost)

    def __add__(self, other: CostForecast) -> CostForecast:
        known = self.cost_usd is not None and other.cost_usd is not None
        cost = (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None
        return CostForecast(self.questions + other.questions, self.tokens + other.tokens, cost)

    def __str__(self) -> str:
        tokens = f", {self.tokens:,.0f} tokens" if self.tokens else ""
        price = "at a price that is not known" if self.cost_usd is None else f"${self.cost_usd:.2f}"
        return f"{self.questions:,.0f} questions{tokens}, {price}"
