"""Labels as other projects write them: meaning by hand, and there and back again."""

from collections.abc import Callable

import numpy as np
import pytest

from vlfeedback.types import Outcome, PreferenceLabels


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    return PreferenceLabels(
        np.array(values, np.float32), np.array(answered or [True] * len(values))
    )


def test_a_tie_of_bpref_is_trained_on() -> None:
    read = PreferenceLabels.from_bpref(np.array([0, 1, -1]), "half")
    assert read.prefer_second.tolist() == [0, 1, 0.5]
    assert read.answered.tolist() == [True, True, True]


def test_the_same_number_of_rl_vlm_f_is_dropped() -> None:
    read = PreferenceLabels.from_bpref(np.array([0, 1, -1]), "drop")
    assert read.prefer_second[:2].tolist() == [0, 1]
    assert read.outcome.tolist() == [Outcome.ANSWERED, Outcome.ANSWERED, Outcome.UNSURE]


@pytest.mark.parametrize("policy", ["half", "drop"])
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.int8])
def test_bpref_there_and_back(policy: str, dtype: type) -> None:
    given: np.ndarray = np.array([0, 1, -1, 1, 0, -1], dtype)
    read = PreferenceLabels.from_bpref(given, policy)  # type: ignore[arg-type]
    assert read.to_bpref(policy).tolist() == given.tolist()  # type: ignore[arg-type]


def test_imitation_gives_the_probability_of_the_first() -> None:
    read = PreferenceLabels.from_imitation(np.array([1.0, 0.0, 0.5, 0.75]))
    assert read.prefer_second.tolist() == [0, 1, 0.5, 0.25]
    assert read.answered.all()


def test_imitation_there_and_back() -> None:
    given = np.array([1.0, 0.0, 0.5, 0.75], np.float32)
    assert PreferenceLabels.from_imitation(given).to_imitation().tolist() == given.tolist()


def test_vlp_numbers_mean_the_second_and_half_is_trained_on() -> None:
    read = PreferenceLabels.from_vlp(np.array([0, 1, 0.5]))
    assert read.prefer_second.tolist() == [0, 1, 0.5]
    assert read.answered.all()
    assert read.to_vlp().tolist() == [0, 1, 0.5]


def test_label_one_of_a_cpl_file_says_that_the_second_is_better() -> None:
    read = PreferenceLabels.from_cpl(np.array([1, 0, 0], np.int64))
    assert read.prefer_second.tolist() == [1, 0, 0]
    assert read.to_cpl().tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda x: PreferenceLabels.from_bpref(x, "half"), 0.5),
        (lambda x: PreferenceLabels.from_bpref(x, "drop"), 2),
        (PreferenceLabels.from_vlp, -1),
        (PreferenceLabels.from_vlp, 0.3),
        (PreferenceLabels.from_cpl, -1),
        (PreferenceLabels.from_cpl, float("nan")),
    ],
)
def test_a_number_that_the_convention_lacks_is_named(
    read: Callable[[np.ndarray], PreferenceLabels], value: float
) -> None:
    with pytest.raises(
        ValueError, match=rf"Label 1 is {float(value)}; labels of .* another convention"
    ):
        read(np.array([0.0, value]))


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_probability_of_imitation_lies_between_zero_and_one(value: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        PreferenceLabels.from_imitation(np.array([0.5, value]))


def test_minus_one_needs_to_be_told_what_it_means() -> None:
    with pytest.raises(TypeError, match="tie_policy"):
        PreferenceLabels.from_bpref(np.array([-1]))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.to_bpref("half"),
        PreferenceLabels.to_imitation,
        PreferenceLabels.to_vlp,
        PreferenceLabels.to_cpl,
    ],
)
def test_an_unanswered_pair_is_not_written_as_an_answer(
    write: Callable[[PreferenceLabels], np.ndarray],
) -> None:
    given = labels(0, 0.5, answered=[True, False])
    with pytest.raises(ValueError, match=r"1 of 2 pairs are unanswered.*labels\.answered"):
        write(given)
    assert write(given.take(given.answered)).tolist() in ([0], [1])


def test_a_tie_is_not_written_for_a_reader_that_drops_it() -> None:
    with pytest.raises(ValueError, match=r"1 of 2 labels are ties.*tie_policy='half'"):
        labels(0, 0.5).to_bpref("drop")


@pytest.mark.parametrize(
    "write", [lambda x: x.to_bpref("half"), PreferenceLabels.to_vlp, PreferenceLabels.to_cpl]
)
def test_a_soft_label_is_not_rounded(write: Callable[[PreferenceLabels], np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"Label 1 is 0\.25"):
        write(labels(0, 0.25))


def test_labels_are_taken_by_position_mask_or_slice() -> None:
    given = labels(0, 1, 0.5, answered=[True, False, True])
    assert given.take([2, 0]).prefer_second.tolist() == [0.5, 0]
    assert given.take(given.answered).prefer_second.tolist() == [0, 0.5]
    assert given.take(slice(1, None)).answered.tolist() == [False, True]
