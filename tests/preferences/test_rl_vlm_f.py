"""RL-VLM-F against a local server: what it asks, in which order, and what it makes of replies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.preferences.asked_models import GOAL, last_message, messages_of, pairs, segments

from vlfeedback import make_preference_source
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.preferences.rl_vlm_f import RLVLMF, RLVLMFConfig
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.testing.simulated_judge import SimulatedJudge
from vlfeedback.types import (
    ExplainsLabels,
    ForeseesCost,
    LabelRecord,
    Outcome,
    PreferenceLabels,
    SegmentPairs,
)


@pytest.fixture(scope="module")
def judge() -> Iterator[ChatServer]:
    with ChatServer(otherwise=SimulatedJudge()) as server:
        yield server


def labeller(server: ChatServer, **settings: Any) -> RLVLMF:
    settings = {"store": "none"} | settings
    return RLVLMF(RLVLMFConfig(model="judge", base_url=server.url, **settings))


def answered(
    *replies: str,
    first: Sequence[float] = (0.2,),
    second: Sequence[float] = (0.7,),
    **settings: Any,
) -> tuple[PreferenceLabels, list[Any]]:
    """Labels where the server says this, and what it was asked."""
    with ChatServer([Reply(text) for text in replies]) as server:
        labels = labeller(server, **settings).label(pairs(first, second))
    return labels, server.requests


class TestContract(PreferenceSourceContract):
    mirrored = False  # a model may prefer what it is shown first

    @pytest.fixture
    def source(self, judge: ChatServer) -> RLVLMF:
        return labeller(judge)


class TestContractInBothOrders(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> Iterator[RLVLMF]:
        with ChatServer(otherwise=SimulatedJudge(position_bias=0.002)) as server:
            yield labeller(server, both_orders=True)


class TestContractOfOneStage(PreferenceSourceContract):
    mirrored = False

    @pytest.fixture
    def source(self, judge: ChatServer) -> RLVLMF:
        return labeller(judge, variant="one-stage")


def test_the_first_question_shows_two_pictures_with_words_between_them() -> None:
    _, requests = answered("...", "0")
    (message,) = messages_of(requests[0])
    assert (message.role, message.kinds) == ("user", "tptpt")
    lead, first, label, second, questions = message.parts
    assert isinstance(lead, str) and lead.endswith("Image 1:")
    assert label == "Image 2:"
    np.testing.assert_array_equal(first, segments([0.2]).frames[0, -1])  # type: ignore[index]
    np.testing.assert_array_equal(second, segments([0.7]).frames[0, -1])  # type: ignore[index]
    assert isinstance(questions, str)
    assert [line[:2] for line in questions.splitlines()] == ["1.", "2.", "3."]
    assert GOAL in questions.splitlines()[2]


def test_the_second_question_is_words_with_the_questions_and_the_answer_as_it_was() -> None:
    said = "1. A {drawer}.\n2. A drawer,  open.\n3. Yes."
    _, requests = answered(said, "1")
    assert len(requests) == 2
    (message,) = messages_of(requests[1])
    assert message.pictures == []
    (first,) = messages_of(requests[0])
    assert isinstance(first.parts[-1], str) and first.parts[-1] in message.words
    assert said in message.words
    assert message.words.index(first.parts[-1]) < message.words.index(said)
    ending = message.words.partition(said)[2]
    assert "0 if it is Image 1, 1 if it is Image 2, or -1" in ending


def test_both_questions_are_asked_at_temperature_zero() -> None:
    _, requests = answered("...", "0")
    assert [request["temperature"] for request in requests] == [0, 0]


@pytest.mark.parametrize(
    ("reply", "outcome", "prefer_second"),
    [
        ("0", Outcome.ANSWERED, 0.0),
        ("1", Outcome.ANSWERED, 1.0),
        ("-1", Outcome.UNSURE, None),
        ("It is not clear.\n-1", Outcome.UNSURE, None),
        ("Image 2 is better.", Outcome.UNPARSABLE, None),
        ("", Outcome.UNPARSABLE, None),
    ],
)
def test_the_second_reply_is_the_label(
    reply: str, outcome: Outcome, prefer_second: float | None
) -> None:
    labels, _ = answered("...", reply)
    assert labels.outcome.tolist() == [outcome]
    if prefer_second is not None:
        assert labels.prefer_second.tolist() == [prefer_second]


def test_where_the_first_question_has_no_answer_the_second_is_not_asked() -> None:
    labels, requests = answered("")
    assert labels.outcome.tolist() == [Outcome.UNPARSABLE]
    assert len(requests) == 1


def test_one_stage_asks_once_and_reads_the_last_line() -> None:
    said = "1. A drawer.\n2. A drawer.\n3. Image 2 is nearer.\n\n1"
    labels, requests = answered(said, variant="one-stage")
    assert labels.prefer_second.tolist() == [1.0]
    (message,) = messages_of(requests[0])
    assert len(requests) == 1 and message.kinds == "tptpt"
    assert "end with one line" in message.words


def test_equal_pictures_are_skipped_and_never_sent(judge: ChatServer) -> None:
    before = len(judge.requests)
    given = pairs([0.2, 0.5, 0.5], [0.7, 0.5, 0.1])
    source = labeller(judge)
    labels = source.label(given)
    assert labels.outcome.tolist() == [Outcome.ANSWERED, Outcome.SKIPPED, Outcome.ANSWERED]
    assert labels.prefer_second[[0, 2]].tolist() == [1.0, 0.0]
    assert len(judge.requests) - before == 4
    assert len(source.questions(given)) == 2


def test_one_grey_level_of_one_pixel_makes_pictures_differ(judge: ChatServer) -> None:
    given = pairs([0.5], [0.5])
    frames = np.array(given.second.frames)
    frames[0, -1, 3, 4, 2] += 1
    other = SegmentPairs(given.first, replace(given.second, frames=frames))
    assert len(labeller(judge).questions(other)) == 1


def test_segments_that_were_told_different_things_are_skipped(judge: ChatServer) -> None:
    given = SegmentPairs(segments([0.2]), segments([0.7], goal="open the window"))
    assert labeller(judge).label(given).outcome.tolist() == [Outcome.SKIPPED]


def test_the_last_picture_of_each_segment_is_compared() -> None:
    given = pairs([0.2], [0.7], n_pictures=4)
    frames = np.array(given.first.frames)
    frames[0, :3] = 7  # what came before does not matter
    with ChatServer([Reply("..."), Reply("0")]) as server:
        labeller(server).label(SegmentPairs(replace(given.first, frames=frames), given.second))
    shown, _ = last_message(server.requests[0]).pictures
    np.testing.assert_array_equal(shown, frames[0, 3])


def test_in_both_orders_an_unbiased_model_answers_and_a_biased_one_is_unsure() -> None:
    given = pairs([0.2, 0.4], [0.7, 0.5])  # gaps of 0.5 and 0.1
    with ChatServer(otherwise=SimulatedJudge(position_bias=0.2)) as server:
        labels = labeller(server, both_orders=True).label(given)
        assert labels.outcome.tolist() == [Outcome.ANSWERED, Outcome.UNSURE]
        assert labels.prefer_second[0] == 1.0
        assert len(server.requests) == 2 * 2 * 2
        tied = labeller(server, both_orders=True, tie_policy="half").label(given)
        assert tied.prefer_second.tolist() == [1.0, 0.5]
        single = labeller(server).label(given)
        assert single.prefer_second.tolist() == [1.0, 0.0]  # the second is wrong


def test_minus_one_may_be_a_tie() -> None:
    labels, _ = answered("...", "-1", tie_policy="half")
    assert labels.outcome.tolist() == [Outcome.ANSWERED]
    assert labels.prefer_second.tolist() == [0.5]


def test_the_questions_are_foreseen_without_asking(judge: ChatServer) -> None:
    before = len(judge.requests)
    for settings, n in (({}, 2), ({"both_orders": True}, 4), ({"variant": "one-stage"}, 2)):
        source = labeller(judge, **settings)
        assert isinstance(source, ForeseesCost)
        foreseen = source.questions(pairs([0.2, 0.3], [0.7, 0.9]))
        assert len(foreseen) == n
        assert {question.prompt for question in foreseen} == {source.prompt}
    assert len(judge.requests) == before


def test_both_stages_are_foreseen_and_what_is_kept_costs_nothing(
    judge: ChatServer, tmp_path: Path
) -> None:
    asked = pairs([0.2, 0.3], [0.7, 0.9])
    for variant, n in (("two-stage", 4), ("one-stage", 2), ("score", 8)):
        source = labeller(judge, variant=variant, store=str(tmp_path / "answers.sqlite"))
        before = source.foresee(asked)
        assert before.questions == n and before.tokens > 0
        assert before.cost_usd == 0.0  # a server of one's own
        source.label(asked)
        again = labeller(judge, variant=variant, store=str(tmp_path / "answers.sqlite"))
        assert again.foresee(asked).questions == 0


def test_a_label_is_explained_by_the_words_behind_it(judge: ChatServer, tmp_path: Path) -> None:
    source = labeller(judge, store=str(tmp_path / "answers.sqlite"))
    assert isinstance(source, ExplainsLabels)
    asked = pairs([0.2, 0.5], [0.7, 0.5])  # the second pair looks the same, and is not asked about
    source.label(asked)
    n_asked = len(judge.requests)
    (compared, labelled), nothing = source.explain(asked)
    assert len(judge.requests) == n_asked
    assert nothing == []
    assert compared[0].startswith("Here are two images.\nImage 1:\nImage 2:\n1. What does")
    assert "shows 0.2" in compared[1] and compared[1] in labelled[0]
    assert "Is the goal achieved better" in labelled[0] and "1" in labelled[1]


def test_labels_say_who_was_asked_and_how() -> None:
    with ChatServer(otherwise=SimulatedJudge()) as server:
        source = labeller(server)
        contract = TestContract()
        dataset = label_pairs(contract.pair_list(source), source, instruction=GOAL)
    record = dataset.labelled_by[0]
    assert isinstance(record, LabelRecord)
    assert (record.model, record.prompt) == ("judge", "rl-vlm-f/1")
    assert record.source == "vlfeedback.preferences.rl_vlm_f:RLVLMF"
    assert "in_flight" not in record.config and '"variant": "two-stage"' in record.config


@pytest.mark.parametrize("variant", ["two-stage", "one-stage", "score"])
def test_variants_are_made_by_name(variant: str) -> None:
    name = "rl-vlm-f" if variant == "two-stage" else f"rl-vlm-f.{variant}"
    source = make_preference_source(name, model="judge", frame_stride=9)
    assert isinstance(source, RLVLMF)
    assert source.config.variant == variant
    assert source.needs.frame_stride == 9
    assert source.prompt == f"{name}/1"


def test_another_variant_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"'rl-vlm-f' has no variant 'scores'.*'score'"):
        make_preference_source("rl-vlm-f.scores")


@pytest.mark.parametrize("goal", ["", "  ", "."])
def test_an_empty_instruction_is_refused(goal: str) -> None:
    with pytest.raises(NeedsError, match=r"needs one for every segment"):
        RLVLMF().label(pairs([0.2], [0.7], goal=goal))
