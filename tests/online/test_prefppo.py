from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from tests.online.pendulums import BRIEF, HORIZON, PlantedReward, pendulums

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import PayingEnvironments, PrefPPO, RUNEConfig, train_online
from vlfeedback.online.entropy import StateEntropy, kth_distance
from vlfeedback.tasks import own_task

PENDULUM = own_task("Pendulum-v1", "swing the pendulum up", success_key="")
SESSIONS = replace(BRIEF, random_steps=20, exploration_steps=40)


def paying(n_envs: int) -> PayingEnvironments:
    return PayingEnvironments(pendulums(n_envs))


def walk(env: VecEnv, n_steps: int) -> dict[str, np.ndarray]:
    """Random steps: what each began with, what was done, and what was paid."""
    rng, observation = np.random.default_rng(0), np.asarray(env.reset())
    kept: dict[str, list[Any]] = {"obs": [], "action": [], "reward": [], "own": []}
    for _ in range(n_steps):
        action = rng.uniform(-2, 2, (env.num_envs, 1)).astype(np.float32)
        after, reward, _, infos = env.step(action)
        own = [info["env_reward"] for info in infos]
        for name, value in zip(kept, (observation, action, reward, own), strict=True):
            kept[name].append(value)
        observation = np.asarray(after)
    return {name: np.array(values) for name, values in kept.items()}


@pytest.mark.parametrize("n_envs", [1, 3])
def test_each_step_is_paid_by_the_reward_across_the_ends_of_episodes(n_envs: int) -> None:
    env = paying(n_envs)
    env.pay(PlantedReward())
    seen = walk(env, 2 * HORIZON + 5)
    expected = -np.abs(seen["obs"][..., 2]) - seen["action"][..., 0] / 10
    np.testing.assert_allclose(seen["reward"], expected, rtol=1e-4)
    learned, own = env.paid()
    np.testing.assert_allclose(learned, seen["reward"].ravel(), rtol=1e-5)
    np.testing.assert_allclose(own, seen["own"].ravel(), rtol=1e-5)
    assert (seen["own"] <= 0).all() and np.abs(own - learned).max() > 0.1
    returns = seen["reward"][: 2 * HORIZON].reshape(2, HORIZON, n_envs).sum(axis=1)
    np.testing.assert_allclose(env.take_learned_returns(), returns.ravel(), rtol=1e-4)
    episodes = env.take_finished()
    assert [len(episode) for episode in episodes] == [HORIZON] * 2 * n_envs
    assert env.take_finished() == []


def test_before_there_is_a_reward_nothing_is_paid() -> None:
    env = paying(2)
    assert not walk(env, 5)["reward"].any()
    assert len(env.paid()[0]) == 0


def test_while_exploring_the_entropy_of_states_is_paid() -> None:
    env = paying(1)
    env.explore(StateEntropy(k=2))
    seen = walk(env, 12)
    states = torch.from_numpy(seen["obs"][:, 0])
    distances = [float(kth_distance(states[t : t + 1], states[: t + 1], 2)) for t in range(12)]
    deviation = np.std(distances[:12])
    assert seen["reward"][-1, 0] == pytest.approx(distances[-1] / deviation, rel=1e-4)
    env.explore(None)
    assert not walk(env, 3)["reward"].any()


def test_doubt_is_paid_beside_the_reward_and_not_counted_in_its_return() -> None:
    env = paying(1)
    env.pay(PlantedReward())
    env.seek_doubt(lambda: 3.0)
    seen = walk(env, HORIZON)
    mean = -np.abs(seen["obs"][..., 2]) - seen["action"][..., 0] / 10
    expected = mean + 3 * np.abs(seen["obs"][..., 0])
    np.testing.assert_allclose(seen["reward"], expected, rtol=1e-4)
    assert env.take_learned_returns() == pytest.approx([float(mean.sum())], rel=1e-4)


class Watch(BaseCallback):
    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Any] = {}

    def _on_rollout_start(self) -> None:
        self.told |= self.logger.name_to_value

    def _on_step(self) -> bool:
        return True


