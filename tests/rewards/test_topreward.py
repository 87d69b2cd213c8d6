"""TOPReward against a judge on this machine that is as sure as the last picture is bright."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.rewards.judges import (
    INSTRUCTION,
    clip,
    levels_seen,
    scored,
    seen,
    true_false_judge,
    unscored,
)

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.rewards.topreward import TOPReward, TOPRewardConfig, log_probability
from vlfeedback.testing import RewardSourceContract
from vlfeedback.testing.chat_server import ChatServer

STATEMENT = (
    "The above video shows a robot manipulation trajectory that completes the following task: "
    "close the drawer Decide whether the above statement is True or not. The answer is:"
)


def topreward(server: ChatServer, **settings: Any) -> TOPReward:
    return TOPReward(TOPRewardConfig(model="judge", base_url=server.url, store="none", **settings))


class TestContract(RewardSourceContract):
    picture_size = 8

    @pytest.fixture
    def source(self) -> Iterator[TOPReward]:
        with ChatServer(otherwise=true_false_judge) as server:
            yield topreward(server)


def test_one_token_is_asked_for_after_the_pictures_and_the_published_statement() -> None:
    with ChatServer(otherwise=true_false_judge) as server:
        topreward(server).rewards(clip(10, 20, 30))
        (request,) = server.requests
    assert seen(request) == [10, 20, 30, STATEMENT]
    assert len(request["messages"]) == 1
    assert request["logprobs"] is True
    assert request["top_logprobs"] == 20
    assert request["temperature"] == 0
    limits = {request.get("max_tokens"), request.get("max_completion_tokens")}
    assert limits <= {1, None}
    assert limits != {None}


def test_the_reward_is_the_log_probability_of_true_at_the_last_step() -> None:
    with ChatServer(otherwise=true_false_judge) as server:
        rewards = topreward(server).rewards(clip(200, 100, 51, stride=2))  # the last: 51/255 = 0.2
    np.testing.assert_allclose(rewards, [[0, 0, 0, 0, math.log(0.2)]], rtol=1e-5)


def test_or_how_much_likelier_true_is_than_false() -> None:
    with ChatServer(otherwise=true_false_judge) as server:
        rewards = topreward(server, minus_false=True).rewards(clip(0, 51))
    np.testing.assert_allclose(rewards, [[0, math.log(0.2 / 0.8)]], rtol=1e-5)


def test_raw_scores_of_two_clips_compare() -> None:
    with ChatServer(otherwise=true_false_judge) as server:
        worse, better = (topreward(server).rewards(clip(0, level))[0, -1] for level in (100, 200))
    assert worse < better < 0


def test_the_curve_asks_about_prefixes_and_is_raw_by_default() -> None:
    with ChatServer(otherwise=true_false_judge) as server:
        source = topreward(server, n_prefixes=3)
        curve = source.curve(clip(255, 51, 102, 153, 204))
        shown = sorted(levels_seen(request) for request in server.requests)
        scaled = source.curve(clip(255, 51, 102, 153, 204), normalise=True)
    assert shown == [[255], [255, 51, 102], [255, 51, 102, 153, 204]]
    known = np.log([1 - 1e-6, 0.4, 0.8])  # of the prefixes of 1, 3 and 5 pictures
    expected = [known[0], known[:2].mean(), known[1], known[1:].mean(), known[2]]
    np.testing.assert_allclose(curve, [expected], rtol=1e-4, atol=1e-5)
    last = (known[2] - known[1]) / (known[0] - known[1])
    np.testing.assert_allclose(scaled, [[1, 0.5, 0, last / 2, last]], rtol=1e-4, atol=1e-5)


def test_a_constant_curve_is_one_when_it_is_normalised() -> None:
    with ChatServer(otherwise=lambda request: scored({"True": -0.5})) as server:
        curve = topreward(server).curve(clip(1, 2, 3), normalise=True)
    np.testing.assert_array_equal(curve, [[1, 1, 1]])


def test_at_most_sixteen_pictures_are_shown() -> None:
    with ChatServer(otherwise=true_false_judge) as server:
        topreward(server).rewards(clip(*range(0, 250, 5)))
        shown = levels_seen(server.requests[0])
    assert len(shown) == 16
    assert [shown[0], shown[-1]] == [0, 245]
    assert shown == sorted(shown)


# The log-probability of a word -------------------------------------------------------------------


def log(**chances: float) -> dict[str, float]:
    return {token.replace("_", " "): math.log(chance) for token, chance in chances.items()}


@pytest.mark.parametrize(
    ("alternatives", "chance"),
    [
        (log(True_=0.5, No=0.2), 0.5),
        (log(True_=0.25, _True=0.5, False_=0.1), 0.75),
        (log(true=0.9, No=0.06), 0.04),  # not the word: at most what is left over
        (log(No=0.5, Yes=0.01), 0.01),  # or as much as the least likely alternative
    ],
)
def test_tokens_that_read_true_count_together_and_a_missing_one_gets_the_most_it_can_have(
    alternatives: dict[str, float], chance: float
) -> None:
    found = log_probability("True", {token.rstrip(): p for token, p in alternatives.items()})
    assert found == pytest.approx(math.log(chance), rel=1e-6)


@pytest.mark.parametrize(
    "alternatives",
    [{"True": -9999.0}, {"No": 0.0}, {"No": 0.0, "Yes": -9999.0}, {"No": 1e-9}],
)
def test_no_score_is_below_minus_one_hundred(alternatives: dict[str, float]) -> None:
    assert log_probability("True", alternatives) == -100


def test_no_score_is_above_zero() -> None:
    assert log_probability("True", {"True": 0.0, " True": -1.0}) == 0


def test_a_missing_true_is_scored_and_not_infinite() -> None:
    with ChatServer(otherwise=lambda request: scored({"No": math.log(0.9)})) as server:
        rewards = topreward(server).rewards(clip(1, 2))
    np.testing.assert_allclose(rewards, [[0, math.log(0.1)]], rtol=1e-4)


# Refused -----------------------------------------------------------------------------------------


def test_a_server_without_log_probabilities_is_told_from_one_that_finds_true_unlikely() -> None:
    with (
        ChatServer(otherwise=lambda request: unscored("True")) as server,
        pytest.raises(
            NeedsError, match=r"gave no log-probabilities of what 'judge' said.*use 'gvl' or"
        ),
    ):
        topreward(server).rewards(clip(1, 2))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": ""}, NeedsError, "'topreward' asks a vision-language model"),
        ({"n_frames": 0}, InvalidValueError, "n_frames=0; expected at least 1"),
        ({"n_prefixes": 1}, InvalidValueError, "n_prefixes=1; a curve has at least 2 points"),
    ],
)
def test_settings_out_of_range_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TOPReward(TOPRewardConfig(**({"model": "judge"} | settings)))


def test_the_instruction_is_told_without_the_space_around_it() -> None:
    batch = clip(1, 2)
    padded = type(batch)(frames=batch.frames, instructions=[f" {INSTRUCTION}\n"])
    with ChatServer(otherwise=true_false_judge) as server:
        topreward(server).rewards(padded)
        assert seen(server.requests[0])[-1] == STATEMENT
