"""A video as a clip of an exam: pictures of unknown actions, given in any source's rhythm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.contents import file_digest
from vlfeedback.data.video_sampling import VideoSampling, sample_video
from vlfeedback.scoring.paced import PICTURE_EVERY
from vlfeedback.types import ArrayFrames, SourceNeeds, Trajectory

__all__ = ["PROVIDED_BY_VIDEOS", "VideoClip", "picture_episode"]

PROVIDED_BY_VIDEOS = frozenset({"frames", "first_frame", "instruction"})
"""What a source may ask of a video with an instruction."""


@dataclass(frozen=True, slots=True)
class VideoClip:
    """A video file; see `vlfeedback.evaluation.bench.exam.ClipReader`."""

    path: Path
    sampling: VideoSampling

    def load(self) -> Callable[[SourceNeeds], Trajectory]:
        """Read some pictures.

        Raises:
            FileNotFoundError: there is no such file.
            FileFormatError: it holds no video that can be read.
            InvalidValueError: it is longer than memory is meant for.
            MissingExtraError: PyAV is not installed.
        """
        video = sample_video(self.path, self.sampling)
        return lambda needs: picture_episode(
            video.pictures, needs, n_frames=video.n_frames, id=self.path.name
        )

    def digest(self) -> str:
        """Of the file, and of which pictures are read."""
        return f"{file_digest(self.path)} {self.sampling}"


def picture_episode(
    pictures: UInt8[np.ndarray, "F H W 3"], needs: SourceNeeds, *, n_frames: int, id: str
) -> Trajectory:
    """Pictures as an episode in which a source reads one after the other, whatever its rhythm.

    The first is the reset's; the others follow the steps 0, stride, 2 stride ... One picture alone
    is a world at rest: it is shown twice. Observations and actions, which nobody knows, are single
    zeros. For a source that reads no pictures a step is a frame of the recording.

    Args:
        pictures: one or more.
        needs: of the source.
        n_frames: of the recording.
        id: of the episode.
    """
    if len(pictures) == 1:
        pictures = np.concatenate([pictures, pictures])
    stride, last = needs.frame_stride, len(pictures) - 2
    if needs.granularity == "step":  # which is read about every `PICTURE_EVERY` steps
        stride = max(stride, PICTURE_EVERY)
    length = stride * last + 1 if needs.frames else max(1, n_frames - 1)
    times = np.r_[0, 1 + stride * np.arange(last + 1)].astype(np.int64)
    return Trajectory(
        observations=np.zeros((length + 1, 1), dtype=np.float32),
        actions=np.zeros((length, 1), dtype=np.float32),
        frames=ArrayFrames(times, pictures) if needs.frames else None,
        id=id,
    )
