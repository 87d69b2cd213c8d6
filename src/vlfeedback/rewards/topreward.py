"""TOPReward: how likely a model finds it true that a clip shows the task being completed.

Paper:    Chen et al. 2026, "TOPReward: Token Probabilities as Hidden Zero-Shot Rewards for
          Robotics" (2602.19313)
Code read: jcoleharrison/TOPReward at bc61380 (MIT) and huggingface/lerobot at 7427f31
          (Apache-2.0), rewards/topreward, for their facts alone
Weights:  none of its own: any model whose server gives log-probabilities; theirs is Qwen3-VL-8B
Needs:    a picture every seventh step, an instruction, a model that is served
Returns:  log p("True") after the whole clip, at most 0; `curve` has it after each of its prefixes
Recipe:   1 show the pictures, then the published statement; 2 ask for one token; 3 read the
          log-probability of "True" among its alternatives.
Asks:     one question a clip, of one token; `curve` asks `n_prefixes`.
Left out: min-max over an episode's prefixes, but on request by `curve`: with it two episodes
          cannot be compared.
Differs:  chat completions put the model's chat template around every question; their default has
          none, which cannot be had so. Values are others with it: compare those of one server and
          model alone. A clip is a row of pictures, not a video.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import SegmentBatch
from vlfeedback.vlms.answers import Answer, TokenScores
from vlfeedback.vlms.judging.clips import (
    Clip,
    Places,
    Scores,
    clip_needs,
    curves_of,
    rewards_of_clips,
)
from vlfeedback.vlms.judging.judge import Judgement, JudgeSettings, is_spoken, model_of, settled
from vlfeedback.vlms.questions import Question, Turn, encode_picture

__all__ = ["TOPReward", "TOPRewardConfig", "log_probability"]

PROMPT = "topreward/1"
"""Its number goes up whenever the words change."""

_STATEMENT = (  # published: another wording gives other values
    "The above video shows a robot manipulation trajectory that completes the following task: "
    "{task} Decide whether the above statement is True or not. The answer is:"
)
_ALTERNATIVES = 20  # the most that OpenAI's API lets one ask for
_LEAST = -100.0  # below e^-100 float32 knows nothing but 0; some servers say -9999 there


@dataclass(frozen=True, kw_only=True)
class TOPRewardConfig(JudgeSettings):
    """Settings of the `topreward` source.

    Attributes:
        n_frames: most pictures of a question, spread evenly; 16 in LeRobot.
        n_prefixes: of a clip, for `TOPReward.curve`, spread evenly; 15 in its code.
        minus_false: score log p("True") - log p("False"), which is 0 where both are as likely,
            instead of log p("True").
    """

    n_prefixes: int = 15
    minus_false: bool = False


class TOPReward:
    """Log-probability of "True" at each clip's last step; see the module's header.

    It is that of the tokens that read True, whatever space is around them. Where none of those that
    the server names does, the 20 likeliest or fewer, True is given the most that it can have: the
    log-probability of the least likely of them, or of what all of them leave over, where that is
    less. Such scores say "at most", so that two of them do not compare.

    A model that reasons before it answers gives none: its first token begins a thought.

    Args:
        config: with a model.
        device: of no account; the model is served.

    Raises:
        NeedsError: no model is named.
        InvalidValueError: a setting is out of its range.
        MissingExtraError: the extra ``vlm`` is not installed.
    """

    config_type = TOPRewardConfig
    needs = clip_needs(TOPRewardConfig())

    def __init__(self, config: TOPRewardConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or TOPRewardConfig()
        if self.config.n_prefixes < 2:
            raise InvalidValueError(
                f"n_prefixes={self.config.n_prefixes}; a curve has at least 2 points."
            )
        self._vlm = model_of(self.config, source="topreward")
        self.needs = clip_needs(self.config)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Log-probability of "True" after each clip at its last real step, zeros before.

        Raises:
            NeedsError: pictures or instructions are missing, or the server gives no
                log-probabilities.
            SourceAnswerError: the model refused, or nothing came back.

        What `VLM` raises is raised: a spent budget, a key that is not accepted.
        """
        return self.rewards_of([batch])[0]

    def rewards_of(self, batches: Sequence[SegmentBatch]) -> list[Float32[np.ndarray, "N T"]]:
        """What `rewards` gives of each batch; all questions are asked at once.

        Raises:
            NeedsError: see `rewards`, as all others.
        """

        def judge(clips: list[Clip]) -> Scores:
            return self._judged(clips, [np.array([clip.end]) for clip in clips])

        return rewards_of_clips(batches, judge, source="topreward")

    def curve(self, batch: SegmentBatch, *, normalise: bool = False) -> Float32[np.ndarray, "N F"]:
        """Log-probability of "True" after each picture, from `n_prefixes` questions a clip.

        Pictures at which no prefix ends lie on a straight line between those where one does; 0 on
        padding.

        Args:
            batch: with pictures and instructions.
            normalise: scale each clip's own scores to [0, 1] by their least and most, as in the
                paper's figures; a constant curve is 1. Two clips do not compare then.

        Raises:
            NeedsError: see `rewards`, as SourceAnswerError.
        """
        clips = Clip.all_of(batch, source="topreward")
        ends = [clip.places(self.config.n_prefixes) for clip in clips]
        scores = self._judged(clips, ends)
        return curves_of(clips, ends, [_min_max(row) for row in scores] if normalise else scores)

    def _judged(self, clips: list[Clip], ends: Places) -> Scores:
        lengths = [len(row) for row in ends]
        questions = [
            self._question(clip, int(end))
            for clip, row in zip(clips, ends, strict=True)
            for end in row
        ]
        answers = iter(self._vlm.ask(questions))
        judgements = [self._judgement([next(answers) for _ in range(n)]) for n in lengths]
        return settled(judgements, clips, lengths, self.config, source="topreward")

    def _question(self, clip: Clip, end: int) -> Question:
        frames = clip.frames[clip.places(self.config.n_frames, end=end)]
        statement = _STATEMENT.format(task=clip.instruction)
        return Question(
            (Turn("user", (*map(encode_picture, frames), statement)),),
            prompt=PROMPT,
            stage="true",
            top_logprobs=_ALTERNATIVES,
            max_tokens=1,
        )

    def _judgement(self, answers: list[Answer]) -> Judgement:
        scores = []
        for answer in answers:
            alternatives = answer.logprobs[0] if answer.logprobs else {}
            if not alternatives:
                if not is_spoken(answer):
                    return Judgement.unusable(answer, "")
                raise NeedsError(
                    f"The server gave no log-probabilities of what {self.config.model!r} said, "
                    "and 'topreward' is nothing else. vLLM and OpenAI's models that do not reason "
                    "give some; with any other server use 'gvl' or 'roboreward'."
                )
            score = log_probability("True", alternatives)
            if self.config.minus_false:
                score -= log_probability("False", alternatives)
            scores.append(score)
        return Judgement(np.array(scores, dtype=np.float32))


def log_probability(word: str, alternatives: TokenScores) -> float:
    """Log-probability of a word by the likeliest first tokens; the most it can be if it is none.

    Args:
        word: one token, in any of its forms with space around it.
        alternatives: log-probabilities of the likeliest tokens.

    Returns:
        from -100 to 0.

    >>> round(log_probability("True", {"True": math.log(0.5), " True": math.log(0.25)}), 4)
    -0.2877
    >>> round(log_probability("True", {"No": math.log(0.9), "Yes": math.log(0.06)}), 4)
    -3.2189
    """
    chances = {token: math.exp(score) for token, score in alternatives.items()}
    of_word = [chance for token, chance in chances.items() if token.strip() == word]
    left_over = 1 - sum(chances.values())
    chance = sum(of_word) if of_word else min(left_over, *chances.values(), 1.0)
    return min(max(math.log(chance), _LEAST), 0.0) if chance > 0 else _LEAST


def _min_max(scores: Float32[np.ndarray, " K"]) -> Float32[np.ndarray, " K"]:
    least, most = scores.min(), scores.max()
    return np.ones_like(scores) if least == most else (scores - least) / (most - least)
