"""Rendering in processes and on machines as they come: their exit, without OpenGL, beside torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("metaworld")


SIZE = 64
CORNERS = ["corner", "corner2", "corner3", "corner4"]


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


RENDER = """
from vlfeedback_envs.metaworld import MetaWorldView
view = MetaWorldView("reach", render_mode="rgb_array", size=32)
view.reset(seed=0)
view.step([0.0, 0.0, 0.0, 0.0])
print("stepped", flush=True)
view.render()
print("rendered")
"""


@pytest.mark.parametrize(
    "before",
    [
        "",
        # Its finalizer makes Python run all finalizers after the OpenGL driver has been shut down.
        "import tempfile; folder = tempfile.TemporaryDirectory()",
    ],
)
def test_an_environment_nobody_closed_prints_nothing_when_python_exits(before: str) -> None:
    done = python(before + RENDER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stepped\nrendered\n", "")


@pytest.mark.parametrize("driver", ["egl", "osmesa"])
def test_a_machine_without_opengl_is_told_what_to_install(tmp_path: Path, driver: str) -> None:
    """Empty files stand before the drivers on the loader's path, so that none can be loaded."""
    for library in ("EGL.so.1", "EGL.so", "OSMesa.so.8", "OSMesa.so.6", "OSMesa.so", "GL.so.1"):
        (tmp_path / f"lib{library}").touch()
    done = python(RENDER, MUJOCO_GL=driver, LD_LIBRARY_PATH=str(tmp_path))
    assert done.returncode == 1 and done.stdout == ""
    *_, last = done.stderr.splitlines()
    assert last.startswith(
        f"vlfeedback.errors.RenderError: MuJoCo found no OpenGL library for MUJOCO_GL='{driver}'"
    )
    assert "apt-get install libegl1" in last and last.endswith("disabled does without pictures.")


@pytest.mark.parametrize("driver", ["disabled", "glfw"])
def test_states_need_no_opengl_and_pictures_say_that_they_do(driver: str) -> None:
    """No screen for GLFW, and no driver at all: both are found out at the first picture."""
    done = python(RENDER, MUJOCO_GL=driver)
    assert done.returncode == 1 and done.stdout == "stepped\n"
    *_, last = done.stderr.splitlines()
    assert last.startswith(
        "vlfeedback.errors.RenderError: MuJoCo could not start OpenGL off-screen with "
        f"MUJOCO_GL='{driver}'"
    )
    assert "MUJOCO_GL=egl" in last


@pytest.mark.slow
def test_an_optimiser_may_be_imported_after_the_first_picture() -> None:
    training = """
import torch
weight = torch.nn.Parameter(torch.ones(1))
weight.sum().backward()
torch.optim.Adam([weight]).step()
print("trained")
"""
    done = python(RENDER + training)
    assert done.stdout.splitlines()[-1:] == ["trained"], done.stderr


def test_a_missing_simulator_names_the_extra() -> None:
    done = python("import sys; sys.modules['mujoco'] = None" + RENDER)
    *_, last = done.stderr.splitlines()
    assert last.startswith("vlfeedback.errors.MissingExtraError: A MuJoCo environment needs mujoco")
    assert last.endswith('pip install "vlfeedback[metaworld]"')
