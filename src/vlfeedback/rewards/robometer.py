"""Robometer: progress and success after each picture of a clip, by a model trained for it.

Paper:    "Robometer: Scaling General-Purpose Robotic Reward Models via Trajectory Comparisons",
          2026 (2603.02115)
Code read: robometer/robometer at c7f38e2 (MIT), huggingface/lerobot at 7427f31 (Apache-2.0),
          rewards/robometer, and macrodata-labs/refiner at 4e3b30f (Apache-2.0), robotics/reward.py,
          for their facts alone
Weights:  robometer/Robometer-4B, of Qwen3-VL, Apache-2.0, served by a vLLM that has its class
Needs:    a picture every seventh step, an instruction, the model at vLLM's pooling endpoint
Returns:  progress, or the chance of success, in [0, 1] after a clip's last picture; `curves` has
          both after every picture
Recipe:   1 show the published question, then each picture with the token <|prog_token|> after it;
          2 of the heads' logits there, the softmax of the first ten gives progress, as the mean of
          0, 1/9 ... 1, and the sigmoid of the next success.
Asks:     one request a clip, in which nothing is generated.
Left out: its head for pairs: vLLM gives it at each picture, and it was trained on the end of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from scipy.special import expit, softmax

from vlfeedback.errors import InvalidValueError, SourceAnswerError
from vlfeedback.optional import require
from vlfeedback.types import SegmentBatch
from vlfeedback.vlms.judging.clips import (
    Clip,
    ClipSettings,
    Places,
    Scores,
    check_clip_settings,
    clip_needs,
    curves_of,
    rewards_of_clips,
)
from vlfeedback.vlms.pooling import PoolingClient, PoolingSettings
from vlfeedback.vlms.questions import EncodedPicture, Part, Turn, encode_picture

__all__ = ["Output", "RobometerConfig", "RobometerReward", "read_logits"]

Output = Literal["progress", "success"]
"""Which head's output is the reward."""

_QUESTION = (  # published: the model was trained on these words
    "The task for the robot is '{task}'. Given the trajectory video, predict the task progress at "
    "each frame, how far along the robot is towards completing the task, a float between 0 and 1, "
    "where 0 is the starting state and 1 is when the task is completed. If the robot is not "
    "performing the same task, predict 0 progress."
)
_READ_HERE = "<|prog_token|>"
_TEMPLATE: dict[str, Any] = {"add_vision_id": True, "enable_thinking": False}  # as it was trained
_BINS = 10  # of progress; success comes next, then preference and similarity
_OUTPUTS = _BINS + 3


@dataclass(frozen=True, kw_only=True)
class RobometerConfig(ClipSettings, PoolingSettings):
    """Settings of the `robometer` source.

    Attributes:
        model: as the server calls it.
        n_frames: most pictures of a request; 8 in its code, and "not above 16" in Refiner's.
        side: pixels to which both edges of a picture are scaled; 256 as in Refiner, which Qwen's
            own preparation leaves as it is. 0 sends pictures as they are.
        output: "progress" or "success".
    """

    model: str = "robometer/Robometer-4B"
    n_frames: int = 8
    side: int = 256
    output: str = "progress"


