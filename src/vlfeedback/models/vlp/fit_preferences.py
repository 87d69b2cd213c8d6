"""Stage 2 of the VLP model's training: which segment is better, under which instruction.

Pictures are encoded once (stage 1 is `vlfeedback.models.vlp.fit_encoder`). Progress and scenes
learn by themselves first; then all parts of the network learn together from the paper's three
kinds of preferences (section 3.2, equation 4):
  ITP  two windows of one task, its instruction: the better one is preferred;
  ILP  the same two windows, another task's instruction: neither is (label 0.5);
  IVP  a window of the task against one of another task: the task's own is preferred.
Beside the whole score, each part learns what it is for: the progress ITP and that experts go
forward in time, the scene which texts it matches, the relevance what pictures are worth.
Words, tokens and places are disturbed while training: without that the network soon overfits
its tasks, and scores unseen tasks worse with every step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vlfeedback.models.training_state import TrainingState, torch_generators
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.disturbance import Disturbance
from vlfeedback.models.vlp.network import ReadSegment, ReadText, VLPNetwork
from vlfeedback.models.vlp.optimiser import Optimiser
from vlfeedback.models.vlp.preference_losses import (
    TaskScores,
    preference_loss,
    progress_loss,
    success_loss,
)
from vlfeedback.models.vlp.progress import describe_motion
from vlfeedback.models.vlp.sampling import WindowBatch, WindowSampler
from vlfeedback.models.vlp.scene_loss import ScenePool, scene_loss
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts
from vlfeedback.types import Report

__all__ = ["fit_preferences"]


def fit_preferences(
    network: VLPNetwork,
    episodes: EpisodeSet,
    tokens: Float[Tensor, "C F P D"],
    scenes: SceneSet,
    scene_tokens: Float[Tensor, "S P D"],
    texts: Texts,
    training: VLPTraining,
    *,
    device: str = "cpu",
    report: Report,
    state: TrainingState | None = None,
) -> None:
    """Train everything but the encoder in place.

    Args:
        network: with its encoder trained.
        episodes: of the training tasks.
        tokens: of their pictures, from `encode_episodes`.
        scenes: scattered scenes of the same tasks.
        scene_tokens: of their pictures, from `encode_scenes`.
        texts: of the same tasks.
        training: settings.
        device: where the network is trained.
        report: called after every step.
        state: what the training is kept in while it runs; one that was cut off goes on.
    """
    rng = np.random.default_rng(training.seed + 1)
    torch.manual_seed(training.seed)  # dropout and noise
    network.to(device).train()
    for frozen in (network.encoder, network.positions):
        frozen.requires_grad_(False).eval()
    _standardise_motion(network, tokens.to(device))
    sampler = WindowSampler(episodes, tokens, network.architecture.n_frames, rng)
    deviation = float(tokens[:64].float().std())
    disturbance = Disturbance(training, deviation, network.architecture.max_words)
    pool = ScenePool(episodes, tokens, scenes, scene_tokens)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = Optimiser(parameters, training.learning_rate, training.part_steps, training)
    state = state or TrainingState()
    begin = state.resume(network, optimiser.adam, [rng, *torch_generators(device)])

    def take_step(*, everything: bool) -> float:
        batch = sampler.draw(training)
        with torch.autocast(device, torch.bfloat16):
            loss = training.scene_weight * scene_loss(
                network, pool, texts, disturbance, rng, device
            )
            pictures = _hide_resets(batch, training, device)
            motion = _read_motion(network, pictures, disturbance)
            loss = loss + progress_loss(motion.forward, motion.backward, batch, training)
            if motion.success is not None:
                loss = loss + training.success_weight * success_loss(motion.success, batch)
            if everything:
                segment = _read_segment(network, pictures, motion, disturbance)
                text = _read_texts(network, batch, texts, disturbance, rng, device)
                loss = loss + _match_loss(network, segment, text, batch, training)
        optimiser.step(loss)
        return float(loss.detach())

    before, total = 0, training.part_steps + training.steps
    for stage, steps in (
        ("judging progress", training.part_steps),
        ("comparing segments", training.steps),
    ):
        n_done = min(max(begin - before, 0), steps)
        if n_done < steps:
            optimiser.begin(steps, n_done)
        for step in range(n_done, steps):
            loss = take_step(everything=stage == "comparing segments")
            state.done(before + step + 1, total)
            report(stage, step + 1, steps, loss)
        before += steps


def _match_loss(
    network: VLPNetwork,
    segment: ReadSegment,
    text: ReadText,
    batch: WindowBatch,
    training: VLPTraining,
) -> Float[Tensor, ""]:
    """Equation 4 of the whole score, and the error of relevance as a picture's worth."""
    tasks, windows = len(batch.task), training.windows
    own = torch.arange(tasks, device=segment.scene.device).repeat_interleave(windows)
    own_text, other_text = text.take(own), text.take(own + tasks)
    relevance = network.relevance(segment.video, own_text.tokens, own_text.mask)
    scores = (
        network.combine(segment, network.score_match(segment, own_text), relevance.mean(dim=1)),
        network.score(segment, other_text),
    )
    by_task = TaskScores(*(score.float().view(tasks, windows) for score in scores))
    worth = batch.worth.to(relevance.device)
    worth_loss = functional.binary_cross_entropy_with_logits(relevance.float(), worth)
    return preference_loss(by_task, batch, training) + training.reward_weight * worth_loss


