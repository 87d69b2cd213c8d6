"""A simulated judge sees what is painted, errs as it is told to, and answers in every form."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlfeedback.errors import InvalidValueError
from vlfeedback.testing.simulated_judge import SimulatedJudge, picture_of_value


def shown(*values: float, ask: str = "Which?", size: int = 8, **more: Any) -> dict[str, Any]:
    """A request that shows pictures of values, and asks."""
    content: list[dict[str, Any]] = []
    for value in values:
        png = io.BytesIO()
        Image.fromarray(picture_of_value(value, size)).save(png, format="PNG")
        url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
        content.append({"type": "image_url", "image_url": {"url": url}})
    content.append({"type": "text", "text": ask})
    return {"model": "judge", "messages": [{"role": "user", "content": content}], **more}


def said(judge: SimulatedJudge, request: dict[str, Any]) -> str:
    return judge(request).text


CHOOSE = "0, 1 or -1?"
SCORE = "One letter from A to K. What is the score of Clip {}?"


def test_it_says_what_it_sees_and_chooses_the_larger() -> None:
    judge = SimulatedJudge()
    assert said(judge, shown(0.2, 0.6)) == (
        "The first shows 0.2000 of the goal. The second shows 0.6000 of the goal."
    )
    assert said(judge, shown(0.2, 0.6, ask=CHOOSE)).splitlines()[-1] == "1"
    assert said(judge, shown(0.6, 0.2, ask=CHOOSE)).splitlines()[-1] == "0"


def test_in_words_alone_it_believes_what_was_seen() -> None:
    words = f"The first shows 0.9000 of the goal. The second shows 0.8000 of the goal. {CHOOSE}"
    request = {"model": "judge", "messages": [{"role": "user", "content": words}]}
    assert said(SimulatedJudge(position_bias=-1.0), request) == "0"


def test_one_picture_alone_is_scored() -> None:
    assert said(SimulatedJudge(), shown(0.4, ask=CHOOSE)).splitlines()[-1] == "0.40"


def test_a_gap_within_its_doubt_is_minus_one() -> None:
    judge = SimulatedJudge(unsure_within=0.1)
    assert said(judge, shown(0.4, 0.48, ask=CHOOSE)).endswith("-1")
    assert said(judge, shown(0.4, 0.6, ask=CHOOSE)).endswith("\n1")


def test_what_comes_first_gains_the_bias() -> None:
    judge = SimulatedJudge(position_bias=0.3)
    for first, second in ((0.4, 0.6), (0.6, 0.4)):
        assert said(judge, shown(first, second, ask=CHOOSE)).endswith("\n0")
    assert said(judge, shown(0.2, 0.6, ask=CHOOSE)).endswith("\n1")


def test_margins_and_marks_of_a_strip_do_not_count() -> None:
    from vlfeedback.vlms.judging.strips import draw_strip

    frames = np.stack([picture_of_value(0.6, 40), picture_of_value(0.8, 40)])
    png = io.BytesIO()
    Image.fromarray(draw_strip(frames, [0, 49])).save(png, format="PNG")
    request = shown(0.5)
    url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    request["messages"][0]["content"][0]["image_url"]["url"] = url
    assert said(SimulatedJudge(), request) == "The first shows 0.7000 of the goal."


def test_letters_have_log_probabilities_around_what_it_sees() -> None:
    judge = SimulatedJudge(spread=0.1)
    for clip, value, letter in (("A", 0.3, "H"), ("B", 0.9, "B")):
        request = shown(0.3, 0.9, ask=SCORE.format(clip), logprobs=True, top_logprobs=20)
        reply = judge(request)
        assert reply.text == letter
        chances = {name: math.exp(logprob) for name, logprob in reply.logprobs[0].items()}
        assert sum(chances.values()) == pytest.approx(1.0)
        mean = sum(p * (1 - (ord(name) - ord("A")) / 10) for name, p in chances.items())
        assert mean == pytest.approx(value, abs=0.02)  # a little less at the end of the scale


def test_at_temperature_zero_it_repeats_itself_and_above_it_draws() -> None:
    judge = SimulatedJudge(noise=0.1, spread=0.2)
    sure = shown(0.3, 0.9, ask=SCORE.format("A"), temperature=0.0)
    assert len({said(judge, sure) for _ in range(5)}) == 1
    drawn = shown(0.3, 0.9, ask=SCORE.format("A"), temperature=1.0)
    assert len({said(judge, drawn) for _ in range(20)}) > 2


def test_two_judges_of_one_seed_say_the_same_and_of_two_seeds_do_not() -> None:
    one, same, other = (SimulatedJudge(noise=0.1, seed=seed) for seed in (1, 1, 2))
    for temperature in (0.0, 1.0):
        request = shown(0.3, 0.9, temperature=temperature)
        assert said(one, request) == said(same, request) != said(other, request)


def test_it_errs_as_often_as_it_says() -> None:
    judge = SimulatedJudge(noise=0.1, position_bias=0.05)
    rng = np.random.default_rng(0)
    values = rng.uniform(0.3, 0.7, size=(400, 2))
    chances = judge.chance_of_second(values[:, 1] - values[:, 0])
    second = [said(judge, shown(*pair, ask=CHOOSE)).endswith("\n1") for pair in values]
    error = math.sqrt(np.sum(chances * (1 - chances))) / len(values)
    assert abs(np.mean(second) - chances.mean()) < 3 * error
    assert chances.mean() < 0.45  # the bias is for the first


def test_it_takes_two_pictures_for_each_other_as_often_as_it_is_told_to() -> None:
    judge = SimulatedJudge(flip=0.25)
    values = np.random.default_rng(0).uniform(size=(400, 2))
    second = [said(judge, shown(*pair, ask=CHOOSE)).endswith("\n1") for pair in values]
    wrong = np.mean(np.array(second) != (values[:, 1] > values[:, 0]))
    assert abs(wrong - 0.25) < 3 * math.sqrt(0.25 * 0.75 / 400)
    expected = np.where(values[:, 1] > values[:, 0], 0.75, 0.25)
    np.testing.assert_allclose(judge.chance_of_second(values[:, 1] - values[:, 0]), expected)


def test_pictures_may_be_read_in_another_way() -> None:
    judge = SimulatedJudge(read=lambda file: float(file.startswith(b"\x89PNG")))
    assert said(judge, shown(0.2)) == "The first shows 1.0000 of the goal."


def test_what_it_took_is_told() -> None:
    reply = SimulatedJudge()(shown(0.2, 0.6, ask="Which one?"))
    assert reply.tokens == (2 * 85 + 2, 14)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_value_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(InvalidValueError, match=r"expected one in \[0, 1\]"):
        picture_of_value(value)
