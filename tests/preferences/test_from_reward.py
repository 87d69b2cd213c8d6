from typing import Any

import numpy as np
import pytest

from vlfeedback import list_preference_sources, list_reward_sources, make_preference_source
from vlfeedback.errors import InvalidTypeError, NeedsError, SourceAnswerError, UnknownNameError
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.types import Outcome, SegmentBatch, SegmentPairs
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.questions import Question, Turn
from vlfeedback.vlms.transcript import note, transcript


class TestContract(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> PreferenceFromReward:
        return PreferenceFromReward(RandomReward(), tie_margin=0.1)


class LogOdds(EnvReward):
    """Its scores are log-odds, halved."""

    log_odds_scale = 2.0


class TestContractOfSoftLabels(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> PreferenceFromReward:
        return PreferenceFromReward(LogOdds(), soft=True)


def pairs(first: list[list[float]], second: list[list[float]]) -> SegmentPairs:
    return SegmentPairs(
        SegmentBatch(env_rewards=np.array(first, np.float32)),
        SegmentBatch(env_rewards=np.array(second, np.float32)),
    )


def test_the_segment_with_the_larger_sum_is_preferred_and_equal_sums_tie() -> None:
    given = pairs([[1, 2], [0, 5], [3, 1]], [[2, 2], [1, 1], [2, 2]])
    labels = PreferenceFromReward(EnvReward()).label(given)
    assert labels.prefer_second.tolist() == [1, 0, 0.5]
    assert labels.answered.all()


def test_a_gap_within_the_margin_is_a_tie_and_the_margin_itself_belongs_to_it() -> None:
    given = pairs([[0, 0], [0, 0], [0, 0]], [[0.25, 0.25], [0.25, 0.5], [-0.5, 0]])
    labels = PreferenceFromReward(EnvReward(), tie_margin=0.5).label(given)
    assert labels.prefer_second.tolist() == [0.5, 1, 0.5]


class Asks(EnvReward):
    """Its rewards are the environment's, and each segment costs a question."""

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        question = Question((Turn("user", ("How good is this?",)),), "asks/1")
        for _ in range(len(batch)):
            note(question, Answer("1", tokens_in=10, tokens_out=1, cost_usd=0.25, seconds=2.0))
        return super().rewards(batch)


def test_what_a_models_rewards_took_is_shared_out_among_the_pairs() -> None:
    given = pairs([[1, 2], [0, 5], [3, 1]], [[2, 2], [1, 1], [2, 2]])
    with transcript() as said:
        labels = PreferenceFromReward(Asks()).label(given)
    assert labels.cost_usd.tolist() == [0.5] * 3
    assert labels.tokens.tolist() == [22] * 3
    assert labels.seconds.tolist() == [4.0] * 3
    assert len(said) == 6  # whoever listens around it hears them too
    assert PreferenceFromReward(EnvReward()).label(given).cost_usd.tolist() == [0.0] * 3


def test_soft_labels_are_the_probability_that_the_second_is_preferred() -> None:
    given = pairs([[0, 0], [1, 0], [0, 0]], [[0.5, 0.5], [0, 0.25], [0.1, 0]])
    labels = PreferenceFromReward(LogOdds(), soft=True, tie_margin=0.2).label(given)
    expected = [1 / (1 + np.exp(-2 * 1.0)), 1 / (1 + np.exp(2 * 0.75)), 0.5]
    np.testing.assert_allclose(labels.prefer_second, expected, rtol=1e-6)


def test_scores_that_are_no_log_odds_give_no_soft_labels() -> None:
    with pytest.raises(NeedsError, match="EnvReward say nothing of probabilities"):
        PreferenceFromReward(EnvReward(), soft=True)


def test_the_preference_model_is_as_sure_as_its_scores_say() -> None:
    labeller = make_preference_source("vlp.mt45", soft=True)
    assert isinstance(labeller, PreferenceFromReward) and labeller.config.soft
    source = labeller.source
    assert isinstance(source, VLPReward)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 3, 8, 112, 112, 3), dtype=np.uint8)
    first, second = (
        SegmentBatch(frames=shown, instructions=["close the drawer"] * 3) for shown in frames
    )
    gap = source.rewards(second).sum(axis=1) - source.rewards(first).sum(axis=1)
    expected = 1 / (1 + np.exp(-source.weights.score_std * gap))
    labels = labeller.label(SegmentPairs(first, second))
    np.testing.assert_allclose(labels.prefer_second, expected, rtol=1e-5)


def test_padding_does_not_count() -> None:
    first = SegmentBatch(
        env_rewards=np.array([[1, 100]], np.float32), mask=np.array([[True, False]])
    )
    second = SegmentBatch(env_rewards=np.array([[2, 0]], np.float32))
    labels = PreferenceFromReward(EnvReward()).label(SegmentPairs(first, second))
    assert labels.prefer_second.tolist() == [1]


def test_rewards_that_are_no_numbers_are_no_tie() -> None:
    broken = pairs([[0, np.nan]], [[0, 0]])
    with pytest.raises(SourceAnswerError, match="EnvReward gave nan for step 1 of segment 0"):
        PreferenceFromReward(EnvReward()).label(broken)


def test_soft_labels_are_as_sure_through_any_wrapper() -> None:
    class Wrapper:
        def __init__(self, wrapped: Any) -> None:
            self.wrapped, self.needs = wrapped, wrapped.needs

        def rewards(self, batch: SegmentBatch) -> Any:
            return self.wrapped.rewards(batch)

    given = pairs([[0, 0]], [[0.5, 0.5]])
    wrapped = PreferenceFromReward(Wrapper(Wrapper(LogOdds())), soft=True).label(given)
    assert (
        wrapped.prefer_second
        == PreferenceFromReward(LogOdds(), soft=True).label(given).prefer_second
    )
    assert wrapped.outcome.tolist() == [Outcome.ANSWERED]


def test_it_needs_what_its_source_needs() -> None:
    assert PreferenceFromReward(RandomReward()).needs == RandomReward.needs


@pytest.mark.parametrize("margin", [-0.1, float("nan")])
def test_a_negative_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="expected a gap of at least 0"):
        PreferenceFromReward(EnvReward(), tie_margin=margin)


def test_every_reward_source_is_a_preference_source() -> None:
    assert set(list_reward_sources()) <= set(list_preference_sources())


def test_a_reward_source_is_made_into_a_labeller_with_its_settings_and_a_margin() -> None:
    labeller = make_preference_source("random", seed=4, tie_margin=0.2)
    assert isinstance(labeller, PreferenceFromReward)
    assert labeller.config.reward == "vlfeedback.rewards.random:RandomReward"
    assert labeller.config.reward_config == {"seed": 4}
    assert labeller.config.tie_margin == 0.2


def test_an_unknown_source_suggests_the_nearest_of_both_kinds() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"No preference source 'radnom'\. Did you mean 'random'.*`vlfeedback list pref",
    ):
        make_preference_source("radnom")


@pytest.mark.parametrize(("name", "value"), [("soft", "no"), ("soft", 1), ("tie_margin", "0.1")])
def test_settings_of_the_comparison_are_of_their_types(name: str, value: object) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(InvalidTypeError, match=f"'{name}' of source 'random' is {value!r}, a "):
        make_preference_source("random", **settings)
