"""Make the pictures of docs/deformables.md: an expert's episode of each task, four moments each.

Run it after a change of scenes: `.venv/bin/python docs/build/deformable_pictures.py`.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlfeedback_envs.deformables.fold_diagonal import FoldClothDiagonal
from vlfeedback_envs.deformables.fold_half import FoldClothHalf
from vlfeedback_envs.deformables.free_rope import StraightenRopeFree
from vlfeedback_envs.deformables.rope import StraightenRope
from vlfeedback_envs.deformables.scripts import (
    fold_diagonally,
    fold_in_half,
    grasp_and_pull,
    pull_straight,
    pull_up_the_arm,
)
from vlfeedback_envs.deformables.sleeve import DressSleeve

DOCS = Path(__file__).resolve().parents[1]


def moments(env: Any, script: Any, *, seed: int, steps: tuple[int, ...]) -> Image.Image:
    """Pictures after so many steps, side by side."""
    with closing(env):
        env.reset(seed=seed)
        pictures = []
        for step in range(max(steps) + 1):
            if step in steps:
                pictures.append(env.render())
            env.step(script(env.state()))
    return Image.fromarray(np.concatenate(pictures, axis=1))


def folds(env: Any, targets: list[Any]) -> Image.Image:
    """The flat cloth, and what folds to these targets leave of it, side by side."""
    with closing(env):
        env.reset(seed=0)
        pictures = [env.render()]
        for target in targets:
            state, _ = env.reset(seed=0)
            env.step(fold_diagonally(state) if target is None else np.array(target))
            pictures.append(env.render())
    return Image.fromarray(np.concatenate(pictures, axis=1))


def main() -> None:
    """Write all."""
    rope = StraightenRope(render_mode="rgb_array", hide_picker=False)
    sleeve = DressSleeve(render_mode="rgb_array", hide_picker=False)
    free = StraightenRopeFree(render_mode="rgb_array", hide_picker=False)
    diagonal = FoldClothDiagonal(render_mode="rgb_array")
    half = FoldClothHalf(render_mode="rgb_array", hide_picker=False)
    strips = {
        "straighten_rope.png": moments(rope, pull_straight, seed=0, steps=(0, 2, 4, 12)),
        "dress_sleeve.png": moments(sleeve, pull_up_the_arm, seed=3, steps=(0, 12, 21, 40)),
        "straighten_rope_free.png": moments(free, grasp_and_pull, seed=1, steps=(0, 2, 6, 14)),
        "fold_cloth_diagonal.png": folds(diagonal, [(0.2, 0.2), (0.95, 0.4), None]),
        "fold_cloth_half.png": moments(half, fold_in_half, seed=0, steps=(0, 4, 7, 12)),
    }
    for name, strip in strips.items():
        strip.quantize(128).save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main()
