"""One batch for several sources: what they read together, and what each of them is shown of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import SegmentBatch, SegmentPairs, SourceNeeds

__all__ = ["joint_needs", "only_needed", "pair_digests"]

_GRANULARITIES = ("step", "window", "episode")  # each reads at least as much as the one before


def joint_needs(all_needs: Sequence[SourceNeeds]) -> SourceNeeds:
    """What one batch has to hold for all of these sources.

    Raises:
        InvalidValueError: there are none.

    >>> window = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    >>> joint = joint_needs([window, SourceNeeds(frames=True, frame_stride=14), SourceNeeds()])
    >>> joint.granularity, joint.context, joint.frame_stride, joint.actions
    ('window', 50, 7, False)
    """
    if not all_needs:
        raise InvalidValueError("The needs of 0 sources; expected those of at least one.")
    inputs = {
        field.name: any(getattr(needs, field.name) for needs in all_needs)
        for field in fields(SourceNeeds)
        if isinstance(getattr(all_needs[0], field.name), bool)
    }
    strides = [needs.frame_stride for needs in all_needs if needs.frames] or [1]
    return SourceNeeds(
        **inputs,
        granularity=max((needs.granularity for needs in all_needs), key=_GRANULARITIES.index),
        context=max(needs.context for needs in all_needs),
        frame_stride=math.gcd(*strides),
    )


def only_needed(pairs: SegmentPairs, needs: SourceNeeds) -> SegmentPairs:
    """What one source reads of a batch that was gathered for several; nothing is copied in vain.

    Actions and instructions are there for everybody, as `SegmentBatch.from_segments` has it.
    Pictures are thinned out to the source's stride.
    """
    return SegmentPairs(_only_needed(pairs.first, needs), _only_needed(pairs.second, needs))


def pair_digests(pairs: SegmentPairs) -> list[bytes]:
    """16 bytes for each pair, which differ where anything that it holds does."""
    digests = [blake2b(digest_size=16) for _ in range(len(pairs))]
    for batch in (pairs.first, pairs.second):
        for field in fields(batch):
            value = getattr(batch, field.name)
            if value is None or field.name in ("frame_steps", "length"):
                continue
            for row, digest in enumerate(digests):
                item = value[row]
                digest.update(f"{field.name} {np.shape(item)} ".encode())
                digest.update(
                    item.encode() if isinstance(item, str) else np.ascontiguousarray(item).data
                )
    return [digest.digest() for digest in digests]


def _only_needed(batch: SegmentBatch, needs: SourceNeeds) -> SegmentBatch:
    dropped: dict[str, Any] = {
        name: None
        for name in ("observations", "env_rewards", "successes")
        if not getattr(needs, name)
    }
    if not needs.first_frame:
        dropped |= {"first_frames": None, "first_embeddings": None}
    kept = batch.picture_steps % needs.frame_stride == 0
    for name in ("frames", "embeddings"):
        pictures = getattr(batch, name) if needs.frames else None
        dropped[name] = pictures if pictures is None or kept.all() else pictures[:, kept]
    left = {field.name: getattr(batch, field.name) for field in fields(batch)} | dropped
    if all(left[name] is None for name in ("actions", "mask", *dropped)):
        return batch  # the source itself says what it lacks
    steps = batch.picture_steps[kept] if needs.frames else None
    return replace(batch, **dropped, frame_steps=steps, length=batch.n_steps)
