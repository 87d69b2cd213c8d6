"""Base of the learners from preferences: d3rlpy's `fit`, `predict`, `save` over segment pairs.

d3rlpy converts every array of a batch and calls the network as often as it is asked to; here a
batch of pairs becomes tensors without copying, and each network sees all of its rows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from d3rlpy.base import LearnableConfig
from d3rlpy.torch_utility import Modules
from jaxtyping import Float, Int64
from torch import Tensor, nn

from vlfeedback.encoders.bfloat16 import uses_bfloat16
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.offline.policy_impl import RunLearner
from vlfeedback.offline.policy_networks import PolicyNetwork, vector_size
from vlfeedback.offline.preference_buffer import LARGEST_ACTION, PreferenceBatch

__all__ = [
    "PairTensors",
    "PreferenceLearner",
    "PreferenceLearnerConfig",
    "PreferenceModules",
    "StepCount",
]


@dataclass(kw_only=True)
class PreferenceLearnerConfig(LearnableConfig):  # type: ignore[misc]
    """Settings that the learners from preferences share; `gamma` only counts where V does.

    Attributes:
        batch_size: pairs; VLP table 8.
        learning_rate: of Adam; VLP table 8.
        hidden: widths; VLP table 8.
        dropout: in the policy, to the nearest 1/256; VLP table 8.
        gaussian: policy: Gaussian, or deterministic as on Meta-World (CPL's code).
        bfloat16: hidden products of training in bfloat16; "auto": where the device is faster in
            it.
        seed: of the weights and of dropout.
    """

    batch_size: int = 64
    learning_rate: float = 1e-4
    hidden: list[int] = field(default_factory=lambda: [256, 256])
    dropout: float = 0.25
    gaussian: bool = False
    bfloat16: bool | Literal["auto"] = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise InvalidValueError(f"dropout={self.dropout}; expected a share in [0, 1).")
        if self.batch_size < 1:
            raise InvalidValueError(f"batch_size={self.batch_size}; expected at least 1 pair.")
        if self.bfloat16 not in (True, False, "auto"):
            raise InvalidValueError(
                f"bfloat16={self.bfloat16!r}; expected True, False or 'auto', which is what is "
                "faster on the device."
            )


class PairTensors(NamedTuple):
    """B pairs of segments of T steps of each of R runs, as `PreferenceBatch` lays them out.

    Attributes:
        observations: M = 2 B T rows.
        actions: likewise.
        prefer_second: labels.
        acted: 1 for each row that is learnt from, 0 where the actor rested.
        length: T.
        n_pairs: of each run, how many of its pairs count; those after them fill the space of a
            run whose batch is short.
    """

    observations: Float[Tensor, "R M D"]
    actions: Float[Tensor, "R M A"]
    prefer_second: Float[Tensor, "R B"]
    acted: Float[Tensor, "R M"]
    length: int
    n_pairs: Int64[Tensor, " R"]

    def by_segment(self, rows: Float[Tensor, "R M *E"]) -> Float[Tensor, "R B 2 T *E"]:
        """Rows of each segment."""
        return rows.view(*self.prefer_second.shape, 2, self.length, *rows.shape[2:])

    def shares(self, n_steps: int) -> Float[Tensor, "R P"]:
        """Weights of a mean over the rows that are learnt from, of each segment's first steps.

        Args:
            n_steps: T, or T - 1 for steps with a next one; P = 2 B n_steps.
        """
        acted = self.by_segment(self.acted)[..., :n_steps]
        counts = (acted * self.counted()[..., None, None]).flatten(start_dim=1)
        return counts / counts.sum(dim=1, keepdim=True).clamp_(min=1)

    def counted(self) -> Float[Tensor, "R B"]:
        """1 for each pair that counts, 0 for those that fill the space."""
        pairs = torch.arange(self.prefer_second.shape[1], device=self.n_pairs.device)
        return (pairs < self.n_pairs[:, None]).to(self.prefer_second.dtype)


class StepCount(nn.Module):
    """Counts gradient steps where d3rlpy saves it, so that a loaded learner goes on."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def take(self) -> int:
        """Count one step; returns how many there were before it."""
        before = int(self.count)
        self.count += 1
        return before


@dataclass(frozen=True)
class PreferenceModules(Modules):  # type: ignore[misc]
    """Modules of every learner from preferences, which d3rlpy saves."""

    policy: PolicyNetwork
    step_count: StepCount


class PreferenceLearner(RunLearner):
    """A d3rlpy algorithm that `fit`s a `PreferenceBuffer`.

    `save` and d3rlpy's `load_learnable` keep weights, optimisers and the count of steps, so a
    loaded learner goes on in the phase it was in; dropout masks begin anew.
    """

    def update(self, batch: Any) -> dict[str, float]:
        """Take one gradient step.

        Args:
            batch: what `PreferenceBuffer.sample_transition_batch` gives.

        Returns:
            Losses by name.

        Raises:
            NeedsError: a batch of a buffer without preferences.
        """
        if not isinstance(batch, PreferenceBatch):
            raise NeedsError(
                f"{type(self).__name__} learns from labelled pairs and got {type(batch).__name__}; "
                "fit it on a PreferenceBuffer."
            )
        return super().update(batch)

    def tensors(self, batch: PreferenceBatch) -> PairTensors:
        """See `RunLearner.tensors`."""
        observations, actions, prefer_second, acted = (
            torch.from_numpy(array).to(self._device)
            for array in (batch.observations, batch.actions, batch.prefer_second, batch.acted)
        )
        if self._config.observation_scaler:
            observations = self._config.observation_scaler.transform(observations)
        if self._config.action_scaler:
            actions = self._config.action_scaler.transform(actions)
            actions = actions.clamp(-LARGEST_ACTION, LARGEST_ACTION)
        columns = (observations[None], actions[None], prefer_second[None], acted[None])
        n_pairs = torch.tensor([len(prefer_second)], device=prefer_second.device)
        return PairTensors(*columns, batch.length, n_pairs)

    def _new_policy(
        self, observation_shape: Sequence[int], action_size: int, settings: dict[str, Any]
    ) -> PolicyNetwork:
        config = self._config
        return PolicyNetwork(
            [vector_size(observation_shape), *config.hidden, action_size],
            deviation="clamped" if config.gaussian else "none",
            dropout=config.dropout,
            **settings,
        )

    def _network_settings(self, seeds: Sequence[int]) -> dict[str, Any]:
        """What all networks of this learner have in common."""
        return {
            "generators": [torch.Generator().manual_seed(seed) for seed in seeds],
            "orthogonal": True,
            "bfloat16": uses_bfloat16(self._config.bfloat16, self._device),
            "device": self._device,
        }