class _PictureTokens(NamedTuple):
    """Picture tokens of the segments of a batch."""

    tokens: Float[Tensor, "N F P D"]
    first: Float[Tensor, "N P D"]  # of the reset, or of the segment's own first picture
    last: Float[Tensor, "N P D"]  # the same for the segment played backwards


def _hide_resets(batch: WindowBatch, training: VLPTraining, device: str) -> _PictureTokens:
    """Hide the reset of some segments, as of a video that is cut out of an episode."""
    tokens, reset = batch.tokens.to(device), batch.first.to(device)
    unknown = torch.rand(len(reset), 1, 1, device=reset.device) < training.unknown_reset
    starts = (torch.where(unknown, picture, reset) for picture in (tokens[:, 0], tokens[:, -1]))
    return _PictureTokens(tokens, *starts)


class _Motion(NamedTuple):
    """What positions tell of the segments of a batch."""

    forward: Float[Tensor, "M KB"]  # progress
    backward: Float[Tensor, "M KB"]  # that of the same segments played backwards
    success: Float[Tensor, "KB n"] | None  # log-odds after each picture


def _read_motion(
    network: VLPNetwork, pictures: _PictureTokens, disturbance: Disturbance
) -> _Motion:
    """Read positions that are disturbed."""
    positions, first, last = disturbance.places(*(network.positions(x) for x in pictures))
    motion = describe_motion(positions, first)
    return _Motion(
        network.progress(motion),
        network.progress(describe_motion(positions.flip(1), last)),
        network.read_success(motion),
    )


def _read_segment(
    network: VLPNetwork,
    pictures: _PictureTokens,
    motion: _Motion,
    disturbance: Disturbance,
) -> ReadSegment:
    tokens = disturbance.tokens(pictures.tokens, hide=True)
    video = network.relevance.read_video(tokens, disturbance.tokens(pictures.first, hide=True))
    scene = network.read_scene(disturbance.tokens(pictures.first))
    return ReadSegment(video, motion.forward, motion.success, scene)


def _read_texts(
    network: VLPNetwork,
    batch: WindowBatch,
    texts: Texts,
    disturbance: Disturbance,
    rng: np.random.Generator,
    device: str,
) -> ReadText:
    """An instruction of each task, then of the task before each."""
    rows = [texts.draw(task, rng) for task in (batch.task, np.roll(batch.task, 1))]
    words, mask = disturbance.words(texts, np.concatenate(rows))
    return network.read_text(words.to(device), mask.to(device))


@torch.no_grad()
def _standardise_motion(network: VLPNetwork, tokens: Float[Tensor, "C F P D"]) -> None:
    frames = network.architecture.n_frames
    windows = [
        tokens[:, torch.arange(end - frames + 1, end + 1).clamp(min=0)]
        for end in range(1, tokens.shape[1], 4)
    ]
    motion = torch.cat(
        [
            describe_motion(
                network.positions(window.float()), network.positions(tokens[:, 0].float())
            ).flatten(0, 1)
            for window in windows
        ]
    )
    network.progress.mean.copy_(motion.mean(dim=0))
    network.progress.std.copy_(motion.std(dim=0).clamp(min=1e-3))
