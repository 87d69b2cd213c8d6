"""Training loop of `fit_reward_model`: an ensemble, its optimiser, and pairs in minibatches."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from vlfeedback.encoders.bfloat16 import uses_bfloat16
from vlfeedback.errors import InvalidValueError
from vlfeedback.losses import bradley_terry
from vlfeedback.models.reward.inputs import needs_of
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.training_state import TrainingState
from vlfeedback.types import Report

__all__ = [
    "PairRows",
    "PassCurves",
    "RewardTrainer",
    "RewardTraining",
    "StepsOfSegments",
    "label_agreement",
]

_BATCH = {"cnn": 64, "resnet18": 32, "pointnet": 32}  # RL-VLM-F; clouds our choice, untested


@dataclass(frozen=True, slots=True)
class RewardTraining:
    """How a reward model is trained.

    Attributes:
        epochs: passes over the pairs, at most; B-Pref, config (reward_update).
        steps: gradient steps in place of passes, of one batch each; the order of batches goes on
            from one pass to the next, and the last pass may be a part of one; None: `epochs` count.
        batch_size: pairs; None: 128, 64 for the CNN, 32 for resnet18 (RL-VLM-F).
        learning_rate: of Adam; B-Pref, reward_model.py.
        target_accuracy: stop above it, mean over members; B-Pref; 1: never.
        label_margin: labels become y (1 - 2 margin) + margin; B-Pref, reward_model.py.
        validation: share of the pairs held out; our choice, the papers hold out none.
        patience: passes without a lower validation loss; then the best are kept.
        bf16: matrix products in bfloat16; "auto": where the device is faster in it.

    Raises:
        ValueError: a number is out of its range.
    """

    epochs: int = 200
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float = 3e-4
    target_accuracy: float = 0.97
    label_margin: float = 0.0
    validation: float = 0.1
    patience: int | None = None
    bf16: bool | Literal["auto"] = False

    def __post_init__(self) -> None:
        names = ("epochs", "steps", "batch_size", "patience")
        counts = {name: n for name in names if (n := getattr(self, name)) is not None}
        if min(counts.values()) < 1:
            given = ", ".join(f"{name}={n}" for name, n in counts.items())
            raise InvalidValueError(f"{given}; expected at least 1 of each.")
        if not 0 <= self.label_margin < 0.5 or not 0 <= self.validation < 1:
            raise InvalidValueError(
                f"label_margin={self.label_margin} and validation={self.validation}; expected a "
                "margin in [0, 0.5) and a share in [0, 1)."
            )
        if self.bf16 not in (True, False, "auto"):
            raise InvalidValueError(
                f"bf16={self.bf16!r}; expected True, False or 'auto', which is what is faster on "
                "the device."
            )


@dataclass(frozen=True, slots=True)
class PairRows:
    """Pairs as positions among the distinct segments."""

    first: Int64[np.ndarray, " N"]
    second: Int64[np.ndarray, " N"]
    prefer_second: Float32[np.ndarray, " N"]


@dataclass(slots=True)
class PassCurves:
    """Losses of each pass, the last one's accuracy, and why it was the last."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    accuracy: float = math.nan
    stopped: str = ""

    @property
    def passes_since_best(self) -> int:
        """Passes after the one with the lowest validation loss; 0 without validation."""
        if not self.validation:
            return 0
        return len(self.validation) - 1 - int(np.argmin(self.validation))


@runtime_checkable
class StepsOfSegments(Protocol):
    """Network inputs of segments, by their positions: `SegmentSteps`, for one."""

    def take(self, rows: np.ndarray) -> Tensor:
        """Inputs of these segments, (n, F, *shape)."""