class RobometerReward:
    """Progress or success after each clip's last picture at its last step; see the header.

    What it says of a long episode depends on how it ends: users found success online far below
    that of clips which end there, so end episodes at success, or judge windows.

    Args:
        config: where the model is served, if not on this machine.
        device: of no account; the model is served.

    Raises:
        NeedsError: no model is named, or `base_url` is no address.
        InvalidValueError: a setting is out of its range.
        MissingExtraError: the extra ``vlm`` is not installed.
    """

    config_type = RobometerConfig
    needs = clip_needs(RobometerConfig())

    def __init__(self, config: RobometerConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or RobometerConfig()
        check_clip_settings(self.config)
        if self.config.output not in get_args(Output) or self.config.side < 0:
            raise InvalidValueError(
                f"output={self.config.output!r}, side={self.config.side}; expected 'progress' or "
                "'success', and at least 0 pixels."
            )
        self.needs = clip_needs(self.config)
        self._client = PoolingClient(self.config, needed_by="'robometer'")

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """`RobometerConfig.output` after each clip at its last real step, zeros before.

        Raises:
            NeedsError: pictures or instructions are missing.
            ConnectionError: the server cannot be reached, refuses, or fails.
            SourceAnswerError: it answers with something else than a row for each picture.
        """
        return self.rewards_of([batch])[0]

    def rewards_of(self, batches: Sequence[SegmentBatch]) -> list[Float32[np.ndarray, "N T"]]:
        """What `rewards` gives of each batch; all questions are asked at once.

        Raises:
            NeedsError: see `rewards`, as all others.
        """

        def judge(clips: list[Clip]) -> Scores:
            _, progress, success = self._judged(clips)
            return success if self.config.output == "success" else progress

        return rewards_of_clips(batches, judge, source="robometer")

    def curves(
        self, batch: SegmentBatch
    ) -> tuple[Float32[np.ndarray, "N F"], Float32[np.ndarray, "N F"]]:
        """Progress, and the chance of success, in [0, 1] after each picture.

        Pictures that are not shown lie on a straight line between those that are; 0 on padding.

        Raises:
            NeedsError: see `rewards`, as all others.
        """
        clips = Clip.all_of(batch, source="robometer")
        places, progress, success = self._judged(clips)
        return curves_of(clips, places, progress), curves_of(clips, places, success)

    def _judged(self, clips: list[Clip]) -> tuple[Places, Scores, Scores]:
        places = [clip.places(self.config.n_frames) for clip in clips]
        turns = [self._turn(clip, shown) for clip, shown in zip(clips, places, strict=True)]
        progress, success = [], []
        answers = self._client.token_logits(turns, template=_TEMPLATE)
        for shown, rows in zip(places, answers, strict=True):
            of_progress, of_success = read_logits(rows, len(shown))
            progress.append(of_progress)
            success.append(of_success)
        return places, progress, success

    def _turn(self, clip: Clip, places: Int64[np.ndarray, " K"]) -> Turn:
        parts: list[Part] = [_QUESTION.format(task=clip.instruction.removesuffix("."))]
        for frame in clip.frames[places]:
            parts += [self._encode(frame), _READ_HERE]
        return Turn("user", tuple(parts))

    def _encode(self, frame: UInt8[np.ndarray, "H W 3"]) -> EncodedPicture:
        side = self.config.side
        if side and frame.shape[:2] != (side, side):
            require("PIL", extra="vlm", needed_by="'robometer'")
            from PIL import Image

            scaled = Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC)
            frame = np.asarray(scaled)
        return encode_picture(frame)


def read_logits(
    rows: list[list[float]], n: int
) -> tuple[Float32[np.ndarray, " K"], Float32[np.ndarray, " K"]]:
    """Progress and the chance of success, both in [0, 1], from the logits after `n` pictures.

    Args:
        rows: one a picture: logits of ten bins of progress, of success, and of two other heads.
        n: how many pictures were shown.

    Raises:
        SourceAnswerError: there are more or fewer rows, or shorter ones, or some are not finite.
    """
    widths = sorted({len(row) for row in rows})
    if len(rows) != n or not widths or widths[0] < _OUTPUTS or len(widths) > 1:
        raise SourceAnswerError(
            f"The server pooled {len(rows)} tokens into {widths} numbers each; expected {n}, one "
            f"for each {_READ_HERE}, of at least {_OUTPUTS}. Serve robometer/Robometer-4B with a "
            "vLLM that has its class: it pools that token alone."
        )
    logits: Float64[np.ndarray, "K C"] = np.array(rows, dtype=np.float64)
    if not np.isfinite(logits).all():
        raise SourceAnswerError("The server gave logits that are not finite numbers.")
    progress = softmax(logits[:, :_BINS], axis=1) @ (np.arange(_BINS) / (_BINS - 1))
    success = expit(logits[:, _BINS])
    return progress.astype(np.float32), success.astype(np.float32)
