"""Five pairings of one task's segments with a known order, from easy to hard.

Paper:    Liu et al. 2025, VLP, Tables 5 and 15: pairs across K-means clusters
Beyond:   pairings that a trivial rule does not solve: random, expert, reversed, instruction
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlfeedback.data.instructions import other_instructions
from vlfeedback.data.pairings import (
    RankedPairs,
    pair_with_reversed,
    pair_with_wrong_instructions,
    rank_by_return,
    sample_advancing_segments,
    sample_expert_pairs,
    sample_expert_segments,
)
from vlfeedback.data.sampling import sample_clustered_pairs, sample_segment_pairs
from vlfeedback.errors import NeedsError
from vlfeedback.tasks import TaskSpec, get_task, task_seed
from vlfeedback.types import SourceNeeds, Trajectory

__all__ = ["PAIRINGS", "draw_pairings", "picture_stride", "why_not_applicable"]

PAIRINGS = ("clustered", "random", "expert", "reversed", "instruction")
"""Clustered: one segment of each K-means cluster (the paper's). Random: any two segments.
Expert: two segments of expert episodes. Reversed: an expert segment that nears success against
its own time reversal. Instruction: an expert segment under its own instruction against itself
under another task's. The first three are labelled by the sum of the environment's reward."""


def draw_pairings(
    trajectories: Sequence[Trajectory],
    task: str | TaskSpec,
    *,
    n_pairs: int,
    length: int = 50,
    seed: int,
) -> dict[str, RankedPairs]:
    """Draw every pairing from the segments of one task; one they cannot give is left out.

    Args:
        trajectories: of this task alone, with rewards of their own.
        task: it, or its name; its instruction is the right one, those of others are wrong.
        n_pairs: of each pairing (VLP paper: 100).
        length: steps of a segment (VLP paper, Table 8: 50).
        seed: each pairing draws from a stream of its own.

    Raises:
        UnknownNameError: there is no such task.
        ShapeError: no trajectory is long enough.
        NeedsError: a trajectory has no rewards of its own.
    """
    spec = get_task(task)
    stride = picture_stride(trajectories)

    def draw(pairing: str) -> RankedPairs:
        rng = np.random.default_rng([seed, PAIRINGS.index(pairing), task_seed(spec.name)])
        sample: Any = {
            "clustered": sample_clustered_pairs,
            "random": sample_segment_pairs,
            "expert": sample_expert_pairs,
            "reversed": sample_advancing_segments,
            "instruction": sample_expert_segments,
        }[pairing]
        segments = sample(trajectories, n_pairs, length, rng=rng, start_multiple=stride)
        if pairing == "reversed":
            return pair_with_reversed(segments, spec.instruction, rng=rng)
        if pairing == "instruction":
            wrong = other_instructions(spec)
            return pair_with_wrong_instructions(segments, spec.instruction, wrong, rng=rng)
        return rank_by_return(segments, spec.instruction)

    pairs = {}
    for pairing in PAIRINGS:
        try:
            pairs[pairing] = draw(pairing)
        except NeedsError:
            if pairing in ("clustered", "random"):
                raise
    return pairs


def why_not_applicable(pairing: str, needs: SourceNeeds, *, scores_steps: bool) -> str:
    """Why a pairing says nothing of a source with these needs; "" where it does.

    Args:
        pairing: of `PAIRINGS`.
        needs: what the source reads.
        scores_steps: it gives rewards, and each is of one step.
    """
    if pairing == "reversed" and not needs.frames:
        return "It reads no pictures."
    if pairing == "reversed" and scores_steps:
        return "It scores single pictures, whose sum is the same in either order."
    if pairing == "instruction" and not needs.instruction:
        return "It reads no instruction."
    return ""


def picture_stride(trajectories: Sequence[Trajectory]) -> int:
    """Steps from one picture to the next, 1 where there are none; segments begin at multiples."""
    frames = trajectories[0].frames
    distances = [] if frames is None else np.diff(frames.times[1:3]).tolist()
    return int(distances[0]) if distances else 1
