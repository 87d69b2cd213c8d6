"""`vlfeedback doctor`: what works on this machine, and the exact fix for what does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vlfeedback.cli.env_option import parse_env_options
from vlfeedback.cli.output_options import file_to_write

if TYPE_CHECKING:
    from vlfeedback.registry import Registry

__all__ = [
    "Check",
    "check_extras",
    "check_maniskill",
    "check_plugins",
    "check_rendering",
    "check_weights",
    "doctor",
]

_TIMEOUT_S = 180  # a first import of torch from a cold disk takes a minute

_RENDER = """
import gymnasium, vlfeedback.tasks as tasks
env = gymnasium.make(tasks.get_task("drawer-close").env_id, render_mode="rgb_array")
env.reset(seed=0)
picture = env.render()
if picture.std() <= 1:
    raise SystemExit(f"the picture is one colour, {picture[0, 0].tolist()}")
print(picture.shape)
"""

_RENDER_MANISKILL = """
import gymnasium, vlfeedback.tasks as tasks
env = gymnasium.make(tasks.get_task("pick-cube").env_id, render_mode="rgb_array")
env.reset(seed=0)
picture = env.render()
if picture.std() <= 1:
    raise SystemExit(f"the picture is one colour, {picture[0, 0].tolist()}")
print(picture.shape)
"""

_TORCH = """
import torch, torchvision, open_clip
name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
print(f"cuda: {name}" if name else "cpu (no CUDA device)")
"""

_DRIVERS = "sudo apt-get install libegl1 libosmesa6 libgl1-mesa-dri"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of the installation: a row of the table.

    Attributes:
        subject: what was checked: ``"extra vision"``.
        state: ``"absent"`` is not installed, and nobody has to install it.
        detail: versions, or what is wrong.
        fix: what to type; empty where nothing is wrong.
    """

    subject: str
    state: Literal["ok", "absent", "broken"]
    detail: str
    fix: str = ""


def doctor(
    env: Annotated[
        str,
        typer.Option(help="Look into this environment: a Gymnasium id, or my_package:MyEnv-v0."),
    ] = "",
    env_option: Annotated[
        list[str] | None,
        typer.Option(
            help="Of --env: NAME=VALUE, a keyword argument of the environment, such as width=224. "
            "May be given again."
        ),
    ] = None,
    sheet: Annotated[
        Path,
        typer.Option(callback=file_to_write, help="Of --env: PNG of its first pictures."),
    ] = Path("doctor.png"),
    steps: Annotated[int, typer.Option(min=1, help="Of --env: random steps to take.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of --env: of the reset and the steps.")] = 0,
) -> None:
    """Check this installation, or an environment; the exit status is 1 if something is broken.

    Of an environment: what it is seen and acted in by, whether its pictures can be read, are empty,
    frozen or upside-down, when episodes end, whether seeds count, how long steps and pictures take.

    Example: vlfeedback doctor

    Example: vlfeedback doctor --env my_package:FoldTowel-v0 --env-option camera=front
    """
    if env:
        from vlfeedback.cli.doctor_env import examine

        sys.path.append(os.getcwd())  # where a module of one's own is looked for as well
        options = parse_env_options(env_option or [])
        usable = examine(env, env_options=options, sheet=sheet, n_steps=steps, seed=seed)
        raise typer.Exit(0 if usable else 1)
    from rich.table import Table

    from vlfeedback.cli.console import console, styled

    screen = console()
    table = Table("", "what", "found", "fix")
    marks = {"ok": ("ok", "green"), "absent": ("--", "dim"), "broken": ("BROKEN", "red")}
    with screen.status("Rendering a picture, importing torch ..."):
        checks = [
            Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}"),
            *check_extras(),
            check_rendering(),
            check_maniskill(),
            check_torch(),
            check_weights(),
            *check_plugins(),
        ]
    for check in checks:
        table.add_row(styled(*marks[check.state]), check.subject, check.detail, check.fix)
    screen.print(table)
    raise typer.Exit(1 if any(check.state == "broken" for check in checks) else 0)


def check_extras() -> list[Check]:
    """Which extras have all their packages, and in which versions."""
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        requirements = requires("vlfeedback") or []
        checks = [Check("vlfeedback", "ok", version("vlfeedback"))]
    except PackageNotFoundError:
        return [Check("vlfeedback", "broken", "not installed", "pip install vlfeedback")]
    packages: dict[str, list[str]] = {}
    for requirement in requirements:
        match = re.fullmatch(r"([\w.-]+).*;.*\bextra == ['\"]([\w-]+)['\"].*", requirement)
        if match and match[2] not in ("all", "dev"):
            packages.setdefault(match[2], []).append(match[1])
    for extra, names in packages.items():
        versions, missing = [], []
        for name in names:
            try:
                versions.append(f"{name} {version(name)}")
            except PackageNotFoundError:
                missing.append(f"no {name}")
        fix = f'pip install "vlfeedback[{extra}]"' if missing else ""
        detail = ", ".join(versions + missing)
        checks.append(Check(f"extra {extra}", "absent" if missing else "ok", detail, fix))
    return checks


