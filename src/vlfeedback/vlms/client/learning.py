"""Finds out what a model can do, from its answers and refusals, and remembers it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.client.abilities import Abilities, Feature
from vlfeedback.vlms.client.abilities_file import AbilitiesFile
from vlfeedback.vlms.client.dialects import DIALECTS, Dialect, dialect_at, dialect_named
from vlfeedback.vlms.client.server import Server
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["Learned"]

_log = logging.getLogger(__name__)

_DOWNGRADES: Mapping[Feature, str] = {
    "token_field": "{who} knows the limit of tokens by another name, {value!r} or none.",
    "response_format": "{who} does not hold answers to a form in the best way; now in {value!r}.",
    "top_logprobs": "{who} does not give so many log-probabilities; it is asked for {value}.",
    "temperature": "{who} takes no temperature: its answers to one question may differ.",
    "no_thinking": "{who} does not let its thinking be switched off.",
}


class Learned:
    """What is known of one model of one server.

    Attributes:
        abilities: what requests to it may use; before the first question, what was remembered.
    """

    def __init__(self, settings: VLMSettings, server: Server) -> None:
        self._server = server
        self._thinking_off = settings.thinking == "off"
        self._file = AbilitiesFile.beside(settings.store)
        remembered = self._file.read(server.address, server.model)
        if settings.dialect == "auto":
            self.dialect = dialect_at(settings.base_url)
            if self.dialect is None and remembered is not None:
                self.dialect = dialect_named(remembered.dialect)
        else:
            self.dialect = dialect_named(settings.dialect)
        self.abilities = Abilities("plain")
        self._kept = remembered
        self._tried: set[Feature] = set()
        self._confirmed: set[Feature] = set()  # by an answer to this object
        self._said: set[str] = set()
        if self.dialect is not None:
            self._begin(self.dialect, remembered)

    @property
    def dialect_or_plain(self) -> Dialect:
        """The dialect, and the plain one before it is known."""
        return self.dialect or DIALECTS["plain"]

    async def meet(self) -> None:
        """Find out which dialect the server speaks, if its address does not tell."""
        if self.dialect is None:
            owner = await self._server.owner()
            found = dialect_at(self._server.address, owner) or DIALECTS["plain"]
            self._begin(found, None)

    @property
    def switches_thinking_off(self) -> bool:
        """Whether requests switch thinking off."""
        return self._thinking_off and self.dialect is not None and bool(self.dialect.no_thinking)

    @property
    def gives_logprobs(self) -> bool | None:
        """Whether the model gives log-probabilities; None where nobody has asked it."""
        if not self.abilities.top_logprobs:
            self._say_no_logprobs()
            return False
        return True if "top_logprobs" in self.abilities.known else None

    def has_tried(self, features: frozenset[Feature]) -> bool:
        """Whether these were asked of the model before, whatever came of it."""
        return features <= self._tried

    def try_all(self, features: frozenset[Feature]) -> None:
        """Note that they were."""
        self._tried |= features

    def leave_out(self, feature: Feature, used: Abilities) -> Abilities | None:
        """What to ask with after a refusal; None where there is nothing left to leave out.

        A feature that answers have confirmed is left out of this question alone: something else
        is wrong with it.

        Args:
            feature: that was refused.
            used: what the request was made by.
        """
        lesser = used.without(feature, self.dialect_or_plain)
        if lesser is None:
            return None
        if feature not in self._confirmed and _same(feature, used, self.abilities):
            value = getattr(lesser, feature)
            self.abilities = self.abilities.having(feature, value)
            if feature == "top_logprobs" and not value:
                self._say_no_logprobs()
            else:
                self._say(_DOWNGRADES[feature], value)
        return lesser

    def see_answer(self, features: frozenset[Feature], used: Abilities, answer: Answer) -> None:
        """Learn from an answer what the model can do.

        Args:
            features: that the request used.
            used: what it was made by.
            answer: that came.
        """
        learned = {feature for feature in features if _same(feature, used, self.abilities)}
        if "top_logprobs" in learned and not answer.logprobs:
            learned.discard("top_logprobs")
            if answer.outcome is Outcome.ANSWERED and "top_logprobs" not in self._confirmed:
                self._note("top_logprobs", 0)
                self._say_no_logprobs()
        self._confirmed |= learned
        if "pictures" in learned:
            self._note("pictures", True)
        self._know(frozenset(learned))

    def see_blindness(self) -> None:
        """Learn that the model does not see pictures; it is asked all the same another time."""
        self._note("pictures", False)

    def _begin(self, dialect: Dialect, remembered: Abilities | None) -> None:
        self.dialect = dialect
        fits = remembered is not None and remembered.dialect == dialect.name
        self.abilities = remembered if fits and remembered else Abilities.expected(dialect)
        self._tried |= self.abilities.known
        if self._thinking_off and not dialect.no_thinking:
            self._say("How {who} switches thinking off is not known.")

    def _note(self, feature: Feature, value: object) -> None:
        self.abilities = self.abilities.having(feature, value)
        self._know(frozenset([feature]))

    def _know(self, features: frozenset[Feature]) -> None:
        """Keep what is known, if it is news."""
        self.abilities = replace(self.abilities, known=self.abilities.known | features)
        if self.abilities != self._kept:
            self._kept = self.abilities
            self._file.write(self._server.address, self._server.model, self.abilities)

    def _say_no_logprobs(self) -> None:
        self._say(
            "{who} gives no log-probabilities: what wants them asks several times, and counts."
        )

    def _say(self, words: str, value: object = None) -> None:
        """Say something aloud, once."""
        if words not in self._said:
            self._said.add(words)
            who = f"{self._server.model!r} at {self._server.address}"
            _log.warning("%s", words.format(who=who, value=value))


def _same(feature: Feature, one: Abilities, other: Abilities) -> bool:
    return bool(getattr(one, feature) == getattr(other, feature))
