"""A reward model that is trained in place, session after session, on all labels so far."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8
from scipy.special import expit
from torch import Tensor

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, gather_pairs
from vlfeedback.errors import NeedsError
from vlfeedback.models.reward.inputs import embed_frames, read_steps, with_encoder
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import (
    PairRows,
    RewardTrainer,
    RewardTraining,
    label_agreement,
)
from vlfeedback.online.rime import RIMEFilter
from vlfeedback.online.surf import SURFConfig, SURFTrainer
from vlfeedback.types import EmbeddingSource, Report, SegmentBatch, SegmentPairs

__all__ = ["RewardLearner", "SessionReport"]

_SURF = "surf."
_NOTHING = PairRows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What a session brought.

    Attributes:
        n_labels: answered pairs that are trained on, of all sessions.
        n_new: of those, how many are new.
        train_accuracy: of the last pass, ties left out; NaN where nothing was trained.
        passes: over the labels.
        trusted: share of the labels that a filter left as they are in the last pass; 1 without.
        flipped: share that it turned round.
        pseudo_labelled: share of pairs without labels that the model was sure of, with SURF.
        foreseen: share of the new labels, ties left out, that the model gave before it learnt from
            them; None where it had learnt nothing yet, or all are ties.
        disagreement: standard deviation over members of P(second preferred), mean over the new
            pairs, before they were learnt from; None where it had learnt nothing yet.
    """

    n_labels: int
    n_new: int
    train_accuracy: float
    passes: int
    trusted: float = 1.0
    flipped: float = 0.0
    pseudo_labelled: float = 0.0
    foreseen: float | None = None
    disagreement: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The same for a file: NaN is null."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


