"""Settings of preference-based learning while an agent acts."""

from __future__ import annotations

from dataclasses import dataclass

from vlfeedback.data.queries import POOL_FACTOR
from vlfeedback.errors import InvalidValueError

__all__ = ["FeedbackConfig"]

_SAMPLERS = (  # B-Pref's feed_type 0 to 5
    "uniform",
    "disagreement",
    "entropy",
    "k-center",
    "k-center-disagreement",
    "k-center-entropy",
)
_SCHEDULES = ("constant", "decreasing", "increasing")  # B-Pref's reward_schedule 0 to 2


@dataclass(frozen=True, slots=True)
class FeedbackConfig:
    """When an agent asks, about what, and how many labels it may have.

    Steps are those of the environments together. Defaults are B-Pref's scripts for Meta-World
    (``scripts/button_press``), but for the budget.

    Attributes:
        max_labels: pairs asked about in all, answered or not.
        labels_per_session: pairs of a session, before the schedule.
        steps_between_sessions: steps from one session to the next.
        schedule: constant | decreasing | increasing: of the number of pairs.
        segment_length: steps of a segment; 1 compares single pictures, as RL-VLM-F does.
        sampler: uniform | disagreement | entropy | k-center | k-center-disagreement |
            k-center-entropy; the first session is uniform in any case.
        pool_factor: candidates drawn for each pair that is asked about.
        episodes_kept: latest whole episodes that pairs are drawn from.
        random_steps: of random actions, before anything is learnt.
        exploration_steps: after those, in which state entropy is the reward; 0: none.
        neighbours: k of the entropy's k-th nearest neighbour.
        reset_critic: begin the critic anew once there is a reward model.
        catch_up_updates: gradient steps after the first session.
        asynchronous: go on acting while pairs are with the labeller.

    Raises:
        ValueError: a number is out of its range, or a word is none of those above.

    Source: B-Pref, train_PEBBLE.py and reward_model.py.
    """

    max_labels: int = 1000
    labels_per_session: int = 50
    steps_between_sessions: int = 5000
    schedule: str = "constant"
    segment_length: int = 50
    sampler: str = "disagreement"
    pool_factor: int = POOL_FACTOR
    episodes_kept: int = 100
    random_steps: int = 1000
    exploration_steps: int = 9000
    neighbours: int = 5
    reset_critic: bool = True
    catch_up_updates: int = 100
    asynchronous: bool = False

    def __post_init__(self) -> None:
        least = {
            "max_labels": 1,
            "labels_per_session": 1,
            "steps_between_sessions": 1,
            "segment_length": 1,
            "pool_factor": 1,
            "episodes_kept": 1,
            "random_steps": 1,
            "exploration_steps": 0,
            "neighbours": 1,
            "catch_up_updates": 0,
        }
        for name, at_least in least.items():
            if getattr(self, name) < at_least:
                raise InvalidValueError(
                    f"{name}={getattr(self, name)}; expected at least {at_least}."
                )
        for name, words in (("sampler", _SAMPLERS), ("schedule", _SCHEDULES)):
            if getattr(self, name) not in words:
                raise InvalidValueError(
                    f"{name}={getattr(self, name)!r}; expected one of {', '.join(words)}."
                )

    @property
    def first_session(self) -> int:
        """Step at which the first session is due."""
        return self.random_steps + self.exploration_steps

    def n_queries(self, step: int, total_steps: int, n_asked: int) -> int:
        """Pairs of a session, within what is left of the budget.

        Args:
            step: of the session.
            total_steps: of the training.
            n_asked: pairs asked about before.

        Source: B-Pref, train_PEBBLE.py: f = 1, (N - t) / N or N / (N - t + 1).
        """
        left = total_steps - step
        factor = {
            "constant": 1.0,
            "decreasing": left / total_steps,
            "increasing": total_steps / (left + 1),
        }[self.schedule]
        n = int(self.labels_per_session * factor) if n_asked else self.labels_per_session
        return max(0, min(n, self.max_labels - n_asked))
