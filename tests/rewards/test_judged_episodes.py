"""How often the sources that ask a model are asked, in wrappers and by `relabel`; and their ids."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from tests.rewards.judges import (
    grey,
    gvl_judge,
    levels_seen,
    robometer_heads,
    rubric_judge,
    true_false_judge,
)

from vlfeedback import RewardFromSource, make_reward_source, relabel
from vlfeedback.errors import NeedsError, SourceAnswerError
from vlfeedback.testing import PointReachEnv
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.testing.pooling_server import PoolingServer
from vlfeedback.types import ArrayFrames, RewardSource, Trajectory
from vlfeedback.wrappers.ids import register_ids

STEPS = 20  # to the goal: brightness grows from 0 to 1
TEXT = "reach the goal"
JUDGES = {"gvl": gvl_judge, "topreward": true_false_judge, "roboreward": rubric_judge}
ONE = np.ones(1, np.float32)

DONE = {"gvl": 1.0, "topreward": math.log(1 - 1e-6), "roboreward": 1.0, "robometer": 1.0}
"""What a white picture at the end of an episode scores."""

Asked = tuple[Callable[..., RewardSource], list[Any], float]


@pytest.fixture(params=DONE)
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    """Makes the source, asking a server of this machine; the requests so far; and `DONE`."""
    name = request.param
    if name == "robometer":
        with PoolingServer(robometer_heads) as pooling:
            yield (
                partial(make_reward_source, name, base_url=pooling.url),
                pooling.requests,
                DONE[name],
            )
        return
    with ChatServer(otherwise=JUDGES[name]) as chat:
        server = {"model": "judge", "base_url": chat.url, "store": "none"}
        make = partial(make_reward_source, name, **server)
        yield make, chat.requests, DONE[name]


def episode(source: RewardSource) -> list[float]:
    env = RewardFromSource(PointReachEnv(STEPS, render_mode="rgb_array"), source, instruction=TEXT)
    env.reset(seed=0)
    return [float(env.step(ONE)[1]) for _ in range(STEPS)]


def recorded(name: str = "episode-7", steps: int = STEPS) -> Trajectory:
    positions = np.arange(steps + 1, dtype=np.float32)[:, None] / STEPS
    frames = grey(*(round(255 * float(position)) for position in positions[:, 0]))
    return Trajectory(
        observations=positions,
        actions=np.ones((steps, 1), np.float32),
        frames=ArrayFrames(np.arange(steps + 1), frames),
        terminated=True,
        id=name,
    )


def test_an_episode_is_one_question_at_its_end(asked: Asked) -> None:
    make, requests, done = asked
    rewards = episode(make())
    assert len(requests) == 1
    assert rewards == [0.0] * (STEPS - 1) + [pytest.approx(done, rel=1e-4)]


def test_a_window_is_asked_about_after_every_stride_and_at_the_end(asked: Asked) -> None:
    make, requests, done = asked
    rewards = episode(make(window=15, frame_stride=7))
    assert len(requests) == 4  # after the steps 0, 7, 14 and 19
    assert rewards[:7] == [rewards[0]] * 7
    assert rewards[7:14] == [rewards[7]] * 7
    assert rewards[0] < rewards[7] < rewards[14] < rewards[19]
    assert rewards[19] == pytest.approx(done, rel=1e-4)


@pytest.mark.parametrize("settings", [{}, {"window": 15}], ids=["episode", "window"])
def test_relabelling_gives_the_rewards_of_the_wrapper(asked: Asked, settings: Any) -> None:
    make, _, _ = asked
    (relabelled,) = relabel([recorded()], make(**settings), instruction=TEXT)
    assert relabelled.rewards is not None
    assert relabelled.rewards.tolist() == pytest.approx(episode(make(**settings)), rel=1e-5)


def test_episodes_of_any_length_are_asked_about_at_once() -> None:
    episodes = [recorded(str(steps), steps) for steps in range(4, STEPS)]
    with ChatServer(otherwise=rubric_judge, latency_s=0.05) as chat:
        source = make_reward_source("roboreward", base_url=chat.url, store="none", in_flight=8)
        together = list(relabel(episodes, source, instruction=TEXT))
        assert len(chat.requests) == len(episodes) and chat.most_in_flight == 8
        alone = [next(iter(relabel([episode], source, instruction=TEXT))) for episode in episodes]
    assert [t.rewards.tolist() for t in together if t.rewards is not None] == [
        t.rewards.tolist() for t in alone if t.rewards is not None
    ]
    assert {float(t.rewards[-1]) for t in together if t.rewards is not None} == {0.25, 0.5, 0.75, 1}


def test_of_episodes_that_were_asked_about_at_once_the_unanswered_one_is_named() -> None:
    episodes = [recorded(f"of {steps} steps", steps) for steps in (5, 9, 13)]

    def judge(request: Any) -> Reply:
        return Reply("no idea" if len(levels_seen(request, 0)) == 3 else "ANSWER: 4")  # of 9 steps

    with ChatServer(otherwise=judge) as chat:
        source = make_reward_source("roboreward", base_url=chat.url, store="none", frame_stride=5)
        expected = r"segment 1 of 3, .* It was asked for step 8 of trajectory 'of 9 steps'\."
        with pytest.raises(SourceAnswerError, match=expected):
            list(relabel(episodes, source, instruction=TEXT))


def test_an_answer_that_is_none_is_reported_with_the_trajectory_it_was_asked_for() -> None:
    with ChatServer(otherwise=lambda request: Reply("no idea")) as chat:
        source = make_reward_source("roboreward", base_url=chat.url, store="none")
        with pytest.raises(
            SourceAnswerError, match=r"It was asked for step 19 of trajectory 'episode-7'\."
        ):
            list(relabel([recorded()], source, instruction=TEXT))


@pytest.mark.parametrize(
    ("prefix", "source"),
    [
        ("GVLReward", "gvl"),
        ("TOPReward", "topreward"),
        ("RoboReward", "roboreward"),
        ("RobometerReward", "robometer"),
    ],
)
def test_each_has_ids_of_its_own(prefix: str, source: str) -> None:
    register_ids()
    spec = gym.spec(f"{prefix}-DrawerClose-v0")
    assert spec.kwargs == {"task": "drawer-close", "source": source}


def test_an_id_without_a_model_says_what_to_pass() -> None:
    register_ids()
    with pytest.raises(NeedsError, match="'gvl' asks a vision-language model: pass model="):
        gym.make("GVLReward-CartPoleBalance-v0")
