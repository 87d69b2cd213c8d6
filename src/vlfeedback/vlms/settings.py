"""Which model is asked, and how: the settings that all labellers and sources of rewards share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from vlfeedback.errors import InvalidValueError

__all__ = ["Thinking", "VLMSettings"]

Thinking = Literal["default", "off"]
"""Whether a model that can thinks before it answers: as the server is set up, or not at all."""

_NOT_NEGATIVE = (
    "requests_per_minute",
    "tokens_per_minute",
    "budget_usd",
    "budget_tokens",
    "first_wait_s",
)


def _how(default: Any) -> Any:
    """A setting that changes how fast or for how much is asked, and no answer.

    Records of labels leave it out, so that a stopped run goes on with another limit.
    """
    return field(default=default, metadata={"recorded": False})


@dataclass(frozen=True, kw_only=True)
class VLMSettings:
    """Settings of a `VLM`; configs of labellers and sources inherit them.

    Attributes:
        model: its name, as the server knows it.
        base_url: root of the server's API, such as ``"http://localhost:8000/v1"``; "": OpenAI's.
        dialect: of the server, see `vlfeedback.vlms.client.dialects`; "auto" tells by its address,
            or asks it.
        thinking: "off" switches the thinking of a model off, where the server can.
        in_flight: most questions asked at a time.
        requests_per_minute: 0 sets no limit.
        tokens_per_minute: 0 sets no limit.
        budget_usd: most that may be spent, in US dollars, in all runs that share the store; 0 sets
            no limit.
        budget_tokens: most tokens read and written, likewise; 0 sets no limit.
        prices: a file of prices, beside the table that comes with the library.
        store: file where answers are kept; "" the user's cache folder, "none" keeps none.
        timeout_s: longest silence of the server that is no failure.
        tries: how often one question is asked when the server is busy or fails.
        first_wait_s: before the second try, in seconds; it doubles for each further one, up to a
            minute. What the server says goes before it.
    """

    model: str = ""
    base_url: str = ""
    dialect: str = "auto"
    thinking: Thinking = "default"
    in_flight: int = _how(16)
    requests_per_minute: int = _how(0)
    tokens_per_minute: int = _how(0)
    budget_usd: float = _how(0.0)
    budget_tokens: int = _how(0)
    prices: str = _how("")
    store: str = _how("")
    timeout_s: float = _how(120.0)
    tries: int = _how(6)
    first_wait_s: float = _how(1.0)

    @property
    def asked_model(self) -> str:
        """The model as keys of questions name it, and all else here that decides what it says."""
        return self.model if self.thinking == "default" else f"{self.model} thinking=off"

    def check(self) -> None:
        """Refuse settings that are out of their range.

        Raises:
            InvalidValueError: one is.
        """
        if self.in_flight < 1 or self.tries < 1:
            raise InvalidValueError(
                f"in_flight={self.in_flight}, tries={self.tries}; expected at least 1 of each."
            )
        if self.thinking not in get_args(Thinking):
            raise InvalidValueError(
                f"thinking={self.thinking!r}; expected one of {', '.join(get_args(Thinking))}."
            )
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise InvalidValueError(f"{name}={getattr(self, name)}; expected at least 0.")
        if self.timeout_s <= 0:
            raise InvalidValueError(f"timeout_s={self.timeout_s}; expected more than 0 seconds.")
