"""Stage 1 of the VLP model's training: the frame encoder, in place of the paper's CLIP.

The frame encoder learns to read simulator states off pictures of training tasks: where hand and
object are, in metres, from episodes and from scattered scenes; the whole state, and how much reward
it gave, from episodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.models.training_state import TrainingState, torch_generators
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.network import VLPNetwork
from vlfeedback.models.vlp.optimiser import Optimiser
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.types import Report

__all__ = ["encode_episodes", "encode_scenes", "fit_encoder"]

_CHUNK = 64  # pictures encoded at once
_ROOM = 1.0  # m: no position is farther from the mean; a ball that rolled off the table is
_STATE_WEIGHT, _REWARD_WEIGHT = 0.3, 0.5


def fit_encoder(
    network: VLPNetwork,
    episodes: EpisodeSet,
    scenes: SceneSet,
    training: VLPTraining,
    *,
    device: str = "cpu",
    report: Report,
    state: TrainingState | None = None,
    steps: int | None = None,
    unseen: Sequence[int] = (),
) -> None:
    """Train `network.encoder` and `network.positions` in place.

    Args:
        network: to be trained.
        episodes: of the training tasks.
        scenes: scattered scenes of the same tasks.
        training: settings.
        device: where the network is trained.
        report: called after every step.
        state: what the training is kept in while it runs; one that was cut off goes on.
        steps: default: `training.encoder_steps`.
        unseen: tasks that are left out.
    """
    rng = np.random.default_rng(training.seed)
    episode_rows = np.flatnonzero(~np.isin(episodes.task, unseen))
    scene_rows = np.flatnonzero(~np.isin(scenes.task, unseen))
    torch.manual_seed(training.seed)  # the readouts' first weights
    encoder, positions = network.encoder.to(device).train(), network.positions.to(device).train()
    positions.mean.copy_(torch.from_numpy(episodes.positions[episode_rows].mean(axis=(0, 1))))
    heads = _StateHeads(network, episodes).to(device)
    parameters = [*encoder.parameters(), *positions.parameters(), *heads.parameters()]
    steps = training.encoder_steps if steps is None else steps
    optimiser = Optimiser(parameters, training)
    half = training.encoder_batch // 2
    state = state or TrainingState()
    modules = nn.ModuleDict({"encoder": encoder, "positions": positions, "heads": heads})
    begin = state.resume(modules, optimiser.adam, [rng, *torch_generators(device)])
    optimiser.begin(steps, training.encoder_learning_rate, begin)
    for step in range(begin, steps):
        drawn = rng.integers(len(episode_rows), size=training.encoder_batch - half)
        episode = episode_rows[drawn]
        picture = rng.integers(episodes.pictures.shape[1], size=len(episode))
        scene = scene_rows[rng.integers(len(scene_rows), size=half)]
        pictures = np.concatenate([episodes.pictures[episode, picture], scenes.pictures[scene]])
        places = np.concatenate([episodes.positions[episode, picture], scenes.positions[scene]])
        target = torch.from_numpy(places).to(device) - positions.mean
        target = target.clamp(-_ROOM, _ROOM) / positions.scale
        with torch.autocast(device, torch.bfloat16):
            tokens = encoder(_jitter(torch.from_numpy(pictures).to(device), rng))
            estimate = positions.standardised(tokens)
            state_loss = heads(tokens[: len(episode)], episodes, episode, picture)
        loss = functional.smooth_l1_loss(estimate.float(), target, beta=0.3) + state_loss
        optimiser.step(loss)
        state.done(step + 1, steps)
        report("reading pictures", step + 1, steps, float(loss.detach()))


class _StateHeads(nn.Module):
    """Readouts of the state and of each task's reward, discarded after training."""

    def __init__(self, network: VLPNetwork, episodes: EpisodeSet) -> None:
        super().__init__()
        size = network.architecture.grid**2 * network.architecture.width
        self.norm = nn.LayerNorm(size)
        self.state = nn.Linear(size, episodes.states.shape[-1])
        self.reward = nn.Parameter(torch.randn(int(episodes.task.max()) + 1, size) * 0.02)

    def forward(
        self, tokens: Tensor, episodes: EpisodeSet, episode: np.ndarray, picture: np.ndarray
    ) -> Tensor:
        features = self.norm(tokens.flatten(1))
        states = torch.from_numpy(episodes.states[episode, picture]).to(features.device)
        state_loss = functional.smooth_l1_loss(self.state(features).float(), states)
        # Ranks from 0 to 1 as numbers of deviation 1.
        rank = np.sqrt(12.0) * (episodes.reward[episode, picture] - 0.5)
        reward = (features * self.reward[torch.from_numpy(episodes.task[episode])]).sum(dim=-1)
        target = torch.from_numpy(rank.astype(np.float32)).to(features.device)
        reward_loss = functional.smooth_l1_loss(reward.float(), target)
        return _STATE_WEIGHT * state_loss + _REWARD_WEIGHT * reward_loss


def encode_episodes(
    network: VLPNetwork,
    episodes: EpisodeSet,
    rows: slice | np.ndarray = slice(None),
    *,
    device: str = "cpu",
    report: Report,
) -> Float[Tensor, "R F P D"]:
    """Tokens of every picture of these episodes, in half precision; default: of all."""
    shown = episodes.pictures[rows]
    count, pictures = shown.shape[:2]
    flat = shown.reshape(count * pictures, *shown.shape[2:])
    tokens: Tensor = _encode(network, flat, device, report).unflatten(0, (count, pictures))
    return tokens


def encode_scenes(
    network: VLPNetwork, scenes: SceneSet, *, device: str = "cpu", report: Report
) -> Float[Tensor, "S P D"]:
    """Tokens of every scattered scene, in half precision."""
    return _encode(network, scenes.pictures, device, report)


def _encode(
    network: VLPNetwork, pictures: UInt8[np.ndarray, "B H W 3"], device: str, report: Report
) -> Float[Tensor, "B P D"]:
    network.to(device).eval()  # not in inference mode, where no buffer could be changed later
    parts = []
    for start in range(0, len(pictures), _CHUNK):
        batch = torch.from_numpy(pictures[start : start + _CHUNK]).to(device)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            parts.append(network.encoder(batch).half().cpu())
        report("encoding pictures", start + len(batch), len(pictures), float("nan"))
    return torch.cat(parts)


def _jitter(
    pictures: UInt8[Tensor, "B H W 3"], rng: np.random.Generator
) -> UInt8[Tensor, "B H W 3"]:
    """Change brightness and contrast of each colour: render settings must not matter."""
    gain = rng.uniform(0.8, 1.2, size=(len(pictures), 1, 1, 3)).astype(np.float32)
    shift = rng.uniform(-25.0, 25.0, size=(len(pictures), 1, 1, 1)).astype(np.float32)
    factor, offset = (torch.from_numpy(x).to(pictures.device) for x in (gain, shift))
    jittered: UInt8[Tensor, "B H W 3"] = (pictures * factor + offset).clamp(0, 255).to(torch.uint8)
    return jittered
