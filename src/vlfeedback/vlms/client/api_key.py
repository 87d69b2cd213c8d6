"""The one place that reads API keys: from the environment, and shown to nobody."""

from __future__ import annotations

import os

__all__ = ["API_KEY_VARIABLE", "APIKey"]

API_KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable with the API key of any server that has no variable of its own."""


class APIKey:
    """A key that no message, file or trace shows; false where there is none.

    Args:
        variable: the server's own variable, which is read first; "" where it has none.

    Attributes:
        variable: where it was found, or would have been looked for first.
    """

    __slots__ = ("_text", "variable")

    def __init__(self, variable: str = "") -> None:
        self.variable = variable or API_KEY_VARIABLE
        self._text = os.environ.get(self.variable, "").strip()
        if not self._text:
            self._text = os.environ.get(API_KEY_VARIABLE, "").strip()
            self.variable = API_KEY_VARIABLE if self._text else self.variable

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return f"APIKey({self.variable!r})"

    def reveal(self) -> str:
        """The key itself, for the server alone; ``"none"`` where there is none."""
        return self._text or "none"  # a server of one's own wants none, but the library does

    def hide(self, text: str) -> str:
        """A text without the key: servers repeat it in what they complain of."""
        return text.replace(self._text, "***") if self._text else text
