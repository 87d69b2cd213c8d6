from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import SourceAnswerError
from vlfeedback.scoring import ask
from vlfeedback.scoring.asking import ask_all, ask_both
from vlfeedback.types import SegmentBatch, SourceNeeds

BATCH = SegmentBatch(actions=np.zeros((2, 3, 1), np.float32))


class Answers:
    """A source that returns what it was made with."""

    needs = SourceNeeds(actions=True)

    def __init__(self, rewards: Any) -> None:
        self.answer = rewards

    def rewards(self, batch: SegmentBatch) -> Any:
        return self.answer


def test_rewards_of_the_right_shape_pass_as_float32() -> None:
    rewards = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    for answer in (np.array(rewards), np.array(rewards, np.int64), np.array(rewards, np.float16)):
        asked = ask(Answers(answer), BATCH)
        assert asked.dtype == np.float32
        assert asked.tolist() == rewards


@pytest.mark.parametrize("answer", [np.zeros(2), np.zeros((2, 2)), np.zeros((3, 2)), 0.0, None])
def test_another_shape_is_refused_by_the_name_of_the_source(answer: Any) -> None:
    with pytest.raises(SourceAnswerError, match=r"Answers.rewards returned .*expected .*2, 3\)"):
        ask(Answers(answer), BATCH)


@pytest.mark.parametrize("dtype", [np.complex64, object, "U3"])
def test_what_is_no_real_number_is_refused(dtype: Any) -> None:
    with pytest.raises(SourceAnswerError, match="expected float32"):
        ask(Answers(np.zeros((2, 3)).astype(dtype)), BATCH)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_a_reward_that_is_not_finite_is_refused_with_its_place(strange: float) -> None:
    rewards = np.zeros((2, 3))
    rewards[1, 2] = strange
    with pytest.raises(
        SourceAnswerError, match=rf"gave {strange} for step 2 of segment 1 \(1 of 6"
    ):
        ask(Answers(rewards), BATCH)
    with pytest.raises(SourceAnswerError, match="for the end of trajectory 1"):
        ask(Answers(rewards), BATCH, where=lambda row, step: f"the end of trajectory {row}")


def test_a_reward_too_large_for_float32_is_refused_as_the_infinity_it_would_become() -> None:
    with pytest.raises(SourceAnswerError, match="gave inf for step 0 of segment 0"):
        ask(Answers(np.full((2, 3), 1e300)), BATCH)


def test_what_numpy_cannot_read_is_refused_by_the_name_of_the_source() -> None:
    with pytest.raises(SourceAnswerError, match="rewards returned a list that is no NumPy array"):
        ask(Answers([[1.0, 2.0, 3.0], [4.0]]), BATCH)

    class OnAnotherDevice:
        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(SourceAnswerError, match=r"return \.detach\(\)\.cpu\(\)\.numpy\(\)"):
        ask(Answers(OnAnotherDevice()), BATCH)


def test_padding_may_hold_anything() -> None:
    mask = np.array([[True, True, False], [True, False, False]])
    padded = SegmentBatch(actions=np.zeros((2, 3, 1), np.float32), mask=mask)
    rewards = np.where(mask, 1.0, np.nan)
    assert ask(Answers(rewards), padded)[mask].tolist() == [1, 1, 1]


def test_what_the_source_raises_passes_through() -> None:
    class Broken(Answers):
        def rewards(self, batch: SegmentBatch) -> Any:
            raise RuntimeError("no GPU")

    with pytest.raises(RuntimeError, match="no GPU"):
        ask(Broken(None), BATCH)


class Complains(Answers):
    """A source that cannot answer about one segment."""

    def rewards(self, batch: SegmentBatch) -> Any:
        raise SourceAnswerError("It was refused.", row=self.answer)


def test_what_a_source_says_of_one_segment_is_said_with_its_place() -> None:
    with pytest.raises(SourceAnswerError, match=r"^It was refused\.$"):
        ask(Complains(1), BATCH)
    with pytest.raises(SourceAnswerError, match=r"^It was refused\. It was asked for 1, 2\.$"):
        ask(Complains(1), BATCH, where=lambda row, step: f"{row}, {step}")
    with pytest.raises(SourceAnswerError, match=r"^It was refused\.$"):
        ask(Complains(None), BATCH, where=lambda row, step: f"{row}, {step}")


class Tells(Answers):
    tells_success = True

    def __init__(self, success: Any) -> None:
        super().__init__(np.zeros((2, 3)))
        self.success = success

    def rewards_and_success(self, batch: SegmentBatch) -> Any:
        return self.answer, self.success


def test_who_tells_success_gives_a_probability_for_each_segment() -> None:
    rewards, success = ask_both(Tells([0.0, 0.25]), BATCH)
    assert rewards.tolist() == [[0.0] * 3] * 2
    assert success.dtype == np.float32 and success.tolist() == [0.0, 0.25]


@pytest.mark.parametrize("success", [[0.0], [0.0, 1.5], [0.0, np.nan], [[0.0, 1.0]], 0.5])
def test_what_is_no_probability_for_each_segment_is_refused(success: Any) -> None:
    with pytest.raises(SourceAnswerError, match=r"Tells.rewards_and_success gave .*\(2,\)"):
        ask_both(Tells(success), BATCH)


def test_the_rewards_beside_are_checked_as_ever() -> None:
    source = Tells([0.0, 0.0])
    source.answer = np.zeros((2, 2))
    with pytest.raises(SourceAnswerError, match="returned shape"):
        ask_both(source, BATCH)


class SeveralAnswers(Answers):
    """Answers all batches at once with what it was made with, or raises it."""

    def rewards_of(self, batches: Sequence[SegmentBatch]) -> Any:
        if isinstance(self.answer, SourceAnswerError):
            raise self.answer
        return self.answer


THREE = [SegmentBatch(actions=np.zeros((n, t, 1), np.float32)) for n, t in ((2, 3), (1, 5), (2, 4))]
PLACES = [lambda row, step, batch=batch: f"{batch}, {row}, {step}" for batch in "abc"]


def test_several_batches_are_asked_for_at_once_where_the_source_can() -> None:
    zeros = [np.zeros((len(batch), batch.n_steps)) for batch in THREE]
    asked = ask_all(SeveralAnswers(zeros), THREE, where=PLACES)
    assert [answer.shape for answer in asked] == [(2, 3), (1, 5), (2, 4)]
    assert {answer.dtype for answer in asked} == {np.dtype(np.float32)}
    one = ask_all(Answers(zeros[0]), THREE[:1], where=PLACES[:1])
    assert one[0].shape == (2, 3)


def test_a_row_that_cannot_be_answered_is_counted_through_all_batches() -> None:
    error = SourceAnswerError("Nothing.", row=3)
    with pytest.raises(SourceAnswerError, match=r"Nothing\. It was asked for c, 0, 3\."):
        ask_all(SeveralAnswers(error), THREE, where=PLACES)


def test_each_of_several_answers_is_checked() -> None:
    answers = [np.zeros((len(batch), batch.n_steps)) for batch in THREE]
    with pytest.raises(SourceAnswerError, match="gave 2 answers to 3 batches"):
        ask_all(SeveralAnswers(answers[:2]), THREE, where=PLACES)
    answers[1][0, 4] = np.nan
    with pytest.raises(SourceAnswerError, match="gave nan for b, 0, 4"):
        ask_all(SeveralAnswers(answers), THREE, where=PLACES)
