"""RoboReward: how well an episode ended, from 1 to 5 by a rubric, as a model trained for it says.

Paper:    Lee et al. 2026, "RoboReward: General-Purpose Vision-Language Reward Models for
          Robotics" (2601.00675)
Code read: robometer/robometer at c7f38e2, evals/baselines/roboreward.py (MIT), for its facts alone
Weights:  teetone/RoboReward-8B, or -4B, of Qwen3-VL, CC BY 4.0, served by vLLM say; the paper puts
          the same question to models that were not trained for it, and so may you
Needs:    a picture every seventh step, an instruction, a model that is served
Returns:  (n - 1) / 4 of the answer n, in {0, 0.25, 0.5, 0.75, 1}, at an episode's last step
Recipe:   1 show the pictures, then the rubric of the model's card; 2 read "ANSWER: n".
Asks:     one question a clip, and one more where its answer cannot be read.
Differs:  a clip is a row of pictures, not a video of one a second, since simulators have no
          second of a camera; how many is our choice, untested.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlfeedback.types import SegmentBatch
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.clips import Clip, Scores, clip_needs, rewards_of_clips
from vlfeedback.vlms.judging.judge import Judgement, JudgeSettings, is_spoken, model_of, settled
from vlfeedback.vlms.questions import Question, Turn, encode_picture

__all__ = ["RoboReward", "RoboRewardConfig", "read_score"]

PROMPT = "roboreward/1"
"""Its number goes up whenever the words change."""

_RUBRIC = """\
Given the task, assign a discrete progress score reward (1,2,3,4,5) for the robot in the video in \
the format: ANSWER: <score>
Rubric for end-of-episode progress (judge only the final state without time limits):
1 - No Success: Final state shows no goal-relevant change for the command.
2 - Minimal Progress: Final state shows a small but insufficient change toward the goal.
3 - Partial Completion: The final state shows good progress toward the goal but violates more \
than one requirement or a major requirement.
4 - Near Completion: Final state is correct in region and intent but misses a single minor \
requirement.
5 - Perfect Completion: Final state satisfies all requirements.

Task: {task}"""  # of the model's card: it was trained on these words
_AGAIN = "Answer with nothing but ANSWER: <score>, where <score> is one of 1, 2, 3, 4, 5."

_ANSWER = re.compile(r"ANSWER[^\w-]*([1-5])(?![\d.,]*\d)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class RoboRewardConfig(JudgeSettings):
    """Settings of the `roboreward` source.

    Attributes:
        model: as the server calls it.
        base_url: root of its API; vLLM's default.
        n_frames: most pictures of a question, spread evenly; our choice.
        max_tokens: of an answer; more for models that reason first.
    """

    model: str = "teetone/RoboReward-8B"
    base_url: str = "http://localhost:8000/v1"
    max_tokens: int = 1024


class RoboReward:
    """(n - 1) / 4 of the model's score n at each clip's last step; see the module's header.

    An answer with no score that can be read is asked for once more; where there is none then, the
    clip has no score: see `JudgeSettings.if_unanswered`. A clip of one picture shows it twice: the
    model was trained on videos.

    Args:
        config: a model of another name, or of another server.
        device: of no account; the model is served.

    Raises:
        NeedsError: no model is named.
        InvalidValueError: a setting is out of its range.
        MissingExtraError: the extra ``vlm`` is not installed.
    """

    config_type = RoboRewardConfig
    needs = clip_needs(RoboRewardConfig())

    def __init__(self, config: RoboRewardConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or RoboRewardConfig()
        self._vlm = model_of(self.config, source="roboreward", fewest=2)
        self.needs = clip_needs(self.config)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """(n - 1) / 4 of each clip's score n at its last real step, zeros before.

        Raises:
            NeedsError: pictures or instructions are missing.
            SourceAnswerError: the model gave no usable answer; see the class.

        What `VLM` raises is raised: a spent budget, a key that is not accepted.
        """
        return self.rewards_of([batch])[0]

    def rewards_of(self, batches: Sequence[SegmentBatch]) -> list[Float32[np.ndarray, "N T"]]:
        """What `rewards` gives of each batch; all questions are asked at once.

        Raises:
            NeedsError: see `rewards`, as all others.
        """
        return rewards_of_clips(batches, self._judged, source="roboreward")

    def _judged(self, clips: list[Clip]) -> Scores:
        judgements = self._vlm.run([self._judge(clip) for clip in clips])
        return settled(judgements, clips, [1] * len(clips), self.config, source="roboreward")

    async def _judge(self, clip: Clip) -> Judgement:
        places = clip.places(self.config.n_frames)
        pictures = [encode_picture(frame) for frame in clip.frames[places]]
        if len(pictures) == 1:
            pictures *= 2
        question = Question(
            (Turn("user", (*pictures, _RUBRIC.format(task=clip.instruction))),),
            prompt=PROMPT,
            stage="score",
            max_tokens=self.config.max_tokens,
        )
        answer = await self._vlm.answer(question)
        score = _read(answer)
        if score is None and is_spoken(answer):
            answer = await self._vlm.answer(
                question.follow_up(answer.text or "ANSWER:", _AGAIN, stage="again")
            )
            score = _read(answer)
        if score is None:
            return Judgement.unusable(answer, "Asked again, it gave no ANSWER: 1 to 5.")
        return Judgement(np.array([(score - 1) / 4], dtype=np.float32))


def _read(answer: Answer) -> int | None:
    return read_score(answer.text) if is_spoken(answer) else None


def read_score(text: str) -> int | None:
    """The score of an answer, from 1 to 5, by its last "ANSWER:"; None where it has none.

    >>> read_score("The drawer is half open. ANSWER: 3"), read_score("4"), read_score("3 of 5?")
    (3, 4, None)
    """
    if text.strip() in {"1", "2", "3", "4", "5"}:
        return int(text)
    found = _ANSWER.findall(text)
    return int(found[-1]) if found else None
