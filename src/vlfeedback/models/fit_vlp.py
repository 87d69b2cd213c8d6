"""Training of the VLP model in two stages: what a picture shows, then which clip is better.

Stage 1 trains the frame encoder to read the simulator's state (hand, gripper, objects) off a
picture of a training task. It stands in for the paper's pre-trained CLIP.
Stage 2 freezes it, encodes every picture once, and trains the cross-modal network on the
paper's three kinds of preferences (section 3.2, equation 4):
  ITP  two windows of one task, its instruction: the better one is preferred;
  ILP  the same two windows, another task's instruction: neither is (label 0.5);
  IVP  a window of the task against one of another task: the task's own is preferred.
"Better" is the rank of a window's return in its training task; the paper goes by level
(expert > medium > random), which says nothing of two windows of one trajectory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.losses import bradley_terry
from vlfeedback.models.vlp import VLPNetwork
from vlfeedback.models.vlp_data import ClipSet, Texts

__all__ = ["VLPTraining", "encode_pictures", "fit_encoder", "fit_preferences", "score_statistics"]

Report = Callable[[str, int, int, float], None]  # stage, step, of steps, loss


@dataclass(frozen=True, slots=True)
class VLPTraining:
    """How the model is trained. Losses and weights are the paper's, sizes ours."""

    encoder_steps: int = 6000
    encoder_batch: int = 64  # pictures
    encoder_learning_rate: float = 1e-3
    steps: int = 3000
    batch: int = 32  # pairs; paper: 16
    learning_rate: float = 5e-4  # paper: 3e-5, for a network 25 times larger
    weight_decay: float = 0.1  # paper, Table 7
    warmup: int = 200  # steps
    ilp_weight: float = 0.1  # lambda 1, paper Table 7
    ivp_weight: float = 0.5  # lambda 2, paper Table 7
    label_softness: float = 0.05  # ranks closer than this are labelled near 0.5; our choice
    seed: int = 0


def fit_encoder(
    network: VLPNetwork,
    clips: ClipSet,
    training: VLPTraining,
    *,
    device: str = "cpu",
    report: Report,
) -> None:
    """Stage 1, in place: regress the standardised simulator state from single pictures."""
    rng = np.random.default_rng(training.seed)
    encoder = network.encoder.to(device).train()
    tokens = network.architecture.grid**2 * network.architecture.width
    readout = nn.Sequential(nn.LayerNorm(tokens), nn.Linear(tokens, clips.states.shape[-1]))
    readout.to(device)
    parameters = [*encoder.parameters(), *readout.parameters()]
    optimiser, schedule = _optimiser(
        parameters, training.encoder_learning_rate, training.encoder_steps, training
    )
    pictures = clips.pictures.reshape(-1, *clips.pictures.shape[2:])
    states = clips.states.reshape(-1, clips.states.shape[-1])
    for step in range(training.encoder_steps):
        rows = rng.integers(len(pictures), size=training.encoder_batch)
        frames = torch.from_numpy(_jitter(pictures[rows], rng)).to(device)
        target = torch.from_numpy(states[rows]).to(device)
        with torch.autocast(device, torch.bfloat16):
            predicted = readout(encoder(frames).flatten(1))
        loss = functional.smooth_l1_loss(predicted.float(), target)
        _step(loss, parameters, optimiser, schedule)
        report("reading pictures", step + 1, training.encoder_steps, float(loss.detach()))


@torch.inference_mode()
def encode_pictures(
    network: VLPNetwork, clips: ClipSet, *, device: str = "cpu", report: Report
) -> Float[Tensor, "C F P D"]:
    """Tokens of every picture, in half precision: 4 KB a picture, against 37 of pixels."""
    encoder = network.encoder.to(device).eval()
    parts = []
    for index, pictures in enumerate(clips.pictures):
        with torch.autocast(device, torch.bfloat16):
            parts.append(encoder(torch.from_numpy(pictures).to(device)).half().cpu())
        report("encoding clips", index + 1, len(clips.pictures), math.nan)
    return torch.stack(parts)


def fit_preferences(
    network: VLPNetwork,
    clips: ClipSet,
    tokens: Float[Tensor, "C F P D"],
    texts: Texts,
    training: VLPTraining,
    *,
    device: str = "cpu",
    report: Report,
) -> None:
    """Stage 2, in place: the cross-modal network on ITP, ILP and IVP preferences."""
    rng = np.random.default_rng(training.seed + 1)
    torch.manual_seed(training.seed)  # dropout
    network.to(device).train()
    network.encoder.requires_grad_(False).eval()
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser, schedule = _optimiser(parameters, training.learning_rate, training.steps, training)
    sampler = _Sampler(clips, tokens, network.architecture.n_frames, rng)
    for step in range(training.steps):
        batch = sampler.draw(training.batch)
        own = texts.draw(batch.task, rng)
        other = texts.draw(np.roll(batch.task, 1), rng)
        soft = (batch.quality[1] - batch.quality[0]) / training.label_softness
        label = torch.from_numpy(1.0 / (1.0 + np.exp(-soft.astype(np.float32)))).to(device)
        with torch.autocast(device, torch.bfloat16):
            loss = _preference_loss(
                network, batch.clips.to(device), texts, own, other, label, training, device
            )
        _step(loss, parameters, optimiser, schedule)
        report("comparing clips", step + 1, training.steps, float(loss.detach()))


