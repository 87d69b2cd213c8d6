"""Whether recorded segments hold what a source reads, found out before anything is read or paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import NeedsError
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.types import Segment, SegmentBatch, SourceNeeds, rows_of

__all__ = ["check_arrays", "check_pairs_readable"]


def check_pairs_readable(
    pairs: SegmentPairList, needs: SourceNeeds, instruction: str | None
) -> None:
    """Refuse pairs that lack what a labeller reads; no picture is read.

    Raises:
        NeedsError: they do.
    """
    segments = list(dict.fromkeys(segment for pair in pairs for segment in pair))
    check_arrays(segments[:1], needs, instruction)
    for segment in segments if needs.frames or needs.first_frame else ():
        frames = pictures_of(segment.trajectory)
        if needs.frames:
            rows_of(frames.times, segment.frame_times(needs.frame_stride))
        if needs.first_frame:
            rows_of(frames.times, [0])


def check_arrays(segments: Sequence[Segment], needs: SourceNeeds, instruction: str | None) -> None:
    """Refuse segments that lack arrays that are read, or the instruction.

    Raises:
        NeedsError: they do.
    """
    if needs.instruction and not (instruction or "").strip():
        raise NeedsError("The source reads an instruction and got none; give one.")
    texts = None if instruction is None else [instruction] * len(segments)
    arrays = replace(needs, frames=False, first_frame=False)
    SegmentBatch.from_segments(segments, texts, needs=arrays)