@pytest.mark.parametrize("algorithm", [PPO, A2C])
@pytest.mark.parametrize("normalised", [False, True])
def test_an_on_policy_algorithm_learns_its_reward_from_a_teacher(
    algorithm: Any, normalised: bool
) -> None:
    env: VecEnv = paying(2)
    if normalised:
        env = VecNormalize(env, norm_reward=False)
    learns = PrefPPO(
        "teacher",
        SESSIONS,
        reward=RewardModelConfig(hidden=(16,)),
        training=RewardTraining(epochs=3),
        rune=RUNEConfig(),
    )
    steps: list[int] = []
    learns.on_labels = lambda _: steps.append(learns.num_timesteps)
    settings = {"batch_size": 20} if algorithm is PPO else {}
    model = algorithm("MlpPolicy", env, n_steps=10, device="cpu", seed=0, **settings)
    watch = Watch()
    model.learn(240, callback=[learns, watch], log_interval=1000)
    assert steps == [60, 100, 140]
    assert learns.n_asked == 12
    assert learns.learner.version == 3
    own = [float(e.env_rewards.sum()) for e in learns.episodes]  # type: ignore[union-attr]
    assert watch.told["feedback/true_return"] == pytest.approx(np.mean(own), rel=0.3)
    assert abs(watch.told["feedback/learned_return"]) <= HORIZON
    observations = np.concatenate([episode.observations for episode in learns.episodes])
    assert np.abs(observations).max() <= 8.0  # segments are of what environments say


ROLLOUTS = {"ppo": {"n_steps": 20, "batch_size": 20}, "a2c": {"n_steps": 20}}


@pytest.mark.parametrize("algorithm", ROLLOUTS)
@pytest.mark.parametrize("stop_at", [45, 110])  # while states are sought, and between sessions
def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, algorithm: str, stop_at: int
) -> None:
    def stop(stage: str, step: int, steps: int, loss: float) -> None:
        if step >= stop_at:
            raise KeyboardInterrupt

    def run(name: str, report: Any = None) -> dict[str, Any]:
        result = train_online(
            PENDULUM,
            "teacher",
            n_steps=240,
            config=SESSIONS,
            reward=RewardModelConfig(hidden=(16,)),
            training=RewardTraining(epochs=3),
            rune=RUNEConfig(),
            algorithm=algorithm,
            algorithm_settings={**ROLLOUTS[algorithm], "policy_kwargs": {"net_arch": [16]}},
            n_envs=2,
            horizon=HORIZON,
            eval_every=80,
            eval_episodes=1,
            checkpoint_every=40,
            out=tmp_path / name,
            report=report,
        )
        assert (result.n_asked, result.curve.steps) == (12, (80, 160, 240))
        assert result.feedback is not None
        model = result.feedback.learner.model
        return {**result.model.policy.state_dict(), "reward": model.digest()}

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("stopped", stop)
    assert list((tmp_path / "stopped" / "checkpoints").iterdir())
    stopped = run("stopped")
    assert stopped.pop("reward") == whole.pop("reward")
    for name, tensor in whole.items():
        torch.testing.assert_close(stopped[name], tensor, rtol=0, atol=0, msg=name)


def test_without_a_labeller_its_environments_pay_their_own_reward() -> None:
    settings = {**ROLLOUTS["ppo"], "policy_kwargs": {"net_arch": [16]}}
    result = train_online(
        PENDULUM, None, n_steps=40, algorithm="ppo", algorithm_settings=settings, eval_episodes=0
    )
    assert result.feedback is None
    assert (result.model.rollout_buffer.rewards < 0).all()  # a pendulum's own


def test_prefvlm_is_refused_where_there_is_no_replay_buffer() -> None:
    with pytest.raises(InvalidValueError, match=r"algorithm='a2c'; PrefVLM .* such as 'sac'"):
        train_online(PENDULUM, "random", person="teacher", n_steps=20_000, algorithm="a2c")


def test_environments_that_pay_their_own_reward_are_refused_with_what_to_do() -> None:
    model = PPO("MlpPolicy", pendulums(1), n_steps=10, batch_size=10, device="cpu")
    with pytest.raises(NeedsError, match="PayingEnvironments"):
        model.learn(10, callback=PrefPPO("teacher", SESSIONS))
