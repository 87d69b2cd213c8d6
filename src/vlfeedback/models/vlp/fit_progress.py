"""The part of stage 2 that reads motion alone: progress, success, and progress by the text.

Positions are read off all pictures once, so that a step has windows of all tasks and costs
milliseconds.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.disturbance import Disturbance
from vlfeedback.models.vlp.network import VLPNetwork
from vlfeedback.models.vlp.preference_losses import direction_loss, order_loss, success_loss
from vlfeedback.models.vlp.progress import describe_motion
from vlfeedback.models.vlp.sampling import Windows, WindowSampler
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts

__all__ = ["MotionLosses"]


class MotionLosses:
    """Losses of a step of what reads motion, each of windows that are drawn anew.

    Args:
        network: its features of motion are standardised here.
        episodes: of the training tasks.
        positions: as the network sees them in their pictures.
        unseen_positions: as they are seen by encoders that do not know their task: what progress
            learns from, where it is for unseen tasks.
        texts: of the same tasks.
        disturbance: of positions and words.
        training: settings.
        rng: what draws.
        device: where the network is trained.
    """

    def __init__(
        self,
        network: VLPNetwork,
        episodes: EpisodeSet,
        positions: Float[Tensor, "C F 10"],
        unseen_positions: Float[Tensor, "C F 10"] | None,
        texts: Texts,
        disturbance: Disturbance,
        training: VLPTraining,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        self._network, self._texts, self._disturbance = network, texts, disturbance
        self._training, self._rng, self._device = training, rng, device
        frames = network.architecture.n_frames
        self._sampler = WindowSampler(episodes, frames, rng)
        self._n_tasks = int(episodes.task.max()) + 1
        self._positions = positions
        self._unseen = unseen_positions
        self._standardise(frames)

    def of_progress(self) -> Float[Tensor, ""]:
        """ITP of each judge by itself, the direction of clips, and success."""
        network, training = self._network, self._training
        windows, positions, first = self._draw(self._unseen)
        motion = network.read_motion(positions, first)
        of_clip = network.read_motion(positions, positions[:, 0])
        head = network.progress
        of_clips = head.judge(of_clip, head.cut_out)
        loss = order_loss(head.judge(motion, head.since_reset), windows)
        loss = loss + order_loss(of_clips, windows)
        rising = windows.rising.to(positions.device)
        if rising.any():
            turned = positions[rising].flip(1)
            backward = head.judge(network.read_motion(turned, turned[:, 0]), head.cut_out)
            direction = direction_loss(of_clips[:, rising], backward)
            loss = loss + training.direction_weight * direction
        if network.success is not None:
            of_success = [success_loss(network.success(x), windows) for x in (motion, of_clip)]
            loss = loss + training.success_weight * (of_success[0] + of_success[1]) / 2
        return loss

    def of_instructed_progress(self) -> Float[Tensor, ""]:
        """ITP of progress with its correction by a text of each task; see `instructed`."""
        network = self._network
        windows, positions, first = self._draw()
        motion = network.read_motion(positions, first)
        has_reset = torch.ones(len(first), dtype=torch.bool, device=first.device)
        rows = self._texts.draw(windows.task, self._rng)
        words, mask = self._disturbance.words(self._texts, rows)
        meaning = network.mean_text(words.to(self._device), mask.to(self._device))
        meaning = meaning.repeat_interleave(self._training.part_windows, dim=0)
        if network.instructed is None:
            raise TypeError("This network has no progress that reads the text.")
        judged = network.progress(motion, has_reset).mean(dim=0)
        return order_loss((judged + network.instructed(motion, meaning)).unsqueeze(0), windows)

    def _draw(
        self, unseen: Float[Tensor, "C F 10"] | None = None
    ) -> tuple[Windows, Float[Tensor, "N n 10"], Float[Tensor, "N 10"]]:
        """Windows of all tasks, with positions that are disturbed; some as they are seen unseen."""
        windows = self._sampler.draw(
            self._training, n_tasks=self._n_tasks, n_windows=self._training.part_windows
        )
        shown, reset = windows.shown(self._positions), windows.resets(self._positions)
        if unseen is not None:
            is_unseen = torch.rand(len(reset)) < self._training.unseen_share
            shown = torch.where(is_unseen[:, None, None], windows.shown(unseen), shown)
            reset = torch.where(is_unseen[:, None], windows.resets(unseen), reset)
        disturbed, first = self._disturbance.places(shown, reset)
        return windows, disturbed.to(self._device), first.to(self._device)

    @torch.no_grad()
    def _standardise(self, frames: int) -> None:
        positions = self._positions
        if self._unseen is not None:
            positions = torch.cat([positions, self._unseen])
        windows = [
            positions[:, torch.arange(end - frames + 1, end + 1).clamp(min=0)]
            for end in range(1, positions.shape[1], 4)
        ]
        motion = torch.cat([describe_motion(w, positions[:, 0]).flatten(0, 1) for w in windows])
        self._network.progress.mean.copy_(motion.mean(dim=0))
        self._network.progress.std.copy_(motion.std(dim=0).clamp(min=1e-3))
