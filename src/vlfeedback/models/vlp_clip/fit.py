"""Training of `vlp.clip` by Table 7 of the VLP paper, on preferences between segments of levels.

Every step draws pairs of segments, one a task, and takes the paper's loss (section 3.2, equation
4):
  ITP  both segments under their own instruction: the better level is preferred;
  ILP  under instructions of other tasks neither is;
  IVP  either is preferred to segments of other tasks.
Other tasks' segments and instructions are those of the next rows of the batch, `n_negatives` of
them. What a step draws depends on the seed and its number alone: a run that was cut off and went
on ends with the weights of one that was not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from vlfeedback.encoders.clip_tokens import half_precision
from vlfeedback.losses import language_preferences
from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp_clip.data import LevelPairs, PhraseTokens
from vlfeedback.models.vlp_clip.network import VLPClipNetwork
from vlfeedback.types import Report

__all__ = ["VLPClipTraining", "fit_vlp_clip", "score_statistics"]

_STATISTICS = 1  # of the random streams of a seed; 0 is the training's


@dataclass(frozen=True, slots=True)
class VLPClipTraining:
    """How the model is trained; all from Table 7 of the paper where nothing else is said.

    Attributes:
        steps: batches; the paper's "epochs", which must mean these at 6 hours in all.
        batch: pairs, each of another task; all tasks where there are fewer.
        learning_rate: of Adam at the first step; falls to 0 as a half cosine.
        weight_decay: decoupled, of matrices only, as in LAPP.
        n_negatives: segments and instructions of other tasks that a pair is compared with.
        ilp_weight: lambda 1.
        ivp_weight: lambda 2, printed as lambda 1.
        seed: of the first weights and of what batches are drawn.
    """

    steps: int = 15_000
    batch: int = 16
    learning_rate: float = 3e-5
    weight_decay: float = 0.1
    n_negatives: int = 4
    ilp_weight: float = 0.1
    ivp_weight: float = 0.5
    seed: int = 0


def fit_vlp_clip(
    network: VLPClipNetwork,
    pairs: LevelPairs,
    phrases: PhraseTokens,
    training: VLPClipTraining,
    *,
    device: str = "cpu",
    report: Report,
    state: TrainingState | None = None,
) -> None:
    """Train in place.

    Args:
        network: to be trained, on any device; left on `device` in training mode.
        pairs: what is compared.
        phrases: instructions of the same tasks, in the same order.
        training: how.
        device: where; matrix products are in bfloat16 on CUDA.
        report: called after every step.
        state: what the training is kept in while it runs; one that was cut off goes on.

    Raises:
        CheckpointError: `state` is truncated or foreign.
        FileFormatError: `state` was begun with other settings.
    """
    network.to(device).train()
    optimiser = _optimiser(network, training)
    state = state or TrainingState()
    for step in range(state.resume(network, optimiser), training.steps):
        rate = training.learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / training.steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng([training.seed, 0, step])
        torch.manual_seed(int(rng.integers(2**63)))  # dropout
        batch = pairs.draw(training.batch, rng)
        texts, mask = phrases.draw(batch.task, rng)
        with half_precision(device):
            loss = _loss(
                network,
                batch.segments.to(device),
                texts.to(device),
                mask.to(device),
                batch.prefer_second.to(device),
                training,
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        state.done(step + 1, training.steps)
        report("comparing segments", step + 1, training.steps, float(loss.detach()))


def _loss(
    network: VLPClipNetwork,
    segments: Float32[Tensor, "R2 n P E"],
    texts: Float32[Tensor, "R M D"],
    mask: Bool[Tensor, "R M"],
    prefer_second: Float32[Tensor, " R"],
    training: VLPClipTraining,
) -> Float[Tensor, ""]:
    """Equation 4: first and second segments of R pairs, and an instruction of each pair's task."""
    first, second = network.read_video(segments).chunk(2)
    text = network.read_text(texts, mask)
    others = range(1, min(training.n_negatives, len(text) - 1) + 1)

    def score(video: Tensor, shift: int) -> Tensor:
        return network.score(video, text.roll(-shift, 0), mask.roll(-shift, 0)).float()

    return language_preferences(
        score(first, 0),
        score(second, 0),
        torch.stack([score(first.roll(-k, 0), 0) for k in others]),
        torch.stack([score(first, k) for k in others]),
        torch.stack([score(second, k) for k in others]),
        prefer_second,
        ilp_weight=training.ilp_weight,
        ivp_weight=training.ivp_weight,
    )


@torch.inference_mode()
def score_statistics(
    network: VLPClipNetwork,
    pairs: LevelPairs,
    phrases: PhraseTokens,
    *,
    seed: int,
    device: str = "cpu",
    n_windows: int = 512,
) -> tuple[float, float]:
    """Mean and standard deviation of scores of training windows under their own instruction.

    The network is left in evaluation mode.
    """
    rng = np.random.default_rng([seed, _STATISTICS])
    network.to(device).eval()
    scores: list[Tensor] = []
    while sum(map(len, scores)) < n_windows:
        batch = pairs.draw(8, rng)
        texts, mask = (x.to(device) for x in phrases.draw(batch.task, rng))
        with half_precision(device):
            video = network.read_video(batch.segments.to(device))
            text = network.read_text(texts, mask)
            scores.append(
                network.score(video, text.repeat(2, 1, 1), mask.repeat(2, 1)).float().cpu()
            )
    all_scores = torch.cat(scores)
    return float(all_scores.mean()), float(all_scores.std())


def _optimiser(network: nn.Module, training: VLPClipTraining) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim == 2], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.ndim != 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate)
