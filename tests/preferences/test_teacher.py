import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback import label_pairs, list_preference_sources, make_preference_source
from vlfeedback.data.sampling import SegmentPairList, gather_pairs, sample_segment_pairs
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.preferences.teacher import PRESETS, ScriptedTeacher, TeacherConfig
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.types import Outcome, SegmentBatch, SegmentPairs, Trajectory


class TestContract(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> ScriptedTeacher:
        return ScriptedTeacher()


class TestContractOfATeacherThatErrs(PreferenceSourceContract):
    mirrored = False

    @pytest.fixture
    def source(self) -> ScriptedTeacher:
        return teacher(mistake=0.3, flip=0.5, equal=0.1, margin=1.0, proximity_flip=1.0, beta=1.0)


def teacher(**config: Any) -> ScriptedTeacher:
    config = {"proximity_scale": 1.0} | config if config.get("proximity_flip") else config
    return ScriptedTeacher(TeacherConfig(**config))


def pairs(first: Any, second: Any) -> SegmentPairs:
    return SegmentPairs(
        SegmentBatch(env_rewards=np.array(first, np.float32)),
        SegmentBatch(env_rewards=np.array(second, np.float32)),
    )


def random_pairs(n: int = 20_000, steps: int = 1) -> SegmentPairs:
    rng = np.random.default_rng(0)
    return pairs(rng.normal(size=(n, steps)), rng.normal(size=(n, steps)))


def returns(given: SegmentPairs) -> tuple[np.ndarray, np.ndarray]:
    assert given.first.env_rewards is not None and given.second.env_rewards is not None
    sums = [np.asarray(side.env_rewards, np.float64).sum(1) for side in (given.first, given.second)]
    return sums[0], sums[1]


def sampled(n_pairs: int = 12) -> SegmentPairList:
    rng = np.random.default_rng(3)
    trajectories = [
        Trajectory(
            observations=rng.normal(size=(31, 4)).astype(np.float32),
            actions=rng.normal(size=(30, 2)).astype(np.float32),
            env_rewards=rng.uniform(0, 1, size=30).astype(np.float32),
            id=f"t{n}",
        )
        for n in range(6)
    ]
    return sample_segment_pairs(trajectories, n_pairs, 5, rng=rng)


# --- B-Pref's teachers


def test_the_oracle_prefers_the_larger_return_and_calls_equal_returns_a_tie() -> None:
    labels = teacher().label(pairs([[1, 2], [0, 5], [3, 1]], [[2, 2], [1, 1], [2, 2]]))
    assert labels.prefer_second.tolist() == [1, 0, 0.5]
    assert labels.answered.all()


def test_equal_returns_are_first_where_bpref_says_so() -> None:
    labels = teacher(bpref_compat=True).label(pairs([[3, 1]], [[2, 2]]))
    assert labels.prefer_second.tolist() == [0]


def test_a_tenth_of_the_answers_are_mistakes() -> None:
    given = random_pairs()
    labels = teacher(preset="mistake").label(given)
    first, second = returns(given)
    assert np.mean(labels.prefer_second != (second > first)) == pytest.approx(0.1, abs=0.01)


def test_skip_drops_exactly_the_pairs_whose_better_return_reaches_no_threshold() -> None:
    given = pairs([[0, 1], [0, 2], [0, 3], [1, 1]], [[1, 1], [0, 0], [0, 0], [1, 1.5]])
    labels = teacher(skip=0.1, margin=20.0).label(given)  # threshold 2
    assert labels.answered.tolist() == [False, False, True, True]
    assert labels.outcome.tolist()[:2] == [Outcome.SKIPPED, Outcome.SKIPPED]


def test_a_threshold_that_is_not_positive_skips_nothing() -> None:
    labels = teacher(skip=0.1, margin=-20.0).label(pairs([[-5]], [[-6]]))
    assert labels.answered.tolist() == [True]


def test_equal_marks_gaps_below_the_threshold_and_the_threshold_itself_is_none() -> None:
    given = pairs([[0], [0], [0], [0]], [[1], [1.5], [2], [-1.75]])
    labels = teacher(equal=0.1, margin=20.0).label(given)  # threshold 2
    assert labels.prefer_second.tolist() == [0.5, 0.5, 1, 0.5]
    assert labels.answered.all()


def test_a_marked_tie_is_no_mistake_even_where_all_answers_are() -> None:
    given = pairs([[0], [0]], [[1], [5]])
    labels = teacher(equal=0.1, margin=20.0, mistake=1.0, flip=0.0).label(given)
    assert labels.prefer_second.tolist() == [0.5, 0]


def test_bprefs_code_squares_the_share() -> None:
    given = pairs([[0], [0]], [[0.15], [0.25]])
    config = {"equal": 0.1, "margin": 20.0}
    assert teacher(**config).label(given).prefer_second.tolist() == [0.5, 0.5]  # below 2
    squared = teacher(**config, bpref_compat=True).label(given)  # below 0.2
    assert squared.prefer_second.tolist() == [0.5, 1]


def test_the_myopic_teacher_prefers_late_reward() -> None:
    given = pairs([[3, 0, 0]], [[0, 0, 2.5]])
    assert teacher().label(given).prefer_second.tolist() == [0]
    # 3 * 0.9^2 = 2.43 < 2.5 * 0.9^0
    assert teacher(preset="myopic").label(given).prefer_second.tolist() == [1]


def test_the_last_real_step_counts_in_full_whatever_the_padding() -> None:
    # 0.5^2 * 8 + 0.5 * 0 + 1 = 3 against 0.5 * 0 + 2.5: by hand.
    first = SegmentBatch(env_rewards=np.array([[8, 0, 1]], np.float32))
    second = SegmentBatch(
        env_rewards=np.array([[0, 2.5, 99]], np.float32), mask=np.array([[True, True, False]])
    )
    assert teacher(gamma=0.5).label(SegmentPairs(first, second)).prefer_second.tolist() == [0]


def test_thresholds_look_at_the_undiscounted_return() -> None:
    given = pairs([[4, 0, 0]], [[0, 0, 4]])
    labels = teacher(gamma=0.5, equal=0.1, margin=1.0).label(given)
    assert labels.prefer_second.tolist() == [0.5]


@pytest.mark.parametrize(("beta", "gap"), [(1.0, 1.0), (2.0, -0.5), (0.1, 3.0)])
def test_the_noisy_teacher_answers_with_the_sigmoid_of_the_gap(beta: float, gap: float) -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(20_000, 1)).astype(np.float32)
    labels = teacher(beta=beta).label(pairs(first, first + gap))
    assert labels.prefer_second.mean() == pytest.approx(1 / (1 + np.exp(-beta * gap)), abs=0.015)


