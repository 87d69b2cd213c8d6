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

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vlfeedback.errors import NeedsError
from vlfeedback.online.critic import reset_critic
from vlfeedback.online.feedback import FeedbackCallback
from vlfeedback.online.replay_buffer import LearnedRewardBuffer
from vlfeedback.online.reward_learner import SessionReport
from vlfeedback.types import Trajectory

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

    def state(self) -> tuple[dict[str, Any], list[Trajectory], dict[str, np.ndarray]]:
        """Where it is: JSON values, the episodes they speak of, and arrays.

        Pairs that are with the labeller are asked about again by whoever goes on from there.
        """
        episodes = {id(trajectory): trajectory for trajectory in self.episodes}
        waiting = self._asking.pairs if self._asking.is_waiting else []
        for segment in (segment for pair in waiting for segment in pair):
            episodes.setdefault(id(segment.trajectory), segment.trajectory)
        place = {key: number for number, key in enumerate(episodes)}
        notes = {
            "n_asked": self.n_asked,
            "next_session": self.next_session,
            "n_episodes": len(self.episodes),
            "waiting": [
                [[place[id(s.trajectory)], s.start, s.length] for s in pair] for pair in waiting
            ],
            "rng": self.chooser.rng.bit_generator.state,
            "entropy": [self.entropy.count, self.entropy.mean, self.entropy.squares],
            "sessions": [asdict(session) for session in self.sessions],
            "spent": self._spent,
        }
        return notes, list(episodes.values()), {"asked": self.chooser.asked}

    def restore(
        self,
        notes: dict[str, Any],
        episodes: Sequence[Trajectory],
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        """Go back to a `state`; the learner and the buffer are restored before."""
        self.n_asked, self.next_session = int(notes["n_asked"]), int(notes["next_session"])
        self.episodes.extend(episodes[: notes["n_episodes"]])
        self.chooser.rng.bit_generator.state = notes["rng"]
        self.chooser.asked = arrays["asked"]
        self.entropy.count, self.entropy.mean, self.entropy.squares = notes["entropy"]
        self.sessions = [SessionReport(**session) for session in notes["sessions"]]
        self._spent = bool(notes["spent"])
        if self.learner.version:
            self.buffer.explore(None)
            self.buffer.pay(self.learner, relabel=False)
        if notes["waiting"]:
            first, second = (
                [episodes[k].segment(start, length) for k, start, length in side]
                for side in zip(*notes["waiting"], strict=True)
            )
            self._asking.ask(list(zip(first, second, strict=True)))

    def _begin_anew(self) -> None:
        """Forget the values of exploration, and catch up on those of the learned reward."""
        if self.config.reset_critic:
            reset_critic(self.model)
        if self.config.catch_up_updates:
            self.model.train(  # type: ignore[attr-defined]
                gradient_steps=self.config.catch_up_updates,
                batch_size=self.model.batch_size,  # type: ignore[attr-defined]
            )
