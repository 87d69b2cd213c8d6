"""VLP as a reward source: how well the last 50 steps follow the instruction.

Paper:    Liu et al. 2025, "VLP: Vision-Language Preference Learning" (no code or weights exist)
Weights:  bundled, trained by this project; licence Apache-2.0; card beside the file
Needs:    8 pictures spread over 50 steps, the picture of the reset, an instruction
Returns:  one score a window, standardised on the training windows (mean 0, deviation 1)
Recipe:   1 encode each picture once; 2 encode each instruction once; 3 score window and text
Left out: the paper's CLIP backbone, see `vlfeedback.models.vlp.network`
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vlfeedback.encoders.sharing import derived
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import NeedsError, ShapeError, UnfamiliarPicturesWarning
from vlfeedback.models.vlp.familiarity import UNFAMILIAR
from vlfeedback.models.vlp.network import ReadText, VLPNetwork
from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.types import SegmentBatch, SourceNeeds
from vlfeedback.types.trajectories import check_pictures

__all__ = ["VLPConfig", "VLPReward"]

# Windows or pictures encoded at once, which bounds the memory a batch of any size takes.
_CPU_CHUNK = 32  # larger leaves the cache and is no faster
_GPU_CHUNK = 256

_LOOKED_AT = 64  # pictures, the first ones, for whether they are of the training's world


@dataclass(frozen=True, slots=True)
class VLPConfig:
    """Settings of the `vlp` source.

    Attributes:
        weights: bundled name, or path of a file that `vlfeedback fit vlp` wrote.
    """

    variant_field: ClassVar[str] = "weights"

    weights: str = "mt50"


class VLPReward:
    """Scores windows under an instruction; see the module's header.

    Pictures: a window of any length is read through 8 of them, spread evenly, first and last
    included (the paper: "uniformly sample 8 frames"). Fewer than 8 are stretched; one is a still
    video. Windows without the picture of the reset are judged by parts of their own, so that their
    scores compare with each other's alone. Pictures of other sizes are filtered to squares of
    112 px, so that oblong ones are distorted. Pictures that show nothing, such as black ones, get a
    score like any other: finite, and without meaning.

    Instructions: English, one a window, and not necessarily the same. The first 24 tokens, about as
    many words, are read. Another language in Latin letters is read as the English pieces that its
    words are spelt with, and hardly understood. Letters of other scripts are skipped, as are
    punctuation marks; an instruction of which nothing is left is refused.

    It knows the world that it was trained on; the bundled weights, Meta-World's arm and table. If
    the first pictures that it reads are of another, it warns, once: there its scores are all but
    constant and mean nothing. Weights of earlier releases cannot tell.

    Any number of windows may come at once, also none: memory is needed for a few at a time. On CUDA
    pictures are encoded in half precision.

    Raises:
        UnknownNameError: no such weights.
        CheckpointError: the weights file is truncated or of another architecture.

    Warns:
        UnfamiliarPicturesWarning: pictures are unlike those of the training.
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
        self._distances: list[float] | None = [] if self.weights.pictures is not None else None
        self._chunk = _GPU_CHUNK if torch.device(device).type == "cuda" else _CPU_CHUNK

    @property
    def n_parameters(self) -> int:
        """Numbers the model holds, frame encoder included, word table not."""
        return sum(p.numel() for p in self._network.parameters())

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; see `EmbeddingSource`."""
        half = torch.device(self.device).type == "cuda"
        return f"vlp {derived(self._network.encoder).digest} {'half' if half else 'float32'}"

    @property
    def log_odds_scale(self) -> float:
        """Factor from a difference of two scores to the log-odds of a preference."""
        return float(self.weights.score_std)

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B P D"]:
        """Tokens of each picture: (B, 4, 128) float32.

        Raises:
            ShapeError: this is no stack of RGB pictures.
            DtypeError: the pictures are not uint8.
        """
        return np.asarray(self._read(frames).cpu().numpy())

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Standardised score of each window at its last step, zeros before.

        Raises:
            NeedsError: pictures or instructions are missing.
            InvalidValueError: an instruction has no known word.
            ShapeError: embeddings are not those of `embed`.
        """
        return self._rewards(batch)[0]

    @property
    def tells_success(self) -> bool:
        """Whether these weights do; those of earlier releases cannot."""
        return self._network.tells_success

    def rewards_and_success(
        self, batch: SegmentBatch
    ) -> tuple[Float32[np.ndarray, "N T"], Float32[np.ndarray, " N"]]:
        """See `rewards`; and the probability that what the text asks for is done at the end.

        Raises:
            NeedsError: the weights do not tell; or see `rewards`.
        """
        if not self.tells_success:
            raise NeedsError(
                f"The weights {self.config.weights!r} of 'vlp' do not tell success; train some "
                "that do: vlfeedback fit vlp."
            )
        return self._rewards(batch)

    @torch.inference_mode()
    def _rewards(
        self, batch: SegmentBatch
    ) -> tuple[Float32[np.ndarray, "N T"], Float32[np.ndarray, " N"]]:
        """Scores, and probabilities of success; NaN where the weights do not tell."""
        if batch.instructions is None:
            raise NeedsError("'vlp' needs an instruction for every window: instructions=[...].")
        rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
        success = np.full(len(batch), np.nan, dtype=np.float32)
        for start in range(0, len(batch), self._chunk):
            windows = batch.take(slice(start, start + self._chunk))
            rows = np.arange(start, start + len(windows))
            rewards[rows, windows.last_steps], success[rows] = self._score(windows)
        return rewards, success

    def _score(
        self, batch: SegmentBatch
    ) -> tuple[Float32[np.ndarray, " N"], Float32[np.ndarray, " N"] | float]:
        tokens = self._tokens(batch)
        texts = batch.instructions or ()
        distinct = list(dict.fromkeys(texts))
        text = _join([self._read_text(instruction) for instruction in distinct])
        rows = torch.tensor([distinct.index(instruction) for instruction in texts])
        segment = self._network.read_segment(
            tokens,
            self._first_tokens(batch, tokens),
            torch.from_numpy(batch.has_reset).to(self.device),
        )
        text = text.take(rows.to(self.device))
        score = self._network.score(segment, text).cpu().numpy()
        score = (score - self.weights.score_mean) / self.weights.score_std
        if not self.tells_success:
            return score, np.nan
        return score, self._network.score_success(segment, text).cpu().numpy()

    def _tokens(self, batch: SegmentBatch) -> Float32[Tensor, "N F P D"]:
        pictures = batch.frames if batch.embeddings is None else batch.embeddings
        if pictures is None:
            raise NeedsError("'vlp' reads pictures: give frames (N, F, H, W, 3), or embeddings.")
        sample = pictures[
            np.arange(len(batch))[:, None],
            batch.spread_pictures(self.weights.architecture.n_frames),
        ]
        if batch.embeddings is not None:
            return self._from_embeddings(sample)
        tokens = self._read(sample.reshape(-1, *sample.shape[2:]))
        return tokens.reshape(*sample.shape[:2], *tokens.shape[1:])

    def _first_tokens(
        self, batch: SegmentBatch, tokens: Float32[Tensor, "N F P D"]
    ) -> Float32[Tensor, "N P D"]:
        if batch.first_embeddings is not None:
            return self._from_embeddings(batch.first_embeddings)
        return tokens[:, 0] if batch.first_frames is None else self._read(batch.first_frames)

    def _from_embeddings(
        self, embeddings: Float32[np.ndarray, "*B P D"]
    ) -> Float32[Tensor, "*B P D"]:
        """Tokens from embeddings of `embed`."""
        expected = (self.weights.architecture.grid**2, self.weights.architecture.width)
        if embeddings.shape[-2:] != expected:
            raise ShapeError(
                f"Embeddings of a picture have shape {embeddings.shape[-2:]} and these weights "
                f"read {expected}; make them with `embed` of this very source."
            )
        return torch.from_numpy(_own(embeddings)).float().to(self.device)

    @torch.inference_mode()
    def _read(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[Tensor, "B P D"]:
        check_pictures(frames, 4, "frames", "(B, H, W, 3)")
        self._notice(frames)
        settings = self.weights.architecture
        parts = [torch.empty(0, settings.grid**2, settings.width, device=self.device)]
        for start in range(0, len(frames), self._chunk):
            chunk = torch.from_numpy(_own(frames[start : start + self._chunk]))
            with _half_precision(self.device):
                parts.append(self._network.encoder(chunk.to(self.device)).float())
        return torch.cat(parts)

    def _notice(self, frames: UInt8[np.ndarray, "B H W 3"]) -> None:
        """Warn if the first pictures of all are of another world; later ones are not looked at."""
        if self._distances is None or self.weights.pictures is None or not len(frames):
            return
        first = frames[: _LOOKED_AT - len(self._distances)]
        self._distances += self.weights.pictures.distances(first).tolist()
        distance = float(np.median(self._distances))
        if distance > UNFAMILIAR:
            warnings.warn(
                f"Pictures are unlike those that the weights {self.config.weights!r} of 'vlp' were "
                f"trained on: the first {len(self._distances)} lie {distance:.1f} away, and "
                f"{UNFAMILIAR} is too far. Scores of another world are all but constant and mean "
                "nothing; below zero, they teach to end episodes early. Take another source, see "
                "`vlfeedback list rewards`, or train weights on this world: vlfeedback fit vlp.",
                UnfamiliarPicturesWarning,
                stacklevel=4,
            )
        if distance > UNFAMILIAR or len(self._distances) >= _LOOKED_AT:
            self._distances = None

    def _read_text(self, instruction: str) -> ReadText:
        if instruction not in self._texts:
            words, mask = self._vectors.encode(
                [instruction], max_tokens=self.weights.architecture.max_words
            )
            self._texts[instruction] = self._network.read_text(
                torch.from_numpy(words).to(self.device), torch.from_numpy(mask).to(self.device)
            )
        return self._texts[instruction]


def _half_precision(device: str) -> AbstractContextManager[Any]:
    # Not bfloat16, whose rounding moves scores by up to 0.02; activations stay below 100, far from
    # where float16 ends.
    kind = torch.device(device).type
    return torch.autocast(kind, torch.float16, enabled=kind == "cuda")


def _own(array: np.ndarray) -> np.ndarray:
    """A copy that torch takes: it refuses flipped arrays, and warns of read-only ones."""
    return np.array(array, order="C")


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
