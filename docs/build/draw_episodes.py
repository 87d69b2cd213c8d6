"""Draw `docs/flawed_episodes.png` and `docs/varied_looks.png`.

Run it after a change of flaws or looks: `.venv/bin/python docs/build/draw_episodes.py`. Episodes
are seeded, so that the pictures change only where the simulator, flaws or looks do.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np
from PIL import Image
from results import ROOT

from vlfeedback.figures.contact_sheet import contact_sheet
from vlfeedback_envs.flawed import rollout_flawed
from vlfeedback_envs.flaws import FLAWS
from vlfeedback_envs.metaworld import MetaWorldView

SEED = 2
TIMES = [0, 15, 30, 40, 50, 60, 75, 100, 149]  # states of an episode
LOOKS = 7  # a task


def main() -> None:
    """Draw an attempt with each flaw, and three tasks in some looks."""
    _save(_flaws(), "flawed_episodes")
    _save(_looks(), "varied_looks")


def _flaws() -> np.ndarray:
    videos, captions, notes = [], [], []
    with closing(MetaWorldView("pick-place", render_mode="rgb_array", size=224)) as view:
        for flaw in FLAWS:
            attempt = rollout_flawed(view, seed=SEED, flaw=flaw, frame_stride=1)
            videos.append(attempt.frames.read(TIMES))
            success = attempt.first_success
            end = "never succeeds" if success is None else f"succeeds at step {success}"
            captions.append(f"{flaw} since step {attempt.info['since']}, {end}")
            rewards = [
                f"step {time - 1}: {attempt.env_rewards[time - 1]:.2f}" for time in TIMES[1:]
            ]
            notes.append(["reset", *rewards])
    return contact_sheet(videos, captions, frame_captions=notes)


def _looks() -> np.ndarray:
    rows, captions = [], []
    for number, task in enumerate(("drawer-close", "pick-place", "basketball")):
        seeds = [number * LOOKS + i for i in range(LOOKS)]
        pictures = [*_pictures(task, "plain", [0]), *_pictures(task, "varied", seeds)]
        rows.append(np.stack(pictures))
        captions.append(f"{task}: plain, and varied")
    return contact_sheet(rows, captions)


def _pictures(task: str, looks: str, seeds: list[int]) -> list[np.ndarray]:
    view = MetaWorldView(task, render_mode="rgb_array", size=112, quality="vlm", looks=looks)
    with closing(view):
        pictures = []
        for seed in seeds:
            view.reset(seed=seed)
            pictures.append(view.render())
        return pictures


def _save(sheet: np.ndarray, name: str) -> None:
    Image.fromarray(sheet).save(ROOT / "docs" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
