"""Stage 1 of the VLP model's training: what a picture shows. It stands in for the paper's CLIP.

The frame encoder learns to read simulator states off pictures of training tasks: where hand and
object are, in metres, from clips and from scattered scenes; the whole state, and how much reward
it gave, from clips.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.models.vlp.data import ClipSet, SceneSet
from vlfeedback.models.vlp.network import VLPNetwork
from vlfeedback.models.vlp.settings import Optimiser, VLPTraining
from vlfeedback.types import Report

__all__ = ["encode_clips", "encode_scenes", "fit_encoder"]

_CHUNK = 64  # pictures encoded at once
_ROOM = 1.0  # m: no position is farther from the mean; a ball that rolled off the table is
_STATE_WEIGHT, _REWARD_WEIGHT = 0.3, 0.5


def fit_encoder(
    network: VLPNetwork,
    clips: ClipSet,
    scenes: SceneSet,
    training: VLPTraining,
    *,
    device: str = "cpu",
    report: Report,
) -> None:
    """Train `network.encoder` and `network.positions` in place."""
    rng = np.random.default_rng(training.seed)
    torch.manual_seed(training.seed)  # the readouts' first weights
    encoder, positions = network.encoder.to(device).train(), network.positions.to(device).train()
    positions.mean.copy_(torch.from_numpy(clips.positions.mean(axis=(0, 1))))
    heads = _StateHeads(network, clips).to(device)
    parameters = [*encoder.parameters(), *positions.parameters(), *heads.parameters()]
    steps = training.encoder_steps
    optimiser = Optimiser(parameters, training.encoder_learning_rate, steps, training)
    half = training.encoder_batch // 2
    for step in range(steps):
        clip = rng.integers(len(clips.pictures), size=training.encoder_batch - half)
        picture = rng.integers(clips.pictures.shape[1], size=len(clip))
        scene = rng.integers(len(scenes.pictures), size=half)
        shown = np.concatenate([clips.pictures[clip, picture], scenes.pictures[scene]])
        places = np.concatenate([clips.positions[clip, picture], scenes.positions[scene]])
        target = torch.from_numpy(places).to(device) - positions.mean
        target = target.clamp(-_ROOM, _ROOM) / positions.scale
        with torch.autocast(device, torch.bfloat16):
            tokens = encoder(torch.from_numpy(_jitter(shown, rng)).to(device))
            found = positions.standardised(tokens)
            state_loss = heads(tokens[: len(clip)], clips, clip, picture)
        loss = functional.smooth_l1_loss(found.float(), target, beta=0.3) + state_loss
        optimiser.step(loss)
        report("reading pictures", step + 1, steps, float(loss.detach()))


class _StateHeads(nn.Module):
    """Readouts that are thrown away after training: the state, and each task's reward."""

    def __init__(self, network: VLPNetwork, clips: ClipSet) -> None:
        super().__init__()
        size = network.architecture.grid**2 * network.architecture.width
        self.norm = nn.LayerNorm(size)
        self.state = nn.Linear(size, clips.states.shape[-1])
        self.reward = nn.Parameter(torch.randn(int(clips.task.max()) + 1, size) * 0.02)

    def forward(
        self, tokens: Tensor, clips: ClipSet, clip: np.ndarray, picture: np.ndarray
    ) -> Tensor:
        seen = self.norm(tokens.flatten(1))
        states = torch.from_numpy(clips.states[clip, picture]).to(seen.device)
        state_loss = functional.smooth_l1_loss(self.state(seen).float(), states)
        # Ranks from 0 to 1 as numbers of deviation 1.
        rank = np.sqrt(12.0) * (clips.reward[clip, picture] - 0.5)
        reward = (seen * self.reward[torch.from_numpy(clips.task[clip])]).sum(dim=-1)
        target = torch.from_numpy(rank.astype(np.float32)).to(seen.device)
        reward_loss = functional.smooth_l1_loss(reward.float(), target)
        return _STATE_WEIGHT * state_loss + _REWARD_WEIGHT * reward_loss


def encode_clips(
    network: VLPNetwork, clips: ClipSet, *, device: str = "cpu", report: Report
) -> Float[Tensor, "C F P D"]:
    """Tokens of every picture of every clip, in half precision."""
    count, pictures = clips.pictures.shape[:2]
    flat = clips.pictures.reshape(count * pictures, *clips.pictures.shape[2:])
    tokens: Tensor = _encode(network, flat, device, report).unflatten(0, (count, pictures))
    return tokens


def encode_scenes(
    network: VLPNetwork, scenes: SceneSet, *, device: str = "cpu", report: Report
) -> Float[Tensor, "S P D"]:
    """Tokens of every scattered scene, in half precision."""
    return _encode(network, scenes.pictures, device, report)


@torch.inference_mode()
def _encode(
    network: VLPNetwork, pictures: UInt8[np.ndarray, "B H W 3"], device: str, report: Report
) -> Float[Tensor, "B P D"]:
    network.to(device).eval()
    parts = []
    for start in range(0, len(pictures), _CHUNK):
        batch = torch.from_numpy(pictures[start : start + _CHUNK]).to(device)
        with torch.autocast(device, torch.bfloat16):
            parts.append(network.encoder(batch).half().cpu())
        report("encoding pictures", start + len(batch), len(pictures), float("nan"))
    return torch.cat(parts)


def _jitter(
    pictures: UInt8[np.ndarray, "B H W 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "B H W 3"]:
    """Change brightness and contrast of each colour: render settings must not matter."""
    gain = rng.uniform(0.8, 1.2, size=(len(pictures), 1, 1, 3)).astype(np.float32)
    shift = rng.uniform(-25.0, 25.0, size=(len(pictures), 1, 1, 1)).astype(np.float32)
    jittered: UInt8[np.ndarray, "B H W 3"] = np.clip(pictures * gain + shift, 0, 255).astype(
        np.uint8
    )
    return jittered
