import numpy as np
import pytest

from vlfeedback.errors import DtypeError, ShapeError
from vlfeedback.types import PreferenceLabels


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    return PreferenceLabels(
        np.array(values, np.float32), np.array(answered or [True] * len(values))
    )


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_labels_lie_between_first_and_second(value: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        labels(0.0, value)


def test_the_label_of_an_unanswered_pair_is_ignored() -> None:
    assert len(labels(0.0, float("nan"), answered=[True, False])) == 2


def test_every_label_says_whether_it_was_answered() -> None:
    with pytest.raises(ShapeError, match=r"\(2,\) and answered \(1,\)"):
        labels(0.0, 1.0, answered=[True])


def test_answers_given_as_numbers_are_refused_instead_of_indexing() -> None:
    with pytest.raises(DtypeError, match="answered is int64; expected bool"):
        PreferenceLabels(np.zeros(2, np.float32), np.array([1, 0]))


def test_labels_show_how_many_there_are() -> None:
    shown = repr(labels(0.0, 0.5, 0.5, answered=[True, True, False]))
    assert shown == "PreferenceLabels(N=3, answered=2, ties=1)"
