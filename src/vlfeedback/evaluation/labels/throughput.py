"""How fast a source scores segments on one core."""

from __future__ import annotations

import time

import numpy as np

from vlfeedback.scoring import ask
from vlfeedback.types import RewardSource, SegmentBatch

__all__ = ["segments_per_cpu_second"]


def segments_per_cpu_second(source: RewardSource, *, picture_size: int) -> float:
    """Segments of 8 pictures of noise scored per second of one core, pictures encoded anew.

    Args:
        source: computed by torch on the CPU, reads pictures and an instruction.
        picture_size: side of the pictures, px.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    shape = (64, 8, picture_size, picture_size, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    batch = SegmentBatch(
        frames=frames, instructions=["close the drawer"] * 64, frame_steps=np.arange(0, 50, 7)
    )
    ask(source, batch)
    start = time.process_time()
    ask(source, batch)
    seconds = time.process_time() - start
    torch.set_num_threads(threads)
    return len(batch) / seconds
