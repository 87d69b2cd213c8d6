"""SURF: a reward model that also learns from pairs nobody was asked about, and from crops.

Paper:    Park et al. 2022, "SURF", ICLR; code read: alinlab/SURF at 866630a,
          reward_model_semi_dataaug.py and train_PEBBLE_semi_dataaug.py
Recipe:   PEBBLE, but
          1 segments keep `window` steps before and after them; the labeller compares the segment
            alone;
          2 with each session come `unlabelled_ratio` pairs for each that is asked about, drawn
            uniformly whatever the sampler;
          3 a gradient step reads a batch of labels, and `batch_ratio` times as many of those. Each
            pair is compared by a random crop of each side: as long on both, from `crop_range`
            steps shorter than a segment to as many longer, anywhere within what was kept;
          4 a member that gives one side of an unlabelled pair at least `threshold`, over the
            segments as they are, takes that for the pair's label: the loss is
            CE(labels) + weight * sum of CE(crop, own label) over those / all of the batch;
          5 a session has ceil(epochs * labels / batch) gradient steps, however good it is.
Differs:  ties are trained to 0.5 always, in the code only where its teacher has some; its teacher
          that skips pairs then finds ties by all the steps that were kept. A session without an
          answer leaves the model as it is, and brings no unlabelled pairs; with
          ``asynchronous=True`` they are drawn when the answers come. Every step is kept once, and
          unlabelled pairs without limit, where the code keeps copies of 500,000 at most. Where a
          labeller sees every k-th picture, segments start where pictures are. Its rewards of
          pictures, which are in a branch of their own and shift pictures too, are not here.
          What PEBBLE does otherwise is told there.
Source of the defaults: the commands of the code's README; its config says threshold 0.95 and
          batch_ratio 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import InvalidValueError
from vlfeedback.losses import bradley_terry
from vlfeedback.models.reward.inputs import needs_of, read_steps
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import PairRows, PassCurves, RewardTrainer, RewardTraining
from vlfeedback.models.training_state import TrainingState
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.types import Report, SegmentBatch, Trajectory

__all__ = ["SURFConfig", "SURFTrainer", "crops", "pseudo_label_loss", "widened"]


@dataclass(frozen=True, slots=True)
class SURFConfig:
    """How many pairs without labels, what is believed of them, and how segments are cropped.

    Attributes:
        unlabelled_ratio: pairs without labels for each that is asked about; 100 for the DeepMind
            control suite. 0, an ablation: crops alone.
        threshold: least probability of a member's own label, in [0.5, 1].
        weight: of the loss on those.
        batch_ratio: pairs without labels in a batch, for each of `RewardTraining.batch_size`.
        window: steps that are kept before a segment, and after it.
        crop_range: steps that crops may be longer or shorter than segments; 0 with ``window=0``,
            an ablation: no crops.

    Raises:
        ValueError: a number is out of its range, or crops do not fit into what is kept.
    """

    unlabelled_ratio: int = 10
    threshold: float = 0.99
    weight: float = 1.0
    batch_ratio: int = 4
    window: int = 5
    crop_range: int = 5

    def __post_init__(self) -> None:
        for name, least in (
            ("unlabelled_ratio", 0),
            ("weight", 0),
            ("batch_ratio", 1),
            ("window", 0),
            ("crop_range", 0),
        ):
            if getattr(self, name) < least:
                raise InvalidValueError(f"{name}={getattr(self, name)}; expected at least {least}.")
        if not 0.5 <= self.threshold <= 1:
            raise InvalidValueError(
                f"threshold={self.threshold}; expected a probability in [0.5, 1]: of two sides one "
                "has a half at least."
            )
        if self.crop_range > 2 * self.window:
            raise InvalidValueError(
                f"crop_range={self.crop_range} and window={self.window}; segments are kept with "
                f"{2 * self.window} steps more, and no crop is longer. Take a larger window, or a "
                "smaller crop_range."
            )

    def check(
        self, config: FeedbackConfig, reward: RewardModelConfig, *, is_filtered: bool
    ) -> None:
        """Refuse what does not go with it.

        Args:
            config: of the training.
            reward: what the reward model reads.
            is_filtered: whether RIME judges the labels.

        Raises:
            InvalidValueError: crops may have no step, the reward model reads something else than
                states, or a filter judges labels.
        """
        if config.segment_length <= self.crop_range:
            raise InvalidValueError(
                f"segment_length={config.segment_length}, and SURF crops up to {self.crop_range} "
                "steps off; expected longer segments, or a smaller SURFConfig(crop_range=...). "
                "Single steps are compared without SURF."
            )
        if needs_of(reward).frames:
            raise InvalidValueError(
                f"inputs={reward.inputs!r} with SURF, which crops segments of states; pass "
                "RewardModelConfig(inputs='state-action'), or leave SURF out. The labeller may "
                "look at pictures all the same."
            )
        if is_filtered:
            raise InvalidValueError(
                "SURF beside RIME's filter: one adds labels of the reward model's own, the other "
                "takes away those that it does not find likely, and nobody has tried them "
                "together. Leave one out."
            )


def widened(pairs: SegmentPairList, window: int) -> SegmentPairList:
    """The same pairs with so many steps more before each segment, and after it.

    Raises:
        ShapeError: there are no such steps.
    """
    return [
        (
            first.trajectory.segment(first.start - window, first.length + 2 * window),
            second.trajectory.segment(second.start - window, second.length + 2 * window),
        )
        for first, second in pairs
    ]


def crops(
    n: int, length: int, config: SURFConfig, rng: np.random.Generator
) -> Float32[np.ndarray, "n2 T"]:
    """1 at the steps that count, and 0 elsewhere: of n first segments, then of the n second ones.

    Args:
        n: pairs.
        length: steps of a segment; T has `SURFConfig.window` more on both sides.
        config: by how much crops are shorter or longer.
        rng: source of randomness.

    Returns:
        (2 n, T); as many ones for the second segment of a pair as for the first.
    """
    kept = length + 2 * config.window
    lengths = rng.integers(length - config.crop_range, length + config.crop_range + 1, size=n)
    starts = rng.integers(0, kept - lengths + 1, size=(2, n))
    steps, starts = np.arange(kept), starts[..., None]
    counts = (steps >= starts) & (steps < starts + lengths[:, None])
    return counts.reshape(2 * n, kept).astype(np.float32)


def pseudo_label_loss(
    whole: Float[Tensor, " n"], cropped: Float[Tensor, " n"], threshold: float
) -> tuple[Float[Tensor, ""], int]:
    """Cross-entropy of crops under what a member says of the whole segments, where it is sure.

    Args:
        whole: score of each pair's second segment minus that of its first; no gradient flows back
            through it.
        cropped: the same of their crops.
        threshold: pairs of which neither side has this probability add 0 to the mean.

    Returns:
        A scalar >= 0, the mean over all n, and of how many pairs it is sure.

    >>> pseudo_label_loss(torch.tensor([9.0, 0.1]), torch.zeros(2), 0.99)  # ln 2 / 2
    (tensor(0.3466), 1)
    """
    whole = whole.detach()
    is_sure = torch.sigmoid(whole.abs()) >= threshold
    losses = functional.binary_cross_entropy_with_logits(
        cropped, (whole > 0).to(cropped), reduction="none"
    )
    return (losses * is_sure).mean(), int(is_sure.sum())


class SURFTrainer(RewardTrainer):
    """Trains a reward model on labelled pairs and others, whose steps it keeps.

    Args:
        model: trained in place.
        training: of a session; its `epochs` say how many gradient steps that has.
        length: steps of a segment.
        seed: of the order of pairs, and of crops.
        surf: settings.

    Attributes:
        labelled: (N, 2) where the segments of each labelled pair begin, with their windows.
        unlabelled: (U, 2) the same of pairs without labels.
        pseudo_labelled: share of the latter, as they were drawn in the last session, of which a
            member was sure.
    """

    def __init__(
        self,
        model: RewardModel,
        training: RewardTraining,
        length: int,
        seed: int,
        surf: SURFConfig,
    ) -> None:
        kept = length + 2 * surf.window
        self._episodes = _EpisodeSteps(model.config, kept)
        super().__init__(model, replace(training, target_accuracy=1.0), self._episodes, kept, seed)
        self._steps_given, self._length, self._surf = training.steps, length, surf
        self.labelled: Int64[np.ndarray, "N 2"] = np.zeros((0, 2), np.int64)
        self.unlabelled: Int64[np.ndarray, "U 2"] = np.zeros((0, 2), np.int64)
        self.pseudo_labelled = 0.0
        self._n_drawn, self._n_sure = 0, 0
        self._coming: list[np.ndarray] = []

    def add(self, labelled: SegmentPairList, unlabelled: SegmentPairList) -> None:
        """Keep what is read of these pairs, which are given without their windows.

        Raises:
            ShapeError: an episode has no such steps.
            ValueError: a number in one of the episodes is NaN or infinite.
        """
        window, begins = self._surf.window, self._episodes.begins
        self.labelled = np.concatenate([self.labelled, begins(widened(labelled, window))])
        self.unlabelled = np.concatenate([self.unlabelled, begins(widened(unlabelled, window))])

    def rows(self, prefer_second: Float32[np.ndarray, " N"]) -> PairRows:
        """All labelled pairs, for `fit`."""
        return PairRows(self.labelled[:, 0], self.labelled[:, 1], prefer_second)

    def fit(
        self,
        pairs: PairRows,
        held_out: PairRows,
        report: Report | None,
        state: TrainingState | None = None,
    ) -> PassCurves:
        """See `RewardTrainer.fit`; losses are those of both kinds of pairs, accuracy of crops."""
        steps = math.ceil(self._training.epochs * len(pairs.first) / self._batch)
        self._training = replace(self._training, steps=self._steps_given or steps)
        self._coming = [np.zeros(0, np.int64)] * len(self.orders)
        self._n_drawn, self._n_sure = 0, 0
        curves = super().fit(pairs, held_out, report, state)
        self.pseudo_labelled = self._n_sure / max(1, self._n_drawn)
        return curves

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What is kept of pairs: tensors, and JSON values."""
        tensors = {
            "steps": self._episodes.all(),
            "labelled": torch.from_numpy(self.labelled),
            "unlabelled": torch.from_numpy(self.unlabelled),
        }
        return tensors, {"episodes": self._episodes.known}

    def restore(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Go back to a `state`."""
        self._episodes.restore(tensors["steps"], notes["episodes"])
        self.labelled = tensors["labelled"].numpy().copy()
        self.unlabelled = tensors["unlabelled"].numpy().copy()

    def _member_loss(
        self, member: int, pairs: PairRows, rows: np.ndarray
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " n"]]:
        gap = self._cropped(member, self._rewards(member, self._read(pairs, rows)))
        targets = self._targets(pairs.prefer_second[rows])
        loss = bradley_terry(torch.zeros_like(gap), gap, targets)
        drawn = self._next_unlabelled(member)
        if not len(drawn):
            return loss, gap
        others = PairRows(drawn[:, 0], drawn[:, 1], np.zeros(len(drawn), np.float32))
        rewards = self._rewards(member, self._read(others, np.arange(len(drawn))))
        window, threshold = self._surf.window, self._surf.threshold
        whole = _gap(rewards[:, window : window + self._length])
        of_own, n_sure = pseudo_label_loss(whole, self._cropped(member, rewards), threshold)
        self._n_drawn, self._n_sure = self._n_drawn + len(drawn), self._n_sure + n_sure
        return loss + self._surf.weight * of_own, gap

    def _cropped(self, member: int, rewards: Float[Tensor, "n2 T"]) -> Float[Tensor, " n"]:
        """Gaps of the scores of random crops."""
        counts = crops(len(rewards) // 2, self._length, self._surf, self.orders[member])
        return _gap(rewards * torch.from_numpy(counts).to(rewards))

    def _next_unlabelled(self, member: int) -> Int64[np.ndarray, "b 2"]:
        """A batch of pairs without labels, each once before any comes again."""
        if not len(self._coming[member]):
            self._coming[member] = self.orders[member].permutation(len(self.unlabelled))
        n = self._batch * self._surf.batch_ratio
        rows, self._coming[member] = np.split(self._coming[member], [n])
        return np.asarray(self.unlabelled[rows])


def _gap(rewards: Float[Tensor, "n2 T"]) -> Float[Tensor, " n"]:
    first, second = torch.chunk(rewards.sum(dim=1), 2)
    return second - first


class _EpisodeSteps:
    """What a reward model reads of whole episodes, each kept once, one after the other.

    A segment is the place where it begins. Episodes are known by what they hold, so that those of
    a training that was stopped are known again.
    """

    def __init__(self, config: RewardModelConfig, length: int) -> None:
        self._config, self._length = config, length
        self._parts: list[Tensor] = []
        self.known: dict[str, int] = {}  # where each episode begins, by the hash of its steps
        self._n_steps = 0

    def begins(self, pairs: SegmentPairList) -> Int64[np.ndarray, "N 2"]:
        """Where the segments of these pairs begin; their episodes are read if they are new."""
        episodes = dict.fromkeys(segment.trajectory for pair in pairs for segment in pair)
        place = {episode: self._place(episode) for episode in episodes}
        rows = [[place[segment.trajectory] + segment.start for segment in pair] for pair in pairs]
        return np.array(rows, np.int64).reshape(-1, 2)

    def take(self, rows: np.ndarray) -> Tensor:
        """Inputs of the segments that begin there, (n, T, D)."""
        return self.all()[torch.from_numpy(rows[:, None] + np.arange(self._length))]

    def all(self) -> Tensor:
        """Every step, (M, D)."""
        if len(self._parts) > 1:
            self._parts = [torch.cat(self._parts)]
        return self._parts[0] if self._parts else torch.zeros(0, 0)

    def restore(self, steps: Tensor, known: Mapping[str, int]) -> None:
        """Have these, and no others."""
        self._parts = [steps] if len(steps) else []
        self.known, self._n_steps = dict(known), len(steps)

    def _place(self, episode: Trajectory) -> int:
        whole = [episode.segment(0, len(episode))]
        batch = SegmentBatch.from_segments(whole, needs=needs_of(self._config))
        steps = read_steps(batch, self._config)[0]
        key = sha256(steps.numpy().tobytes()).hexdigest()
        if key not in self.known:
            self.known[key] = self._n_steps
            self._parts.append(steps)
            self._n_steps += len(steps)
        return self.known[key]
