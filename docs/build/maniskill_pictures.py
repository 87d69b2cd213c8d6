"""Make docs/maniskill.png: each task of ManiSkill as a reset leaves it, and experts at the end.

Needs ManiSkill and a Vulkan driver, see docs/maniskill.md. Run it after a change of tasks:
`.venv/bin/python docs/build/maniskill_pictures.py`.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from vlfeedback.tasks import MANISKILL_TASKS
from vlfeedback_envs.maniskill.environment import ManiSkillView
from vlfeedback_envs.maniskill.scripts import SCRIPTS

DOCS = Path(__file__).resolve().parents[1]
SIDE, COLUMNS, SEED = 176, 5, 4


def scenes(task: str) -> list[tuple[str, UInt8[np.ndarray, "H W 3"]]]:
    """The first moment, and that in which a script has succeeded."""
    with closing(ManiSkillView(task, render_mode="rgb_array", size=SIDE)) as view:
        view.reset(seed=SEED)
        moments = [(task, view.render())]
        if task in SCRIPTS:
            for _ in range(view.task.collecting.horizon or 0):
                *_, terminated, _, _ = view.step(SCRIPTS[task](view.named))
                if terminated:
                    break
            moments.append(("done", view.render()))
    return [(label, picture) for label, picture in moments if picture is not None]


def main() -> None:
    """Write it."""
    tiles = [tile for task in MANISKILL_TASKS for tile in scenes(task)]
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * SIDE, rows * (SIDE + 14)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (label, picture) in enumerate(tiles):
        left, top = place % COLUMNS * SIDE, place // COLUMNS * (SIDE + 14)
        draw.text((left + 3, top + 1), label, fill="black")
        sheet.paste(Image.fromarray(picture), (left, top + 14))
    sheet.quantize(256, Image.Quantize.MAXCOVERAGE).save(DOCS / "maniskill.png", optimize=True)


if __name__ == "__main__":
    main()
