"""Diffusion Policy: imitate demonstrations by denoising short sequences of actions.

Paper:    Chi et al. 2023, Diffusion Policy (state-based U-Net); a baseline of Offline RL-VLM-F,
          Table I, which prints none of its settings.
Computes: from the last `n_observations` observations, the next `horizon` actions, of which
          `n_action_steps` are carried out before it plans again. It reads no rewards.
Left out: pictures as observations, the transformer network, DDPM sampling.

It is no d3rlpy algorithm, because those map one observation to one action and learn from single
transitions; it has the same verbs: `fit`, `predict`, `save`, `load`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    check_outline,
    fill_network,
    read_checkpoint,
    save_checkpoint,
    settings_of,
    understanding,
)
from vlfeedback.offline.diffusion_config import DiffusionPolicyConfig
from vlfeedback.offline.diffusion_cost import warn_of_long_training
from vlfeedback.offline.diffusion_networks import ConditionalUnet, MlpDenoiser
from vlfeedback.offline.diffusion_schedule import NoiseSchedule
from vlfeedback.offline.diffusion_windows import Range, Windows
from vlfeedback.types import Report, Trajectory

__all__ = ["DiffusionPolicy"]

_FORMAT = CheckpointFormat(
    "vlfeedback-diffusion-policy", 1, model="diffusion policy", made_by="DiffusionPolicy.save"
)


class DiffusionPolicy:
    """Diffusion Policy, acting in several environments that step together.

    Args:
        config: settings; the paper's by default.
        device: where its network is, such as ``"cuda"``.
    """

    def __init__(self, config: DiffusionPolicyConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or DiffusionPolicyConfig()
        self.device = torch.device(device)
        self._schedule = NoiseSchedule(self.config.n_diffusion_steps, self.device)
        self._batches = torch.Generator().manual_seed(self.config.seed)
        self._learnt: _Learnt | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._n_done = 0  # steps of this `fit`
        self.reset(0)

    def fit(
        self,
        trajectories: Iterable[Trajectory],
        n_steps: int,
        *,
        callback: Callable[[DiffusionPolicy, int], None] | None = None,
        report: Report | None = None,
        begun: Mapping[str, Any] | None = None,
    ) -> None:
        """Train for so many gradient steps; a second time, it goes on from the weights it has.

        Warns before the first step where all will take more than ten minutes on a CPU. With the
        default network they do, at tens of seconds each.

        Args:
            trajectories: demonstrations, observations (L + 1, D) and actions (L, A), of which
                nothing else is read. They are kept in memory, as float32.
            n_steps: gradient steps; the learning rate falls to 0 over them.
            callback: called with the policy and the number of steps done, after each; what it
                lets the policy predict changes nothing of the training.
            report: called with ``"diffusion"``, steps done, `n_steps` and the loss, after each.
            begun: what `training_state` gave; the same call goes on from there, as if it had never
                stopped.

        Raises:
            NeedsError: there is no trajectory.
            ShapeError: observations or actions are no finite vectors, or differ in size.
        """
        config = self.config
        windows = Windows(
            trajectories,
            n_observations=config.n_observations,
            horizon=config.horizon,
            n_action_steps=config.n_action_steps,
        )
        if self._learnt is None:
            self._learnt = self._begin(Range.of(windows.observations), Range.of(windows.actions))
        learnt = self._learnt
        learnt.check(windows)
        optimizer = torch.optim.AdamW(
            learnt.network.parameters(),
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._optimizer, self._n_done = optimizer, 0
        if begun is not None:
            self._load_training_state(learnt, begun)
        if self.device.type == "cpu":
            self._warn_of_long_training(learnt, n_steps - self._n_done)
        for step in range(self._n_done, n_steps):
            rate = config.learning_rate * _share_of_peak(step, n_steps, config.warmup_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = self._loss(learnt, windows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            _average(
                learnt.averaged, learnt.network, min(0.9999, 1 - (1 + step) ** -config.ema_power)
            )
            self._n_done = step + 1
            if report is not None:
                report("diffusion", step + 1, n_steps, float(loss.detach()))
            if callback is not None:
                callback(self, step + 1)

    def training_state(self) -> dict[str, Any]:
        """State that the next step of `fit` depends on; to be read in its `callback`.

        Raises:
            NeedsError: it is not being trained.
        """
        if self._learnt is None or self._optimizer is None:
            raise NeedsError("This diffusion policy is not being trained; ask in fit's callback.")
        return {
            "done": self._n_done,
            "network": self._learnt.network.state_dict(),
            "averaged": self._learnt.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "batches": self._batches.get_state(),
        }

    def _load_training_state(self, learnt: _Learnt, state: Mapping[str, Any]) -> None:
        assert self._optimizer is not None
        learnt.network.load_state_dict(state["network"])
        learnt.averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._batches.set_state(state["batches"])
        self._n_done = state["done"]

    def reset(self, n_envs: int) -> None:
        """Begin episodes in `n_envs` environments: forget observations and plans.

        The noise of sampling begins anew too, so the same weights act the same way every time.
        """
        self._n_envs = n_envs
        self._seen: Tensor | None = None
        self._planned: list[np.ndarray] = []
        self._noise = torch.Generator().manual_seed(self.config.seed)

    def predict(self, observations: Float[np.ndarray, "B D"]) -> Float32[np.ndarray, "B A"]:
        """The next action in each environment, whose episodes all began at `reset`.

        Call it once a step: it counts steps, and plans anew after `n_action_steps` of them.

        Raises:
            NeedsError: it was not trained.
            ShapeError: other environments than at `reset`, or observations of another size.
        """
        learnt = self._learnt
        if learnt is None:
            raise NeedsError("This diffusion policy was not trained; call fit, or load one.")
        size = len(learnt.observations.low)
        if observations.shape[1:] != (size,):
            raise ShapeError(f"observations have shape {observations.shape}; expected (B, {size}).")
        now = torch.as_tensor(np.asarray(observations, dtype=np.float32), device=self.device)
        if self._seen is None:
            self._n_envs = self._n_envs or len(now)
            self._seen = now[:, None].repeat(1, self.config.n_observations, 1)
        if len(now) != self._n_envs:
            raise ShapeError(
                f"{len(now)} observations for {self._n_envs} environments; call "
                f"reset({len(now)}) where new episodes begin."
            )
        self._seen = torch.cat([self._seen[:, 1:], now[:, None]], dim=1)
        if not self._planned:
            self._planned = self._plan(learnt, self._seen)
        return self._planned.pop(0)

    def save(self, path: str | Path) -> None:
        """Write what `predict` needs: averaged weights, ranges, and settings as JSON in the file.

        Raises:
            NeedsError: it was not trained.
        """
        if self._learnt is None:
            raise NeedsError("This diffusion policy was not trained; call fit before save.")
        save_checkpoint(
            path,
            self._learnt.tensors(),
            {"config": asdict(self.config)},
            file_format=_FORMAT,
        )

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> DiffusionPolicy:
        """Read what `save` wrote; `fit` would go on from the averaged weights.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointError: the file is truncated, foreign, or of another version.
        """
        path = Path(path)
        description, tensors = read_checkpoint(path, file_format=_FORMAT)
        with understanding(path, file_format=_FORMAT):
            policy = cls(settings_of(DiffusionPolicyConfig, description["config"]), device=device)
            ranges = [
                Range(*(tensors.pop(f"{name}.{end}").to(policy.device) for end in ("low", "high")))
                for name in ("observations", "actions")
            ]
            n_observed, n_actions = (len(part.low) for part in ranges)
        check_outline(
            lambda: policy._network(n_observed, n_actions), tensors, path, file_format=_FORMAT
        )
        policy._learnt = policy._begin(*ranges)
        for network in (policy._learnt.averaged, policy._learnt.network):
            fill_network(network, tensors, path, file_format=_FORMAT)
        return policy

    def _begin(self, observations: Range, actions: Range) -> _Learnt:
        network = self._network(len(observations.low), len(actions.low)).to(self.device)
        averaged = copy.deepcopy(network).eval().requires_grad_(False)
        return _Learnt(network, averaged, observations.to(self.device), actions.to(self.device))

    def _network(self, n_numbers: int, n_actions: int) -> nn.Module:
        """The denoiser, freshly initialised, for observations of so many numbers."""
        config = self.config
        n_observed = config.n_observations * n_numbers
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            if config.network == "mlp":
                return MlpDenoiser(config.horizon, n_actions, n_observed, config.hidden)
            return ConditionalUnet(n_actions, n_observed, config.hidden)

    def _warn_of_long_training(self, learnt: _Learnt, n_steps: int) -> None:
        config, small = self.config, DiffusionPolicyConfig.small()
        n_actions, n_observed = len(learnt.actions.low), len(learnt.observations.low)

        def inputs(n: int) -> tuple[Tensor, ...]:
            condition = torch.zeros(n, config.n_observations * n_observed)
            return torch.zeros(n, config.horizon, n_actions), torch.zeros(n).long(), condition

        warn_of_long_training(
            learnt.network,
            inputs,
            batch_size=config.batch_size,
            n_steps=n_steps,
            advice=(
                f"On a CPU a perceptron is hundreds of times as fast: network={small.network!r}, "
                f"hidden={list(small.hidden)}, horizon={small.horizon}, "
                f"n_action_steps={small.n_action_steps}; or train on a GPU (device 'cuda'), or for "
                "fewer steps."
            ),
        )

    def _loss(self, learnt: _Learnt, windows: Windows) -> Tensor:
        """Mean squared error of the noise predicted in noisy actions."""
        size, rng = (self.config.batch_size,), self._batches
        observed, actions = windows.read(torch.randint(len(windows), size, generator=rng))
        steps = torch.randint(self._schedule.n_steps, size, generator=rng).to(self.device)
        noise = torch.randn(actions.shape, generator=rng).to(self.device)
        clean = learnt.actions.scale(actions.to(self.device))
        noisy = self._schedule.add_noise(clean, noise, steps)
        condition = learnt.observations.scale(observed.to(self.device)).flatten(1)
        return nn.functional.mse_loss(learnt.network(noisy, steps, condition), noise)

    @torch.no_grad()
    def _plan(self, learnt: _Learnt, seen: Tensor) -> list[np.ndarray]:
        """Actions of the next `n_action_steps`, each (B, A)."""
        config = self.config
        shape = len(seen), config.horizon, len(learnt.actions.low)
        noise = torch.randn(shape, generator=self._noise).to(self.device)
        condition = learnt.observations.scale(seen).flatten(1)
        plan = self._schedule.denoise(
            noise,
            lambda noisy, steps: learnt.averaged(noisy, steps, condition),
            config.n_sampling_steps,
        )
        now = config.n_observations - 1  # the plan begins at the oldest observation
        actions = learnt.actions.unscale(plan[:, now : now + config.n_action_steps])
        return [*actions.transpose(0, 1).cpu().numpy()]


@dataclass(frozen=True, slots=True, eq=False)
class _Learnt:
    """Weights that training changes, and the ranges it measured once."""

    network: nn.Module
    averaged: nn.Module  # over the steps of training; the one that acts
    observations: Range
    actions: Range

    def check(self, windows: Windows) -> None:
        """Refuse demonstrations of another size than the network's."""
        for name in ("observations", "actions"):
            size, expected = getattr(windows, name).shape[1], len(getattr(self, name).low)
            if size != expected:
                raise ShapeError(
                    f"{name} have size {size}; this policy was trained on {expected}. Train "
                    "another."
                )

    def tensors(self) -> dict[str, Tensor]:
        """All that `predict` needs, by name."""
        ranges = {
            f"{name}.{end}": getattr(getattr(self, name), end)
            for name in ("observations", "actions")
            for end in ("low", "high")
        }
        return {**self.averaged.state_dict(), **ranges}


def _share_of_peak(step: int, n_steps: int, warmup_steps: int) -> float:
    """Learning rate as a share of its peak: up in a line, down in half a cosine."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (n_steps - warmup_steps)))


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """Let the averaged weights move by a share of 1 - keep towards the newest."""
    for mean, newest in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(newest, 1 - keep)
