"""The rope as MuJoCo sees it: capsules on hinges, and two pickers.

A picker is a mocap body, tied to what it holds by a soft `connect`: the end of a rope lags a fast
picker by two centimetres, where SoftGym's moves with it. A timestep of 10 ms is unstable, and so
are joints damped less. Pickers that may hold any node, and lift it, shake the chain until it
breaks; their ties are softer, with which joints need a third of the damping.

The integrator is MuJoCo's fully implicit one. "implicitfast" leaves out how Coriolis and
centrifugal forces change with speed: a rope that was flung up gained energy in free flight, from
5 J to 700 in a tenth of a second, where steps of 0.5 ms lose some.
"""

from __future__ import annotations

__all__ = ["CONTOUR", "N_LINKS", "PICKER_HEIGHT", "RADIUS", "START_HEIGHT", "TIMESTEP", "rope_mjcf"]

N_LINKS = 20
"""Links; SoftGym's rope has 41 particles."""

CONTOUR = 0.547
"""Length of the rope, m: the mean of RL-VLM-F's 1000 cached states."""

RADIUS = 0.012  # m
TIMESTEP = 0.005  # s

START_HEIGHT = RADIUS + 0.001
"""Of the rope's axis when it lies on the table, m."""

PICKER_HEIGHT = 0.02
"""Lowest that a picker goes, m: its radius. The rope's end is then at `START_HEIGHT`."""

_MASS = 0.4  # kg
_LINK = CONTOUR / N_LINKS
_SURFACE = 'contype="{}" conaffinity="{}" condim="4" friction="0.8 0.005 0.0005"'


def rope_mjcf(*, held: bool = True) -> str:
    """The model: sites ``node_0`` to ``node_20``, bodies ``picker_0`` and ``picker_1``.

    Where the ends are not held, the equalities ``tie_0`` and ``tie_1`` are for
    `vlfeedback_envs.deformables.pickers.Pickers`.

    The rope is blue on a white table, as the instruction of RL-VLM-F says. Its pickers are in
    geom group 1, so that pictures can leave them out.
    """
    excluded = "".join(
        f'<exclude body1="link_{i}" body2="link_{i + 2}"/>' for i in range(N_LINKS - 2)
    )
    pickers = "".join(_picker(i) for i in range(2))
    if held:
        ends = [
            f'site1="grip_{i}" site2="node_{node}" solref="0.01 1"'
            for i, node in enumerate((0, N_LINKS))
        ]
    else:
        free = 'body1="picker_{0}" body2="link_0" anchor="0 0 0" active="false" solref="0.02 1"'
        ends = [f'name="tie_{i}" {free.format(i)}' for i in range(2)]
    ties = "".join(f"<connect {end}/>" for end in ends)
    return f"""
    <mujoco model="rope">
      <option timestep="{TIMESTEP}" integrator="implicit" cone="elliptic" solver="Newton"
              iterations="20" gravity="0 0 -9.81"/>
      <size memory="64M"/>
      <visual>
        <headlight ambient="0.4 0.4 0.4" diffuse="0.5 0.5 0.5"/>
        <quality shadowsize="1024"/>
      </visual>
      <asset>
        <texture name="table" type="2d" builtin="checker" rgb1="0.93 0.93 0.93"
                 rgb2="0.88 0.88 0.88" width="256" height="256"/>
        <material name="table" texture="table" texrepeat="8 8" reflectance="0"/>
        <material name="rope" rgba="0.1 0.25 0.85 1" specular="0.2"/>
      </asset>
      <worldbody>
        <light pos="0.3 -0.3 1.5" dir="-0.2 0.2 -1" diffuse="0.6 0.6 0.6"/>
        <geom type="plane" size="0.6 0.6 0.05" material="table" {_SURFACE.format(1, 1)}/>
        <camera name="top" pos="0 0 0.85" xyaxes="1 0 0 0 1 0" fovy="45"/>
        {pickers}
        {_links(0, damping=0.03 if held else 0.01)}
      </worldbody>
      <equality>{ties}</equality>
      <contact>{excluded}</contact>
    </mujoco>
    """


def _links(first: int, *, damping: float) -> str:
    """This link and all that hang on it."""
    if first == N_LINKS:
        return f'<site name="node_{N_LINKS}" size="0.001" rgba="0 0 0 0"/>'
    # Armature and damping are what keeps so light a chain stable. A free joint, which has neither,
    # would let the rope spin about itself at 100 rad/s and more.
    joints = "".join(f'<joint type="slide" axis="{axis}"/>' for axis in ("1 0 0", "0 1 0", "0 0 1"))
    joints += '<joint name="root" type="ball" armature="1e-4" damping="0.001"/>'
    if first:
        joints = "".join(
            f'<joint name="{name}_{first}" type="hinge" axis="{axis}" armature="1e-4" '
            f'damping="{damping}"/>'
            for name, axis in (("yaw", "0 0 1"), ("pitch", "0 1 0"))
        )
    rest = _links(first + 1, damping=damping)
    if first == N_LINKS - 1:  # the last node is a point of the last link
        rest = rest.replace("<site ", f'<site pos="{_LINK} 0 0" ')
    return (
        f'<body name="link_{first}" pos="{_LINK if first else 0} 0 0">{joints}'
        f'<geom type="capsule" fromto="0 0 0 {_LINK} 0 0" size="{RADIUS}" '
        f'mass="{_MASS / N_LINKS}" material="rope" {_SURFACE.format(2, 3)}/>'
        f'<site name="node_{first}" size="0.001" rgba="0 0 0 0"/>{rest}</body>'
    )


def _picker(number: int) -> str:
    return (
        f'<body name="picker_{number}" mocap="true">'
        f'<geom type="sphere" size="{PICKER_HEIGHT}" rgba="0.9 0.9 0.9 1" contype="0" '
        'conaffinity="0" group="1"/>'
        f'<site name="grip_{number}" pos="0 0 {START_HEIGHT - PICKER_HEIGHT}" size="0.001" '
        'rgba="0 0 0 0"/></body>'
    )
