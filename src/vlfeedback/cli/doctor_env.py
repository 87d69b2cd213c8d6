"""`vlfeedback doctor --env`: the table of what was found in an environment, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlfeedback.evaluation.environment import Inspection

__all__ = ["examine", "write_sheet"]

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("PROBLEM", "red")}
_SHOWN, _IN_A_ROW = 8, 4  # pictures on the sheet
_WIDEST = 320  # px, of a picture on the sheet


def examine(
    env_id: str, *, env_options: Mapping[str, Any], sheet: Path, n_steps: int, seed: int
) -> bool:
    """Inspect an environment, print what was found, and write its first pictures.

    Args:
        env_id: see `vlfeedback.evaluation.environment.inspect_environment`, as all but `sheet`.
        env_options: see `env_id`.
        sheet: PNG that is written where there are pictures.
        n_steps: see `env_id`.
        seed: see `env_id`.

    Returns:
        Whether nothing that was found is a problem.
    """
    from rich.table import Table

    from vlfeedback.cli.console import console, styled
    from vlfeedback.evaluation.environment import inspect_environment

    screen = console()
    with screen.status(f"Walking in {env_id} ..."):
        found = inspect_environment(env_id, env_options=env_options, n_steps=n_steps, seed=seed)
    table = Table("", "what", "found", "next", title=env_id)
    for finding in found.findings:
        row = (finding.subject, finding.detail, finding.next_step)
        table.add_row(styled(*_MARKS[finding.state]), *row)
    screen.print(table)
    if found.pictures:
        write_sheet(found, sheet)
        screen.print(f"Pictures: {sheet}. Look at them: is it the task that one sees, upright?")
    given = [f"--env-option {key}={value}" for key, value in env_options.items()]
    command = " ".join(["vlfeedback collect --out episodes --env-id", env_id, *given])
    n_problems = sum(finding.state == "problem" for finding in found.findings)
    screen.print(
        f"{n_problems} problem{'s' * (n_problems != 1)} to mend first."
        if n_problems
        else f'No problem. Next: {command} --instruction "what is to be done"'
    )
    return found.is_usable


def write_sheet(found: Inspection, path: Path) -> None:
    """Write up to eight pictures of an inspection, evenly spaced, as one PNG.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    import numpy as np

    from vlfeedback.figures.contact_sheet import contact_sheet
    from vlfeedback.optional import require

    require("PIL", extra="vision", needed_by="A contact sheet")
    from PIL import Image

    pictures = [picture for picture in found.pictures if picture.shape == found.pictures[0].shape]
    places = np.unique(np.linspace(0, len(pictures) - 1, _SHOWN).round().astype(int)).tolist()
    names = _names(len(pictures), found.begins)
    rows = [places[at : at + _IN_A_ROW] for at in range(0, len(places), _IN_A_ROW)]
    factor = -(-pictures[0].shape[1] // _WIDEST)
    image = contact_sheet(
        [np.stack([pictures[place][::factor, ::factor] for place in row]) for row in rows],
        [found.env_id, *[""] * (len(rows) - 1)],
        frame_captions=[[names[place] for place in row] for row in rows],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, format="PNG")


def _names(n_pictures: int, begins: tuple[int, ...]) -> list[str]:
    """``"reset"``, ``"step 1"`` ... of each picture; steps go on counting over resets."""
    names, step = [], 0
    for place in range(n_pictures):
        if place in begins:
            names.append("reset")
        else:
            step += 1
            names.append(f"step {step}")
    return names
