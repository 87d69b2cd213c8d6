"""Stage 2 of the VLP model's training: which clip is better, under which instruction.

Pictures are encoded once (stage 1 is `vlfeedback.models.vlp.fit_encoder`). Progress and scenes
learn by themselves first; then all parts of the network learn together from the paper's three
kinds of preferences (section 3.2, equation 4):
  ITP  two windows of one task, its instruction: the better one is preferred;
  ILP  the same two windows, another task's instruction: neither is (label 0.5);
  IVP  a window of the task against one of another task: the task's own is preferred.
Beside the whole score, each part learns what it is for: the progress ITP and that experts go
forward in time, the scene which texts it goes with, the relevance the rewards of pictures.
Words, tokens and places are disturbed while training: without that the network soon knows its
tasks by heart, and judges tasks it has not seen worse with every step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from vlfeedback.encoders.words import WordVectors
from vlfeedback.losses import bradley_terry, language_preferences
from vlfeedback.models.vlp.data import ClipSet, SceneSet, Texts
from vlfeedback.models.vlp.network import ReadClip, ReadText, VLPNetwork
from vlfeedback.models.vlp.progress import describe_motion
from vlfeedback.models.vlp.sampling import WindowBatch, WindowSampler
from vlfeedback.models.vlp.settings import Optimiser, VLPTraining
from vlfeedback.types import Report

__all__ = ["fit_preferences", "score_statistics"]

_TEMPERATURE = 0.2  # of the cosines between scenes and texts while they are told apart
_COLOURS = ("red", "green", "blue", "yellow", "black", "white", "grey", "brown", "orange", "purple")
_SCENES = 4  # pictures of each task in a step of the scene loss


def fit_preferences(
    network: VLPNetwork,
    clips: ClipSet,
    tokens: Float[Tensor, "C F P D"],
    scenes: SceneSet,
    scene_tokens: Float[Tensor, "S P D"],
    texts: Texts,
    training: VLPTraining,
    *,
    device: str = "cpu",
    report: Report,
) -> None:
    """Train everything but the encoder in place.

    Args:
        network: with its encoder trained.
        clips: of the training tasks.
        tokens: of their pictures, from `encode_clips`.
        scenes: scattered scenes of the same tasks.
        scene_tokens: of their pictures, from `encode_scenes`.
        texts: of the same tasks.
        training: settings.
        device: where the network is trained.
        report: told after every step.
    """
    rng = np.random.default_rng(training.seed + 1)
    torch.manual_seed(training.seed)  # dropout and noise
    network.to(device).train()
    for frozen in (network.encoder, network.positions):
        frozen.requires_grad_(False).eval()
    _standardise_motion(network, tokens.to(device))
    sampler = WindowSampler(clips, tokens, network.architecture.n_frames, rng)
    deviation = float(tokens[:64].float().std())
    disturbance = _Disturbance(training, deviation, network.architecture.max_words)
    pool = _ScenePool(clips, tokens, scenes, scene_tokens)
    parameters = [p for p in network.parameters() if p.requires_grad]
    for stage, steps in (
        ("judging progress", training.part_steps),
        ("comparing clips", training.steps),
    ):
        optimiser = Optimiser(parameters, training.learning_rate, steps, training)
        for step in range(steps):
            batch = sampler.draw(training)
            with torch.autocast(device, torch.bfloat16):
                loss = training.scene_weight * _scene_loss(
                    network, pool, texts, disturbance, rng, device
                )
                shown = _show(batch, training, device)
                forward, backward = _judge_progress(network, shown, disturbance)
                loss = loss + _progress_loss(forward, backward, batch, training)
                if stage == "comparing clips":
                    clip = _read_clip(network, shown, forward, disturbance)
                    text = _read_texts(network, batch, texts, disturbance, rng, device)
                    loss = loss + _match_loss(network, clip, text, batch, training)
            optimiser.step(loss)
            report(stage, step + 1, steps, float(loss.detach()))


class _Scores(NamedTuple):
    own: Float[Tensor, "K B"]  # of each task's windows under its instruction
    other: Float[Tensor, "K B"]  # under the instruction of the task before it


def _match_loss(
    network: VLPNetwork,
    clip: ReadClip,
    text: ReadText,
    batch: WindowBatch,
    training: VLPTraining,
) -> Float[Tensor, ""]:
    """Equation 4 of the whole score; and that relevance of a picture is its reward's rank."""
    tasks, windows = len(batch.task), training.windows
    own = torch.arange(tasks, device=clip.scene.device).repeat_interleave(windows)
    own_text, other_text = text.take(own), text.take(own + tasks)
    pictured = network.relevance(clip.video, own_text.tokens, own_text.mask)
    scores = (
        network.combine(clip, network.score_match(clip, own_text), pictured.mean(dim=1)),
        network.score(clip, other_text),
    )
    by_task = _Scores(*(score.float().view(tasks, windows) for score in scores))
    rewards = batch.reward.to(pictured.device)
    reward_loss = functional.binary_cross_entropy_with_logits(pictured.float(), rewards)
    return _preference_loss(by_task, batch, training) + training.reward_weight * reward_loss


