"""Error messages of the library for the command line, which name options and not arguments."""

from __future__ import annotations

import ast
import json
import re
import traceback
from collections.abc import Sequence
from typing import Any

__all__ = ["message_of", "option_of", "options_of"]

# What stands in parentheses is a call, or Python in another way, and stays as it is.
_ARGUMENT = re.compile(
    r"\([^()]*\)|(?<![\w.\[{])(?P<name>\w+)=(?P<value>'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\.\.\.|[\w.+-]*\w)"
)
# Arguments whose options are called otherwise.
_OPTIONS = {
    "env_id": "env",
    "evaluator": "env",
    "n_episodes": "episodes",
    "n_pairs": "pairs",
    "n_steps": "steps",
    "preferences": "labels",
    "save_to": "out",
    "trajectories": "data",
}
# By the room of the library that complains: the options that its settings are given by.
_SETTINGS = {
    "adapters": ("reading",),
    "offline": ("set",),
    **dict.fromkeys(("encoders", "preferences", "rewards", "vlms"), ("set", "source-config")),
}


def message_of(error: BaseException, options: Sequence[str]) -> str:
    """An error in a sentence, and below it the notes that were added to it.

    Args:
        error: any.
        options: names of the command's options without dashes, such as ``"batch-size"``; what the
            message calls by them as arguments of a function is written as an option, and settings
            as the command takes them.

    >>> message_of(ValueError("batch_size=0; pass between='hold'."), ["batch-size", "between"])
    'ValueError: --batch-size 0; pass --between hold.'
    """
    settings_option = next((o for o in _SETTINGS.get(_room_of(error), ()) if o in options), "")

    def as_option(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        option = option_of(name or "", options)
        if not name or not (option or settings_option):
            return match[0]
        bare = value.strip("'\"")
        if option:
            return f"--{option} {value if ' ' in bare else bare}"
        return _as_setting(settings_option, name, value)

    lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    return "\n".join(_ARGUMENT.sub(as_option, line) for line in lines)


def option_of(argument: str, options: Sequence[str]) -> str:
    """The name of the option that stands for a function's argument; "" where there is none.

    >>> option_of("n_steps", ["steps", "seed"]), option_of("batch_size", ["seed"])
    ('steps', '')
    """
    names = (argument.replace("_", "-"), _OPTIONS.get(argument, ""))
    return next((name for name in names if name in options), "")


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


def _as_setting(option: str, name: str, text: str) -> str:
    """``--set alpha=0``, or ``--reading '{"camera": "top"}'`` where it takes JSON."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    value = "..." if value is ... else value
    if option != "set":
        return f"--{option} '{json.dumps({name: value})}'"
    setting = f"{name}={value if isinstance(value, str) else json.dumps(value)}"
    return f'--set "{setting}"' if " " in setting else f"--set {setting}"


def _room_of(error: BaseException) -> str:
    """The innermost room whose settings the error is about, such as ``"rewards"``; or ""."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        package, _, module = str(frame.f_globals.get("__name__")).partition(".")
        room = module.partition(".")[0]
        if package == "vlfeedback" and room in _SETTINGS:
            return room
    return ""
