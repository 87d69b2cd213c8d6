"""PEBBLE: an agent that learns while its reward is learned from preferences.

Paper:    Lee et al. 2021, "PEBBLE"; code read: rll-research/BPref, train_PEBBLE.py
Recipe:   1 act at random; 2 explore, with the entropy of states as the reward; 3 ask about pairs
          of segments of the latest episodes; 4 train an ensemble on all labels so far; 5 make the
          rewards of the whole buffer anew; 6 the first time, begin the critic anew and catch up;
          7 learn from the learned reward, and ask again every so many steps.
Differs:  B-Pref asks about [0, T - S) and never the last segment, relabels only up to the ring's
          write position, and counts ties as "first" in its accuracy. SAC is stable-baselines3's,
          which updates its targets at every step and learns the temperature at one rate with the
          rest.
"""

from __future__ import annotations

from vlfeedback.errors import NeedsError
from vlfeedback.online.critic import reset_critic
from vlfeedback.online.feedback import FeedbackCallback
from vlfeedback.online.replay_buffer import LearnedRewardBuffer

__all__ = ["PEBBLE"]


class PEBBLE(FeedbackCallback):
    """Callback of any off-policy algorithm of stable-baselines3 or sbx that learns its reward.

    The algorithm's buffer is a `LearnedRewardBuffer`, and its environments record their episodes
    (`RecordEpisodes`); `vlfeedback.online.train_online` puts all of it together.

    Arguments, attributes and what is told to the logger: `vlfeedback.online.FeedbackCallback`.

    Example:
        >>> from stable_baselines3 import SAC  # doctest: +SKIP
        >>> model = SAC("MlpPolicy", env, replay_buffer_class=LearnedRewardBuffer)  # doctest: +SKIP
        >>> model.learn(100_000, callback=PEBBLE("vlp", instruction="..."))  # doctest: +SKIP
    """

    @property
    def payer(self) -> LearnedRewardBuffer:
        """The buffer."""
        return self.buffer

    @property
    def buffer(self) -> LearnedRewardBuffer:
        """The algorithm's buffer.

        Raises:
            NeedsError: it is of another kind.
        """
        buffer = getattr(self.model, "replay_buffer", None)
        if not isinstance(buffer, LearnedRewardBuffer):
            raise NeedsError(
                f"The replay buffer is {type(buffer).__name__}; make the algorithm with "
                "replay_buffer_class=LearnedRewardBuffer, which keeps the learned reward."
            )
        return buffer

    def _begin_anew(self) -> None:
        """Forget the values of exploration, and catch up on those of the learned reward."""
        if self.config.reset_critic:
            reset_critic(self.model)
        if self.config.catch_up_updates:
            self.model.train(  # type: ignore[attr-defined]
                gradient_steps=self.config.catch_up_updates,
                batch_size=self.model.batch_size,  # type: ignore[attr-defined]
            )
