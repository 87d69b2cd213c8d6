"""How the rope lies when an episode begins: a bent line on the table that does not cross itself.

Ends lie as far apart as in RL-VLM-F's 1000 cached states, decile by decile. Those were dropped, so
that some cross themselves and a few hang; ours are flat.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from vlfeedback_envs.deformables.rope_model import CONTOUR, N_LINKS, RADIUS

__all__ = ["END_DISTANCE_DECILES", "draw_rope"]

END_DISTANCE_DECILES = (
    *(0.025, 0.083, 0.121, 0.156, 0.192, 0.230),
    *(0.262, 0.302, 0.350, 0.409, 0.540),
)
"""Distance of the ends at 0, 10, ... 100 % of RL-VLM-F's cached states, m."""

_TOLERANCE = 0.03  # m, between the distance that is drawn and that of the line
_TRIES = 1000  # for one distance; then another is drawn
_REACH = 0.27  # m from the middle, in each direction; all cached states lie within
_TURN = np.deg2rad(30.0)  # deviation of the angle between links, times 0.5 to 2.2
_SHARPEST = 1.3  # rad between two links
_CURL = np.deg2rad(12.0)  # deviation of what every angle shares where ends are to be close
_CLOSE = 0.25  # m
_LINK = CONTOUR / N_LINKS


def draw_rope(
    rng: np.random.Generator,
) -> tuple[Float64[np.ndarray, "nodes 2"], Float64[np.ndarray, " links"]]:
    """Draw a start: where the 21 nodes lie (m), and where each of the 20 links points (rad)."""
    while True:
        share = rng.uniform(0.0, 1.0)
        distance = np.interp(share, np.linspace(0.0, 1.0, 11), END_DISTANCE_DECILES)
        for _ in range(_TRIES):
            headings = _draw_headings(rng, curled=bool(distance < _CLOSE))
            steps = _LINK * np.stack([np.cos(headings), np.sin(headings)], axis=1)
            nodes = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
            nodes -= nodes.mean(axis=0)
            ends = np.linalg.norm(nodes[0] - nodes[-1])
            if abs(ends - distance) <= _TOLERANCE and _fits(nodes):
                return nodes, headings


def _draw_headings(rng: np.random.Generator, *, curled: bool) -> Float64[np.ndarray, " links"]:
    """Angles from link to link, each like the one before."""
    memory = rng.uniform(0.6, 0.9)
    deviation = _TURN * rng.uniform(0.5, 2.2)
    curl = rng.normal() * _CURL * curled
    drawn = deviation * rng.normal(size=N_LINKS)
    turns = np.zeros(N_LINKS)
    turns[0] = drawn[0]
    for i in range(1, N_LINKS):
        turns[i] = memory * turns[i - 1] + np.sqrt(1 - memory**2) * drawn[i]
    return rng.uniform(0.0, 2 * np.pi) + np.cumsum(np.clip(turns + curl, -_SHARPEST, _SHARPEST))


def _fits(nodes: Float64[np.ndarray, "nodes 2"]) -> bool:
    """Whether the rope lies within reach and touches itself nowhere."""
    if np.abs(nodes).max() > _REACH:
        return False
    apart = np.linalg.norm(nodes[:, None] - nodes[None], axis=-1)
    order = np.arange(len(nodes))
    neighbours = int(np.ceil(2.6 * RADIUS / _LINK)) + 1
    others = np.abs(order[:, None] - order[None]) > neighbours
    return not (apart[others] < 2.2 * RADIUS).any()
