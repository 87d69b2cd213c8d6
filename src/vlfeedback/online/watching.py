"""What any algorithm of stable-baselines3 is told of a source's reward and of the true task."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from vlfeedback.errors import NeedsError
from vlfeedback.online.health import Health

__all__ = ["WatchReward"]


class WatchReward(BaseCallback):
    """Keeps what a source pays apart from what the task says, and warns where they part.

    For environments whose reward a source gives (`RewardFromSource` and the ids), within a
    `Monitor`. The algorithm's logger is told ``reward/learned_return``, ``reward/true_return`` and,
    where the task knows success, ``reward/success``, means over the episodes that ended since it
    was last dumped. A `LearnedRewardWarning` comes once, where over forty episodes the learned
    return rises while success falls by 20 points or more.

    Raises:
        NeedsError: (in training) an episode ends without a return: no `Monitor`, or one inside of
            the source's wrapper; or its reward is not a source's.

    Example:
        >>> from stable_baselines3 import SAC  # doctest: +SKIP
        >>> model = SAC("MlpPolicy", Monitor(env))  # doctest: +SKIP
        >>> model.learn(100_000, callback=WatchReward())  # doctest: +SKIP
    """

    def __init__(self, verbose: int = 0) -> None:
        super().__init__(verbose)
        self._health = Health()

    def _on_step(self) -> bool:
        ended = [
            info
            for done, info in zip(self.locals["dones"], self.locals["infos"], strict=True)
            if done
        ]
        if not ended:
            return True
        for key, whose in (("episode", "Monitor(env)"), ("env_return", "RewardFromSource")):
            if any(key not in info for info in ended):
                raise NeedsError(
                    f"info has no {key!r} at the end of an episode, which {whose} puts there; "
                    "train in Monitor(RewardFromSource(env, ...)), or in an id of `vlfeedback list "
                    "tasks` within Monitor."
                )
        learned = [float(info["episode"]["r"]) for info in ended]
        self.logger.record_mean("reward/learned_return", float(np.mean(learned)))
        true = [float(info["env_return"]) for info in ended]
        self.logger.record_mean("reward/true_return", float(np.mean(true)))
        if all("is_success" in info for info in ended):
            successes = [bool(info["is_success"]) for info in ended]
            self.logger.record_mean("reward/success", float(np.mean(successes)))
            self._health.look_at_episodes(learned, successes)
        return True
