"""Error messages of the library for the command line, which name options and not arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["message_of", "options_of"]

_ARGUMENT = re.compile(r"(?<![\w.(\[{])(\w+)=('[^']*'|\"[^\"]*\"|[\w.+-]*\w)")


def message_of(error: BaseException, options: Sequence[str]) -> str:
    """An error in a sentence, and below it the notes that were added to it.

    Args:
        error: any.
        options: names of the command's options without dashes, such as ``"batch-size"``; what the
            message calls by them as arguments of a function is written as an option.

    >>> message_of(ValueError("batch_size=0; pass between='hold'."), ["batch-size", "between"])
    'ValueError: --batch-size 0; pass --between hold.'
    """

    def as_option(match: re.Match[str]) -> str:
        name, value = match[1].replace("_", "-"), match[2]
        if name not in options:
            return match[0]
        bare = value.strip("'\"")
        return f"--{name} {value if ' ' in bare else bare}"

    lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    return "\n".join(_ARGUMENT.sub(as_option, line) for line in lines)


def options_of(command: Any, arguments: Sequence[str]) -> list[str]:
    """Names of the options of the subcommand that these arguments call.

    Args:
        command: what `typer.main.get_command` gives.
        arguments: what was typed after the program's name.
    """
    for word in arguments:
        command = getattr(command, "commands", {}).get(word, command)
    names = [name for parameter in command.params for name in parameter.opts]
    return [name.removeprefix("--") for name in names if name.startswith("--")]