class RewardTrainer:
    """One optimiser over all members, and the pairs in minibatches.

    It may be asked to `fit` again and again, on more pairs each time: the optimiser goes on.

    Attributes:
        optimiser: of all members.
        orders: what shuffles the pairs, one for each member.
    """

    def __init__(
        self,
        model: RewardModel,
        training: RewardTraining,
        steps: StepsOfSegments,
        length: int,
        seed: int,
    ) -> None:
        self._model = model
        self._training = training
        self._steps = steps
        networks = model.networks
        self.optimiser = torch.optim.Adam(
            networks.parameters(), lr=training.learning_rate, fused=True
        )
        self.orders = [np.random.default_rng([seed, 1, k]) for k in range(len(networks))]
        self._bfloat16 = uses_bfloat16(training.bf16, str(model.device))
        self._batch = training.batch_size or _BATCH.get(model.config.network, 128)
        # Steps that each reward counts for: until the next picture.
        starts = np.arange(0, length, needs_of(model.config).frame_stride)
        durations = np.diff(np.append(starts, length)).astype(np.float32)
        self._durations = torch.from_numpy(durations).to(model.device)

    def fit(
        self,
        pairs: PairRows,
        held_out: PairRows,
        report: Report | None,
        state: TrainingState | None = None,
    ) -> PassCurves:
        """Train in place, until it is good enough; the networks are left in evaluation mode.

        Args:
            pairs: trained on.
            held_out: measured after each pass; may be none.
            report: called after every step.
            state: what the training is kept in after each pass; one that was cut off goes on.
        """
        networks, training = self._model.networks, self._training
        optimiser, orders = self.optimiser, self.orders
        # With patience the networks of the lowest validation loss are the outcome.
        best = copy.deepcopy(networks) if training.patience and len(held_out.first) else None
        state = state or TrainingState()
        modules = networks if best is None else nn.ModuleDict({"now": networks, "best": best})
        state.resume(modules, optimiser, orders)
        curves = PassCurves(**state.notes)
        n_passes = training.epochs
        if training.steps is not None:
            n_passes = math.ceil(training.steps / math.ceil(len(pairs.first) / self._batch))
        while not (stopped := self._reason_to_stop(curves, n_passes)):
            self._pass(pairs, optimiser, orders, curves, report)
            if len(held_out.first):
                curves.validation.append(self._loss(held_out))
            if best is not None and curves.passes_since_best == 0:
                best.load_state_dict(networks.state_dict())
            state.notes = asdict(curves)
            state.done(len(curves.train), n_passes)
        if best is not None:
            networks.load_state_dict(best.state_dict())
        networks.eval()
        curves.stopped = stopped
        return curves

    def _reason_to_stop(self, curves: PassCurves, n_passes: int) -> str:
        """Value of `PassCurves.stopped`; empty where another pass follows."""
        training = self._training
        if curves.accuracy > training.target_accuracy:
            return "accuracy"
        if training.patience is not None and curves.passes_since_best >= training.patience:
            return "validation"
        return "epochs" if len(curves.train) >= n_passes else ""

    def _pass(
        self,
        pairs: PairRows,
        optimiser: torch.optim.Optimizer,
        rngs: list[np.random.Generator],
        curves: PassCurves,
        report: Report | None,
    ) -> None:
        """All pairs once, in an order of each member's own; the mean loss goes to the curve.

        Only so many batches of them as are left of `RewardTraining.steps`.
        """
        networks = self._model.networks.train()
        orders = [rng.permutation(len(pairs.first)) for rng in rngs]
        total, agreements = 0.0, []
        starts = range(0, len(pairs.first), self._batch)
        n_done = len(curves.train) * len(starts)
        steps = self._training.steps or self._training.epochs * len(starts)
        starts = starts[: steps - n_done]
        n_seen = min(len(starts) * self._batch, len(pairs.first))
        for step, start in enumerate(starts, start=1 + n_done):
            optimiser.zero_grad()
            for member, order in enumerate(orders):
                rows = order[start : start + self._batch]
                loss, gap = self._member_loss(member, pairs, rows)
                loss.backward()  # adds up over members, none of which sees another's
                total += float(loss.detach()) * len(rows)
                agreements.append(
                    label_agreement(gap.detach().cpu().numpy(), pairs.prefer_second[rows])
                )
            optimiser.step()
            if report is not None:
                n_compared = len(networks) * min(start + self._batch, len(pairs.first))
                report("comparing segments", step, steps, total / n_compared)
        networks.eval()
        curves.train.append(total / (len(networks) * n_seen))
        agreed = np.concatenate(agreements)
        curves.accuracy = float(agreed.mean()) if len(agreed) else math.nan  # all are ties
        if not math.isfinite(total):
            raise InvalidValueError(
                f"The training diverged: the loss of pass {len(curves.train)} is {total}. Take a "
                f"smaller learning_rate than {self._training.learning_rate}, or output='tanh'."
            )

    def _read(self, pairs: PairRows, rows: np.ndarray) -> Tensor:
        """Network inputs of the first segments, then of the second ones."""
        both = np.concatenate([pairs.first[rows], pairs.second[rows]])
        return self._steps.take(both).to(self._model.device)

    def _member_loss(
        self, member: int, pairs: PairRows, rows: np.ndarray
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " n"]]:
        """What a member is trained to make small on these pairs, and the gaps of their scores."""
        gap = self._gap(member, self._read(pairs, rows))
        targets = self._targets(pairs.prefer_second[rows])
        return bradley_terry(torch.zeros_like(gap), gap, targets), gap

    def _gap(self, member: int, steps: Tensor) -> Float[Tensor, " n"]:
        """Score of each pair's second segment minus that of its first, for one member."""
        first, second = torch.chunk(self._rewards(member, steps) @ self._durations, 2)
        return torch.sub(second, first)

    def _rewards(self, member: int, steps: Tensor) -> Float[Tensor, "n2 F"]:
        """Rewards of one member in segments as `_read` gives them."""
        device, network = self._model.device.type, self._model.networks[member]
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self._bfloat16):
            rewards = network(steps.flatten(0, 1))
        return torch.as_tensor(rewards).float().reshape(len(steps), -1)

    @torch.inference_mode()
    def gaps(self, pairs: PairRows) -> Float[np.ndarray, "K N"]:
        """Score of each pair's second segment minus that of its first, for every member."""
        rows = np.arange(len(pairs.first))
        gaps = np.zeros((len(self._model.networks), len(rows)), dtype=np.float64)
        for start in range(0, len(rows), self._batch):
            chunk = rows[start : start + self._batch]
            steps = self._read(pairs, chunk)
            for k in range(len(gaps)):
                gaps[k, chunk] = self._gap(k, steps).cpu().numpy()
        return gaps

    def _loss(self, pairs: PairRows) -> float:
        gaps = torch.from_numpy(self.gaps(pairs))
        targets = self._targets(pairs.prefer_second).double().cpu().expand_as(gaps)
        return float(bradley_terry(torch.zeros_like(gaps), gaps, targets))

    def _targets(self, prefer_second: Float32[np.ndarray, " n"]) -> Float32[Tensor, " n"]:
        margin = self._training.label_margin
        return torch.from_numpy(prefer_second * (1 - 2 * margin) + margin).to(self._model.device)

    def measure_rewards(self, rows: Int64[np.ndarray, " n"]) -> bool:
        """Keep mean and deviation of the ensemble's rewards over all steps of these segments.

        Returns:
            False where all are equal: they are then not standardised.
        """
        parts = []
        for start in range(0, len(rows), self._batch):
            steps = self._steps.take(rows[start : start + self._batch])
            rewards = self._model.score(steps.flatten(0, 1)).mean(axis=0, dtype=np.float64)
            parts.append(rewards.reshape(len(steps), -1))
        rewards = np.concatenate(parts)
        durations = np.broadcast_to(self._durations.cpu().numpy(), rewards.shape)
        mean = float(np.average(rewards, weights=durations))
        std = math.sqrt(np.average((rewards - mean) ** 2, weights=durations))
        # A constant is not divided by what rounding leaves of its deviation.
        if std <= 1e-6:
            return False
        self._model.reward_mean, self._model.reward_std = mean, std
        return True


def label_agreement(gap: np.ndarray, prefer_second: np.ndarray) -> Float[np.ndarray, " n"]:
    """1 where the sign is the label's, 0.5 where there is none; pairs that tie are left out."""
    ordered = prefer_second != 0.5
    agreement = np.sign(gap[ordered]) * np.sign(prefer_second[ordered] - 0.5)
    return np.asarray(0.5 + 0.5 * agreement, dtype=np.float64)
