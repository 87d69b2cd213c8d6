"""Draw `docs/worlds.png` and `docs/rlvlmf_tasks.png`.

Run it after a change of scenes: `.venv/bin/python docs/build/draw_worlds.py`. Episodes are seeded,
so that the pictures change only where the simulator or a scene does.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np
from PIL import Image
from results import ROOT

from vlfeedback.collecting import complete_settings
from vlfeedback.figures.contact_sheet import contact_sheet
from vlfeedback.registry import load_target
from vlfeedback.tasks import METAWORLD_TASKS, RLVLMF_TASKS, TASKS, get_task
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.rlvlmf import RLVLMFView
from vlfeedback_envs.scattered import scatter_scenes

SIDE = 240  # px
ACROSS = 4
# Steps of an expert's episode until the picture is taken.
MOMENTS = {
    "cart-pole-balance": 20,
    "straighten-rope": 2,
    "straighten-rope-free": 6,
    "fold-cloth-diagonal": 1,
    "fold-cloth-half": 7,
    "dress-sleeve": 21,
}
SCATTERED = "basketball"  # stands for all of Meta-World's tasks


def main() -> None:
    """Draw all tasks that are not stock Meta-World, and RL-VLM-F's with the arm and without."""
    missing = {*TASKS.own} - {*METAWORLD_TASKS, *RLVLMF_TASKS, *MOMENTS}
    if missing:
        raise LookupError(f"No moment is named of {', '.join(missing)}; add it to MOMENTS.")
    _save(_worlds(), "worlds")
    _save(_variants(), "rlvlmf_tasks")


def _worlds() -> np.ndarray:
    pictures = {name: _moment(name, step) for name, step in MOMENTS.items()}
    pictures |= {name: _variant(name, hide_arm=True) for name in RLVLMF_TASKS}
    pictures |= {
        f"{SCATTERED}, level scattered": _scattered(),
        f"{SCATTERED}, looks varied": _varied(),
        f"{SCATTERED}, as it is": _varied("plain"),
    }
    names, shown = list(pictures), list(pictures.values())
    starts = range(0, len(names), ACROSS)
    return contact_sheet(
        [np.stack(shown[k : k + ACROSS]) for k in starts],
        ["" for _ in starts],
        frame_captions=[names[k : k + ACROSS] for k in starts],
    )


def _variants() -> np.ndarray:
    rows = [
        np.stack([_variant(name, hide_arm=hide_arm) for name in RLVLMF_TASKS])
        for hide_arm in (True, False)
    ]
    captions = ["as RL-VLM-F shows them, and these tasks by default", "hide_arm=False"]
    return contact_sheet(rows, captions, frame_captions=[list(RLVLMF_TASKS)] * 2)


def _moment(name: str, step: int) -> np.ndarray:
    """A moment of an expert's episode."""
    task = get_task(name)
    settings = complete_settings([task], {"frame_stride": 1, "frame_size": SIDE, "episodes": 1})
    roll_out = load_target(task.rollout, what=f"The rollout of task {name!r}")
    episode = next(iter(roll_out(task, "expert", [1], settings)))
    return np.asarray(episode.frames.read([step])[0])


def _variant(name: str, *, hide_arm: bool) -> np.ndarray:
    view = RLVLMFView(name, "rgb_array", size=SIDE, quality="vlm", hide_arm=hide_arm)
    with closing(view):
        view.reset(seed=0)
        return _rendered(view)


def _scattered() -> np.ndarray:
    view = MetaWorldView(SCATTERED, "rgb_array", size=SIDE, quality="vlm")
    with closing(view):
        scenes = scatter_scenes(view, seed=1, n_scenes=2, frame_size=SIDE)
        return np.asarray(scenes.frames.read([0])[0])


def _varied(looks: str = "varied") -> np.ndarray:
    view = MetaWorldView(SCATTERED, "rgb_array", size=SIDE, quality="vlm", looks=looks)
    with closing(view):
        view.reset(seed=1)
        return _rendered(view)


def _rendered(view: MetaWorldView) -> np.ndarray:
    return np.asarray(view.render_states([view.capture_state()])[0])


def _save(sheet: np.ndarray, name: str) -> None:
    Image.fromarray(sheet).quantize(256).save(ROOT / "docs" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
