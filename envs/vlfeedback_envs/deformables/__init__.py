"""Ropes and cloth on MuJoCo: look-alikes of SoftGym's tasks, and a sleeve to be pulled over an arm.

SoftGym needs NVIDIA FleX, which runs on few machines. These need MuJoCo alone, and returns here
are not returns there; docs/deformables.md lists the differences.
"""

from importlib.util import find_spec

from vlfeedback.optional import require

if find_spec("mujoco") is None:  # else it is imported where its driver is chosen
    require("mujoco", extra="deformables", needed_by="A deformable environment")
