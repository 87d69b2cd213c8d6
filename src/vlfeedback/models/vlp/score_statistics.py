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
    sampler = WindowSampler(episodes, tokens, network.architecture.n_frames, rng)
    scores: list[Float32[Tensor, " N"]] = []
    for _ in range(n_batches):
        batch = sampler.draw(VLPTraining())
        rows = texts.draw(batch.task.repeat(VLPTraining().windows), rng)
        words, mask = (torch.from_numpy(x[rows]).to(device) for x in (texts.words, texts.mask))
        segment = network.read_segment(batch.tokens.to(device), batch.first.to(device))
        scores.append(network.score(segment, network.read_text(words, mask)))
    all_scores = torch.cat(scores)
    return float(all_scores.mean()), float(all_scores.std())
