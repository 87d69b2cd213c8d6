"""Which model is asked, and how: the settings that all labellers and sources of rewards share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["VLMSettings"]


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
        dialect: of the server, see `vlfeedback.vlms.dialects`; "auto" tells by the address.
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
    """

    model: str = ""
    base_url: str = ""
    dialect: str = "auto"
    in_flight: int = _how(16)
    requests_per_minute: int = _how(0)
    tokens_per_minute: int = _how(0)
    budget_usd: float = _how(0.0)
    budget_tokens: int = _how(0)
    prices: str = _how("")
    store: str = _how("")
    timeout_s: float = _how(120.0)
    tries: int = _how(6)

    @property
    def asked_model(self) -> str:
        """The model as keys of questions name it, and all else here that decides what it says."""
        return self.model
