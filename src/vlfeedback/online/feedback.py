"""The loop of feedback: episodes come in, pairs are asked about, and a reward is learned of them.

What pays the agent is left open: a replay buffer (PEBBLE) or the environments (PrefPPO).
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Bool
from stable_baselines3.common.callbacks import BaseCallback

from vlfeedback.arguments import check_instruction, preference_source
from vlfeedback.data.correlation import pearson
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import (
    BudgetSpentError,
    NeedsError,
    QuotaSpentError,
    ServerError,
    SourceAnswerError,
)
from vlfeedback.models.reward.inputs import needs_of
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online.asking import Asking
from vlfeedback.online.checks import check_environments, check_episode
from vlfeedback.online.entropy import StateEntropy
from vlfeedback.online.health import Health, LearnedRewardWarning
from vlfeedback.online.paying import Payer
from vlfeedback.online.queries import QueryChooser
from vlfeedback.online.reward_learner import RewardLearner, SessionReport
from vlfeedback.online.rime import RIMEFilter
from vlfeedback.online.rune import RUNEConfig
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.online.surf import SURFConfig
from vlfeedback.scoring.joint_needs import joint_needs
from vlfeedback.types import (
    EmbeddingSource,
    PreferenceSource,
    SourceNeeds,
    Trajectory,
)

__all__ = ["FeedbackCallback"]

_SPENT = (BudgetSpentError, QuotaSpentError)
_SURVIVED = (*_SPENT, ServerError, SourceAnswerError)


class FeedbackCallback(BaseCallback):
    """Callback that learns a reward while an algorithm of stable-baselines3 acts.

    What goes on is told to the algorithm's logger: ``feedback/true_return`` and
    ``feedback/learned_return`` of the latest episodes, ``feedback/success``, ``feedback/labels``,
    and ``reward_model/accuracy``, ``reward_model/correlation`` with the environment's own reward
    of what is kept.

    Args:
        labeller: a preference source, or the id of one: ``"teacher"``, ``"vlp"``, ``"human"``.
        config: when to ask, and about what.
        instruction: under which segments are compared; None: none.
        reward: networks of the reward model.
        encoder: what embeds pictures, for a reward model of embeddings.
        training: of one session: `epochs` are passes at most; B-Pref's default of 200.
        label_filter: for labels that may be wrong, see `vlfeedback.online.rime`.
        rune: what the disagreement of the ensemble is worth to the agent; None: nothing.
        surf: pairs without labels, and crops, see `vlfeedback.online.surf`; not with a filter.
        seed: of weights, of what is asked, and of the order of labels.

    Attributes:
        learner: the reward model, once training has begun.
        n_asked: pairs asked about.
        sessions: what each brought.
        on_labels: called with the answers of each session, before anything is learnt from them.
        on_session: called after each, with what it brought and the correlation of learned and own
            rewards that are kept, NaN where either never changes.

    Raises:
        InvalidTypeError: `labeller` is no preference source.
        InvalidValueError: `surf` does not go with the rest.
    """

    def __init__(
        self,
        labeller: str | PreferenceSource,
        config: FeedbackConfig | None = None,
        *,
        instruction: str | None = None,
        reward: RewardModelConfig | None = None,
        encoder: EmbeddingSource | None = None,
        training: RewardTraining | None = None,
        label_filter: RIMEFilter | None = None,
        rune: RUNEConfig | None = None,
        surf: SURFConfig | None = None,
        seed: int = 0,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        check_instruction(instruction)
        self.config = config or FeedbackConfig()
        self._asking = Asking(
            preference_source(labeller), instruction, asynchronous=self.config.asynchronous
        )
        self._reward, self._training = reward or RewardModelConfig(), training or RewardTraining()
        self._filter, self._encoder, self._seed = label_filter, encoder, seed
        self._rune = rune
        self._surf = surf
        if surf is not None:
            surf.check(self.config, self._reward, is_filtered=label_filter is not None)
        self.chooser = QueryChooser(
            self.config,
            start_multiple=self.needs.frame_stride,
            rng=np.random.default_rng([seed, 2]),
            margin=0 if surf is None else surf.window,
        )
        self.entropy = StateEntropy(self.config.neighbours)
        self.episodes: deque[Trajectory] = deque(maxlen=self.config.episodes_kept)
        self.sessions: list[SessionReport] = []
        self.n_asked, self.next_session = 0, self.config.first_session
        self.on_labels: Callable[[PreferenceDataset], None] | None = None
        self.on_session: Callable[[SessionReport, float], None] | None = None
        self._health = Health()
        self._learner: RewardLearner | None = None
        self._spent = False

    @property
    def labeller(self) -> PreferenceSource:
        """Whoever is asked."""
        return self._asking.labeller

    @property
    def learner(self) -> RewardLearner:
        """The reward model that pays, and relabels.

        Raises:
            NeedsError: training has not begun.
        """
        if self._learner is None:
            raise NeedsError("There is no reward model before model.learn(callback=...).")
        return self._learner

    @property
    @abstractmethod
    def payer(self) -> Payer:
        """What pays the agent, and hands over its episodes.

        Raises:
            NeedsError: the algorithm or its environments are of another kind.
        """

    @property
    def needs(self) -> SourceNeeds:
        """What labeller and reward model read together."""
        return joint_needs([self._asking.labeller.needs, needs_of(self._reward)])

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
        """Go back to a `state`; the learner and what pays are restored before."""
        self.n_asked, self.next_session = int(notes["n_asked"]), int(notes["next_session"])
        self.episodes.extend(episodes[: notes["n_episodes"]])
        self.chooser.rng.bit_generator.state = notes["rng"]
        self.chooser.asked = arrays["asked"]
        self.entropy.count, self.entropy.mean, self.entropy.squares = notes["entropy"]
        self.sessions = [SessionReport(**session) for session in notes["sessions"]]
        self._spent = bool(notes["spent"])
        if self.learner.version:
            self.payer.explore(None)
            self.payer.pay(self.learner, relabel=False)
        if notes["waiting"]:
            first, second = (
                [episodes[k].segment(start, length) for k, start, length in side]
                for side in zip(*notes["waiting"], strict=True)
            )
            self._asking.ask(list(zip(first, second, strict=True)))

    def _init_callback(self) -> None:
        payer = self.payer
        check_environments(self.training_env)
        if self._learner is None:
            self._learner = RewardLearner(
                self._reward,
                self._training,
                length=self.config.segment_length,
                n_observation=int(np.prod(self.model.observation_space.shape or ())),
                n_action=int(np.prod(self.model.action_space.shape or ())),
                seed=self._seed,
                encoder=self._encoder,
                label_filter=self._filter,
                surf=self._surf,
                device=str(self.model.device),  # sbx keeps its buffer on the CPU
            )
            payer.keep_pictures_for(self._learner)
            if self._rune is not None:
                rune = self._rune
                payer.seek_doubt(lambda: rune.weight_at(self.num_timesteps))
        if not self.learner.version and self.config.exploration_steps:
            payer.explore(self.entropy)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        """After transitions are stored: what `_on_step` is called before."""
        self._take_episodes()
        answers = self._answers()
        if answers is not None:
            self._learn(answers)
        if self._is_due():
            self._ask()
            if not self.config.asynchronous and (answers := self._answers()) is not None:
                self._learn(answers)

    def _take_episodes(self) -> None:
        finished, returns = self.payer.take_finished(), self.payer.take_learned_returns()
        if not finished:
            return
        if not self.episodes:
            check_episode(finished[0], self.config, self.training_env, span=self.chooser.span)
        self.episodes.extend(finished)
        true_returns = [float(_own_rewards(t).sum()) for t in finished]
        succeeded = [t.first_success is not None for t in finished]
        self.logger.record_mean("feedback/true_return", float(np.mean(true_returns)))
        self.logger.record_mean("feedback/success", float(np.mean(succeeded)))
        if self.learner.version:
            self.logger.record_mean("feedback/learned_return", float(np.mean(returns)))
            self._health.look_at_episodes(returns, succeeded)

    def _is_due(self) -> bool:
        if self._spent or self._asking.is_waiting or self.n_asked >= self.config.max_labels:
            return False
        if self.num_timesteps < self.next_session:
            return False
        return self.chooser.can_draw(self.episodes)

    def _ask(self) -> None:
        total = self.model._total_timesteps
        n = self.config.n_queries(self.num_timesteps, total, self.n_asked)
        self.next_session = self.num_timesteps + self.config.steps_between_sessions
        if n:
            self._asking.ask(self.chooser.choose(list(self.episodes), n, self.learner))
            self.n_asked += n

    def _answers(self) -> PreferenceDataset | None:
        """Answers that have come; what a labeller's server does wrong is told, and survived."""
        n = len(self._asking.pairs)
        try:
            return self._asking.take()
        except _SURVIVED as error:
            if isinstance(error, _SPENT):
                self._spent = True
            self.n_asked -= n
            if not self.learner.version and self._spent:
                raise
            what = "is not asked again" if self._spent else "is asked again later"
            warnings.warn(
                f"The labeller gave no answer about {n} pairs and {what}: {error} Training goes "
                f"on with the {len(self.learner.prefer_second)} labels that are here.",
                LearnedRewardWarning,
                stacklevel=2,
            )
            return None

    def _certain(self, answers: PreferenceDataset) -> Bool[np.ndarray, " N"] | None:
        """Which answers a filter may not touch; none."""
        return None

    def _learn(self, answers: PreferenceDataset) -> None:
        if self.on_labels is not None:
            self.on_labels(answers)
        self._health.look_at_labels(answers)
        is_first = self.learner.version == 0
        session = self.learner.learn(
            answers, self._certain(answers), unlabelled=self._unlabelled(len(answers))
        )
        self.sessions.append(session)
        if self.learner.version == 0:
            return
        payer = self.payer
        payer.explore(None)
        payer.pay(self.learner)
        self._log(session)
        if is_first:
            self._begin_anew()

    def _unlabelled(self, n_asked: int) -> SegmentPairList:
        """Pairs that nobody is asked about, of a session with so many that somebody was."""
        if self._surf is None or not self.chooser.can_draw(self.episodes):
            return []
        return self.chooser.draw(self.episodes, self._surf.unlabelled_ratio * n_asked)

    def _begin_anew(self) -> None:
        """What an agent does once there is a reward model; nothing, if nothing else is said."""

    def _log(self, session: SessionReport) -> None:
        learned, own = self.payer.paid()
        if self.learner.model.config.output == "tanh":
            self._health.look_at_rewards(learned)
        correlation = pearson(
            learned.astype(np.float64), own.astype(np.float64), if_constant=math.nan
        )
        for name, value in (
            ("feedback/labels", session.n_labels),
            ("feedback/asked", self.n_asked),
            ("reward_model/version", self.learner.version),
            ("reward_model/accuracy", session.train_accuracy),
            ("reward_model/foreseen", session.foreseen),
            ("reward_model/disagreement", session.disagreement),
            ("reward_model/passes", session.passes),
            ("reward_model/trusted", session.trusted),
            ("reward_model/flipped", session.flipped),
            ("reward_model/pseudo_labelled", session.pseudo_labelled),
            ("reward_model/correlation", correlation),
        ):
            if value is not None:
                self.logger.record(name, value)
        if self.on_session is not None:
            self.on_session(session, correlation)


def _own_rewards(trajectory: Trajectory) -> np.ndarray:
    rewards = trajectory.env_rewards
    return np.zeros(0) if rewards is None else rewards
