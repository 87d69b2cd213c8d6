"""Which pairs of a dataset a labeller is shown, and what it is told: of `label` and `train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from vlfeedback.errors import NeedsError

if TYPE_CHECKING:
    from vlfeedback.data.sampling import SegmentPairList
    from vlfeedback.types import PreferenceSource, Trajectory

__all__ = ["draw_pairs", "instructions_of"]


def draw_pairs(
    trajectories: Sequence[Trajectory],
    labeller: PreferenceSource,
    *,
    n_pairs: int,
    length: int,
    sampler: str,
    seed: int,
    start_multiple: int | None = None,
    min_gap: int = 0,
) -> SegmentPairList:
    """Pairs of segments; they begin where pictures are, where the labeller reads some."""
    import numpy as np

    from vlfeedback.data.sampling import sample_clustered_pairs, sample_segment_pairs

    sample: Callable[..., SegmentPairList] = sample_clustered_pairs  # never of one trajectory
    if sampler == "uniform":
        sample = partial(sample_segment_pairs, min_gap=min_gap)
    return sample(
        trajectories,
        n_pairs,
        length,
        rng=np.random.default_rng(seed),
        start_multiple=start_multiple or _picture_distance(trajectories, labeller),
    )


def instructions_of(
    pairs: SegmentPairList, instruction: str, labeller: PreferenceSource
) -> list[str] | None:
    """The instruction of each pair; None where no pair has one.

    Raises:
        NeedsError: there is none, and the labeller reads one.
    """
    from vlfeedback.tasks import get_task, list_tasks

    if instruction:
        return [instruction] * len(pairs)
    known = set(list_tasks())
    texts = []
    for trajectory in (first.trajectory for first, _ in pairs):
        named = get_task(trajectory.task).instruction if trajectory.task in known else ""
        texts.append(trajectory.instruction or named)
    if any(texts):
        return texts
    if labeller.needs.instruction:
        raise NeedsError(
            "The labeller reads an instruction and the data have none; give one with --instruction "
            "'close the drawer', or whatever the task is, or with --task."
        )
    return None


def _picture_distance(trajectories: Sequence[Trajectory], labeller: PreferenceSource) -> int:
    """Steps between pictures; 1 where there are none, or the labeller reads none."""
    import numpy as np

    frames = trajectories[0].frames if trajectories else None
    if frames is None or len(frames.times) < 2 or not labeller.needs.frames:
        return 1
    return int(np.bincount(np.diff(frames.times)).argmax())
