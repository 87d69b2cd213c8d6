"""Stage 2 of the VLP model's training: which segment is better, under which instruction.

Pictures are encoded once (stage 1 is `vlfeedback.models.vlp.fit_encoder`). The parts learn one
after the other, and each that is learnt stays as it is:
  progress    from the motion of hand and object, for all tasks at once;
  scenes      which texts a scene matches;
  progress by the text, where the network has it: what else a trained task rewards;
  relevance   from the whole score, by the paper's three kinds of preferences (section 3.2,
              equation 4):
  ITP  two windows of one task, its instruction: the better one is preferred;
  ILP  the same two windows, another task's instruction: neither is (label 0.5);
  IVP  a window of the task against one of another task: the task's own is preferred.
Relevance also learns what pictures are worth. Words, tokens and places are disturbed while
training: without that the network soon overfits its tasks, and scores unseen tasks worse with
every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.models.training_state import TrainingState, torch_generators
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.disturbance import Disturbance
from vlfeedback.models.vlp.fit_progress import MotionLosses
from vlfeedback.models.vlp.network import ReadSegment, ReadText, VLPNetwork
from vlfeedback.models.vlp.optimiser import Optimiser
from vlfeedback.models.vlp.preference_losses import TaskScores, preference_loss
from vlfeedback.models.vlp.sampling import Windows, WindowSampler
from vlfeedback.models.vlp.scene_loss import ScenePool, scene_loss
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts
from vlfeedback.models.vlp.unseen import read_positions
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
    unseen_positions: Float[Tensor, "C F 10"] | None = None,
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
        unseen_positions: what progress learns from, see `vlfeedback.models.vlp.unseen`; default:
            what this network sees.
        device: where the network is trained.
        report: called after every step.
        state: what the training is kept in while it runs; one that was cut off goes on.
    """
    rng = np.random.default_rng(training.seed + 1)
    torch.manual_seed(training.seed)  # dropout and noise
    network.to(device).eval()
    deviation = float(tokens[:64].float().std())
    disturbance = Disturbance(training, deviation, network.architecture.max_words)
    motion = MotionLosses(
        network,
        episodes,
        read_positions(network, tokens),
        unseen_positions,
        texts,
        disturbance,
        training,
        rng,
        device,
    )
    pool = ScenePool(episodes, tokens, scenes, scene_tokens)
    sampler = WindowSampler(episodes, network.architecture.n_frames, rng)

    def of_scenes() -> Tensor:
        return scene_loss(network, pool, texts, training, disturbance, rng, device)

    def of_relevance() -> Tensor:
        windows = sampler.draw(training, n_tasks=training.batch, n_windows=training.windows)
        with torch.autocast(device, torch.bfloat16):
            segment = _read_segment(network, windows, tokens, disturbance, training, device)
            text = _read_texts(network, windows, texts, disturbance, rng, device)
            return _match_loss(network, segment, text, windows, training)

    of_motion = training.part_learning_rate
    meaning = (network.scene, network.importance, network.common)
    by_text = (network.instructed,)
    parts = [
        _Part(
            "judging progress",
            motion.of_progress,
            (network.progress, network.success),
            training.part_steps,
            of_motion,
        ),
        _Part(
            "recognising scenes", of_scenes, meaning, training.scene_steps, training.learning_rate
        ),
        _Part(
            "judging by the text",
            motion.of_instructed_progress,
            by_text,
            training.text_steps,
            of_motion,
        ),
        _Part(
            "comparing segments",
            of_relevance,
            (network.relevance,),
            training.steps,
            training.learning_rate,
        ),
    ]
    _train(
        network, [part for part in parts if part.learns != (None,)], training, report, state, rng
    )


class _Part(NamedTuple):
    """What learns in one go."""

    name: str
    loss: Callable[[], Float[Tensor, ""]]
    learns: tuple[nn.Module | nn.Parameter | None, ...]
    steps: int
    learning_rate: float


def _train(
    network: VLPNetwork,
    parts: list[_Part],
    training: VLPTraining,
    report: Report,
    state: TrainingState | None,
    rng: np.random.Generator,
) -> None:
    """Train each part in turn, and go on where a training that was cut off had got to."""
    device = next(network.parameters()).device
    optimiser = Optimiser(list(network.parameters()), training)
    state = state or TrainingState()
    begin = state.resume(network, optimiser.adam, [rng, *torch_generators(device.type)])
    before, total = 0, sum(part.steps for part in parts)
    for part in parts:
        n_done = min(max(begin - before, 0), part.steps)
        _learn_only(network, part)
        if n_done < part.steps:
            optimiser.begin(part.steps, part.learning_rate, n_done)
        for step in range(n_done, part.steps):
            loss = part.loss()
            optimiser.step(loss)
            state.done(before + step + 1, total)
            report(part.name, step + 1, part.steps, float(loss.detach()))
        before += part.steps
    network.requires_grad_(True)


def _learn_only(network: VLPNetwork, part: _Part) -> None:
    network.requires_grad_(False).eval()
    for learner in part.learns:
        if learner is not None:
            learner.requires_grad_(True)
        if isinstance(learner, nn.Module):
            learner.train()


def _match_loss(
    network: VLPNetwork,
    segment: ReadSegment,
    text: ReadText,
    windows: Windows,
    training: VLPTraining,
) -> Float[Tensor, ""]:
    """Equation 4 of the whole score, and the error of relevance as a picture's worth."""
    tasks, n_windows = len(windows.task), training.windows
    own = torch.arange(tasks, device=segment.scene.device).repeat_interleave(n_windows)
    own_text, other_text = text.take(own), text.take(own + tasks)
    relevance = network.relevance(segment.video, own_text.tokens, own_text.mask)
    scores = (
        network.combine(
            network.score_match(segment, own_text),
            network.score_progress(segment, own_text),
            relevance.mean(dim=1),
        ),
        network.score(segment, other_text),
    )
    by_task = TaskScores(*(score.float().view(tasks, n_windows) for score in scores))
    worth = windows.worth.to(relevance.device)
    worth_loss = functional.binary_cross_entropy_with_logits(relevance.float(), worth)
    return preference_loss(by_task, windows, training) + training.reward_weight * worth_loss


def _read_segment(
    network: VLPNetwork,
    windows: Windows,
    tokens: Float[Tensor, "C F P D"],
    disturbance: Disturbance,
    training: VLPTraining,
    device: str,
) -> ReadSegment:
    """Read windows, of which some hide their reset, as a clip cut out of an episode does."""
    shown, reset = windows.shown(tokens).to(device), windows.resets(tokens).to(device)
    has_reset = torch.rand(len(reset), device=reset.device) >= training.unknown_reset
    first = torch.where(has_reset[:, None, None], reset, shown[:, 0])
    with torch.no_grad():
        motion = network.read_motion(network.positions(shown), network.positions(first))
        progress = network.progress(motion, has_reset).mean(dim=0)
        scene = network.read_scene(disturbance.tokens(first))
    video = network.relevance.read_video(
        disturbance.tokens(shown, hide=True), disturbance.tokens(first, hide=True)
    )
    return ReadSegment(video, has_reset, motion, progress, None, scene)


def _read_texts(
    network: VLPNetwork,
    windows: Windows,
    texts: Texts,
    disturbance: Disturbance,
    rng: np.random.Generator,
    device: str,
) -> ReadText:
    """An instruction of each task, then of the task before each."""
    rows = [texts.draw(task, rng) for task in (windows.task, np.roll(windows.task, 1))]
    words, mask = disturbance.words(texts, np.concatenate(rows))
    return network.read_text(words.to(device), mask.to(device))
