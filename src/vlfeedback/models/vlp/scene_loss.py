"""Loss of the match of scenes and texts, on pictures of resets and scattered scenes."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.disturbance import Disturbance
from vlfeedback.models.vlp.network import VLPNetwork
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts

__all__ = ["ScenePool", "scene_loss"]

_TEMPERATURE = 0.2  # of the cosines between scenes and texts in the loss
_SCENES = 4  # pictures of each task in a step of the scene loss


class ScenePool:
    """Pictures of resets and scattered scenes, by task."""

    def __init__(
        self, episodes: EpisodeSet, tokens: Tensor, scenes: SceneSet, scene_tokens: Tensor
    ) -> None:
        self.tokens = torch.cat([tokens[:, 0], scene_tokens])
        task = np.concatenate([episodes.task, scenes.task])
        self._members = [np.flatnonzero(task == k) for k in range(int(episodes.task.max()) + 1)]

    def draw(self, rng: np.random.Generator) -> Float[Tensor, "KS P D"]:
        """Tokens of S pictures of each of K tasks."""
        rows = [rng.choice(members, size=_SCENES) for members in self._members]
        return self.tokens[np.concatenate(rows)].float()


def scene_loss(
    network: VLPNetwork,
    pool: ScenePool,
    texts: Texts,
    training: VLPTraining,
    disturbance: Disturbance,
    rng: np.random.Generator,
    device: str,
) -> Float[Tensor, ""]:
    """Cross-entropy of scenes against the texts of all tasks, and how unevenly they match."""
    scenes = disturbance.tokens(pool.draw(rng).to(device))
    tasks = len(scenes) // _SCENES
    words, mask = disturbance.words(texts, texts.draw(np.arange(tasks), rng))
    meaning = network.mean_text(words.to(device), mask.to(device))
    cosines = network.read_scene(scenes) @ meaning.T
    own = torch.arange(tasks, device=cosines.device).repeat_interleave(_SCENES)
    of_own = cosines.gather(1, own.unsqueeze(1)).view(tasks, _SCENES).float()
    unevenness = training.steady_weight * of_own.var(dim=1).mean()
    return functional.cross_entropy(cosines.float() / _TEMPERATURE, own) + unevenness
