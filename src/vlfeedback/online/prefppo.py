"""PrefPPO: a reward learned from preferences, for algorithms that learn from fresh steps alone.

Papers:   Christiano et al. 2017, "Deep Reinforcement Learning from Human Preferences"; with PPO and
          exploration by entropy as in Lee et al. 2021, "B-Pref"; code read: rll-research/BPref,
          train_PrefPPO.py (in rll-research/rune at 8b3c77a)
Recipe:   as PEBBLE, but what pays are the environments: nothing is kept that could be paid anew,
          and no critic is begun anew
Differs:  sessions come at the end of the rollout in which they are due. B-Pref takes 50 passes over
          each rollout while it explores, and as many as ever afterwards; here they are the
          algorithm's own throughout. Its PPO is stable-baselines3's with 16 environments,
          n_steps=250, three layers of 256, clip_range=0.4 falling to 0, gae_lambda=0.92, use_sde
          and observations normalised by `VecNormalize(norm_reward=False)`.
"""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from vlfeedback.errors import NeedsError
from vlfeedback.online.feedback import FeedbackCallback
from vlfeedback.online.paying_environments import PayingEnvironments

__all__ = ["PrefPPO"]


class PrefPPO(FeedbackCallback):
    """Callback of any on-policy algorithm of stable-baselines3 that learns its reward.

    Its environments are `PayingEnvironments`, around such as record their episodes. Arguments,
    attributes and what is told to the logger: `vlfeedback.online.FeedbackCallback`. Of the
    `FeedbackConfig`, `random_steps` and `exploration_steps` are both spent seeking new states;
    `reset_critic` and `catch_up_updates` are of algorithms with a replay buffer.

    Example:
        >>> venv = PayingEnvironments(DummyVecEnv([make]))  # doctest: +SKIP
        >>> PPO("MlpPolicy", venv).learn(1_000_000, callback=PrefPPO("vlp"))  # doctest: +SKIP
    """

    @property
    def payer(self) -> PayingEnvironments:
        """The environments.

        Raises:
            NeedsError: they pay their own reward.
        """
        env: VecEnv = self.training_env
        while isinstance(env, VecEnvWrapper):
            if isinstance(env, PayingEnvironments):
                return env
            env = env.venv
        raise NeedsError(
            f"{type(self.training_env).__name__} pays its own reward; train in "
            "PayingEnvironments(DummyVecEnv([lambda: RecordEpisodes(env, seed=0)])), and put "
            "VecNormalize around that. Algorithms with a replay buffer learn with PEBBLE."
        )
