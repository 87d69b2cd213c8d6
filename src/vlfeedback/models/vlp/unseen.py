"""Positions on the training tasks, as read by an encoder that has not seen those tasks.

An encoder sees objects of its own tasks to half a centimetre, and those of others in the wrong
place, by several centimetres and as the hand moves. A judge of progress that learns from the first
trusts what it should not on the second. So it learns from positions that are wrong in the same way:
tasks are cut into parts, an encoder learns from all but one, and reads that one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.fit_encoder import encode_episodes, fit_encoder
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.types import Report

__all__ = ["parts_of_tasks", "read_positions", "read_unseen_positions"]

_CHUNK = 64  # episodes whose positions are read at once


def parts_of_tasks(n_tasks: int, training: VLPTraining) -> list[list[int]]:
    """Tasks in parts of about equal size, drawn by the seed; no more parts than tasks."""
    order = np.random.default_rng([training.seed, 1]).permutation(n_tasks)
    parts = np.array_split(order, min(training.folds, n_tasks))
    return [sorted(part.tolist()) for part in parts]


def read_unseen_positions(
    architecture: VLPArchitecture,
    episodes: EpisodeSet,
    scenes: SceneSet,
    training: VLPTraining,
    *,
    device: str = "cpu",
    report: Report,
    states: Sequence[TrainingState] = (),
) -> Float[Tensor, "C F 10"]:
    """Where hand and object are seen in every picture, by encoders that are then thrown away.

    Args:
        architecture: of the encoders.
        episodes: of two training tasks or more.
        scenes: scattered scenes of the same tasks.
        training: how many parts, and how long each encoder learns.
        device: where they are trained.
        report: called while they are.
        states: what the training of each part is kept in; one that was cut off goes on.
    """
    positions = torch.empty(episodes.positions.shape)
    parts = parts_of_tasks(int(episodes.task.max()) + 1, training)
    kept = states or [TrainingState() for _ in parts]
    for part, state in zip(parts, kept, strict=True):
        torch.manual_seed(training.seed)
        network = VLPNetwork(architecture)
        fit_encoder(
            network,
            episodes,
            scenes,
            training,
            device=device,
            report=report,
            state=state,
            steps=training.fold_steps,
            unseen=part,
        )
        rows = np.flatnonzero(np.isin(episodes.task, part))
        tokens = encode_episodes(network, episodes, rows, device=device, report=report)
        positions[torch.from_numpy(rows)] = read_positions(network, tokens)
    return positions


@torch.no_grad()
def read_positions(
    network: VLPNetwork, tokens: Float[Tensor, "C F P D"]
) -> Float[Tensor, "C F 10"]:
    """Where a network sees hand and object in every picture."""
    device = next(network.parameters()).device
    parts = (part.float().to(device) for part in tokens.split(_CHUNK))
    return torch.cat([network.positions(part).cpu() for part in parts])
