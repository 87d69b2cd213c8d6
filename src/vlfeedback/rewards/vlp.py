"""VLP as a reward source: how well the last 50 steps follow the instruction.

Paper:    Liu et al. 2025, "VLP: Vision-Language Preference Learning" (no code or weights exist)
Weights:  bundled, trained by this project; licence Apache-2.0; card beside the file
Needs:    8 pictures spread over 50 steps, the picture of the reset, an instruction
Returns:  one score a window, standardised on the training clips (mean 0, deviation 1)
Recipe:   1 encode each picture once; 2 encode each instruction once; 3 score clip and text
Left out: the paper's CLIP backbone, see `vlfeedback.models.vlp`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp import ReadText, VLPNetwork
from vlfeedback.models.vlp_weights import load_vlp
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["VLPConfig", "VLPReward"]

_CHUNK = 32  # clips or pictures encoded at once: larger leaves the cache and is no faster


@dataclass(frozen=True, slots=True)
class VLPConfig:
    """Settings of the `vlp` source."""

    variant_field: ClassVar[str] = "weights"

    weights: str = "mt50"  # bundled name, or path of a file that `vlfeedback fit vlp` wrote


class VLPReward:
    """Scores clips under an instruction; see the module's header.

    A window of any length is read through 8 pictures, spread evenly, first and last included
    (the paper: "uniformly sample 8 frames"). Fewer than 8 are stretched; one is a still clip.
    Clips that come without the picture of the reset are taken to begin with it.

    Raises:
        UnknownNameError: no such weights.
        CheckpointError: the weights file is truncated or of another architecture.
    """

    config_type = VLPConfig
    needs = SourceNeeds(
        frames=True,
        first_frame=True,
        instruction=True,
        granularity="window",
        context=50,
        frame_stride=7,
    )

    def __init__(self, config: VLPConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or VLPConfig()
        self.device = device
        network, self.weights = load_vlp(self.config.weights)
        self._network: VLPNetwork = network.to(device).requires_grad_(False)
        self._vectors = WordVectors.load()
        self._texts: dict[str, ReadText] = {}

    @property
    def n_parameters(self) -> int:
        """Numbers the model holds, frame encoder included, word table not."""
        return sum(p.numel() for p in self._network.parameters())

    @torch.inference_mode()
    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B P D"]:
        """Tokens of each picture: (B, 4, 128) float32."""
        parts = [
            self._network.encoder(torch.from_numpy(frames[i : i + _CHUNK]).to(self.device))
            for i in range(0, len(frames), _CHUNK)
        ]
        return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float32)

    @torch.inference_mode()
    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Standardised score of each clip at its last step, zeros before.

        Raises:
            NeedsError: pictures or instructions are missing, or an instruction has no words.
        """
        if batch.instructions is None:
            raise NeedsError("'vlp' needs an instruction for every clip: instructions=[...].")
        scores = np.concatenate(
            [self._score(batch.take(slice(i, i + _CHUNK))) for i in range(0, len(batch), _CHUNK)]
        )
        rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
        rewards[np.arange(len(batch)), batch.last_steps] = scores
        return rewards

    def _score(self, batch: SegmentBatch) -> Float32[np.ndarray, " N"]:
        tokens = torch.from_numpy(self._tokens(batch)).to(self.device)
        first = torch.from_numpy(self._first_tokens(batch)).to(self.device)
        texts = batch.instructions or ()
        distinct = list(dict.fromkeys(texts))
        text = _join([self._read_text(instruction) for instruction in distinct])
        rows = torch.tensor([distinct.index(instruction) for instruction in texts])
        clip = self._network.read_clip(tokens, first)
        score = self._network.score(clip, text.take(rows.to(self.device)))
        return (score.cpu().numpy() - self.weights.score_mean) / self.weights.score_std

    def _tokens(self, batch: SegmentBatch) -> Float32[np.ndarray, "N F P D"]:
        chosen = _spread(batch, self.weights.architecture.n_frames)
        rows = np.arange(len(batch))[:, None]
        if batch.embeddings is not None:
            return np.ascontiguousarray(batch.embeddings[rows, chosen])
        if batch.frames is None:
            raise NeedsError("'vlp' reads pictures: give frames (N, F, H, W, 3), or embeddings.")
        frames = batch.frames[rows, chosen]
        tokens = self.embed(frames.reshape(-1, *frames.shape[2:]))
        return tokens.reshape(*frames.shape[:2], *tokens.shape[1:])

    def _first_tokens(self, batch: SegmentBatch) -> Float32[np.ndarray, "N P D"]:
        if batch.first_embeddings is not None:
            return batch.first_embeddings
        if batch.first_frames is not None:
            return self.embed(batch.first_frames)
        if batch.embeddings is not None:
            return np.ascontiguousarray(batch.embeddings[:, 0])
        return self.embed(np.ascontiguousarray(batch.frames[:, 0]))  # type: ignore[index]

    def _read_text(self, instruction: str) -> ReadText:
        if instruction not in self._texts:
            words, mask = self._vectors.encode(
                [instruction], max_tokens=self.weights.architecture.max_words
            )
            self._texts[instruction] = self._network.read_text(
                torch.from_numpy(words).to(self.device), torch.from_numpy(mask).to(self.device)
            )
        return self._texts[instruction]


def _spread(batch: SegmentBatch, n_frames: int) -> np.ndarray:
    """Which of the given pictures are read, for each clip: evenly over its real steps."""
    given = batch.picture_steps
    last = np.searchsorted(given, batch.last_steps, side="right") - 1
    return np.rint(np.linspace(0, last, n_frames)).astype(np.int64).T


def _join(texts: list[ReadText]) -> ReadText:
    """Texts of different lengths as one batch; the padding is masked."""
    longest = max(text.mask.shape[1] for text in texts)

    def pad(x: Tensor) -> Tensor:
        padded = x.new_zeros(1, longest, *x.shape[2:])
        padded[:, : x.shape[1]] = x
        return padded

    return ReadText(
        torch.cat([pad(text.tokens) for text in texts]),
        torch.cat([pad(text.mask) for text in texts]),
        torch.cat([text.meaning for text in texts]),
    )
