"""What may not be pickled or copied."""

from __future__ import annotations

from typing import Any

from vlfeedback.errors import InvalidTypeError

__all__ = ["BoundToSimulator"]


class BoundToSimulator:
    """What holds a running simulator or its OpenGL context, and cannot be pickled or copied.

    A copy would draw a model that its simulation does not move, or share a context with another.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise InvalidTypeError(
            f"{type(self).__name__} holds a running simulator and is neither pickled nor copied. "
            "Make another, gym.make(env.spec), and reset it with the same seed; to another process "
            "give a function that makes it."
        )