def test_a_noisy_teacher_does_not_overflow() -> None:
    labels = teacher(beta=1.0).label(pairs([[-1e6], [1e6]], [[1e6], [-1e6]]))
    assert labels.prefer_second.tolist() == [1, 0]


# --- flips


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_each_label_is_inverted_with_the_same_probability(share: float) -> None:
    given = random_pairs()
    flipper = teacher(flip=share)
    first, second = returns(given)
    wrong = flipper.label(given).prefer_second != (second > first)
    assert wrong.mean() == pytest.approx(share, abs=0.012)
    assert flipper.flip_rate(given) == wrong.mean()


def test_flips_are_independent_of_each_other_and_of_mistakes() -> None:
    given = random_pairs()
    first, second = returns(given)
    wrong = teacher(flip=0.5).label(given).prefer_second != (second > first)
    assert np.corrcoef(wrong[:-1], wrong[1:])[0, 1] == pytest.approx(0, abs=0.03)
    # wrong where exactly one of the two happens: 2 * 0.25 * 0.75
    both = teacher(flip=0.25, mistake=0.25).flip_rate(given)
    assert both == pytest.approx(0.375, abs=0.012)


@pytest.mark.parametrize(
    ("shape", "expected"), [("exponential", 0.8 * np.exp(-0.5)), ("linear", 0.8 * 0.5)]
)
def test_near_segments_are_confused_more_often(shape: str, expected: float) -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(20_000, 1)).astype(np.float32)
    near = teacher(proximity_flip=0.8, proximity=shape, proximity_scale=2.0)
    assert near.flip_rate(pairs(first, first + 1)) == pytest.approx(expected, abs=0.015)
    assert near.flip_rate(pairs(first, first + 100)) == 0


