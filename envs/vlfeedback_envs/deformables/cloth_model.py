"""The cloth of FoldClothDiagonal and FoldClothHalf as MuJoCo sees it: a grid of vertices, pickers.

A picker is a mocap body, tied to the vertex that it holds by a soft `connect`. The cloth has no
bending stiffness, which MuJoCo 3.3.0 has for no flex that is held in shape by its edges: it is
limp. It collides with itself, so that folds lie on one another.
"""

from __future__ import annotations

import numpy as np

__all__ = ["GRID", "N_SIDE", "REST_HEIGHT", "SIDE", "SIMULATED", "cloth_mjcf"]

N_SIDE = 13
"""Vertices along a side; RL-VLM-F's cloth has 40 particles."""

SIDE = 0.244
"""Length of a side, m: RL-VLM-F's 39 gaps of 6.25 mm."""

GRID = np.arange(N_SIDE**2).reshape(N_SIDE, N_SIDE)[:, ::-1].T
"""Numbers of the model's vertices by row (downwards in pictures) and column (to the right)."""

_RADIUS = 0.005  # m
REST_HEIGHT = _RADIUS + 0.001
"""Of the vertices of a cloth that lies on the table, m."""

_TIMESTEP = 0.005  # s
SIMULATED = round(0.01 / _TIMESTEP)
"""Simulator steps in a substep of 10 ms."""

_MASS = 0.1  # kg
_PICKER = 0.012  # m, of its sphere in pictures
_HEM = 32  # its darker hem is so narrow a part of a side, for layers to be told apart


def cloth_mjcf(*, n_pickers: int) -> str:
    """The model: flex ``cloth``, bodies ``picker_0`` and on, equalities ``tie_0`` and on.

    The cloth is red on a white table, its middle at the origin, seen by the camera ``top`` from
    0.42 m (RL-VLM-F's) and by ``front``, which looks down by 45 degrees as SoftGym's does. Pickers
    are in geom group 1, so that pictures can leave them out.
    """
    gap = SIDE / (N_SIDE - 1)
    pickers = "".join(
        f'<body name="picker_{i}" mocap="true"><geom type="sphere" size="{_PICKER}" contype="0" '
        'conaffinity="0" group="1" rgba="0.2 0.2 0.2 1"/></body>'
        for i in range(n_pickers)
    )
    ties = "".join(
        f'<connect name="tie_{i}" body1="picker_{i}" body2="cloth_0" anchor="0 0 0" '
        'active="false" solref="0.01 1" solimp="0.95 0.99 0.001"/>'
        for i in range(n_pickers)
    )
    return f"""
    <mujoco model="cloth">
      <option timestep="{_TIMESTEP}" solver="CG" iterations="50" tolerance="1e-6"
              integrator="implicitfast" cone="elliptic"/>
      <size memory="200M"/>
      <visual><headlight ambient="0.4 0.4 0.4" diffuse="0.2 0.2 0.2" specular="0 0 0"/></visual>
      <asset>
        <texture name="table" type="2d" builtin="checker" rgb1="0.93 0.93 0.93"
                 rgb2="0.89 0.89 0.89" width="256" height="256"/>
        <material name="table" texture="table" texrepeat="14 14" reflectance="0"/>
        <texture name="cloth" type="2d" builtin="flat" mark="edge" rgb1="0.85 0.25 0.2"
                 markrgb="0.5 0.08 0.08" width="{_HEM}" height="{_HEM}"/>
        <material name="cloth" texture="cloth" specular="0"/>
      </asset>
      <worldbody>
        <light directional="true" dir="-0.5 0.4 -1" diffuse="0.5 0.5 0.5"/>
        <geom type="plane" size="1 1 0.1" material="table" friction="0.9"/>
        <camera name="top" pos="0 0 0.42" xyaxes="1 0 0 0 1 0" fovy="45"/>
        <camera name="front" pos="0 -0.33 0.33" xyaxes="1 0 0 0 1 1" fovy="45"/>
        {pickers}
        <flexcomp name="cloth" type="grid" dim="2" count="{N_SIDE} {N_SIDE} 1"
                  spacing="{gap} {gap} {gap}" pos="0 0 {REST_HEIGHT}" mass="{_MASS}"
                  radius="{_RADIUS}" material="cloth">
          <edge equality="true" damping="0.001" solref="0.015 1"/>
          <contact selfcollide="auto" condim="3" friction="0.9" solref="0.01 1"/>
        </flexcomp>
      </worldbody>
      <equality>{ties}</equality>
    </mujoco>
    """
