"""The command line: `vlfeedback --help`. Heavy imports live inside the commands."""

from vlfeedback.cli.app import main

__all__ = ["main"]