def test_progress_may_be_an_entry_of_the_last_observation() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(2, 5_000, 2)).astype(np.float32)
    places = np.zeros((2, 5_000, 2, 3), np.float32)
    places[1, :, 1, 2] = 100.0  # far apart in the entry 2 at the last step alone
    sides = [SegmentBatch(env_rewards=rewards[k], observations=places[k]) for k in (0, 1)]
    given = SegmentPairs(*sides)
    near = {"proximity_flip": 1.0, "proximity_scale": 1.0}
    assert teacher(**near, progress=2).flip_rate(given) == 0
    assert teacher(**near, progress=1).flip_rate(given) == 1
    with pytest.raises(NeedsError, match="progress=2 reads observations and this batch has none"):
        teacher(**near, progress=2).label(random_pairs(3))


def test_ties_and_skipped_pairs_have_no_flip_rate() -> None:
    given = pairs([[0], [0]], [[0], [0.1]])
    assert np.isnan(teacher(flip=1.0, skip=1.0, margin=5.0).flip_rate(given))
    assert teacher(flip=1.0).flip_rate(given) == 1


# --- chance


NOISY: dict[str, Any] = {"beta": 1.0, "mistake": 0.2, "flip": 0.25, "proximity_flip": 0.5}


def test_a_label_does_not_depend_on_its_batch() -> None:
    listed = sampled(40)
    whole = label_pairs(listed, teacher(**NOISY), batch_size=40)
    single = label_pairs(listed, teacher(**NOISY), batch_size=1)
    assert whole.digest() == single.digest()
    back = label_pairs(listed[::-1], teacher(**NOISY), batch_size=7)
    assert back.labels.prefer_second.tolist() == whole.labels.prefer_second[::-1].tolist()


def test_a_resumed_teacher_answers_as_one_that_was_never_stopped(tmp_path: Path) -> None:
    listed, path = sampled(40), tmp_path / "labels.parquet"
    label_pairs(listed[:15], teacher(**NOISY), save_to=path)
    resumed = label_pairs(listed, teacher(**NOISY), save_to=path)
    assert resumed.digest() == label_pairs(listed, teacher(**NOISY)).digest()


def test_another_seed_errs_elsewhere_and_padding_does_not_decide() -> None:
    given = random_pairs(500, steps=2)
    labels = teacher(flip=0.5, seed=1).label(given).prefer_second
    assert labels.tolist() == teacher(flip=0.5, seed=1).label(given).prefer_second.tolist()
    assert labels.tolist() != teacher(flip=0.5, seed=2).label(given).prefer_second.tolist()
    mask = np.tile([True, False], (500, 1))
    rewards = returns(given)[0][:, None] * np.ones((1, 2))
    other = rewards.copy()
    other[:, 1] = 7
    sides = [SegmentBatch(env_rewards=r.astype(np.float32), mask=mask) for r in (rewards, other)]
    once, again = (
        teacher(flip=0.5).label(SegmentPairs(side, given.second)).prefer_second for side in sides
    )
    assert once.tolist() == again.tolist()


def test_what_a_small_probability_inverts_a_larger_one_inverts_too() -> None:
    given = random_pairs(2000)
    truth = teacher().label(given).prefer_second
    few, many = (teacher(flip=p).label(given).prefer_second != truth for p in (0.25, 0.5))
    assert 0 < few.sum() < many.sum() and np.all(many[few])


# --- thresholds


def test_label_pairs_measures_the_margin_on_all_pairs_and_records_it() -> None:
    listed = sampled(12)
    made = label_pairs(listed, teacher(skip=1.0), batch_size=5)
    sums = np.array([[s.read("env_rewards").sum(dtype=float) for s in pair] for pair in listed])
    (record,) = made.labelled_by
    assert json.loads(record.config)["margin"] == pytest.approx(sums.mean())
    assert made.labels.answered.tolist() == (sums.max(axis=1) > sums.mean()).tolist()


@pytest.mark.parametrize(("shape", "measure"), [("exponential", np.median), ("linear", np.max)])
def test_the_scale_of_proximity_is_measured_on_all_pairs(shape: Any, measure: Any) -> None:
    listed = sampled(12)
    last = [[float(s.read("observations")[-1, 2]) for s in pair] for pair in listed]
    config = TeacherConfig(proximity_flip=0.5, proximity=shape, progress=2)
    measured = ScriptedTeacher(config).measured_on(listed).config
    assert measured.proximity_scale == pytest.approx(measure([abs(a - b) for a, b in last]))


