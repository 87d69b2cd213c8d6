"""RoboCLIP: at the end of an episode, how much its video is like a text or a demonstration.

Paper:    Sontakke et al. 2023, "RoboCLIP: One Demonstration is Enough to Learn Robot Policies"
Code read: sumedh7/RoboCLIP at 2d3f779, which states no licence: for its facts alone
Weights:  S3D of MIL-NCE, s3d_howto100m.pth and s3d_dict.npy, linked in antoine77340/S3D_HowTo100M
          (code Apache-2.0); no licence is stated for them
Needs:    a picture every fourth step of the whole episode; an instruction, or a demonstration
Returns:  one reward an episode, at its last step, 0 before; unitless, and unbounded
Recipe:   1 spread 32 pictures over the episode and cut out their centre; 2 encode them together;
          3 multiply (scalar product) with the features of the text, or of the demonstration.
Left out: time as an observation (wrap the environment in gymnasium's `TimeAwareObservation`);
          episodes of 128 steps are the paper's, any length is read here; the repository's dense
          reward of a sliding window, which is not the paper's.
Ranges:   `value_range` is "0-1" by default, as S3D was trained and as RoboCLIP was released for
          Franka Kitchen. For Meta-World it was released with "0-255" (the division is commented
          out there), so that reproduces what papers print of RoboCLIP on Meta-World.
Differs:  the last picture of an episode is always the video's last. As released, pictures are those
          after the steps 0, 4 ... 124 of 128. And a demonstration is spread and cut like episodes;
          as released, all pictures of a human one are read, whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from vlfeedback.encoders.demos import read_demo
from vlfeedback.encoders.frozen import FrozenNetwork
from vlfeedback.encoders.s3d import load_s3d
from vlfeedback.encoders.s3d_words import WordList, hashed_words
from vlfeedback.encoders.segments import EncodingConfig, TextCache
from vlfeedback.encoders.weights_files import locate
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["RoboCLIPConfig", "RoboCLIPReward", "ValueRange"]

ValueRange = Literal["0-1", "0-255"]
"""Of the pictures' values, as the network gets them."""

_CPU_VIDEOS = 1  # videos at once: more is no faster, and one of full size needs about 0.4 GB
_GPU_VIDEOS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RoboCLIPConfig(EncodingConfig):
    """Settings of the `roboclip` source. Give exactly one of the two weights.

    Attributes:
        checkpoint: path of s3d_howto100m.pth, or hf://owner/name/file@revision.
        random_weights_seed: untrained weights, for tests and demos.
        words: path of s3d_dict.npy; None: beside the checkpoint.
        demo: path of a video or .npy; None: the instruction is the target.
        n_frames: pictures of a video, even; trained on 32, "16 also works ok" (its README).
        value_range: "0-1": as trained, and RoboCLIP on Franka Kitchen. "0-255": RoboCLIP on
            Meta-World, as released: what reproduces the printed numbers of that column.
        crop: px, even: the centre of larger pictures is cut out, as released.
        frame_stride: steps from one picture to the next, as released.
        batch_size: videos encoded at once; None: what suits the device.
    """

    checkpoint: str | None = None
    random_weights_seed: int | None = None
    words: str | None = None
    demo: str | None = None
    n_frames: int = 32
    value_range: str = "0-1"
    crop: int = 250
    frame_stride: int = 4
    batch_size: int | None = None