def check_rendering() -> Check:
    """Whether a picture of a task can be taken without a screen; tried in a process of its own."""
    from importlib.util import find_spec

    subject = "off-screen picture"
    if find_spec("metaworld") is None:
        fix = 'pip install "vlfeedback[metaworld]"'
        return Check(subject, "absent", "no simulator to try it with", fix)
    current = os.environ.get("MUJOCO_GL", "")
    works, output = _run(_RENDER)
    if works:
        return Check(subject, "ok", f"{output} with MUJOCO_GL={current or '(unset)'}")
    for backend in ("egl", "osmesa"):
        if backend != current and _run(_RENDER, {"MUJOCO_GL": backend})[0]:
            return Check(subject, "broken", output, f"export MUJOCO_GL={backend}")
    return Check(subject, "broken", output, f"{_DRIVERS}; export MUJOCO_GL=egl")


def check_maniskill() -> Check:
    """Whether a picture of ManiSkill can be taken; tried in a process of its own."""
    from importlib.util import find_spec

    subject = "picture of ManiSkill"
    if find_spec("mani_skill") is None:
        return Check(subject, "absent", "not installed", 'pip install "vlfeedback[maniskill]"')
    works, output = _run(_RENDER_MANISKILL)
    if works:
        driver = os.environ.get("VK_ICD_FILENAMES", "") or "(unset)"
        return Check(subject, "ok", f"{output} with VK_ICD_FILENAMES={driver}")
    detail = f"states only: {output}"
    return Check(subject, "broken", detail, "make maniskill, or mesa-vulkan-drivers >= 24.3")


def check_torch() -> Check:
    """Whether torch, torchvision and open_clip import together, and on which device."""
    from importlib.util import find_spec

    missing = [m for m in ("torch", "torchvision", "open_clip") if find_spec(m) is None]
    fix = 'pip install "vlfeedback[vision]"'
    if missing:
        return Check("torch device", "absent", f"no {', '.join(missing)}", fix)
    works, output = _run(_TORCH)
    if works:
        return Check("torch device", "ok", output)
    # A torchvision built for another torch fails on import, and so does a CPU-only torch.
    fix = "pip install --force-reinstall torch torchvision"
    return Check("torch device", "broken", output, fix)


def check_weights() -> Check:
    """Whether the weights that come with the package are there and as they were made."""
    from importlib.resources import files
    from pathlib import Path

    from vlfeedback.data.seals import check_seal
    from vlfeedback.errors import FileFormatError

    folder = Path(str(files("vlfeedback"))) / "weights"
    paths = sorted(folder.glob("*.safetensors"))
    fix = "pip install --force-reinstall vlfeedback"
    for path in paths:
        try:
            check_seal(path, advice="Install it again.")
        except (FileFormatError, OSError) as error:
            return Check("bundled weights", "broken", str(error), fix)
    sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in paths)
    if not any(path.name.startswith("vlp.") for path in paths):
        return Check("bundled weights", "broken", f"no vlp.*.safetensors in {folder}", fix)
    return Check("bundled weights", "ok", sizes)


def check_plugins() -> list[Check]:
    """Whether each source, learner and task that another package adds can be imported."""
    from vlfeedback.errors import reason_of
    from vlfeedback.offline import LEARNERS
    from vlfeedback.preferences import PREFERENCE_SOURCES
    from vlfeedback.registry import OWN
    from vlfeedback.rewards import REWARD_SOURCES
    from vlfeedback.tasks import TASKS

    checks = []
    registries: tuple[Registry[Any], ...] = (REWARD_SOURCES, PREFERENCE_SOURCES, LEARNERS, TASKS)
    for registry in registries:
        for name in registry.names():
            entry = registry.entry(name)
            if entry.distribution == OWN:
                continue
            subject = f"{registry.kind} {name}"
            try:
                registry.load(name)
            except Exception as error:  # a plugin may fail in any way
                fix = f"pip uninstall {entry.distribution.rpartition(', ')[2]}"
                checks.append(Check(subject, "broken", reason_of(error), fix))
            else:
                checks.append(Check(subject, "ok", f"of {entry.distribution}"))
    return checks


def _run(code: str, environment: Mapping[str, str] | None = None) -> tuple[bool, str]:
    """Run Python code in a process of its own; whether it worked, and the last line it printed."""
    try:
        process = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer in {_TIMEOUT_S} s"
    lines = (process.stdout if process.returncode == 0 else process.stderr).strip().splitlines()
    if process.returncode < 0:
        lines.append(f"killed by signal {-process.returncode}")
    return process.returncode == 0, lines[-1] if lines else f"exit status {process.returncode}"