def test_what_is_given_is_not_measured() -> None:
    config = TeacherConfig(skip=0.1, margin=3.0, proximity_flip=0.5, proximity_scale=2.0)
    assert ScriptedTeacher(config).measured_on(sampled()).config == config
    assert ScriptedTeacher().measured_on(sampled()).config == TeacherConfig()


def test_a_threshold_without_a_margin_says_where_to_get_one() -> None:
    with pytest.raises(NeedsError, match=r"skip=0\.1 and equal=0\.0 needs a margin.*measured_on"):
        teacher(skip=0.1).label(random_pairs(3))
    with pytest.raises(NeedsError, match=r"proximity_flip=0\.5 needs to know what is near.*measu"):
        teacher(proximity_flip=0.5, proximity_scale=None).label(random_pairs(3))


def test_shares_of_a_negative_mean_return_are_refused() -> None:
    costs = Trajectory(
        np.zeros((11, 1), np.float32), np.zeros((10, 1), np.float32), np.full(10, -1, np.float32)
    )
    listed = [(costs.segment(0, 5), costs.segment(5, 5))]
    with pytest.raises(ValueError, match=r"mean return of the segments is -5, .*Give a positive"):
        teacher(equal=0.1).measured_on(listed)
    with pytest.raises(ValueError, match=r"100% of the pairs do not differ in progress.*Give prox"):
        teacher(proximity_flip=0.1, proximity_scale=None).measured_on(listed)


# --- settings and bad input


def test_there_are_six_presets_of_bpref() -> None:
    made = {name: make_preference_source(f"teacher.{name}") for name in PRESETS}
    oracle = asdict(TeacherConfig())
    changed = {
        name: {k: v for k, v in asdict(t.config).items() if v != oracle[k] and k != "preset"}  # type: ignore[attr-defined]
        for name, t in made.items()
    }
    assert changed == {
        "oracle": {},
        "mistake": {"mistake": 0.1},
        "noisy": {"beta": 1.0},
        "skip": {"skip": 0.1},
        "myopic": {"gamma": 0.9},
        "equal": {"equal": 0.1},
    }


def test_a_preset_is_a_start_and_settings_come_on_top() -> None:
    made = make_preference_source("teacher.mistake", mistake=0.3, seed=4, flip=1.0)
    assert isinstance(made, ScriptedTeacher)
    assert (made.config.mistake, made.config.seed, made.config.flip) == (0.3, 4, 1.0)
    assert "teacher" in list_preference_sources()


def test_an_unknown_preset_or_setting_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No teacher 'oracel'\. Did you mean 'oracle'"):
        make_preference_source("teacher.oracel")
    with pytest.raises(UnknownNameError, match=r"no setting 'flips'\. Did you mean 'flip'"):
        make_preference_source("teacher", flips=0.1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mistake", -0.1),
        ("flip", 1.1),
        ("proximity_flip", float("nan")),
        ("gamma", 0.0),
        ("skip", -1.0),
        ("beta", float("inf")),
        ("proximity_scale", 0.0),
    ],
)
def test_a_number_outside_its_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}; expected a finite number in"):
        TeacherConfig(**{name: value})  # type: ignore[arg-type]


def test_rewards_that_are_no_numbers_are_refused_with_their_place() -> None:
    with pytest.raises(ValueError, match="of segment 1 at step 0 is nan; expected finite"):
        teacher().label(pairs([[1], [np.nan]], [[0], [0]]))


def test_a_batch_without_rewards_is_refused() -> None:
    batch = SegmentBatch(actions=np.zeros((2, 3, 1), np.float32))
    with pytest.raises(NeedsError, match="compares the environment's own rewards"):
        teacher().label(SegmentPairs(batch, batch))


def test_a_teacher_is_asked_for_what_it_needs() -> None:
    gathered = gather_pairs(sampled(), None, needs=ScriptedTeacher.needs)
    assert gathered.first.env_rewards is not None and gathered.first.observations is not None
    assert gathered.first.frames is None