def _preference_loss(
    scores: _Scores, batch: WindowBatch, training: VLPTraining
) -> Float[Tensor, ""]:
    """Equation 4 over all pairs of windows of each task, strangers from the next task."""
    first, second, label = _pairs(batch, scores.own.device)
    # The next task's windows were scored under this task's instruction.
    strangers = scores.other.roll(-1, dims=0)
    foreign = strangers.T.unsqueeze(-1).expand(-1, -1, len(first)).flatten(1)
    return language_preferences(
        scores.own[:, first].flatten(),
        scores.own[:, second].flatten(),
        foreign,
        scores.other[:, first].flatten(),
        scores.other[:, second].flatten(),
        label.flatten(),
        ilp_weight=training.ilp_weight,
        ivp_weight=training.ivp_weight,
    )


def _progress_loss(
    forward: Float[Tensor, "M KB"],
    backward: Float[Tensor, "M KB"],
    batch: WindowBatch,
    training: VLPTraining,
) -> Float[Tensor, ""]:
    """ITP of each member by itself; and that an expert's window is better than its reversal."""
    first, second, label = _pairs(batch, forward.device)
    by_task = forward.float().unflatten(1, batch.prefer_second.shape[:2])
    alone = bradley_terry(
        by_task[..., first], by_task[..., second], label.expand(len(forward), -1, -1)
    )
    rising = batch.rising.to(forward.device)
    if not rising.any():
        return alone
    ahead = (forward - backward).float()[:, rising]
    return alone + training.direction_weight * functional.softplus(-ahead).mean()


def _pairs(
    batch: WindowBatch, device: torch.device
) -> tuple[Int64[Tensor, " Q"], Int64[Tensor, " Q"], Float[Tensor, "K Q"]]:
    windows = batch.prefer_second.shape[1]
    first, second = torch.triu_indices(windows, windows, offset=1)
    return first, second, batch.prefer_second[:, first, second].to(device)


class _Shown(NamedTuple):
    """What is shown of the clips of a batch."""

    tokens: Float[Tensor, "N F P D"]
    first: Float[Tensor, "N P D"]  # of the reset, or of the clip's own first picture
    last: Float[Tensor, "N P D"]  # the same for the clip played backwards


def _show(batch: WindowBatch, training: VLPTraining, device: str) -> _Shown:
    """Hide the reset of some clips, as of a video that is cut out of an episode."""
    tokens, reset = batch.tokens.to(device), batch.first.to(device)
    unknown = torch.rand(len(reset), 1, 1, device=reset.device) < training.unknown_reset
    begun = (torch.where(unknown, picture, reset) for picture in (tokens[:, 0], tokens[:, -1]))
    return _Shown(tokens, *begun)


def _judge_progress(
    network: VLPNetwork, shown: _Shown, disturbance: _Disturbance
) -> tuple[Float[Tensor, "M KB"], Float[Tensor, "M KB"]]:
    """Progress of disturbed clips, and of the same clips played backwards."""
    positions, first, last = disturbance.places(*(network.positions(x) for x in shown))
    return (
        network.progress(describe_motion(positions, first)),
        network.progress(describe_motion(positions.flip(1), last)),
    )


def _read_clip(
    network: VLPNetwork,
    shown: _Shown,
    progress: Float[Tensor, "M KB"],
    disturbance: _Disturbance,
) -> ReadClip:
    tokens = disturbance.tokens(shown.tokens, hide=True)
    video = network.relevance.read_video(tokens, disturbance.tokens(shown.first, hide=True))
    return ReadClip(video, progress, network.read_scene(disturbance.tokens(shown.first)))


def _read_texts(
    network: VLPNetwork,
    batch: WindowBatch,
    texts: Texts,
    disturbance: _Disturbance,
    rng: np.random.Generator,
    device: str,
) -> ReadText:
    """An instruction of each task, then of the task before each."""
    drawn = [texts.draw(task, rng) for task in (batch.task, np.roll(batch.task, 1))]
    words, mask = disturbance.words(texts, np.concatenate(drawn))
    return network.read_text(words.to(device), mask.to(device))