class RoboCLIPReward:
    """Likeness of an episode's video and the target at the last step; see the module's header.

    Pictures: `n_frames` of them are read, spread evenly over the episode or segment, first and last
    included. Where there are fewer, pictures are repeated. They are not scaled, only cut: along
    each axis to the `crop` px in its middle, and a smaller one to an even length. The network was
    trained on 200 to 256 px; smaller pictures are read as they are.

    Instructions: the first 16 words of S3D's vocabulary, in lower case. Others are left out, and a
    warning names them. Random weights without `words` take any word, see `hashed_words`.

    Neither the target's features nor the video's are scaled to length 1, so that rewards of two
    instructions or demonstrations do not compare, nor those of two `value_range`.

    Any number of episodes may come at once: memory is needed for a few at a time.

    Raises:
        NeedsError: not exactly one of `checkpoint` and `random_weights_seed`.
        InvalidValueError: a setting is out of its range.
        FileNotFoundError: the weights, the words or the demonstration are not there.
        CheckpointError: the weights are damaged, or of another network.
        FileFormatError: the words or the demonstration cannot be read.
    """

    config_type = RoboCLIPConfig
    needs = SourceNeeds(frames=True, instruction=True, granularity="episode", frame_stride=4)

    def __init__(self, config: RoboCLIPConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or RoboCLIPConfig()
        _check(self.config)
        self.needs = replace(
            self.needs,
            instruction=self.config.demo is None,
            frame_stride=self.config.frame_stride,
        )
        self._network = load_s3d(
            checkpoint=self.config.checkpoint,
            random_weights_seed=self.config.random_weights_seed,
            device=device,
        )
        batch_size = self.config.batch_size
        if batch_size is None:
            batch_size = _GPU_VIDEOS if torch.device(device).type == "cuda" else _CPU_VIDEOS
        self._videos = FrozenNetwork(
            self._prepare,
            self._network,
            inputs="clips",  # the word of its messages
            device=device,
            precision=self.config.precision,
            batch_size=batch_size,
        )
        self._demo: Float32[np.ndarray, " D"] | None = None
        if self.config.demo is None:
            self._words = _words(self.config)
            self._texts = TextCache("roboclip", self._embed_text)
        else:
            video = read_demo(Path(self.config.demo).expanduser())[None]
            indices = SegmentBatch(frames=video).spread_pictures(self.config.n_frames)
            self._demo = self._embed_videos(video, indices)[0]

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Scalar product of each video and its target at the last real step, zeros before.

        Raises:
            NeedsError: pictures or instructions are missing.
            InvalidValueError: no word of an instruction is in S3D's vocabulary.
            ShapeError: pictures are narrower than 2 px.
        """
        rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
        start = 0
        while start < len(batch):
            segments = batch.take(slice(start, start + self._videos.batch_size))
            rows = np.arange(start, start + len(segments))
            rewards[rows, segments.last_steps] = self._score(segments)
            start += len(segments)
        return rewards

    def _score(self, segments: SegmentBatch) -> Float32[np.ndarray, " N"]:
        targets = self._demo if self._demo is not None else self._texts.of(segments)
        if segments.frames is None:
            raise NeedsError("'roboclip' reads pictures: give frames (N, F, H, W, 3).")
        features = self._embed_videos(
            segments.frames, segments.spread_pictures(self.config.n_frames)
        )
        return np.asarray((features * targets).sum(axis=1))

    def _embed_videos(
        self, frames: UInt8[np.ndarray, "N F H W 3"], indices: Int64[np.ndarray, "N K"]
    ) -> Float32[np.ndarray, "N D"]:
        height, width = (_middle(length, self.config.crop) for length in frames.shape[2:4])
        rows = np.arange(len(frames))[:, None]
        return self._videos(frames[:, :, height, width][rows, indices])

    @torch.inference_mode()
    def _embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        words = torch.from_numpy(self._words(text)[None]).to(self._videos.device)
        return np.asarray(self._network.embed_words(words)[0].cpu().numpy())

    def _prepare(self, videos: Tensor) -> Tensor:
        values = videos.permute(0, 4, 1, 2, 3).float()
        return values / 255 if self.config.value_range == "0-1" else values


def _middle(length: int, crop: int) -> slice:
    size = min(length, crop) // 2 * 2
    start = (length - size) // 2
    return slice(start, start + size)


def _check(config: RoboCLIPConfig) -> None:
    for name in ("n_frames", "crop"):
        value = getattr(config, name)
        if value < 2 or value % 2:
            raise InvalidValueError(f"{name}={value}; S3D reads an even number of at least 2.")
    if config.value_range not in get_args(ValueRange):
        raise InvalidValueError(
            f"value_range={config.value_range!r}; expected '0-1', as the network was trained, or "
            "'0-255', as RoboCLIP was released for Meta-World."
        )


def _words(config: RoboCLIPConfig) -> WordList | Callable[[str], np.ndarray]:
    if config.words is not None:
        return WordList(Path(config.words).expanduser())
    if config.checkpoint is None:
        return hashed_words
    return WordList(locate(config.checkpoint).with_name("s3d_dict.npy"))
