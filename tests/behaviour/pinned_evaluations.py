"""Commands that judge sources and compare learners: all of their figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.behaviour.pinned_command_line import cart_pole, command, figures, meta_world
from tests.behaviour.pinned_record import case

__all__: list[str] = []

_SWEEP = """
claim = "it runs"
tasks = ["cart-pole-balance"]
levels = ["random", "medium"]
seeds = [0, 1]
steps = 20
pairs = { count = 12, length = 5, sampler = "uniform" }
evaluation = { every = 10, episodes = 2, horizon = 5, metric = "return" }
[labels.teacher]
[labels.returns]
source = "env"
[labels.flip]
source = "teacher"
config = { flip = 0.25 }
[rewards.env]
[learners.cpl]
settings = { bc_steps = 5, hidden = [16, 16] }
[learners.iql]
settings = { hidden = [16, 16] }
[learners.bc]
every = 20
[paper]
"env/iql" = "offline-rl-vlm-f-1/IQL-GT"
"""


def _judged(folder: Path, task: str, *options: object) -> Any:
    out = folder / "figures.json"
    command("eval", "source", "--task", task, "--json", out, "--workers", 1, *options)
    found = figures(out)
    for row in found["sources"].values():
        # Reasons may tell how fast a source is.
        row["reasons"] = [text for text in row["reasons"] if "second" not in text]
    return found


@case(slow=True)
def sources_on_cart_pole(folder: Path) -> Any:
    sources = ("--source", "env", "--source", "other=random", "--set", "other.seed=3")
    small = ("--episodes", 3, "--pairs", 12, "--length", 10, "--data", cart_pole())
    return _judged(folder, "cart-pole-balance", *sources, *small)


@case(slow=True)
def sources_on_fresh_cart_pole(folder: Path) -> Any:
    sources = ("--source", "env", "--source", "picture-energy")
    small = ("--episodes", 2, "--horizon", 30, "--pairs", 10, "--length", 10, "--size", 32)
    return _judged(folder, "cart-pole-balance", *sources, *small, "--seed", 1)


@case(slow=True)
def sources_on_drawer_close(folder: Path) -> Any:
    sources = ("--source", "env", "--source", "random", "--source", "vlp")
    small = ("--episodes", 2, "--pairs", 12, "--length", 20, "--data", meta_world())
    return _judged(folder, "drawer-close", *sources, *small)


@case(slow=True)
def vlp(folder: Path) -> Any:
    out = folder / "figures.json"
    small = ("--pairs", 6, "--episodes", 2, "--workers", 1)
    tasks = ("--tasks", "door-close,drawer-close", "--weights", "vlp.mt45", "--language")
    command("eval", "vlp", *tasks, *small, "--json", out)
    return figures(out)


@case(slow=True)
def sweep_and_report(folder: Path) -> Any:
    file, out = folder / "tiny.toml", folder / "out"
    file.write_text(_SWEEP, encoding="utf-8")
    command("sweep", file, "--out", out, "--data", cart_pole(), "--workers", 2)
    command("report", out)
    runs = {path.stem: figures(path) for path in sorted((out / "runs").iterdir())}
    return {"runs": runs, "results": figures(out / "results.json")}