def _preference_loss(
    network: VLPNetwork,
    clips: Float[Tensor, "B2 n P D"],
    texts: Texts,
    own: Int64[np.ndarray, " B"],
    other: Int64[np.ndarray, " B"],
    label: Float[Tensor, " B"],
    training: VLPTraining,
    device: str,
) -> Float[Tensor, ""]:
    count = len(own)
    video = network.read_video(clips)
    first, second = video[:count], video[count:]
    stranger = first.roll(-1, dims=0)  # the next row's clip: another task, see `_Sampler.draw`
    rows = np.concatenate([own, other])
    mask = torch.from_numpy(texts.mask[rows]).to(device)
    text = network.read_text(torch.from_numpy(texts.words[rows]).to(device), mask)
    asked, meant_otherwise = slice(0, count), slice(count, None)
    score = network.score(
        torch.cat([first, second, stranger, first, second]),
        torch.cat([text[asked]] * 3 + [text[meant_otherwise]] * 2),
        torch.cat([mask[asked]] * 3 + [mask[meant_otherwise]] * 2),
    ).float()
    own_first, own_second, foreign, other_first, other_second = score.split(count)
    tie, lost = torch.full_like(label, 0.5), torch.zeros_like(label)
    itp = bradley_terry(own_first, own_second, label)
    ilp = bradley_terry(other_first, other_second, tie)
    ivp = bradley_terry(own_first, foreign, lost) + bradley_terry(own_second, foreign, lost)
    return itp + training.ilp_weight * ilp + training.ivp_weight * ivp


@torch.inference_mode()
def score_statistics(
    network: VLPNetwork,
    clips: ClipSet,
    tokens: Float[Tensor, "C F P D"],
    texts: Texts,
    *,
    seed: int,
    device: str = "cpu",
    n_windows: int = 2048,
) -> tuple[float, float]:
    """Mean and standard deviation of scores of training windows under their own instruction."""
    rng = np.random.default_rng(seed)
    network.to(device).eval()
    sampler = _Sampler(clips, tokens, network.architecture.n_frames, rng)
    scores = []
    for _ in range(n_windows // 64):
        batch = sampler.draw(32)
        rows = texts.draw(np.concatenate([batch.task, batch.task]), rng)
        mask = torch.from_numpy(texts.mask[rows]).to(device)
        text = network.read_text(torch.from_numpy(texts.words[rows]).to(device), mask)
        scores.append(network.score(network.read_video(batch.clips.to(device)), text, mask))
    joined = torch.cat(scores)
    return float(joined.mean()), float(joined.std())


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    task: Int64[np.ndarray, " B"]
    clips: Float[Tensor, "B2 n P D"]  # first windows, then second windows
    quality: Float[np.ndarray, "2 B"]


class _Sampler:
    """Pairs of windows; the tasks of a batch are all different, so any other row is a stranger."""

    def __init__(
        self,
        clips: ClipSet,
        tokens: Float[Tensor, "C F P D"],
        n_frames: int,
        rng: np.random.Generator,
    ) -> None:
        self._clips, self._tokens, self._n_frames, self._rng = clips, tokens, n_frames, rng
        self._members = [np.flatnonzero(clips.task == k) for k in range(clips.task.max() + 1)]

    def draw(self, count: int) -> _Batch:
        rng, n_frames = self._rng, self._clips.pictures.shape[1]
        tasks = rng.permutation(len(self._members))[: min(count, len(self._members))]
        rows = np.stack([rng.choice(self._members[t], size=2) for t in tasks], axis=1)
        ends = rng.integers(1, n_frames, size=rows.shape)
        frames = self._clips.window(ends.ravel(), self._n_frames)
        tokens = self._tokens[rows.ravel()[:, None], frames].float()
        return _Batch(tasks, tokens, self._clips.quality[rows, ends])


def _optimiser(
    parameters: list[nn.Parameter], learning_rate: float, steps: int, training: VLPTraining
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": training.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=learning_rate)

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / training.warmup)
        return warm * 0.5 * (1.0 + math.cos(math.pi * step / steps))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _step(
    loss: Tensor,
    parameters: list[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    schedule.step()


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
