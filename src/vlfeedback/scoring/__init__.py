"""The one way to ask a source: when pictures are taken, how a window begins, one checked call."""

from vlfeedback.scoring.asking import ask

__all__ = ["ask"]
