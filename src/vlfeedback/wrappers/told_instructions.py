"""Instructions that an environment gives itself, anew in each episode: MiniGrid's missions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlfeedback.errors import InvalidTypeError, InvalidValueError, NeedsError

__all__ = ["check_one_instruction", "told_instruction", "told_instructions"]


def check_one_instruction(instruction: object, key: str | None) -> None:
    """Refuse an instruction beside a key of one.

    Raises:
        InvalidValueError: both are given.
    """
    if instruction is not None and key is not None:
        raise InvalidValueError(
            f"instruction={instruction!r} and instruction_key={key!r}: the environment says what "
            "is to be done, or you do; pass one of them."
        )


def told_instruction(observation: Any, info: Mapping[str, Any], key: str) -> str:
    """What a reset says is to be done: an entry of its observation, or else of its `info`.

    Args:
        observation: that the reset returned.
        info: that came with it.
        key: of the entry, such as ``"mission"``.

    Raises:
        NeedsError: neither has such an entry.
        InvalidTypeError: it is no text.

    >>> told_instruction({"mission": "go to the red door"}, {}, "mission")
    'go to the red door'
    """
    (text,) = told_instructions(observation, info, key, [None])
    return text


def told_instructions(
    observations: Any, infos: Mapping[str, Any], key: str, rows: Sequence[int | None]
) -> list[str]:
    """The same of several environments in one answer.

    Args:
        observations: of all environments; the entry holds one text for each.
        infos: likewise.
        key: of the entry.
        rows: of which environments; None where the entry itself is the text.

    Raises:
        NeedsError: see `told_instruction`.
        InvalidTypeError: see `told_instruction`.
    """
    parts = observations if isinstance(observations, Mapping) else {}
    found = parts[key] if key in parts else infos.get(key)
    if found is None:
        said = ", ".join(map(repr, [*parts, *infos])) or "nothing"
        raise NeedsError(
            f"instruction_key={key!r}, and a reset says nothing of this name; it has {said}. Give "
            "a key of the observation or of info, or an instruction."
        )
    texts = [found if row is None else found[row] for row in rows]
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise InvalidTypeError(
                f"instruction_key={key!r} leads to {text!r}; expected a text that says what is to "
                "be done."
            )
    return [str(text) for text in texts]
