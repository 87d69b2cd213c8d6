"""Cascades of labellers: who is asked about which pair, at what cost, and what comes out."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback import label_pairs, make_preference_source
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.preferences.cascade import Cascade, CascadeConfig
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.sweeps.specification import parse_sweep
from vlfeedback.testing import KnownCascade, PreferenceSourceContract
from vlfeedback.types import (
    CostForecast,
    DecidesTogether,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    Segment,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)

WORDS = {float(10 + outcome): outcome for outcome in Outcome}


@dataclass(frozen=True)
class SpeaksConfig:
    name: str = ""
    limit: int = field(default=0, metadata={"recorded": False})


class Speaks:
    """Reads its answer from the pair itself: entry `place` of the first segment's actions.

    A number from 0 to 1 is P[second preferred]; 10 + an outcome is that outcome, and no number.
    """

    needs = SourceNeeds(actions=True)

    def __init__(self, place: int, name: str = "", cost: float = 0.0, limit: int = 0) -> None:
        self.config = SpeaksConfig(name or f"number {place}", limit)
        self.place = place
        self.cost = cost
        self.asked: list[float] = []  # number of each pair it was asked about, the last action

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        assert pairs.first.actions is not None
        said = pairs.first.actions[:, 0, self.place].astype(np.float64)
        self.asked += pairs.first.actions[:, 0, -1].tolist()
        outcome = [WORDS.get(value, Outcome.ANSWERED) for value in said.tolist()]
        return PreferenceLabels(
            np.where(said > 10, np.nan, np.where(said > 1, 0.5, said.clip(0, 1))).astype(
                np.float32
            ),
            outcome,
            cost_usd=np.full(len(pairs), self.cost),
            seconds=np.full(len(pairs), 1.0),
        )


Said = Sequence[float] | np.ndarray


def pair_of(said: Sequence[float], number: int) -> tuple[Segment, Segment]:
    """A pair that labeller k says ``said[k]`` about."""
    actions = np.zeros((1, 4), np.float32)
    actions[0, : len(said)] = said
    actions[0, -1] = number
    first, second = (
        Trajectory(
            observations=np.zeros((2, 1), np.float32),
            actions=actions if side == "a" else np.zeros_like(actions),
            env_rewards=np.array([number], np.float32),
            id=f"{number}{side}",
        ).segment(0, 1)
        for side in "ab"
    )
    return first, second


def pairs_of(*said: Said) -> SegmentPairList:
    """A pair for each column: what the first labeller says of all, then the second ..."""
    return [pair_of(column, n) for n, column in enumerate(zip(*said, strict=True))]


def cascade(
    *labellers: PreferenceSource, stages: Sequence[dict[str, Any]] | None = None, **config: Any
) -> Cascade:
    return Cascade(CascadeConfig(stages or [{} for _ in labellers], **config), labellers=labellers)


def labelled(
    said: Sequence[Said],
    *stages: dict[str, Any],
    labellers: Sequence[PreferenceSource] = (),
    batch_size: int = 10,
    **config: Any,
) -> PreferenceDataset:
    source = cascade(*(labellers or [Speaks(k) for k in range(len(said))]), stages=stages, **config)
    return label_pairs(pairs_of(*said), source, batch_size=batch_size)


# --- the contract of labellers


class TestContract(PreferenceSourceContract):
    mirrored = False

    @pytest.fixture
    def source(self) -> Cascade:
        return cascade(Speaks(0), Speaks(1))


class TestContractOfOneMadeFromIds(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> PreferenceSource:
        stages = [{"labeller": "random", "settings": {"tie_margin": 1.0}}, "teacher"]
        return make_preference_source("cascade", stages=stages)


# --- what is sure stays, what is not goes on


def test_answers_that_are_sure_enough_stay_and_the_next_labeller_is_asked_about_the_others() -> (
    None
):
    model, person = Speaks(0), Speaks(1)
    made = labelled(
        [[0.95, 0.6, 0.05, 0.4], [0, 0, 1, 1]], {"sure_from": 0.9}, {}, labellers=[model, person]
    )
    np.testing.assert_allclose(made.labels.prefer_second, [0.95, 0, 0.05, 1])
    assert made.labels.labeller.tolist() == [0, 1, 0, 1]
    assert (model.asked, person.asked) == ([0, 1, 2, 3], [1, 3])


def test_an_answer_as_sure_as_the_threshold_stays_and_by_default_that_is_nine_tenths() -> None:
    made = labelled([[0.75, 0.25, 0.74], [0, 0, 0]], {"sure_from": 0.75}, {})
    assert made.labels.labeller.tolist() == [0, 0, 1]
    assert labelled([[0.91, 0.89], [0, 0]], {}, {}).labels.labeller.tolist() == [0, 1]


def test_one_who_answers_without_probabilities_is_sure_and_of_a_tie_as_it_is_said() -> None:
    said: list[Said] = [[1, 0, 0.5], [0, 1, 1]]
    assert labelled(said, {}, {}).labels.labeller.tolist() == [0, 0, 1]
    assert labelled(said, {"ties": "sure"}, {}).labels.labeller.tolist() == [0, 0, 0]


def test_whatever_is_no_answer_goes_on_but_what_was_skipped() -> None:
    made = labelled([[10 + outcome for outcome in Outcome], [1] * 6], {}, {})
    # 10 is "answered" without a side, a tie
    assert made.labels.labeller.tolist() == [1, 1, 1, 1, 1, 0]
    assert made.labels.outcome.tolist() == [0, 0, 0, 0, 0, Outcome.SKIPPED]


def test_costs_of_all_who_were_asked_about_a_pair_add_up() -> None:
    labellers = [Speaks(0, cost=0.25), Speaks(1, cost=2.0)]
    made = labelled([[0.99, 0.5], [1, 1]], {}, {}, labellers=labellers)
    assert made.labels.cost_usd.tolist() == [0.25, 2.25]
    assert made.labels.seconds.tolist() == [1, 2]
    first, second = made.summary()
    assert (first.pairs, first.cost_usd, second.pairs, second.cost_usd) == (1, 0.25, 1, 2.25)


def test_a_third_labeller_is_asked_about_what_two_leave_open() -> None:
    made = labelled([[0.6, 0.6, 0.95], [0.05, 0.4, 0.4], [1, 1, 1]], {}, {}, {})
    np.testing.assert_allclose(made.labels.prefer_second, [0.05, 1, 0.95])
    assert made.labels.labeller.tolist() == [1, 2, 0]


def test_the_last_labellers_tie_is_an_answer() -> None:
    made = labelled([[0.6], [0.5]], {}, {}, open_pairs="unsure")
    assert made.labels.prefer_second.tolist() == [0.5] and made.labels.answered.all()


@pytest.mark.parametrize("open_pairs", ["keep", "unsure"])
def test_what_the_last_does_not_answer_keeps_the_latest_answer_or_is_unsure(
    open_pairs: str,
) -> None:
    refused = 10.0 + Outcome.REFUSED
    made = labelled([[0.75, refused], [refused, refused]], {}, {}, open_pairs=open_pairs)
    kept = open_pairs == "keep"
    assert made.labels.outcome.tolist() == [
        Outcome.ANSWERED if kept else Outcome.UNSURE,
        Outcome.REFUSED,  # nobody has answered: as the last one said
    ]
    assert made.labels.labeller.tolist() == [0, 1]
    assert made.labels.prefer_second[0] == 0.75


def test_what_a_later_labeller_skips_is_skipped() -> None:
    made = labelled([[0.75], [10.0 + Outcome.SKIPPED]], {}, {})
    assert made.labels.outcome.tolist() == [Outcome.SKIPPED]


# --- shares and budgets


DOUBTS: list[Said] = [
    [0.55, 0.9, 0.35, 0.8, 0.6, 0.98],
    [0, 0, 1, 0, 0, 0],
]  # sureness .55 .9 .65 .8 .6 .98


def test_of_a_share_the_least_sure_go_on() -> None:
    made = labelled(DOUBTS, {"pass_on": 0.5}, {})
    assert made.labels.labeller.tolist() == [1, 0, 1, 0, 1, 0]
    assert labelled(DOUBTS, {"pass_on": 0.0}, {}).labels.labeller.tolist() == [0] * 6
    assert labelled(DOUBTS, {"pass_on": 1.0}, {}).labels.labeller.tolist() == [1] * 6


@pytest.mark.parametrize("open_pairs", ["keep", "unsure"])
def test_where_a_budget_does_not_reach_all_it_is_for_the_least_sure(open_pairs: str) -> None:
    made = labelled(DOUBTS, {"sure_from": 0.85}, {"max_pairs": 2}, open_pairs=open_pairs)
    assert made.labels.labeller.tolist() == [1, 0, 0, 0, 1, 0]
    # .65 and .8 are below the threshold and out of the budget's reach
    unsure = Outcome.ANSWERED if open_pairs == "keep" else Outcome.UNSURE
    assert made.labels.outcome.tolist() == [0, 0, unsure, unsure, 0, 0]


def test_a_budget_above_what_is_in_doubt_is_not_spent() -> None:
    made = labelled(DOUBTS, {"sure_from": 0.7}, {"max_pairs": 5})
    assert made.labels.labeller.tolist() == [1, 0, 1, 0, 1, 0]


class Priced(Speaks):
    cost_per_pair = 0.5


class Foresees(Speaks):
    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        return CostForecast(questions=3.0, tokens=10.0, cost_usd=0.5).times(float(len(pairs)))


@pytest.mark.parametrize("labeller", [Priced, Foresees])
def test_a_budget_in_dollars_is_for_as_many_pairs_as_it_pays(labeller: type[Speaks]) -> None:
    made = labelled(
        DOUBTS, {"sure_from": 1.0}, {"max_usd": 1.6}, labellers=[Speaks(0), labeller(1)]
    )
    assert made.labels.labeller.tolist() == [1, 0, 1, 0, 1, 0]  # three at half a dollar


def test_a_budget_in_dollars_needs_a_price() -> None:
    with pytest.raises(NeedsError, match=r"Stage 2 of the cascade .* give 'max_pairs' in place"):
        labelled(DOUBTS, {}, {"max_usd": 1.0})


def test_of_equally_unsure_pairs_the_seed_draws_and_the_budget_is_kept() -> None:
    said: list[Said] = [[0.5] * 40, [1.0] * 40]
    by_seed = [
        labelled(said, {}, {"max_pairs": 13}, seed=seed).labels.labeller for seed in (0, 1, 1)
    ]
    assert [int(labeller.sum()) for labeller in by_seed] == [13, 13, 13]
    assert (by_seed[0] != by_seed[1]).any() and (by_seed[1] == by_seed[2]).all()


def test_a_pair_that_is_asked_about_twice_costs_two_of_the_budget() -> None:
    pairs = pairs_of(*DOUBTS)
    source = cascade(Speaks(0), Speaks(1), stages=[{"sure_from": 1.0}, {"max_pairs": 3}])
    made = label_pairs([*pairs, pairs[0]], source, batch_size=2)
    assert made.labels.labeller.tolist() == [1, 0, 0, 0, 1, 0, 1]


def test_each_stage_has_a_budget_of_its_own() -> None:
    said: list[Said] = [[0.5, 0.6, 0.7, 0.8, 0.99], [0.6, 0.5, 1.0, 0, 0], [1, 1, 1, 1, 1]]
    three = [Speaks(0), Speaks(1), Speaks(2)]
    made = labelled(said, {}, {"max_pairs": 3}, {"max_pairs": 1}, labellers=three)
    assert made.labels.labeller.tolist() == [1, 2, 1, 0, 0]
    assert [sorted(labeller.asked) for labeller in three] == [[0, 1, 2, 3, 4], [0, 1, 2], [1]]


@pytest.mark.parametrize("batch_size", [4, 100])
def test_neither_the_batch_nor_the_order_of_the_pairs_decides_anything(batch_size: int) -> None:
    rng = np.random.default_rng(0)
    pairs = pairs_of(rng.random(24).round(1), rng.integers(0, 2, 24))
    stages: list[dict[str, Any]] = [
        {"sure_from": 0.8, "calibration": "temperature", "calibration_pairs": 4},
        {"max_pairs": 10},
    ]
    expected = label_pairs(pairs, cascade(Speaks(0), Speaks(1), stages=stages), batch_size=7)
    order = rng.permutation(24)
    shuffled = label_pairs(
        [pairs[k] for k in order],
        cascade(Speaks(0), Speaks(1), stages=stages),
        batch_size=batch_size,
    )
    for name in ("prefer_second", "outcome", "labeller", "seconds"):
        in_order = getattr(expected.labels, name)[order]
        np.testing.assert_array_equal(getattr(shuffled.labels, name), in_order)


def test_nobody_is_asked_twice_about_a_pair() -> None:
    three = [Speaks(0), Speaks(1), Speaks(2)]
    said = [np.linspace(0.5, 1, 20), np.linspace(1, 0.5, 20), np.ones(20)]
    labelled(
        [list(row) for row in said],
        {"sure_from": 0.9, "calibration": "isotonic", "calibration_pairs": 5},
        {"pass_on": 0.5},
        {},
        labellers=three,
    )
    for labeller in three:
        assert len(set(labeller.asked)) == len(labeller.asked) > 0


# --- calibration


def test_a_temperature_makes_a_labeller_as_sure_as_it_is_right() -> None:
    # It says 0.9, and the next labeller agrees with three of four: log(3) = log(9) / 2.
    said: list[Said] = [[0.9] * 8, [1, 1, 1, 0] * 2]
    stage = {"sure_from": 0.5, "calibration": "temperature", "calibration_pairs": 8}
    source = cascade(Speaks(0), Speaks(1), stages=[stage, {}])
    more = pairs_of([0.9] * 8, [1, 1, 1, 0] * 2)
    decided = source.decided_on([gathered(more)])
    assert decided.label(gathered(more)).prefer_second.tolist() == said[1]  # all went on
    stage["calibration_pairs"] = 4
    first_four = labelled([[0.9, 0.9, 0.9, 0.9, 0.9], [1, 1, 1, 1, 1]], stage, {})
    kept = first_four.labels.labeller == 0
    assert kept.sum() == 1 and first_four.labels.prefer_second[kept] > 0.99  # always right


def test_what_is_less_often_right_than_it_says_goes_on_once_that_is_known() -> None:
    said: list[Said] = [[0.95] * 40, [1, 1, 1, 0] * 10]
    surely = labelled(said, {"sure_from": 0.9}, {})
    assert surely.labels.labeller.sum() == 0
    for calibration in ("temperature", "isotonic"):
        stage = {"sure_from": 0.9, "calibration": calibration, "calibration_pairs": 20}
        assert labelled(said, stage, {}).labels.labeller.sum() == 40


def test_labels_that_stay_are_the_corrected_probabilities() -> None:
    said: list[Said] = [[0.75, 0.25] * 20, [1, 0, 1, 0, 1, 0, 0, 1] * 5]  # right in three of four
    stage = {"sure_from": 0.6, "calibration": "isotonic", "calibration_pairs": 20}
    made = labelled(said, stage, {})
    kept = made.labels.labeller == 0
    share = made.labels.prefer_second[kept].max()
    right = [p == (s > 0.5) for s, p in zip(*said, strict=True)]
    sampled = [ok for ok, stays in zip(right, kept, strict=True) if not stays]
    assert kept.sum() == 20 and share == pytest.approx(np.mean(sampled))
    assert made.labels.prefer_second[kept].min() == pytest.approx(1 - share)


def test_pairs_for_calibration_are_paid_from_the_budget() -> None:
    stage = {"sure_from": 0.6, "calibration": "temperature", "calibration_pairs": 10}
    said = [list(np.linspace(0.5, 1, 30)), [1.0] * 30]
    assert labelled(said, stage, {"max_pairs": 4}).labels.labeller.sum() == 4


def test_a_next_labeller_that_answers_nothing_corrects_nothing() -> None:
    stage = {"sure_from": 0.8, "calibration": "temperature", "calibration_pairs": 2}
    made = labelled([[0.9, 0.9], [11, 11]], stage, {})
    np.testing.assert_allclose(made.labels.prefer_second, 0.9)


# --- deciding about all pairs together


def gathered(pairs: SegmentPairList) -> SegmentPairs:
    first, second = zip(*pairs, strict=True)
    return SegmentPairs(
        *(SegmentBatch.from_segments(side, needs=Speaks.needs) for side in (first, second))
    )


def test_thresholds_alone_need_no_look_at_all_pairs() -> None:
    def never() -> Any:
        raise AssertionError("nobody looks")
        yield

    source = cascade(Speaks(0), Speaks(1))
    assert source.decided_on(never()) is source
    assert source.measured_on(pairs_of(*DOUBTS)).config == source.config


def test_a_budget_needs_all_pairs_and_says_so() -> None:
    source = cascade(Speaks(0), Speaks(1), stages=[{}, {"max_pairs": 1}])
    assert isinstance(source, DecidesTogether)
    questions = gathered(pairs_of(*DOUBTS))
    with pytest.raises(NeedsError, match="of all pairs together; use label_pairs"):
        source.label(questions)
    decided = source.decided_on([questions])
    with pytest.raises(NeedsError, match="decided about 6 pairs, and is asked about others"):
        decided.label(gathered([pair_of([0.5, 1], 99)]))
    with pytest.raises(NeedsError):  # the one that was asked stays as it was
        source.label(questions)


def test_shown_some_of_its_pairs_it_shares_its_budget_out() -> None:
    source = cascade(Speaks(0), Speaks(1), stages=[{"sure_from": 1.0}, {"max_pairs": 10}])
    measured = source.measured_on(pairs_of(*DOUBTS) * 5)
    assert measured.config.pairs == 30
    some = gathered(pairs_of(*DOUBTS))
    assert measured.decided_on([some]).label(some).labeller.sum() == 2  # 10 of 30, of 6


def test_the_stages_are_measured_on_all_pairs_too() -> None:
    stages = ["random", {"labeller": "teacher", "settings": {"skip": 0.1}}]
    made = label_pairs(
        sample_segment_pairs(EPISODES, 6, 5, rng=np.random.default_rng(0)),
        make_preference_source("cascade", stages=stages),
    )
    assert '"margin": null' not in made.labelled_by[1].config
    assert '"margin": ' in made.labelled_by[1].config


# --- going on after a stop


def trajectory(seed: int) -> Trajectory:
    rng = np.random.default_rng(seed)
    return Trajectory(
        observations=rng.normal(size=(21, 3)).astype(np.float32),
        actions=rng.random(size=(20, 4)).astype(np.float32),
        env_rewards=rng.random(20).astype(np.float32),
        id=f"t{seed}",
    )


EPISODES = [trajectory(seed) for seed in range(12)]
STAGES: list[dict[str, Any]] = [
    {"sure_from": 0.9, "calibration": "temperature", "calibration_pairs": 6},
    {"max_pairs": 16},
    {"max_pairs": 6},
]


class Stops(Speaks):
    def __init__(self, place: int, after: int) -> None:
        super().__init__(place)
        self.after = after

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        if len(self.asked) >= self.after:
            raise TimeoutError("the person went home")
        return super().label(pairs)


@pytest.mark.parametrize("after", [1, 4])
def test_after_a_stop_the_same_pairs_go_the_same_ways(tmp_path: Path, after: int) -> None:
    pairs = sample_segment_pairs(EPISODES, 24, 1, rng=np.random.default_rng(0))

    def run(last: Speaks, name: str) -> PreferenceDataset:
        source = cascade(Speaks(0), Speaks(1), last, stages=STAGES)
        return label_pairs(pairs, source, batch_size=4, save_to=tmp_path / name)

    unbroken = run(Stops(2, 100), "unbroken.parquet")
    with pytest.raises(TimeoutError, match="went home"):
        run(Stops(2, after), "stopped.parquet")
    last = Stops(2, 100)
    resumed = run(last, "stopped.parquet")
    assert resumed.to_rows() == unbroken.to_rows()
    assert 0 < len(last.asked) < 6  # the answers before the stop were not asked again
    assert (tmp_path / "stopped.parquet").read_bytes() == (
        tmp_path / "unbroken.parquet"
    ).read_bytes()


def test_a_finished_file_asks_nobody(tmp_path: Path) -> None:
    pairs = sample_segment_pairs(EPISODES, 40, 1, rng=np.random.default_rng(0))
    three = [Speaks(0), Speaks(1), Speaks(2)]
    for _ in range(2):
        made = label_pairs(pairs, cascade(*three, stages=STAGES), save_to=tmp_path / "l.parquet")
    assert len(made) == 40 and len(three[0].asked) == 40


def test_more_pairs_would_share_a_budget_otherwise_and_are_refused(tmp_path: Path) -> None:
    pairs = sample_segment_pairs(EPISODES, 40, 1, rng=np.random.default_rng(0))
    path = tmp_path / "labels.parquet"
    label_pairs(pairs[:30], cascade(*(Speaks(k) for k in range(3)), stages=STAGES), save_to=path)
    with pytest.raises(FileFormatError, match="labeller 3 config"):
        label_pairs(pairs, cascade(*(Speaks(k) for k in range(3)), stages=STAGES), save_to=path)
    free = cascade(Speaks(0), Speaks(1))  # a threshold is of each pair alone
    label_pairs(pairs[:30], free, save_to=tmp_path / "free.parquet")
    assert len(label_pairs(pairs, free, save_to=tmp_path / "free.parquet")) == 40


# --- who they are


def test_each_stage_is_recorded_with_its_settings_and_last_the_cascade() -> None:
    made = labelled([[0.9], [1]], {"sure_from": 0.75}, {}, labellers=[Speaks(0), KnownAsTwo()])
    model, one, two, whole = made.labelled_by
    assert model.config == '{"name": "number 0"}'
    assert one.source.endswith("KnownLabeller") and two.source == "a person"
    assert whole.source == "vlfeedback.preferences.cascade:Cascade"
    assert '"sure_from": 0.75' in whole.config


class KnownAsTwo(KnownCascade):
    """Two labellers in one stage."""

    needs = SourceNeeds(actions=True)

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        return PreferenceLabels(
            np.ones(len(pairs), np.float32),
            np.zeros(len(pairs), np.uint8),
            labeller=np.ones(len(pairs), np.int64),
        )


def test_a_stage_that_is_several_says_who_of_them_answered() -> None:
    labellers: list[PreferenceSource] = [Speaks(0), KnownAsTwo(), Speaks(2)]
    made = labelled([[0.5], [1], [1]], {}, {"ties": "sure"}, {}, labellers=labellers)
    assert made.labels.labeller.tolist() == [2]
    assert made.labelled_by[2].source == "a person"


def test_what_changes_no_answer_of_a_stage_is_not_recorded() -> None:
    cascades = [cascade(Speaks(0, limit=n), Speaks(1)) for n in (1, 2)]
    assert cascades[0].records == cascades[1].records
    settings = {"labeller": "random", "settings": {"tie_margin": 0.5}}
    made = label_pairs(
        sample_segment_pairs(EPISODES, 2, 5, rng=np.random.default_rng(0)),
        make_preference_source("cascade", stages=[settings, "teacher"]),
    )
    assert "tie_margin" in made.labelled_by[0].config
    assert "tie_margin" not in made.labelled_by[-1].config  # stands once


# --- what a stage is shown


class Sees(Speaks):
    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        self.seen = pairs.first
        return super().label(pairs)


def test_each_stage_is_shown_what_it_reads_and_no_more() -> None:
    rng = np.random.default_rng(0)
    model, person = Sees(0), Sees(1)
    model.needs = SourceNeeds(frames=True, frame_stride=4, instruction=True)
    person.needs = SourceNeeds(frames=True, frame_stride=6, env_rewards=True)
    source = cascade(model, person)
    assert source.needs == SourceNeeds(
        frames=True, frame_stride=2, instruction=True, env_rewards=True
    )
    side = SegmentBatch(
        frames=rng.integers(0, 256, (1, 7, 8, 8, 3), dtype=np.uint8),
        frame_steps=np.arange(0, 14, 2),
        actions=np.full((1, 14, 4), 0.5, np.float32),
        env_rewards=np.ones((1, 14), np.float32),
        instructions=["go"],
    )
    source.label(SegmentPairs(side, side))
    assert model.seen.env_rewards is None and person.seen.env_rewards is not None
    assert model.seen.picture_steps.tolist() == [0, 4, 8, 12]
    assert person.seen.picture_steps.tolist() == [0, 6, 12]
    assert side.frames is not None and model.seen.frames is not None
    np.testing.assert_array_equal(model.seen.frames, side.frames[:, ::2])


# --- from ids, settings and objects


class LogOdds(EnvReward):
    log_odds_scale = 2.0


def test_a_stage_but_the_last_is_asked_for_probabilities_where_it_has_some() -> None:
    from_rewards = PreferenceFromReward(LogOdds())
    source = cascade(from_rewards, from_rewards)
    first, last = source.labellers
    assert isinstance(first, PreferenceFromReward) and first.config.soft
    assert last is from_rewards
    hard = cascade(from_rewards, Speaks(1), stages=[{"settings": {"soft": False}}, {}])
    assert hard.labellers[0] is from_rewards
    no_log_odds = PreferenceFromReward(RandomReward())
    assert cascade(no_log_odds, Speaks(1)).labellers[0] is no_log_odds


def test_stages_are_ids_or_tables_as_json_and_toml_have_them() -> None:
    source = make_preference_source(
        "cascade", stages=["vlp.mt45", {"labeller": "teacher.mistake", "max_pairs": 5}]
    )
    assert isinstance(source, Cascade)
    first, last = source.labellers
    assert isinstance(first, PreferenceFromReward) and first.config.soft
    assert first.config.reward_config == {"weights": "mt45"}
    assert last.config.preset == "mistake"  # type: ignore[attr-defined]


def test_the_stages_of_the_page_are_those_of_a_sweeps_file() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cascade.md").read_text(encoding="utf-8")
    tables = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    table = {"claim": "it runs", "tasks": ["drawer-close"], "seeds": [0], "learners": {"cpl": {}}}
    (spec,) = parse_sweep({**table, **tables}, name="small", where="small.toml").labels
    source = make_preference_source(spec.source, **spec.config_for("drawer-close"))
    assert isinstance(source, Cascade)
    assert [(s.labeller, s.sure_from, s.max_pairs) for s in source.stages] == [
        ("vlp", 0.95, None),
        ("teacher", None, 50),
    ]


@pytest.mark.parametrize(
    ("stages", "error", "message"),
    [
        ((), NeedsError, r"stages of a cascade are \(\); expected two labellers or more"),
        (["vlp"], NeedsError, "expected two labellers or more, the cheapest first"),
        ("vlp", NeedsError, "expected two labellers or more"),
        (["random", 3], TypeError, "Stage 2 of a cascade is 3; expected the id|stages"),
        (["random", {"max_pair": 3}], LookupError, "Did you mean 'max_pairs'"),
        (["random", {"max_pairs": 0.5}], TypeError, "'max_pairs' of stage 2 of a cascade is 0.5"),
        (
            [{"sure_from": 1.5}, "teacher"],
            ValueError,
            "'sure_from' of stage '' is 1.5; expected 0.",
        ),
        ([{"pass_on": 0.5, "sure_from": 0.9}, "random"], ValueError, "both 'sure_from' and 'pass"),
        ([{"ties": "equal"}, "random"], (ValueError, TypeError), "ties"),
        ([{"max_pairs": 3}, "random"], ValueError, "first stage, '', is asked about all pairs"),
        (["random", {"pass_on": 0.5}], ValueError, "last stage, '', passes on nothing, and has"),
        (
            ["random", "teachr"],
            LookupError,
            "No preference source 'teachr'. Did you mean 'teacher'",
        ),
        (["random", "random"], ValueError, "Two of the 2 stages are one labeller"),
    ],
)
def test_stages_that_make_no_cascade_are_refused(stages: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make_preference_source("cascade", stages=stages)


def test_a_cascade_is_no_stage_of_another() -> None:
    with pytest.raises(InvalidValueError, match="Stage 1 of the cascade is a Cascade, which"):
        cascade(cascade(Speaks(0), Speaks(1)), Speaks(2))
    with pytest.raises(InvalidValueError, match="1 labellers for 2 stages"):
        Cascade(CascadeConfig([{}, {}]), labellers=[Speaks(0)])
    with pytest.raises((ValueError, TypeError), match="open_pairs"):
        cascade(Speaks(0), Speaks(1), open_pairs="drop")


def test_what_it_will_cost_at_most_is_the_sum_of_its_stages_as_far_as_their_budgets_go() -> None:
    labellers = [Foresees(0), Foresees(1), Priced(2)]
    stages = [{"pass_on": 0.5}, {}, {"max_usd": 0.75}]
    source = cascade(*labellers, stages=stages).measured_on(pairs_of(*DOUBTS) * 2)
    # 6 of 12 pairs: all, then half, then as many as half of 0.75 dollars pay
    assert source.foresee(gathered(pairs_of(*DOUBTS))) == CostForecast(
        questions=18.0 + 9.0 + 0.75, tokens=60.0 + 30.0, cost_usd=3.0 + 1.5 + 0.375
    )
    free = cascade(Speaks(0), Speaks(1), stages=[{}, {"max_pairs": 2}])
    assert free.foresee(gathered(pairs_of(*DOUBTS))) == CostForecast(8.0, cost_usd=0.0)


class Explains(Speaks):
    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        assert pairs.first.actions is not None
        return [[("Which?", f"of {number:.0f}")] for number in pairs.first.actions[:, 0, -1]]


def test_it_explains_what_each_stage_was_asked_and_said_about_each_pair() -> None:
    source = cascade(Speaks(0), Explains(1), stages=[{"labeller": "cheap"}, {"labeller": "dear"}])
    given = gathered(pairs_of([0.95, 0.6, 0.5], [0.1, 0.25, 10 + Outcome.REFUSED]))
    cheap, dear = "Stage 1, cheap", "Stage 2, dear"
    assert source.explain(given) == [
        [(cheap, "the second is better with probability 0.95")],
        [
            (cheap, "the second is better with probability 0.60"),
            ("Which?", "of 1"),
            (dear, "the second is better with probability 0.25"),
        ],
        [
            (cheap, "the second is better with probability 0.50"),
            ("Which?", "of 2"),
            (dear, "refused"),
        ],
    ]
