import numpy as np
import pytest

from vlfeedback.errors import ShapeError
from vlfeedback.preferences.accuracy import agreement, label_accuracy, sides
from vlfeedback.types import PreferenceLabels


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    given = np.ones(len(values), bool) if answered is None else np.array(answered)
    return PreferenceLabels(np.array(values, np.float32), given)


def test_accuracy_is_the_share_of_pairs_ordered_like_the_truth() -> None:
    assert label_accuracy(labels(0, 1, 1, 0.2), labels(0, 1, 0, 0)) == 3 / 4


def test_pairs_without_a_true_order_do_not_count() -> None:
    truth = labels(0, 0.5, 1, answered=[True, True, False])
    assert label_accuracy(labels(0, 1, 0), truth) == 1.0


def test_ties_and_refusals_are_half_right() -> None:
    given = labels(0.5, 0.0, answered=[True, False])
    assert label_accuracy(given, labels(1, 0)) == 0.5


def test_no_ordered_pair_gives_nan() -> None:
    assert np.isnan(label_accuracy(labels(0), labels(0.5)))


def test_different_numbers_of_labels_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 labels and 1"):
        label_accuracy(labels(0, 1), labels(0))


def test_a_pair_is_labelled_alike_or_not_and_half_alike_without_a_side() -> None:
    given = labels(0.9, 0.2, 0.5, 0.0, 1.0, answered=[True, True, True, False, True])
    assert sides(given).tolist() == [1, -1, 0, 0, 1]
    assert agreement(given, labels(1, 1, 1, 0, 0.5)).tolist() == [1, 0, 0.5, 0.5]
