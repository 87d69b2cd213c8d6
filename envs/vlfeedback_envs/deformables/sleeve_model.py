"""The scene of DressSleeve as MuJoCo sees it: a tube of cloth, an arm of two bones, and a gripper.

The cloth has no bending stiffness, which MuJoCo 3.3.0 has for no flex that is held in shape by its
edges: it is limp. It does not collide with itself.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

__all__ = [
    "ARM_RADIUS",
    "LONGEST_BONE",
    "N_ALONG",
    "N_AROUND",
    "SLEEVE_RADIUS",
    "START",
    "TORSO_RADIUS",
    "dress_mjcf",
    "sleeve_tube",
]

N_AROUND, N_ALONG = 14, 12  # vertices of a ring, and rings
SLEEVE_RADIUS, _SLEEVE_LENGTH = 0.075, 0.26  # m
ARM_RADIUS = 0.038  # m

TORSO_RADIUS = 0.12  # m

LONGEST_BONE = 0.45
"""An arm's bones are made this long and shortened at each reset, m."""

START = (-0.07, 0.0, 1.005)
"""Centre of the sleeve's leading opening, m; the hand is at (0, 0, 1)."""

_HELD = (-2, -1, 0, 1, 2)  # of the leading ring, which the gripper holds; 0 is its top
_MASS, _THICKNESS = 0.06, 0.004  # kg, m


def sleeve_tube() -> tuple[Float64[np.ndarray, "V 3"], Int64[np.ndarray, "F 3"]]:
    """Vertices and triangles of a sleeve whose leading opening is centred on the origin.

    Ring after ring along -x, `N_AROUND` vertices each, the first of which is the ring's top.
    """
    angle = 2 * np.pi * np.arange(N_AROUND) / N_AROUND
    ring = SLEEVE_RADIUS * np.stack([np.zeros(N_AROUND), np.sin(angle), np.cos(angle)], axis=1)
    offsets = np.linspace(0.0, -_SLEEVE_LENGTH, N_ALONG)
    vertices = ring[None] + offsets[:, None, None] * np.array([1.0, 0.0, 0.0])
    triangles = []
    for k in range(N_ALONG - 1):
        for i in range(N_AROUND):
            a, b = k * N_AROUND + i, k * N_AROUND + (i + 1) % N_AROUND
            c, d = a + N_AROUND, b + N_AROUND
            # Diagonals alternate, so that the cloth shears alike both ways.
            triangles += [(a, b, c), (b, d, c)] if (k + i) % 2 else [(a, b, d), (a, d, c)]
    return vertices.reshape(-1, 3), np.array(triangles)


def dress_mjcf() -> str:
    """The model: flex ``sleeve``, mocap bodies ``forearm``, ``upper_arm``, ``torso``, ``gripper``.

    The bones lie along the x axis of their bodies. The gripper is in geom group 1, so that
    pictures can leave it out; the ties by which it holds the sleeve are named ``held_0`` and on.
    """
    vertices, triangles = sleeve_tube()
    vertices = vertices + np.array(START)
    points = " ".join(f"{number:.5f}" for number in vertices.ravel())
    elements = " ".join(map(str, triangles.ravel()))
    grip = vertices[0]  # the top of the leading ring
    ties = "".join(
        f'<connect name="held_{k}" body1="gripper" body2="sleeve_{i % N_AROUND}" '
        f'anchor="{_numbers(vertices[i % N_AROUND] - grip)}" solref="0.01 1"/>'
        for k, i in enumerate(_HELD)
    )
    bones = "".join(
        f'<body name="{name}" mocap="true"><geom name="{name}" type="capsule" '
        f'fromto="0 0 0 {LONGEST_BONE} 0 0" size="{ARM_RADIUS}" rgba="0.95 0.75 0.62 1" '
        'friction="0.3" condim="3"/></body>'
        for name in ("forearm", "upper_arm")
    )
    return f"""
    <mujoco model="dress">
      <option timestep="0.005" solver="CG" iterations="40" tolerance="1e-6"
              integrator="implicitfast"/>
      <size memory="200M"/>
      <visual><headlight ambient="0.4 0.4 0.4" diffuse="0.3 0.3 0.3"/></visual>
      <asset>
        <texture type="skybox" builtin="flat" rgb1="0.9 0.9 0.92" width="32" height="192"/>
      </asset>
      <worldbody>
        <light directional="true" dir="-0.2 0.4 -1" diffuse="0.35 0.35 0.35"/>
        <geom type="plane" size="0 0 0.1" rgba="0.9 0.9 0.92 1"/>
        <camera name="side" pos="0.12 -0.75 1.7" xyaxes="1 0 0 0 0.63 0.78" fovy="50"/>
        <body name="torso" mocap="true">
          <geom type="capsule" size="{TORSO_RADIUS} 0.2" rgba="0.4 0.45 0.6 1" friction="0.3"
                condim="3"/>
        </body>
        {bones}
        <body name="gripper" mocap="true" pos="{_numbers(grip)}">
          <geom type="box" size="0.01 {0.9 * SLEEVE_RADIUS} 0.008" rgba="0.25 0.25 0.25 1"
                contype="0" conaffinity="0" group="1"/>
        </body>
        <flexcomp name="sleeve" type="direct" dim="2" point="{points}" element="{elements}"
                  mass="{_MASS}" radius="{_THICKNESS}" rgba="0.25 0.6 0.55 1">
          <edge equality="true" damping="0.001" solref="0.02 1"/>
          <contact condim="3" selfcollide="none" friction="0.3" solref="0.015 1"/>
        </flexcomp>
      </worldbody>
      <equality>{ties}</equality>
    </mujoco>
    """


def _numbers(place: Float64[np.ndarray, "3"]) -> str:
    return " ".join(f"{number:.6f}" for number in place)
