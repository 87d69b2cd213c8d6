"""Mean and deviation of a trained VLP model's scores, for its weights file."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.network import VLPNetwork
from vlfeedback.models.vlp.sampling import WindowSampler
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts

__all__ = ["score_statistics"]


@torch.inference_mode()
def score_statistics(
    network: VLPNetwork,
    episodes: EpisodeSet,
    tokens: Float[Tensor, "C F P D"],
    texts: Texts,
    *,
    seed: int,
    device: str = "cpu",
    n_batches: int = 32,
) -> tuple[float, float]:
    """Mean and standard deviation of scores of training windows under their own instruction."""
    rng = np.random.default_rng(seed)
    network.to(device).eval()
    sampler = WindowSampler(episodes, network.architecture.n_frames, rng)
    training = VLPTraining()
    scores: list[Float32[Tensor, " N"]] = []
    for _ in range(n_batches):
        windows = sampler.draw(training, n_tasks=training.batch, n_windows=training.windows)
        rows = texts.draw(windows.task.repeat(training.windows), rng)
        words, mask = (torch.from_numpy(x[rows]).to(device) for x in (texts.words, texts.mask))
        first = windows.resets(tokens).to(device)
        has_reset = torch.ones(len(first), dtype=torch.bool, device=device)
        segment = network.read_segment(windows.shown(tokens).to(device), first, has_reset)
        scores.append(network.score(segment, network.read_text(words, mask)))
    all_scores = torch.cat(scores)
    return float(all_scores.mean()), float(all_scores.std())
