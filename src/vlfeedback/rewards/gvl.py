"""GVL: how far a task has come by each of an episode's shuffled pictures, as a model says.

Paper:    Ma et al. 2024, "Vision Language Models are In-Context Value Learners" (2411.04549)
Code read: robometer/robometer at c7f38e2, evals/baselines/gvl.py (MIT), for its facts alone
Weights:  none of its own: any model that reads several pictures, such as Gemini in the paper
Needs:    a picture every seventh step and the reset's, an instruction, a model that is served
Returns:  progress in [0, 1] by the clip's last picture; `curve` has it for every picture
Recipe:   1 show the reset as 0 %, the other pictures in random order; 2 ask for a JSON list of
          number, description and percentage of each; 3 put them back into order, divide by 100.
Asks:     one question a clip, and one more where percentages are missing.
Left out: examples in context, with percentages of other episodes.
Differs:  the words are ours, after the paper's. The order is drawn from `seed` and what is shown,
          so that a clip always gives the same question, which is paid for once. The reset is not
          among the shuffled pictures.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.clips import (
    Clip,
    Places,
    Scores,
    clip_needs,
    curves_of,
    rewards_of_clips,
)
from vlfeedback.vlms.judging.judge import Judgement, JudgeSettings, is_spoken, model_of, settled
from vlfeedback.vlms.questions import EncodedPicture, Part, Question, Turn, encode_picture

__all__ = ["GVLConfig", "GVLReward", "read_percentages"]

PROMPT = "gvl/1"
"""Its number goes up whenever the words change."""

_BEFORE_RESET = """\
You judge how far a robot has come with this task: {task}
Its completion is a percentage: 0 where nothing of the task is done, 100 where all of it is. You \
will see frames of one episode in random order, so judge each by what it shows and not by where \
it stands.
Initial scene, at 0 percent:"""
_BEFORE_FRAMES = "\nThe frames to judge, in random order:"
_AFTER = """
How far has the task come in each of these {n} frames? The task: {task}
Answer with a JSON list that holds every frame once:
[{{"frame_number": i, "frame_description": "...", "task_completion_percentage": 0-100}}, ...]"""
_AGAIN = """\
There is no single percentage from 0 to 100 for these frames: {missing}. Answer with the same kind \
of JSON list, for these frames alone."""

_NUMBER = re.compile(r"(?:frame\s*)?(\d+(?:\.\d+)?)\s*%?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class GVLConfig(JudgeSettings):
    """Settings of the `gvl` source.

    Attributes:
        n_frames: most pictures of a question, the reset's included; 15 in robometer's baseline.
        seed: another seed, another order of the pictures.
        max_tokens: of an answer; 4096 in robometer's baseline. More for models that reason first.
    """

    n_frames: int = 15
    seed: int = 0
    max_tokens: int = 4096


class GVLReward:
    """Progress by the last picture of each clip at its last step; see the module's header.

    A percentage that is missing, out of range, or given twice with different values is asked for
    once more. Where it is still missing, the clip has no score: see `JudgeSettings.if_unanswered`.
    An answer that numbers frames which were not shown is none, since nobody knows which of them
    it means.

    Args:
        config: with a model.
        device: of no account; the model is served.

    Raises:
        NeedsError: no model is named.
        InvalidValueError: a setting is out of its range.
        MissingExtraError: the extra ``vlm`` is not installed.
    """

    config_type = GVLConfig
    needs = clip_needs(GVLConfig(), first_frame=True)

    def __init__(self, config: GVLConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or GVLConfig()
        self._vlm = model_of(self.config, source="gvl", fewest=2)
        self.needs = clip_needs(self.config, first_frame=True)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Progress in [0, 1] by each clip's last picture at its last real step, zeros before.

        Raises:
            NeedsError: pictures, the reset's among them, or instructions are missing.
            SourceAnswerError: the model gave no usable answer; see the class.

        What `VLM` raises is raised: a spent budget, a key that is not accepted.
        """
        return self.rewards_of([batch])[0]

    def rewards_of(self, batches: Sequence[SegmentBatch]) -> list[Float32[np.ndarray, "N T"]]:
        """What `rewards` gives of each batch; all questions are asked at once.

        Raises:
            NeedsError: see `rewards`, as all others.
        """
        return rewards_of_clips(batches, lambda clips: self._judged(clips)[1], source="gvl")

    def curve(self, batch: SegmentBatch) -> Float32[np.ndarray, "N F"]:
        """Progress in [0, 1] by each picture, from the questions that `rewards` asks.

        Pictures that are not shown lie on a straight line between those that are; 0 on padding.

        Raises:
            NeedsError: see `rewards`, as SourceAnswerError.
        """
        clips = Clip.all_of(batch, source="gvl")
        return curves_of(clips, *self._judged(clips))

    def _judged(self, clips: list[Clip]) -> tuple[Places, Scores]:
        resets = [clip.first_frame for clip in clips if clip.first_frame is not None]
        if len(resets) < len(clips):
            raise NeedsError(
                "'gvl' shows the picture of the reset as 0 percent: give first_frames (N, H, W, 3)."
            )
        places = [clip.places(self.config.n_frames - 1) for clip in clips]
        judgements = self._vlm.run(
            [self._judge(*shown) for shown in zip(clips, resets, places, strict=True)]
        )
        lengths = [len(shown) for shown in places]
        return places, settled(judgements, clips, lengths, self.config, source="gvl")

    async def _judge(
        self, clip: Clip, first_frame: UInt8[np.ndarray, "H W 3"], places: Int64[np.ndarray, " K"]
    ) -> Judgement:
        reset = encode_picture(first_frame)
        pictures = [encode_picture(frame) for frame in clip.frames[places]]
        order = _order(self.config.seed, clip.instruction, [reset, *pictures])
        question = Question(
            (Turn("user", _parts(clip.instruction, reset, [pictures[i] for i in order])),),
            prompt=PROMPT,
            stage="frames",
            max_tokens=self.config.max_tokens,
        )
        answer = await self._vlm.answer(question)
        said = _read(answer, len(places))
        missing = _missing(said, len(places))
        if missing and is_spoken(answer):
            words = _AGAIN.format(missing=_listed(missing))
            question = question.follow_up(answer.text or "[]", words, stage="again")
            answer = await self._vlm.answer(question)
            again = _read(answer, len(places))
            said |= {number: again[number] for number in missing if number in again}
            missing = _missing(said, len(places))
        if missing:
            return Judgement.unusable(
                answer, f"Asked again, it left out the percentages of frames {_listed(missing)}."
            )
        scores = np.empty(len(places), dtype=np.float32)
        scores[order] = [said[number] / 100 for number in range(1, len(places) + 1)]
        return Judgement(scores)


