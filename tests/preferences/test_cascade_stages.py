"""Stages of a cascade: how they are given, what they are shown, and what is recorded of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.preferences.cascades import (
    DOUBTS,
    EPISODES,
    Foresees,
    Priced,
    Speaks,
    cascade,
    gathered,
    labelled,
    pairs_of,
)

from vlfeedback import label_pairs, make_preference_source
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.preferences.cascade import Cascade, CascadeConfig
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.sweeps.specification import parse_sweep
from vlfeedback.testing import KnownCascade
from vlfeedback.types import (
    CostForecast,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
)

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
