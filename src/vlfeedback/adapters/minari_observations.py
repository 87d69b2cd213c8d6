"""Which parts of Minari's observations are numbers, pictures and the instruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vlfeedback.errors import InvalidTypeError, NeedsError, ShapeError, UnknownNameError
from vlfeedback.types import ArrayFrames

__all__ = ["FLATTEN", "ObservationChoice", "n_states"]

FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class ObservationChoice:
    """The parts of observations that are read, by their keys in the dictionary or tuple.

    Attributes:
        space: of the observations.
        observation: a key, `FLATTEN`, or None where observations are one array.
        pictures: a key; None for the observations themselves, if they are pictures.
        instruction: a key of texts; None for none.
    """

    space: Any
    observation: str | None
    pictures: str | None
    instruction: str | None

    @classmethod
    def of(
        cls,
        space: Any,
        *,
        observation: str | None,
        pictures: str | None,
        instruction: str | None,
        name: str,
    ) -> ObservationChoice:
        """Choose what was asked for, and what there is only one of.

        Args:
            space: of the observations, as Gymnasium has it.
            observation: what was asked for; None: nothing.
            pictures: likewise.
            instruction: likewise; "" for no text.
            name: of the dataset, for messages.

        Raises:
            InvalidTypeError: there are no numbers to read.
            NeedsError: there are several arrays and none was chosen.
            UnknownNameError: there is no such part.
        """
        parts = _parts(space)
        if parts is None:
            if (observation, pictures, instruction or None) != (None, None, None) or _is_text(
                space
            ):
                raise InvalidTypeError(
                    f"Observations of {name} are {space}; expected arrays, of which there is "
                    "nothing to choose, or a dictionary or tuple of arrays."
                )
            return cls(space, None, None, None)
        texts = [key for key, part in parts.items() if _is_text(part)]
        arrays = [key for key in parts if key not in texts]
        known = {
            "observation": (observation, [*arrays, FLATTEN]),
            "pictures": (pictures, arrays),
            "instruction": (instruction or None, texts),
        }
        for option, (key, keys) in known.items():
            if key is not None and key not in keys:
                kind = "texts" if option == "instruction" else "arrays"
                raise UnknownNameError(
                    f"{option}={key!r} is none of the {kind} of {name}'s observations: {keys}."
                )
        if not arrays:
            raise InvalidTypeError(f"Observations of {name} are {space}, texts alone: no arrays.")
        if observation is None and len(arrays) > 1:
            raise NeedsError(
                f"Observations of {name} have the parts {arrays}; choose one of them with "
                f"observation={arrays[0]!r}, or take all in one vector with "
                f"observation={FLATTEN!r}."
            )
        if instruction is None and len(texts) == 1:
            instruction = texts[0]
        return cls(space, observation or arrays[0], pictures, instruction or None)

    def numbers(self, observations: Any) -> Shaped[np.ndarray, "L1 ..."]:
        """The array of observations."""
        parts = _parts(self.space)
        if parts is None or self.observation is None:
            return np.asarray(observations)
        if self.observation == FLATTEN:
            return _flattened(self.space, observations)
        part, values = parts[self.observation], _part(observations, self.observation)
        return np.asarray(values) if _parts(part) is None else _flattened(part, values)

    def frames(self, observations: Any) -> ArrayFrames | None:
        """Pictures of every state that is recorded, where there are some.

        Raises:
            ShapeError: the part that was chosen holds none.
        """
        if self.pictures is None and _parts(self.space) is not None:
            return None
        key = self.pictures
        pictures = observations if key is None else _part(observations, key)
        if isinstance(pictures, np.ndarray) and pictures.dtype == np.uint8 and pictures.ndim == 4:
            if pictures.shape[1] == 3 and pictures.shape[-1] > 4:  # unmistakably channels first
                pictures = pictures.transpose(0, 2, 3, 1)
            if pictures.shape[-1] == 3:
                return ArrayFrames(np.arange(len(pictures)), pictures)
        if key is not None:
            raise ShapeError(
                f"pictures={key!r} chooses an array that is no stack of pictures; "
                "expected (L + 1, H, W, 3) uint8."
            )
        return None

    def text(self, observations: Any) -> str:
        """The instruction, which is the same text in every state; "" where texts differ."""
        if self.instruction is None:
            return ""
        texts = {str(text) for text in _part(observations, self.instruction)}
        return texts.pop() if len(texts) == 1 else ""


def n_states(observations: Any) -> int:
    """How many states were observed, whatever parts observations have.

    Raises:
        ShapeError: parts differ in it.
    """
    values: list[Any] = [observations]
    if isinstance(observations, Mapping):
        values = list(observations.values())
    elif isinstance(observations, tuple):
        values = list(observations)
    counts = {len(v) if v is observations else n_states(v) for v in values}
    if len(counts) != 1:
        raise ShapeError(f"Parts of observations have {sorted(counts)} rows; expected as many.")
    return counts.pop()


def _parts(space: Any) -> dict[str, Any] | None:
    """Spaces of the parts of a dictionary or tuple, and None for others."""
    spaces = getattr(space, "spaces", None)
    if isinstance(spaces, Mapping):
        return dict(spaces)
    if isinstance(spaces, tuple | list):
        return {str(index): part for index, part in enumerate(spaces)}
    return None


def _part(observations: Any, key: str) -> Any:
    return observations[key if isinstance(observations, Mapping) else int(key)]


def _is_text(space: Any) -> bool:
    return _parts(space) is None and space.shape is None


def _flattened(space: Any, observations: Any) -> Shaped[np.ndarray, "L1 D"]:
    """All numbers in one vector, in the space's order; texts are left out."""
    parts = _parts(space)
    if parts is None:
        array = np.asarray(observations)
        return array.reshape(len(array), -1)
    arrays = [
        _flattened(part, _part(observations, key))
        for key, part in parts.items()
        if not _is_text(part)
    ]
    return np.concatenate(arrays, axis=1)
