import numpy as np
import pytest
from tests.rewards.judges import clip

from vlfeedback.errors import SourceAnswerError
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.clips import Clip
from vlfeedback.vlms.judging.judge import Judgement, JudgeSettings, settled

CLIPS = Clip.all_of(clip(1, 2), source="mine")


def settle(judgement: Judgement, if_unanswered: float | None = None) -> list[list[float]]:
    settings = JudgeSettings(model="judge", if_unanswered=if_unanswered)
    return [row.tolist() for row in settled([judgement], CLIPS, [2], settings, source="mine")]


def test_scores_pass_as_they_are() -> None:
    assert settle(Judgement(np.array([0.5, 1], np.float32))) == [[0.5, 1.0]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer("seven", Outcome.ANSWERED), r"It is no score\. It said 'seven'\. Try another mod"),
        (Answer("", Outcome.UNPARSABLE), r"It is no score\. It said nothing\. Try another model"),
        (Answer("a lo", finish="length"), r"It said 'a lo'\. It was cut off: raise max_tokens\."),
        (Answer("", Outcome.REFUSED, problem="policy"), r"It refused: policy\. Try another model"),
        (Answer("I will not", Outcome.REFUSED), r"It refused: 'I will not'\. Try another model"),
    ],
)
def test_an_unusable_answer_is_an_error_or_what_the_settings_say(
    answer: Answer, message: str
) -> None:
    judgement = Judgement.unusable(answer, "It is no score.")
    assert settle(judgement, if_unanswered=0.25) == [[0.25, 0.25]]
    with pytest.raises(SourceAnswerError, match=f"'judge' about segment 0 of 1.*{message}"):
        settle(judgement)


def test_what_did_not_come_back_is_an_error_whatever_the_settings_say() -> None:
    judgement = Judgement.unusable(
        Answer("", Outcome.FAILED, problem="503 five times."), "It is no score."
    )
    for if_unanswered in (None, 0.0):
        with pytest.raises(SourceAnswerError, match=r"Nothing came back: 503.*Try again when"):
            settle(judgement, if_unanswered)
