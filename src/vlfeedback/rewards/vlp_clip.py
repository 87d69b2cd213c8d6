"""VLP as the paper built it, as a reward source: how well the last 50 steps follow the instruction.

Paper:    Liu et al. 2025, "VLP: Vision-Language Preference Learning" (no code or weights exist)
Weights:  none come with the library: `vlfeedback fit vlp-clip` trains them, on a CLIP of yours
Needs:    8 pictures spread over 50 steps, an instruction
Returns:  one score a window, standardised on the training windows (mean 0, deviation 1)
Recipe:   1 CLIP reads each picture once; 2 and each instruction once; 3 score window and text
Left out: training of CLIP itself, see `vlfeedback.models.vlp_clip.network`
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vlfeedback.encoders.clip_tokens import half_precision, load_clip_tokens
from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp_clip.network import VLPClipNetwork
from vlfeedback.models.vlp_clip.weights import describe_vlp_clip, load_vlp_clip
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["VLPClipConfig", "VLPClipReward"]

_CHUNK = 8  # windows scored at once: each takes 19 MB where a layer is widest


@dataclass(frozen=True, slots=True)
class VLPClipConfig:
    """Settings of the `vlp.clip` source: `weights`, and one of the three for CLIP.

    Which CLIP it is stands in the weights; another one is refused.

    Attributes:
        weights: path of a file that `vlfeedback fit vlp-clip` wrote.
        checkpoint: path of a weights file.
        pretrained: a tag of open_clip, such as "openai"; read from the hub cache.
        random_weights_seed: untrained weights, for tests.
    """

    weights: str | None = None
    # CLIP's, as in the settings of the `clip` source:
    checkpoint: str | None = None
    pretrained: str | None = None
    random_weights_seed: int | None = None


class VLPClipReward:
    """Scores windows under an instruction; see the module's header.

    A window of any length is read through 8 pictures, spread evenly, first and last included
    (the paper: "uniformly sample 8 frames"). Fewer than 8 are stretched; one is a still video.

    Raises:
        NeedsError: no weights are given, or not exactly one of the three for CLIP.
        FileNotFoundError: the weights, or CLIP's, are not here; the message says how to get them.
        CheckpointError: a file is damaged, or the weights were trained on another CLIP.
    """

    config_type = VLPClipConfig
    needs = SourceNeeds(
        frames=True, instruction=True, granularity="window", context=50, frame_stride=7
    )

    def __init__(self, config: VLPClipConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or VLPClipConfig()
        self.device = device
        if self.config.weights is None:
            raise NeedsError(
                "'vlp.clip' comes without weights. Train some with `vlfeedback fit vlp-clip` and "
                "pass weights='their file', or use 'vlp', whose weights are bundled."
            )
        path = Path(self.config.weights).expanduser()
        self._clip = load_clip_tokens(
            describe_vlp_clip(path).clip.architecture,
            checkpoint=self.config.checkpoint,
            pretrained=self.config.pretrained,
            random_weights_seed=self.config.random_weights_seed,
            device=device,
        )
        network, self.weights = load_vlp_clip(path, self._clip.identity)
        self._network: VLPClipNetwork = network.to(device).requires_grad_(False)
        self._texts: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def n_parameters(self) -> int:
        """Numbers that were trained; CLIP's come on top."""
        return sum(p.numel() for p in self._network.parameters())

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; see `EmbeddingSource`."""
        half = torch.device(self.device).type == "cuda"
        clip = asdict(self._clip.identity) | {
            "class_token": self.weights.architecture.class_token,
            "precision": "bfloat16" if half else "float32",
        }
        return f"vlp.clip {json.dumps(clip)}"

    @property
    def log_odds_scale(self) -> float:
        """Factor from a difference of two scores to the log-odds of a preference."""
        return float(self.weights.score_std)

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B P E"]:
        """CLIP's tokens of each picture: (B, 196, 768) for ViT-B/16."""
        return self._read(frames).cpu().numpy()

    @torch.inference_mode()
    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Standardised score of each window at its last step, zeros before.

        Raises:
            NeedsError: pictures or instructions are missing, or an instruction has no words.
        """
        if batch.instructions is None:
            raise NeedsError(
                "'vlp.clip' needs an instruction for every window: instructions=[...]."
            )
        scores = np.concatenate(
            [self._score(batch.take(slice(i, i + _CHUNK))) for i in range(0, len(batch), _CHUNK)]
        )
        rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
        rewards[np.arange(len(batch)), batch.last_steps] = scores
        return rewards

    def _score(self, batch: SegmentBatch) -> Float32[np.ndarray, " N"]:
        texts, masks = zip(*map(self._read_text, batch.instructions or ()), strict=True)
        text = nn.utils.rnn.pad_sequence(list(texts), batch_first=True)
        mask = nn.utils.rnn.pad_sequence(list(masks), batch_first=True)
        with half_precision(self.device):
            score = self._network.score(self._network.read_video(self._tokens(batch)), text, mask)
        standard = (score.float().cpu().numpy() - self.weights.score_mean) / self.weights.score_std
        return np.asarray(standard, dtype=np.float32)

    def _tokens(self, batch: SegmentBatch) -> Float32[Tensor, "N F P E"]:
        indices = batch.spread_pictures(self.weights.architecture.n_frames)
        rows = np.arange(len(batch))[:, None]
        if batch.embeddings is not None:
            return torch.from_numpy(batch.embeddings[rows, indices]).to(self.device)
        if batch.frames is None:
            raise NeedsError(
                "'vlp.clip' reads indices: give frames (N, F, H, W, 3), or embeddings."
            )
        frames = batch.frames[rows, indices]
        tokens = self._read(frames.reshape(-1, *frames.shape[2:]))
        return tokens.reshape(*frames.shape[:2], *tokens.shape[1:])

    def _read(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[Tensor, "B P E"]:
        return self._clip.read_pictures(frames, class_token=self.weights.architecture.class_token)

    def _read_text(self, instruction: str) -> tuple[Tensor, Tensor]:
        if not instruction.strip():
            raise NeedsError(f"'vlp.clip' needs an instruction in words; got {instruction!r}.")
        if instruction not in self._texts:
            tokens, mask = self._clip.read_texts([instruction])
            with half_precision(self.device):
                text = self._network.read_text(tokens, mask)
            self._texts[instruction] = (text[0], mask[0])
        return self._texts[instruction]
