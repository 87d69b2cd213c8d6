"""What one model of one server can do, as far as its answers and refusals have shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from vlfeedback.vlms.client.dialects import Dialect, ResponseFormat

__all__ = ["Abilities", "Feature"]

Feature = Literal[
    "token_field", "response_format", "top_logprobs", "temperature", "no_thinking", "pictures"
]
"""What a request may use that a server may refuse."""

_FEWER_LOGPROBS = {20: 5, 5: 0}  # some servers give five alternatives at most


@dataclass(frozen=True, slots=True)
class Abilities:
    """What requests to a model may use.

    Attributes:
        dialect: name of the server's dialect.
        token_field: name of the limit of tokens; "" where it takes none.
        response_format: how answers are held to a form.
        top_logprobs: most alternatives of a token whose log-probabilities it gives; 0: none.
        temperature: whether it may be set.
        no_thinking: whether thinking may be switched off, in the dialect's way.
        pictures: whether it sees them.
        known: which of these an answer or a refusal has shown; the others are expected of the
            dialect.
    """

    dialect: str
    token_field: str = "max_tokens"
    response_format: ResponseFormat = "json_schema"
    top_logprobs: int = 20
    temperature: bool = True
    no_thinking: bool = True
    pictures: bool = True
    known: frozenset[Feature] = frozenset()

    @classmethod
    def expected(cls, dialect: Dialect) -> Abilities:
        """What a server of this dialect should be able to do."""
        known: set[Feature] = set()
        if not dialect.logprobs:
            known.add("top_logprobs")
        if not dialect.may_refuse_temperature:
            known.add("temperature")
        return cls(
            dialect.name,
            token_field=dialect.token_fields[0],
            response_format=dialect.response_formats[0],
            top_logprobs=20 if dialect.logprobs else 0,
            no_thinking=bool(dialect.no_thinking),
            known=frozenset(known),
        )

    def without(self, feature: Feature, dialect: Dialect) -> Abilities | None:
        """The next best after a refusal: another name, a weaker form, or none of it.

        None where there is nothing left to leave out.
        """
        lesser: dict[Feature, Any] = {
            "token_field": _after(self.token_field, (*dialect.token_fields, "")),
            "response_format": _after(self.response_format, (*dialect.response_formats, "none")),
            "top_logprobs": _FEWER_LOGPROBS.get(self.top_logprobs),
            "temperature": False if self.temperature else None,
            "no_thinking": False if self.no_thinking else None,
            "pictures": None,  # a question without its pictures is another question
        }
        value = lesser[feature]
        return None if value is None else self.having(feature, value)

    def having(self, feature: Feature, value: Any) -> Abilities:
        """The same but for one of them."""
        changes: dict[str, Any] = {feature: value}
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """What is known, as JSON values."""
        return {"dialect": self.dialect, **{name: getattr(self, name) for name in self._known()}}

    @classmethod
    def from_json(cls, value: Any, dialect: Dialect) -> Abilities:
        """What `to_json` gave; whatever else is read over, since all of it can be found out again.

        >>> from vlfeedback.vlms.client.dialects import DIALECTS
        >>> known = {"dialect": "vllm", "top_logprobs": 5, "pictures": "maybe"}
        >>> sorted(Abilities.from_json(known, DIALECTS["vllm"]).known)
        ['temperature', 'top_logprobs']
        """
        expected = cls.expected(dialect)
        if not isinstance(value, dict) or value.get("dialect") != dialect.name:
            return expected
        possible: dict[Feature, tuple[Any, ...]] = {
            "token_field": (*dialect.token_fields, ""),
            "response_format": (*dialect.response_formats, "none"),
            "top_logprobs": (*_FEWER_LOGPROBS, 0),
        }
        known: dict[Feature, Any] = {}
        for name in get_args(Feature):
            choices = possible.get(name, (True, False))
            if any(value.get(name) is choice or value.get(name) == choice for choice in choices):
                known[name] = value[name]
        return replace(expected, **known, known=expected.known | frozenset(known))

    def _known(self) -> list[Feature]:
        return [name for name in get_args(Feature) if name in self.known]


def _after(value: str, ladder: tuple[str, ...]) -> str | None:
    """What comes after a value; None after the last."""
    place = ladder.index(value) if value in ladder else len(ladder)
    return ladder[place + 1] if place + 1 < len(ladder) else None
