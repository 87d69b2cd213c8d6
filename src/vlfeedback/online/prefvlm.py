"""PrefVLM: an encoder labels, a filter doubts, a person is asked, and adapters learn from that.

Paper:    "Preference VLM" (PrefVLM, arXiv 2502.01616). Its full text and code were not read, only
          what others digested of it, and RIME's code; results are "PrefVLM-style"
Recipe:   PEBBLE, and in each session of n pairs
          1 label all of them by the summed cosine of pictures and instruction (LIV, in the paper);
          2 RIME's filter, under the present ensemble: trusted, turned round, or uncertain;
          3 ask a person about min(ceil(share n), what is left) of the uncertain ones, those that
            the ensemble disagrees on most; their labels replace the encoder's, and no filter may
            touch them. In the first session the ensemble knows nothing: ask about any;
          4 train the ensemble on all labels so far, judged anew before each pass;
          5 train the adapters on the encoder on the person's labels and on inverse dynamics.
Differs:  what is not known of the paper is our choice: budget and share, the shape of adapters, the
          weight and temperature of their loss, and that labels given before keep the answer that
          the encoder gave then.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Bool, Int64

from vlfeedback.arguments import preference_source
from vlfeedback.data.calibration import preference_probability
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.queries import select_disagreement
from vlfeedback.errors import BudgetSpentError, InvalidValueError, NeedsError, QuotaSpentError
from vlfeedback.models.adapters.network import EncoderAdapters
from vlfeedback.models.adapters.training import AdapterTraining
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online.adapter_learner import AdapterLearner
from vlfeedback.online.health import LearnedRewardWarning
from vlfeedback.online.pebble import PEBBLE
from vlfeedback.online.rime import RIMEConfig, RIMEFilter
from vlfeedback.online.rune import RUNEConfig
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.preferences.from_reward import PreferenceFromReward
from vlfeedback.rewards.adapted import AdaptedReward, encoder_of_texts
from vlfeedback.scoring.joint_needs import joint_needs
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.types import (
    EmbeddingSource,
    EmbedsTexts,
    PreferenceSource,
    SourceNeeds,
    Trajectory,
    class_and_settings,
)

__all__ = ["PrefVLM", "PrefVLMConfig"]

_SPENT = (BudgetSpentError, QuotaSpentError)
_CHOICES = ("disagreement", "uniform")
_ADAPTERS = "adapters|"


@dataclass(frozen=True, slots=True)
class PrefVLMConfig:
    """How much a person is asked, and what is learnt from it; ablations are switches.

    Attributes:
        human_budget: pairs that the person is asked about in all; the paper's are not known.
        human_share: of a session's pairs, in (0, 1]: at most so many; our choice, untested.
        choice: disagreement | uniform: of uncertain pairs, those that the ensemble disagrees on
            most, or any.
        label_filter: bounds of trust, RIME's; None, an ablation: every label of the encoder is
            trusted, and the person may be asked about any pair.
        adapters: False, an ablation: the encoder stays frozen. Then any labeller will do.
        inverse_dynamics: False, an ablation: adapters learn from the person's labels alone.
        human_only: the ablation that is PEBBLE with the person: `human_budget` pairs in all, and
            of each session the share that the person would have been asked about.
        begin_with: adapters of another training, ``adapters.safetensors`` in its folder.
        adapter_training: of the adapters, in each session.

    Raises:
        ValueError: a number is out of its range, or a word is none of those above.
    """

    human_budget: int = 200
    human_share: float = 0.2
    choice: str = "disagreement"
    label_filter: RIMEConfig | None = field(default_factory=RIMEConfig)
    adapters: bool = True
    inverse_dynamics: bool = True
    human_only: bool = False
    begin_with: str | None = None
    adapter_training: AdapterTraining = field(default_factory=AdapterTraining)

    def __post_init__(self) -> None:
        if self.human_budget < 1 or not 0 < self.human_share <= 1:
            raise InvalidValueError(
                f"human_budget={self.human_budget} and human_share={self.human_share}; expected at "
                "least 1 pair and a share in (0, 1]. Without a person it is PEBBLE with a filter: "
                "leave `person` out."
            )
        if self.choice not in _CHOICES:
            raise InvalidValueError(
                f"choice={self.choice!r}; expected one of {', '.join(_CHOICES)}."
            )

    def n_for_person(self, n_pairs: int, n_asked: int) -> int:
        """Pairs of a session that go to the person, at most.

        Args:
            n_pairs: of the session.
            n_asked: that went to the person before.
        """
        return max(0, min(math.ceil(self.human_share * n_pairs), self.human_budget - n_asked))

    def of_person(self, config: FeedbackConfig) -> FeedbackConfig:
        """When the person alone is asked: `human_only`."""
        return replace(
            config,
            max_labels=min(config.max_labels, self.human_budget),
            labels_per_session=self.n_for_person(config.labels_per_session, 0),
        )


class PrefVLM(PEBBLE):
    """PEBBLE whose labels come from an encoder and, where those are uncertain, from a person.

    See the module's header. What `PEBBLE` has, this has; `train_online(..., person=...)` puts it
    together. With ``asynchronous=True`` the agent acts on while the person is asked.

    A person who is asked and gives no answer is paid for out of the budget all the same, and the
    encoder's label stays. Pairs that the encoder leaves open are uncertain.

    Told to the logger beside what PEBBLE tells: ``feedback/human_asked``,
    ``adapters/preference_loss``, ``adapters/dynamics_loss``.

    Args:
        labeller: compares pictures and instruction by cosine: the labeller of ``"liv"``, ``"clip"``
            or ``"siglip2"``, or `PreferenceFromReward` of a source that `EmbedsTexts`. With
            ``adapters=False`` any; with ``human_only=True`` it is never asked.
        person: any preference source, or the id of one: ``"human"``, ``"teacher"``.
        config: when to ask, and about what; `max_labels` counts pairs of both.
        prefvlm: what is asked of the person, and the ablations.
        instruction: under which segments are compared.
        reward: networks of the reward model.
        encoder: what embeds pictures, for a reward model of embeddings.
        training: of the reward model, of one session.
        rune: what the disagreement of the ensemble is worth to the agent; None: nothing.
        seed: of weights, of what is asked, and of the order of labels.

    Attributes:
        person: who is asked about uncertain pairs.
        prefvlm: the settings.
        adapters: on the encoder; None where it stays frozen.
        label_filter: RIME's; None where all labels are trusted.
        n_human: pairs that the person was asked about.
        adapter_learner: what trains them, and its reports, once training has begun.

    Raises:
        InvalidTypeError: `labeller` or `person` is no preference source.
        NeedsError: adapters cannot sit on the labeller, or there is no instruction.
        FileNotFoundError, CheckpointError: of `PrefVLMConfig.begin_with`.
    """

    def __init__(
        self,
        labeller: str | PreferenceSource,
        person: str | PreferenceSource,
        config: FeedbackConfig | None = None,
        *,
        prefvlm: PrefVLMConfig | None = None,
        instruction: str | None = None,
        reward: RewardModelConfig | None = None,
        encoder: EmbeddingSource | None = None,
        training: RewardTraining | None = None,
        rune: RUNEConfig | None = None,
        seed: int = 0,
        verbose: int = 0,
    ) -> None:
        self.prefvlm = settings = prefvlm or PrefVLMConfig()
        self.person = preference_source(person)
        self.adapters: EncoderAdapters | None = None
        self.label_filter: RIMEFilter | None = None
        self._encodes: EmbedsTexts | None = None
        config = config or FeedbackConfig()
        if settings.human_only:
            source, config = self.person, settings.of_person(config)
        else:
            source = preference_source(labeller)
            if settings.adapters:
                source = self._with_adapters(source, instruction, seed)
            if settings.label_filter is not None:
                self.label_filter = RIMEFilter(settings.label_filter)
        super().__init__(
            source,
            config,
            instruction=instruction,
            reward=reward,
            encoder=encoder,
            training=training,
            label_filter=self.label_filter,
            rune=rune,
            seed=seed,
            verbose=verbose,
        )
        if not settings.human_only:
            self._asking.then = self._ask_person
        self._instruction = instruction
        self.n_human, self._person_spent = 0, False
        self.adapter_learner: AdapterLearner | None = None
        # Of the session that is with the labellers; set where they are asked, read by `_learn`.
        self._rows: Int64[np.ndarray, " b"] = np.zeros(0, np.int64)
        self._by_person: Bool[np.ndarray, " N"] = np.zeros(0, np.bool_)

    @property
    def needs(self) -> SourceNeeds:
        """What labeller, person and reward model read together."""
        return joint_needs([super().needs, self.person.needs])

    def state(self) -> tuple[dict[str, Any], list[Trajectory], dict[str, np.ndarray]]:
        """See `PEBBLE.state`; and the adapters, and what they learnt from."""
        notes, episodes, arrays = super().state()
        own: dict[str, Any] = {"n_human": self.n_human, "person_spent": self._person_spent}
        if self.adapter_learner is not None:
            learnt, own["adapters"] = self.adapter_learner.state()
            arrays |= {_ADAPTERS + name: array for name, array in learnt.items()}
        return {**notes, "prefvlm": own}, episodes, arrays

    def restore(
        self,
        notes: dict[str, Any],
        episodes: Sequence[Trajectory],
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        """Go back to a `state`; see `PEBBLE.restore`."""
        own = notes["prefvlm"]
        self.n_human, self._person_spent = int(own["n_human"]), bool(own["person_spent"])
        if self.adapter_learner is not None:
            learnt = {
                name.removeprefix(_ADAPTERS): array
                for name, array in arrays.items()
                if name.startswith(_ADAPTERS)
            }
            self.adapter_learner.restore(learnt, own["adapters"])
        super().restore(notes, episodes, arrays)  # last: it may ask, with these adapters

    def _with_adapters(
        self, labeller: PreferenceSource, instruction: str | None, seed: int
    ) -> PreferenceSource:
        """The labeller with adapters on its encoder."""
        if not isinstance(labeller, PreferenceFromReward):
            raise NeedsError(
                f"{class_and_settings(labeller)[0]} is no encoder that adapters could sit on; take "
                "the labeller of 'liv', 'clip' or 'siglip2', or leave it as it is: "
                "PrefVLMConfig(adapters=False)."
            )
        if not instruction:
            raise NeedsError(
                f"instruction={instruction!r}; an encoder compares pictures with a text. Pass "
                "instruction='close the drawer'."
            )
        self._encodes = encodes = encoder_of_texts(labeller.source)
        width, name = len(encodes.embed_text(instruction)), class_and_settings(encodes)[0]
        if self.prefvlm.begin_with is None:
            bottleneck = self.prefvlm.adapter_training.bottleneck
            self.adapters = EncoderAdapters(width, bottleneck, encoder=name, seed=seed)
        else:
            path = Path(self.prefvlm.begin_with)
            self.adapters = EncoderAdapters.load(path, width=width, encoder=name)
        return PreferenceFromReward(
            AdaptedReward(encodes, self.adapters), tie_margin=labeller.config.tie_margin
        )

    def _init_callback(self) -> None:
        super()._init_callback()
        if self.adapters is None or self._encodes is None or self.adapter_learner is not None:
            return
        training, space = self.prefvlm.adapter_training, self.buffer.action_space
        if not self.prefvlm.inverse_dynamics:
            training = replace(training, dynamics_weight=0.0)
        if isinstance(space, gym.spaces.Box):  # others are refused where episodes are recorded
            self.adapter_learner = AdapterLearner(
                self._encodes,
                self.adapters.to(self.model.device),
                training,
                actions=space,
                length=self.config.segment_length,
                seed=self._seed,
            )

    def _ask_person(self, by_encoder: PreferenceDataset) -> PreferenceDataset:
        """The answers with those of the person in place of some; changes no state but its own."""
        self._rows = self._uncertain_rows(by_encoder)
        self._by_person = np.zeros(len(by_encoder), np.bool_)
        if not len(self._rows):
            return by_encoder
        pairs = [by_encoder.pairs[row] for row in self._rows]
        try:
            said = label_pairs(pairs, self.person, instruction=self._instruction)
        except _SPENT as error:
            self._person_spent, self._rows = True, self._rows[:0]
            warnings.warn(
                f"The person gave no answer about {len(pairs)} pairs and is not asked again: "
                f"{error} Training goes on with the encoder's labels.",
                LearnedRewardWarning,
                stacklevel=2,
            )
            return by_encoder
        answered = said.labels.answered
        self._by_person[self._rows[answered]] = True
        place = np.arange(len(by_encoder))
        place[self._rows[answered]] = len(by_encoder) + np.flatnonzero(answered)
        both = by_encoder.append(said).take(place)
        return _with_costs_of_both(both, by_encoder, said, self._rows)

    def _uncertain_rows(self, by_encoder: PreferenceDataset) -> Int64[np.ndarray, " b"]:
        """Pairs that the person is asked about."""
        n = self.prefvlm.n_for_person(len(by_encoder), self.n_human)
        rows = np.arange(len(by_encoder), dtype=np.int64)
        rng = np.random.default_rng([self._seed, 3, len(self.sessions)])
        if not n or self._person_spent:
            return rows[:0]
        if not self.learner.version:  # an ensemble that knows nothing has no doubts
            return np.sort(rng.choice(rows, n, replace=False))
        logits = self.learner.member_logits(by_encoder.pairs)
        if self.label_filter is not None:
            labels, nobody = by_encoder.labels, np.zeros(len(rows), np.bool_)
            trust = self.label_filter.judge(logits, labels.prefer_second, nobody)
            rows = rows[trust.uncertain | ~labels.answered]
        n = min(n, len(rows))
        if self.prefvlm.choice == "uniform":
            return np.sort(rng.choice(rows, n, replace=False))
        return np.sort(rows[select_disagreement(preference_probability(logits[:, rows], 1.0), n)])

    def _certain(self, answers: PreferenceDataset) -> Bool[np.ndarray, " N"] | None:
        """The person's answers."""
        return None if self.prefvlm.human_only else self._by_person

    def _learn(self, answers: PreferenceDataset) -> None:
        self.n_human += len(answers) if self.prefvlm.human_only else len(self._rows)
        super()._learn(answers)
        self.logger.record("feedback/human_asked", self.n_human)
        if self.adapter_learner is not None:
            self.adapter_learner.learn(answers.take(self._by_person), self.episodes)
            for report in self.adapter_learner.reports[-1:]:
                self.logger.record("adapters/preference_loss", report.preference_loss)
                self.logger.record("adapters/dynamics_loss", report.dynamics_loss)


def _with_costs_of_both(
    both: PreferenceDataset,
    by_encoder: PreferenceDataset,
    said: PreferenceDataset,
    rows: Int64[np.ndarray, " b"],
) -> PreferenceDataset:
    """Pairs that two were asked about cost what both took."""
    costs = {}
    for name in ("cost_usd", "tokens", "seconds"):
        costs[name] = getattr(by_encoder.labels, name).copy()
        costs[name][rows] += getattr(said.labels, name)
    return PreferenceDataset(
        both.pairs, replace(both.labels, **costs), both.instructions, both.labelled_by
    )