def _order(seed: int, instruction: str, pictures: list[EncodedPicture]) -> Int64[np.ndarray, " K"]:
    """Which picture stands at each place of the question; the first of `pictures` is the reset."""
    shown = [str(seed), instruction, *(picture.digest for picture in pictures)]
    digest = hashlib.sha256("\n".join(shown).encode()).digest()
    return np.random.default_rng(list(digest)).permutation(len(pictures) - 1)


def _parts(task: str, reset: EncodedPicture, shuffled: list[EncodedPicture]) -> tuple[Part, ...]:
    parts: list[Part] = [_BEFORE_RESET.format(task=task), reset, _BEFORE_FRAMES]
    for number, picture in enumerate(shuffled, start=1):
        parts += [f"Frame {number}:", picture]
    return (*parts, _AFTER.format(n=len(shuffled), task=task))


def _read(answer: Answer, n: int) -> dict[int, float]:
    return read_percentages(answer.text, n) if is_spoken(answer) else {}


def read_percentages(text: str, n: int) -> dict[int, float]:
    """The percentage of each frame that an answer is clear about, by its number from 1 to `n`.

    Left out are frames with no number from 0 to 100, or with two that differ. Nothing is left
    where a frame has another number than those.

    Args:
        text: with JSON objects somewhere, in a list or not; the rest is not read.
        n: how many frames were shown.

    >>> read_percentages('[{"frame_number": 2, "task_completion_percentage": 40}]', 3)
    {2: 40.0}
    """
    percentages: dict[int, float] = {}
    unclear = set()
    for entry in _entries(text):
        number = _number(entry["frame_number"])
        if number is None or number not in range(1, n + 1):
            return {}
        percentage = _number(entry.get("task_completion_percentage"))
        frame = int(number)
        if percentage is None or percentages.setdefault(frame, percentage) != percentage:
            unclear.add(frame)
    return {
        frame: percentage
        for frame, percentage in percentages.items()
        if frame not in unclear and 0 <= percentage <= 100
    }


def _entries(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects about frames, also where the list around them is cut off or in another."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        try:
            found, end = decoder.raw_decode(text, place)
        except ValueError:
            found, end = None, place + 1
        if isinstance(found, dict) and "frame_number" in found:
            yield found
        else:
            end = place + 1  # what it holds may be about frames
        place = text.find("{", end)


def _number(value: Any) -> float | None:
    """Of 40, "40", "40%" and "Frame 40"; None of anything else."""
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value.strip())):
        return float(match[1])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _missing(said: dict[int, float], n: int) -> list[int]:
    return [number for number in range(1, n + 1) if number not in said]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
