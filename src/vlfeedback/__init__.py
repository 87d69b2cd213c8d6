"""Rewards and preference labels from vision-language models, for any Gymnasium environment."""

from vlfeedback._version import __version__

__all__ = ["__version__"]
