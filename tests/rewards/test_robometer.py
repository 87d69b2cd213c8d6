"""Robometer against a pooling server on this machine whose heads see the true progress."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.rewards.judges import clip, levels_seen, robometer_heads, seen

from vlfeedback.errors import InvalidValueError, NeedsError, SourceAnswerError
from vlfeedback.rewards.robometer import RobometerConfig, RobometerReward, read_logits
from vlfeedback.testing import RewardSourceContract
from vlfeedback.testing.pooling_server import PoolingServer

NINTHS = (0, 85, 170, 255)  # grey levels of 0, 3/9, 6/9 and 9/9


def robometer(server: PoolingServer, **settings: Any) -> RobometerReward:
    return RobometerReward(RobometerConfig(base_url=server.url, side=8, **settings))


class TestContract(RewardSourceContract):
    picture_size = 8

    @pytest.fixture
    def source(self) -> Iterator[RobometerReward]:
        with PoolingServer(robometer_heads) as server:
            yield robometer(server)


class TestContractOfSuccess(RewardSourceContract):
    picture_size = 8

    @pytest.fixture
    def source(self) -> Iterator[RobometerReward]:
        with PoolingServer(robometer_heads) as server:
            yield robometer(server, output="success", window=50)


def test_each_picture_is_followed_by_the_token_at_which_the_heads_are_read() -> None:
    with PoolingServer(robometer_heads) as server:
        robometer(server).rewards(clip(10, 20))
        (request,) = server.requests
    question, *rest = seen(request)
    assert question.startswith("The task for the robot is 'close the drawer'. Given the trajectory")
    assert rest == [10, "<|prog_token|>", 20, "<|prog_token|>"]
    assert request["model"] == "robometer/Robometer-4B"
    assert request["task"] == "token_classify"
    assert request["use_activation"] is False
    assert request["chat_template_kwargs"] == {"add_vision_id": True, "enable_thinking": False}


def test_the_reward_is_the_progress_after_the_last_picture_at_the_last_step() -> None:
    with PoolingServer(robometer_heads) as server:
        rewards = robometer(server).rewards(clip(255, 0, 170, stride=2))
    np.testing.assert_allclose(rewards, [[0, 0, 0, 0, 6 / 9]], atol=1e-6)


def test_or_the_chance_of_success() -> None:
    with PoolingServer(robometer_heads) as server:
        source = robometer(server, output="success")
        rewards = [source.rewards(clip(0, level))[0, -1] for level in (170, 255)]
    np.testing.assert_allclose(rewards, [0.25, 0.75], atol=1e-6)  # odds of 1 to 3, and 3 to 1


def test_curves_have_both_after_every_picture() -> None:
    with PoolingServer(robometer_heads) as server:
        progress, success = robometer(server).curves(clip(*NINTHS))
        assert len(server.requests) == 1
        halves, _ = robometer(server, n_frames=2).curves(clip(*NINTHS[:3]))
    np.testing.assert_allclose(progress, [[0, 3 / 9, 6 / 9, 1]], atol=1e-6)
    np.testing.assert_allclose(success, [[0.25, 0.25, 0.25, 0.75]], atol=1e-6)
    np.testing.assert_allclose(halves, [[0, 3 / 9, 6 / 9]], atol=1e-6)


def test_at_most_eight_pictures_are_shown_and_they_are_scaled_to_a_square() -> None:
    def heads(request: Any) -> list[list[float]]:
        sizes.append(len(levels_seen(request)))
        return robometer_heads(request)

    sizes: list[int] = []
    with PoolingServer(heads) as server:
        RobometerReward(RobometerConfig(base_url=server.url)).rewards(clip(*range(0, 240, 10)))
        part = server.requests[0]["messages"][0]["content"][1]
    assert sizes == [8]
    assert _size(part) == (256, 256)


def test_pictures_may_be_sent_as_they_are() -> None:
    with PoolingServer(robometer_heads) as server:
        RobometerReward(RobometerConfig(base_url=server.url, side=0)).rewards(clip(1, 2))
        part = server.requests[0]["messages"][0]["content"][1]
    assert _size(part) == (8, 8)


def _size(part: Any) -> tuple[int, int]:
    import base64
    import io

    from PIL import Image

    data = part["image_url"]["url"].removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data))).size


def test_logits_are_read_as_the_mean_of_the_bins_and_the_sigmoid_of_the_next() -> None:
    halves = [math.log(1.0)] * 2 + [-1e3] * 7 + [math.log(2.0)]  # 1/4 on 0, 1/4 on 1/9, 1/2 on 1
    progress, success = read_logits([[*halves, math.log(4.0), 7.0, 7.0]], 1)
    np.testing.assert_allclose(progress, [0.25 / 9 + 0.5], rtol=1e-6)
    np.testing.assert_allclose(success, [0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.0] * 13] * 2, r"pooled 2 tokens into \[13\] numbers each; expected 3, one for each"),
        ([[0.0] * 13] * 40, r"pooled 40 tokens into \[13\] numbers each; expected 3"),
        ([[0.0] * 12] * 3, r"pooled 3 tokens into \[12\].*of at least 13"),
        ([[0.0] * 13, [0.0] * 13, [0.0] * 14], r"into \[13, 14\] numbers each"),
        ([], r"pooled 0 tokens into \[\] numbers each"),
        ([[math.nan] * 13] * 3, "logits that are not finite numbers"),
    ],
)
def test_rows_that_are_not_one_a_picture_are_refused(rows: Any, message: str) -> None:
    with (
        PoolingServer(lambda request: rows) as server,
        pytest.raises(SourceAnswerError, match=message),
    ):
        robometer(server).rewards(clip(1, 2, 3))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": ""}, NeedsError, "'robometer' needs model="),
        ({"base_url": "localhost:8000"}, NeedsError, "base_url is 'localhost:8000'; expected"),
        ({"output": "reward"}, InvalidValueError, "output='reward', side=256; expected 'progress'"),
        ({"side": -1}, InvalidValueError, "side=-1; expected"),
        ({"n_frames": 0}, InvalidValueError, "n_frames=0; expected at least 1"),
        ({"tries": 0}, InvalidValueError, "in_flight=16, tries=0"),
    ],
)
def test_settings_out_of_range_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        RobometerReward(RobometerConfig(**settings))
