"""Training of adapters: people's preferences, and what actions do to pictures.

Paper:    "Preference VLM" (PrefVLM, arXiv 2502.01616), as it was digested by others
Recipe:   1 L_pref, the cross entropy of P(second preferred) = sigmoid(gap / T) and a person's
          label, gap the difference of two segments' summed cosines; 2 L_idm = |a - h([z, z'])|^2,
          h a network of one hidden layer that guesses the action between two adapted pictures;
          3 L = L_pref + lambda L_idm, for the adapters and h together.
Source:   sizes, rates and T are our choice, untested; the paper's are not known
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from vlfeedback.errors import InvalidValueError
from vlfeedback.losses import bradley_terry
from vlfeedback.models.adapters.network import EncoderAdapters
from vlfeedback.models.adapters.pictures import PicturedPairs, PicturedSteps

__all__ = ["AdapterReport", "AdapterTrainer", "AdapterTraining"]

_HIDDEN = 256  # of the inverse dynamics; our choice, untested


@dataclass(frozen=True, slots=True)
class AdapterTraining:
    """How adapters are trained, in each session of labels; our choice, untested.

    Attributes:
        dynamics_weight: lambda, of the inverse-dynamics loss; 0: without it.
        learning_rate: of Adam.
        steps: gradient steps of a session.
        pair_batch: a person's pairs in a batch, at most.
        step_batch: steps with two pictures in a batch.
        temperature: T of one step, in units of a cosine, above 0; T of a segment is this times its
            steps.
        bottleneck: numbers in the middle of an adapter.

    Raises:
        ValueError: a number is out of its range.
    """

    dynamics_weight: float = 1.0
    learning_rate: float = 1e-4
    steps: int = 100
    pair_batch: int = 64
    step_batch: int = 128
    temperature: float = 0.1
    bottleneck: int = 256

    def __post_init__(self) -> None:
        for name in ("steps", "pair_batch", "step_batch", "bottleneck"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"{name}={getattr(self, name)}; expected at least 1.")
        for name in ("learning_rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidValueError(f"{name}={getattr(self, name)}; expected a number above 0.")
        if not 0 <= self.dynamics_weight < math.inf:
            raise InvalidValueError(
                f"dynamics_weight={self.dynamics_weight}; expected a number of at least 0."
            )


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """What a session of training brought: means over its gradient steps.

    Attributes:
        preference_loss: nats, ln 2 for adapters that know nothing; NaN where nothing was trained.
        dynamics_loss: squared length of the error in actions of [-1, 1]; NaN without it.
        steps: gradient steps.
    """

    preference_loss: float
    dynamics_loss: float
    steps: int


class AdapterTrainer:
    """Adapters, a guess of actions, and one optimiser for both, which goes on between sessions.

    Args:
        adapters: trained in place, where they are.
        training: settings.
        n_action: numbers of an action.
        seed: of the guess's first weights and of batches.

    Attributes:
        dynamics: h, from two adapted pictures (B, 2 D) to the action between them (B, A).
    """

    def __init__(
        self, adapters: EncoderAdapters, training: AdapterTraining, *, n_action: int, seed: int
    ) -> None:
        self.adapters, self._training = adapters, training
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.dynamics = nn.Sequential(
                nn.Linear(2 * adapters.width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, n_action)
            ).to(adapters.device)
        self._modules = nn.ModuleDict({"adapters": adapters, "dynamics": self.dynamics})
        self._optimiser = torch.optim.Adam(self._modules.parameters(), lr=training.learning_rate)
        self._rng = np.random.default_rng([seed, 4])

    def preference_loss(self, pairs: PicturedPairs, rows: np.ndarray) -> Float[Tensor, ""]:
        """L_pref of these rows: ln(1 + exp(-gap / T)) where the second is preferred; nats.

        `gap / T` is the gap of mean cosines over `AdapterTraining.temperature`.
        """
        texts = self._tensor(pairs.texts[rows])[:, None]
        shares = self._tensor(pairs.shares)
        first, second = (
            self.adapters(self._tensor(side[rows]), texts) @ shares
            for side in (pairs.first, pairs.second)
        )
        scale = self._training.temperature
        labels = self._tensor(pairs.prefer_second[rows])
        return bradley_terry(first / scale, second / scale, labels)

    def dynamics_loss(self, steps: PicturedSteps, rows: np.ndarray) -> Float[Tensor, ""]:
        """L_idm of these rows of `steps.before`: the mean of |a - h([z, z'])|^2."""
        before = steps.before[rows]
        z, after = (
            self.adapters.adapted_pictures(self._tensor(steps.features[row]))
            for row in (before, before + 1)
        )
        error = self.dynamics(torch.cat([z, after], dim=-1)) - self._tensor(steps.actions[rows])
        loss: Tensor = error.square().sum(dim=-1).mean()
        return loss

    def fit(self, pairs: PicturedPairs, steps: PicturedSteps | None) -> AdapterReport:
        """One session; without a person's pair nothing is trained, since nothing says what for.

        Args:
            pairs: of all sessions so far.
            steps: of the latest episodes; None: without inverse dynamics.
        """
        training = self._training
        if not len(pairs):
            return AdapterReport(math.nan, math.nan, 0)
        losses = np.full((training.steps, 2), math.nan)
        for number in range(training.steps):
            n = min(training.pair_batch, len(pairs))
            loss = self.preference_loss(pairs, self._rng.choice(len(pairs), n, replace=False))
            losses[number, 0] = float(loss.detach())
            if steps is not None and training.dynamics_weight > 0:
                rows = self._rng.integers(len(steps), size=training.step_batch)
                of_actions = self.dynamics_loss(steps, rows)
                losses[number, 1] = float(of_actions.detach())
                loss = loss + training.dynamics_weight * of_actions
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
        preference, dynamics = losses.mean(axis=0)
        return AdapterReport(float(preference), float(dynamics), training.steps)

    def state(self) -> tuple[dict[str, Float32[np.ndarray, "..."]], dict[str, Any]]:
        """All that the next session depends on: arrays, and JSON values."""
        arrays = {f"network.{k}": _array(t) for k, t in self._modules.state_dict().items()}
        for index, state in self._optimiser.state_dict()["state"].items():
            arrays |= {f"optimiser.{index}.{name}": _array(t) for name, t in state.items()}
        return arrays, {"rng": self._rng.bit_generator.state}

    def restore(self, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
        """Go back to a `state`.

        Raises:
            RuntimeError: it is of networks of another shape.
        """
        networks: dict[str, Tensor] = {}
        state: dict[int, dict[str, Tensor]] = {}
        for key, array in arrays.items():
            kind, _, name = key.partition(".")
            if kind == "network":
                networks[name] = torch.from_numpy(array.copy())
            elif kind == "optimiser":
                index, _, what = name.partition(".")
                state.setdefault(int(index), {})[what] = torch.from_numpy(np.array(array))
        self._modules.load_state_dict(networks)
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
        self._rng.bit_generator.state = notes["rng"]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.adapters.device)


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy()).copy()
