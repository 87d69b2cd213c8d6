"""A share or a budget of a cascade's stage is for the pairs that are least sure, of all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.preferences.cascades import (
    DOUBTS,
    EPISODES,
    Foresees,
    Priced,
    Said,
    Speaks,
    cascade,
    gathered,
    labelled,
    pair_of,
    pairs_of,
)

from vlfeedback import label_pairs, make_preference_source
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.errors import NeedsError
from vlfeedback.types import DecidesTogether, Outcome


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


# --- deciding about all pairs together


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
