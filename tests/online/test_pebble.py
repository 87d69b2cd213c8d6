import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv
from tests.online.pendulums import BRIEF, pendulum, sac, small

from vlfeedback.errors import BudgetSpentError, NeedsError, ServerError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import PEBBLE, LearnedRewardBuffer
from vlfeedback.online.health import LearnedRewardWarning
from vlfeedback.preferences.teacher import ScriptedTeacher
from vlfeedback.types import PreferenceLabels, SegmentPairs

REWARD = RewardModelConfig(hidden=(16,))
FEW = RewardTraining(epochs=3)


def pebble(labeller: Any = "teacher", **given: Any) -> PEBBLE:
    config = replace(BRIEF, **given)
    return PEBBLE(labeller, config, reward=REWARD, training=FEW)


class Watch(BaseCallback):
    """Keeps what is told to the logger, and what the buffer held before each step."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[int, dict[str, Any]] = {}
        self.critics: list[float] = []

    def _on_step(self) -> bool:
        self.told[self.num_timesteps] = dict(self.logger.name_to_value)
        return True


def test_sessions_come_when_they_are_due_until_the_budget_is_spent() -> None:
    learns = pebble(max_labels=10)
    steps: list[int] = []
    learns.on_labels = lambda _: steps.append(learns.num_timesteps)
    sac().learn(220, callback=learns)
    assert steps == [60, 100, 140]  # after 40 random and 20 exploring steps, then every 40
    assert [session.n_labels for session in learns.sessions] == [4, 8, 10]
    assert learns.n_asked == 10


@pytest.mark.parametrize("n_envs", [1, 3])
def test_all_that_is_in_the_buffer_is_paid_by_the_latest_reward_model(n_envs: int) -> None:
    learns, model = pebble(), sac(n_envs, gradient_steps=1)
    model.learn(240, callback=learns)
    buffer = learns.buffer
    n = buffer.n_rows * n_envs
    observations = buffer.observations[: buffer.n_rows].reshape(n, 3)
    actions = 2 * buffer.actions[: buffer.n_rows].reshape(n, 1)
    expected = learns.learner.member_rewards(observations, actions).mean(axis=0)
    found = buffer.rewards[: buffer.n_rows].ravel()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.std() > 0


def test_the_true_return_that_is_logged_is_the_environments_own() -> None:
    watch, learns = Watch(), pebble()
    sac().learn(101, callback=[learns, watch], log_interval=1000)
    told = watch.told[101]
    own = [float(episode.env_rewards.sum()) for episode in learns.episodes]  # type: ignore[union-attr]
    assert told["feedback/true_return"] == pytest.approx(np.mean(own))
    assert told["feedback/learned_return"] != pytest.approx(told["feedback/true_return"], rel=0.1)
    assert told["reward_model/version"] == 2


def test_entropy_is_the_reward_until_there_is_a_model() -> None:
    learns, model = pebble(), sac()
    model.learn(50, callback=learns)
    assert model.replay_buffer is not None
    assert (model.replay_buffer.sample(8).rewards > 0).all()
    assert not learns.buffer.rewards.any()


def test_the_critic_begins_anew_and_the_actor_does_not() -> None:
    weights: dict[bool, list[float]] = {}
    for resets in (False, True):
        learns, model = pebble(reset_critic=resets, catch_up_updates=0), sac()
        before: list[np.ndarray] = []

        def note(_: Any, model: SAC = model, before: list[np.ndarray] = before) -> None:
            before.extend(
                next(part.parameters()).detach().numpy().copy()
                for part in (model.critic, model.actor)
            )

        learns.on_labels = note
        model.learn(60, callback=learns)
        now = [next(part.parameters()).detach().numpy() for part in (model.critic, model.actor)]
        weights[resets] = [float(np.abs(a - b).max()) for a, b in zip(before[:2], now, strict=True)]
    assert weights[False][0] < 0.01  # one update since
    assert weights[True][0] > 0.1
    assert weights[True][1] < 0.01


def test_td3_learns_from_the_same_callback() -> None:
    model = TD3(
        "MlpPolicy",
        DummyVecEnv([pendulum]),
        replay_buffer_class=LearnedRewardBuffer,
        learning_starts=40,
        train_freq=1,
        device="cpu",
        **small(),
    )
    learns = pebble()
    model.learn(110, callback=learns)
    assert learns.learner.version == 2


class Fails:
    """Gives no answer in its first so many calls."""

    needs = ScriptedTeacher.needs

    def __init__(self, n_failures: int, error: Exception) -> None:
        self.n_calls, self._n_failures, self._error = 0, n_failures, error
        self._teacher = ScriptedTeacher()

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        self.n_calls += 1
        if self.n_calls <= self._n_failures:
            raise self._error
        return self._teacher.label(pairs)


def test_a_labeller_that_fails_is_asked_again_later_and_its_pairs_are_not_counted() -> None:
    labeller = Fails(1, ServerError("503, try later."))
    learns = pebble(labeller)
    with pytest.warns(LearnedRewardWarning, match="is asked again later: 503"):
        sac().learn(110, callback=learns)
    assert (labeller.n_calls, learns.n_asked, learns.learner.version) == (2, 4, 1)


def test_a_spent_budget_ends_the_questions_and_not_the_training() -> None:
    labeller = Fails(99, BudgetSpentError("The budget of $1.00 is spent."))
    labeller.n_calls, labeller._n_failures = 0, 0
    learns, model = pebble(labeller), sac()

    def spend(_: Any) -> None:
        labeller._n_failures = 99

    learns.on_labels = spend
    with pytest.warns(LearnedRewardWarning, match="is not asked again: The budget"):
        model.learn(220, callback=learns)
    assert model.num_timesteps == 220
    assert (labeller.n_calls, learns.n_asked) == (2, 4)


def test_a_budget_that_is_spent_before_the_first_label_is_an_error() -> None:
    with pytest.raises(BudgetSpentError):
        sac().learn(110, callback=pebble(Fails(99, BudgetSpentError("Spent."))))


def test_the_agent_acts_on_while_a_slow_labeller_thinks() -> None:
    import threading

    may_answer = threading.Event()

    class Slow(Fails):
        def label(self, pairs: SegmentPairs) -> PreferenceLabels:
            may_answer.wait(30)
            return super().label(pairs)

    learns, steps = pebble(Slow(0, ServerError("")), asynchronous=True), []
    learns.on_labels = lambda _: steps.append(learns.num_timesteps)

    class Answers(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 100:
                may_answer.set()
                learns._asking._pending.result(30)  # type: ignore[union-attr]
            return True

    sac().learn(130, callback=[learns, Answers()])
    assert steps[0] == 100  # asked at 60


def test_another_buffer_is_refused_with_the_one_that_is_needed() -> None:
    model = SAC("MlpPolicy", DummyVecEnv([pendulum]), **small())
    with pytest.raises(NeedsError, match="replay_buffer_class=LearnedRewardBuffer"):
        model.learn(10, callback=pebble())


def test_environments_that_do_not_record_are_refused() -> None:
    env = DummyVecEnv([lambda: gym.make("Pendulum-v1")])
    model = SAC("MlpPolicy", env, replay_buffer_class=LearnedRewardBuffer, **small())
    with pytest.raises(NeedsError, match="do not record their episodes"):
        model.learn(10, callback=pebble())


def test_an_environment_without_an_end_is_refused() -> None:
    from vlfeedback.online import RecordEpisodes

    endless = gym.make("Pendulum-v1", max_episode_steps=-1)
    assert endless.spec is not None
    endless.spec.max_episode_steps = None
    env = DummyVecEnv([lambda: RecordEpisodes(endless, seed=0)])
    model = SAC("MlpPolicy", env, replay_buffer_class=LearnedRewardBuffer, **small())
    with pytest.raises(NeedsError, match="Pendulum-v1 has no time limit"):
        model.learn(10, callback=pebble())


def test_segments_longer_than_an_episode_are_refused_after_the_first_one() -> None:
    with pytest.raises(NeedsError, match="at most 20 steps and segments 25"):
        sac().learn(60, callback=pebble(segment_length=25))


@pytest.mark.slow
def test_a_process_ends_while_a_person_still_thinks() -> None:
    script = textwrap.dedent("""
        import time
        from tests.online.pendulums import sac
        from tests.online.test_pebble import Fails, pebble

        class Thinks(Fails):
            def label(self, pairs):
                time.sleep(3600)

        sac().learn(70, callback=pebble(Thinks(0, OSError()), asynchronous=True))
        print("done")
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