class RewardLearner:
    """An ensemble, its optimiser, and the inputs of every labelled pair.

    Whoever pays rewards and whoever relabels hold this one object: `version` says how often it has
    learnt.

    Args:
        config: of the networks. Pictures that they read are those after each step.
        training: its `epochs` and `target_accuracy` are those of one session.
        length: steps of a segment.
        n_observation: numbers of an observation.
        n_action: numbers of an action.
        seed: of first weights and of the order of pairs.
        encoder: what embeds pictures, for ``inputs="embeddings"``.
        label_filter: which labels are trusted in each pass, and which are turned round; None:
            all are trusted.
        surf: pairs without labels, and crops; None: neither. Not together with a filter.
        device: where it computes.

    Raises:
        NeedsError: the config reads clouds of points, pictures of no given size, or embeddings
            without an encoder.
    """

    def __init__(
        self,
        config: RewardModelConfig,
        training: RewardTraining,
        *,
        length: int,
        n_observation: int,
        n_action: int,
        seed: int,
        encoder: EmbeddingSource | None = None,
        label_filter: RIMEFilter | None = None,
        surf: SURFConfig | None = None,
        device: str = "cpu",
    ) -> None:
        config, self._encoder = with_encoder(config, encoder), encoder
        shape = self._shape(config, n_observation, n_action)
        self.model = RewardModel(config, shape, seed=seed).to(device)
        self.version = 0
        self._filter, self._training = label_filter, replace(training, validation=0.0)
        one_pass = self._training
        if label_filter is not None:  # judges labels before each pass
            one_pass = replace(self._training, epochs=1, target_accuracy=1.0)
        self._inputs = _LabelledSteps()
        self._certain = np.zeros(0, dtype=np.bool_)
        self.prefer_second = np.zeros(0, dtype=np.float32)
        self._surf = None
        if surf is not None:
            self._surf = SURFTrainer(self.model, one_pass, length, seed, surf)
        self.trainer = self._surf or RewardTrainer(self.model, one_pass, self._inputs, length, seed)

    def learn(
        self,
        dataset: PreferenceDataset,
        certain: Bool[np.ndarray, " N"] | None = None,
        report: Report | None = None,
        unlabelled: SegmentPairList | None = None,
    ) -> SessionReport:
        """Add the answered pairs of a session, and train on all; ties are trained to 0.5.

        With nothing new the model stays as it is.

        Args:
            dataset: of the session.
            certain: labels that a filter may not touch, such as a person's; default: none.
            report: called while it trains.
            unlabelled: more pairs, for SURF; they are kept as those with labels are.
        """
        answered = dataset.answered()
        if not len(answered):
            return SessionReport(len(self.prefer_second), 0, math.nan, 0)
        foreseen, disagreement = self._foresee(answered)
        sure = np.zeros(len(dataset), np.bool_) if certain is None else certain
        if self._surf is not None:
            self._surf.add(answered.pairs, unlabelled or [])
        else:
            pairs, config = self._gather(answered.pairs), self.model.config
            self._inputs.append(read_steps(pairs.first, config), read_steps(pairs.second, config))
        labels = answered.labels.prefer_second
        self.prefer_second = np.concatenate([self.prefer_second, labels])
        self._certain = np.concatenate([self._certain, sure[dataset.labels.answered]])
        self.version += 1
        if self._filter is not None:
            session = self._fit_filtered(self._filter, len(answered), report)
        else:
            curves = self.trainer.fit(self._rows(), _NOTHING, report)
            session = SessionReport(
                len(self.prefer_second),
                len(answered),
                curves.accuracy,
                len(curves.train),
                pseudo_labelled=0.0 if self._surf is None else self._surf.pseudo_labelled,
            )
        return replace(session, foreseen=foreseen, disagreement=disagreement)

    def _foresee(self, answered: PreferenceDataset) -> tuple[float | None, float | None]:
        """How right the model is about labels that it has not seen, and how far from one mind."""
        if not self.version:
            return None, None
        logits = self.member_logits(answered.pairs)
        agreed = label_agreement(logits.mean(axis=0), answered.labels.prefer_second)
        foreseen = float(agreed.mean()) if len(agreed) else None
        return foreseen, float(expit(logits).std(axis=0).mean())

    def member_rewards(
        self,
        observations: Float32[np.ndarray, "B D"],
        actions: Float32[np.ndarray, "B A"],
        pictures: Shaped[np.ndarray, "B ..."] | None = None,
    ) -> Float32[np.ndarray, "K B"]:
        """Reward of each step by each member, as it is: B-Pref standardises nothing.

        Args:
            observations: before each step.
            actions: as environments take them.
            pictures: after each step, as `encode` gives them, where the model reads some.
        """
        if pictures is not None:
            steps = torch.from_numpy(pictures)
            steps = steps if self.model.config.inputs == "frames" else steps.float()
        elif self.model.config.inputs == "state":
            steps = torch.from_numpy(observations)
        else:
            steps = torch.from_numpy(np.concatenate([observations, actions], axis=1))
        return np.asarray(self.model.score(steps))

    def member_logits(self, pairs: SegmentPairList) -> Float64[np.ndarray, "K N"]:
        """Logit of P(second preferred) of each member, for pairs without labels."""
        return self.model.member_logits(self._gather(pairs))

    @property
    def picture_shape(self) -> tuple[int, ...] | None:
        """Of what is kept of each picture; None where the model reads none."""
        return self.model.shape if self.model.needs.frames else None

    @property
    def picture_dtype(self) -> str:
        """Pictures as they are, embeddings in half precision."""
        return "uint8" if self.model.config.inputs == "frames" else "float16"

    def encode(self, pictures: UInt8[np.ndarray, "n H W 3"]) -> Shaped[np.ndarray, "n ..."]:
        """Pictures at the size that the model reads, or their embeddings."""
        batch = SegmentBatch(frames=pictures[:, None])
        if self._encoder is not None:
            batch = embed_frames(batch, self._encoder)
        steps = read_steps(batch, self.model.config)[:, 0].numpy()
        return np.asarray(steps.astype(self.picture_dtype))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the next session depends on: tensors, and JSON values."""
        tensors = {f"network.{k}": t for k, t in self.model.networks.state_dict().items()}
        for index, state in self.trainer.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": t for name, t in state.items()}
        tensors["inputs"] = self._inputs.all()
        tensors["prefer_second"] = torch.from_numpy(self.prefer_second)
        tensors["certain"] = torch.from_numpy(self._certain)
        notes = {
            "version": self.version,
            "orders": [order.bit_generator.state for order in self.trainer.orders],
            "filter": None if self._filter is None else self._filter.state(),
        }
        if self._surf is not None:
            kept, notes["surf"] = self._surf.state()
            tensors |= {_SURF + name: tensor for name, tensor in kept.items()}
        return tensors, notes

    def restore(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Go back to a `state`."""
        self.model.networks.load_state_dict(_under("network.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith("optimiser."):
                _, index, name = key.split(".", 2)
                state.setdefault(int(index), {})[name] = tensor
        optimiser = self.trainer.optimiser
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        self._inputs.restore(tensors["inputs"])
        self.prefer_second = tensors["prefer_second"].numpy().copy()
        self._certain = tensors["certain"].numpy().copy()
        self.version = int(notes["version"])
        for order, saved in zip(self.trainer.orders, notes["orders"], strict=True):
            order.bit_generator.state = saved
        if self._filter is not None:
            self._filter.restore(notes["filter"])
        if self._surf is not None:
            self._surf.restore(_under(_SURF, tensors), notes["surf"])

    def _gather(self, pairs: SegmentPairList) -> SegmentPairs:
        """What the model reads of these pairs."""
        read = gather_pairs(pairs, None, needs=self.model.needs)
        if self._encoder is None:
            return read
        return SegmentPairs(*(embed_frames(x, self._encoder) for x in (read.first, read.second)))

    def _shape(
        self, config: RewardModelConfig, n_observation: int, n_action: int
    ) -> tuple[int, ...]:
        """Of what the networks read of one step."""
        if config.inputs == "points":
            raise NeedsError(
                "inputs='points'; a reward that is learned while the agent acts reads states, "
                "pictures or their embeddings."
            )
        if config.inputs == "frames":
            if config.picture_size is None:
                raise NeedsError(
                    "picture_size=None: every transition keeps its picture, so that its size has "
                    "to be known; pass RewardModelConfig(inputs='frames', picture_size=100)."
                )
            return config.picture_size, config.picture_size, 3
        if self._encoder is not None:
            black = np.zeros((1, 64, 64, 3), np.uint8)
            return (int(np.prod(self._encoder.embed(black).shape[1:])),)
        return (n_observation + (n_action if config.inputs == "state-action" else 0),)

    def _rows(self) -> PairRows:
        if self._surf is not None:
            return self._surf.rows(self.prefer_second)
        first = 2 * np.arange(len(self.prefer_second), dtype=np.int64)
        return PairRows(first, first + 1, self.prefer_second)

    def _fit_filtered(
        self, label_filter: RIMEFilter, n_new: int, report: Report | None
    ) -> SessionReport:
        rows, accuracy, n_passes = self._rows(), math.nan, 0
        trusted, flipped = 1.0, 0.0
        for n_passes in range(1, self._training.epochs + 1):
            logits = self.trainer.gaps(rows)
            trust = label_filter.begin_pass(logits, rows.prefer_second, self._certain)
            trusted, flipped = float(trust.trusted.mean()), float(trust.flipped.mean())
            kept = np.flatnonzero(~trust.uncertain)
            if not len(kept):
                continue
            turned = np.where(trust.flipped, 1 - rows.prefer_second, rows.prefer_second)
            of_pass = PairRows(rows.first[kept], rows.second[kept], turned[kept])
            accuracy = self.trainer.fit(of_pass, _NOTHING, report).accuracy
            enough = n_passes > label_filter.config.least_passes
            if enough and accuracy > self._training.target_accuracy:
                break
        n = len(self.prefer_second)
        return SessionReport(n, n_new, accuracy, n_passes, trusted, flipped)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}


class _LabelledSteps:
    """Inputs of both segments of each pair: the first at 2 i, the second at 2 i + 1."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []

    def append(self, first: Tensor, second: Tensor) -> None:
        """Add pairs, each side (n, T, D)."""
        self._parts.append(torch.stack([first, second], dim=1).flatten(0, 1))

    def all(self) -> Tensor:
        """Those of all pairs, (2 N, T, D)."""
        if len(self._parts) > 1:
            self._parts = [torch.cat(self._parts)]
        return self._parts[0] if self._parts else torch.zeros(0, 0, 0)

    def restore(self, steps: Tensor) -> None:
        """Have these, and no others."""
        self._parts = [steps] if len(steps) else []

    def take(self, rows: np.ndarray) -> Tensor:
        """Inputs of these segments, (n, T, D)."""
        return self.all()[torch.from_numpy(rows)]