class _Disturbance:
    """Noise on all that the network reads."""

    def __init__(self, training: VLPTraining, deviation: float, max_words: int) -> None:
        self._training, self._deviation, self._max_words = training, deviation, max_words
        colours, _ = WordVectors.load().encode(list(_COLOURS), max_tokens=1)
        self._colours = torch.from_numpy(colours[:, 0])

    def words(
        self, texts: Texts, rows: Int64[np.ndarray, " S"]
    ) -> tuple[Float[Tensor, "S M E"], Bool[Tensor, "S M"]]:
        training = self._training
        words, mask = torch.from_numpy(texts.words[rows]), torch.from_numpy(texts.mask[rows])
        longest = int(mask.sum(dim=1).max())
        words, mask = words[:, :longest], mask[:, :longest]
        share = 2 * training.word_dropout * torch.rand(len(rows), 1)  # some texts stay whole
        kept = mask & ~(torch.rand(mask.shape) < share)
        kept = torch.where(kept.any(dim=1, keepdim=True), kept, mask)
        # A colour comes after all words; where none comes, that place is padding.
        colours = self._colours[torch.randint(len(self._colours), (len(rows), 1))]
        coloured = torch.rand(len(rows), 1) < training.colour_share
        words = torch.cat([words, colours], dim=1)[:, : self._max_words]
        kept = torch.cat([kept, coloured], dim=1)[:, : self._max_words]
        return words + training.word_noise * torch.randn_like(words), kept

    def tokens(
        self, tokens: Float[Tensor, "*B P D"], *, hide: bool = False
    ) -> Float[Tensor, "*B P D"]:
        training = self._training
        noisy = tokens + training.token_noise * self._deviation * torch.randn_like(tokens)
        if not hide:
            return noisy
        kept = torch.rand(tokens.shape[:-1], device=tokens.device) >= training.token_dropout
        return noisy * kept.unsqueeze(-1)

    def places(
        self,
        positions: Float[Tensor, "N F 10"],
        first: Float[Tensor, "N 10"],
        last: Float[Tensor, "N 10"],
    ) -> tuple[Float[Tensor, "N F 10"], Float[Tensor, "N 10"], Float[Tensor, "N 10"]]:
        """Move the object of each clip as a whole: on an unseen task it is read off wrongly."""
        spread = self._training.place_noise * 2.0 * torch.rand(len(first), 1)
        offset = torch.zeros_like(first)
        offset[:, 4:7] = (spread * torch.randn(len(first), 3)).to(first.device)
        offset[:, 7:] = offset[:, 4:7]
        return positions + offset.unsqueeze(1), first + offset, last + offset


class _ScenePool:
    """Pictures of resets and scattered scenes, by task."""

    def __init__(
        self, clips: ClipSet, tokens: Tensor, scenes: SceneSet, scene_tokens: Tensor
    ) -> None:
        self.tokens = torch.cat([tokens[:, 0], scene_tokens])
        task = np.concatenate([clips.task, scenes.task])
        self._members = [np.flatnonzero(task == k) for k in range(int(clips.task.max()) + 1)]

    def draw(self, rng: np.random.Generator) -> Float[Tensor, "KS P D"]:
        rows = [rng.choice(members, size=_SCENES) for members in self._members]
        return self.tokens[np.concatenate(rows)].float()


def _scene_loss(
    network: VLPNetwork,
    pool: _ScenePool,
    texts: Texts,
    disturbance: _Disturbance,
    rng: np.random.Generator,
    device: str,
) -> Float[Tensor, ""]:
    """Tell scenes of all tasks apart by their texts; meanings of texts are fixed."""
    shown = disturbance.tokens(pool.draw(rng).to(device))
    tasks = len(shown) // _SCENES
    words, mask = disturbance.words(texts, texts.draw(np.arange(tasks), rng))
    meaning = network.mean_text(words.to(device), mask.to(device))
    cosines = network.read_scene(shown) @ meaning.T
    own = torch.arange(tasks, device=cosines.device).repeat_interleave(_SCENES)
    return functional.cross_entropy(cosines.float() / _TEMPERATURE, own)


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


@torch.inference_mode()
def score_statistics(
    network: VLPNetwork,
    clips: ClipSet,
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
    sampler = WindowSampler(clips, tokens, network.architecture.n_frames, rng)
    scores: list[Float32[Tensor, " N"]] = []
    for _ in range(n_batches):
        batch = sampler.draw(VLPTraining())
        rows = texts.draw(batch.task.repeat(VLPTraining().windows), rng)
        words, mask = (torch.from_numpy(x[rows]).to(device) for x in (texts.words, texts.mask))
        clip = network.read_clip(batch.tokens.to(device), batch.first.to(device))
        scores.append(network.score(clip, network.read_text(words, mask)))
    joined = torch.cat(scores)
    return float(joined.mean()), float(joined.std())
