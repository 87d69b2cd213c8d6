"""VLP: how well does a segment follow an instruction? One scalar for a video and a text.

Paper:    Liu et al. 2025, "VLP: Vision-Language Preference Learning", section 3 and Table 7.
          No code or weights were released; this is a compact model of our own. The paper's
          network is `vlfeedback.models.vlp_clip.network`.
Computes: P[second preferred | text] = sigmoid(f(second | text) - f(first | text)) with
          f = match * offset + (c + (1 - c) * match) * (progress + w * relevance).
Recipe:   1 each picture becomes a grid of tokens, once, which shows positions of hand and object;
          2 match: does the scene fit the text? from the reset's tokens and the mean
          of the text's word vectors; 3 progress: how far has the segment got, from positions alone,
          whatever the text; for tasks that are trained on, corrected by what the text asks for;
          4 relevance: the paper's cross-modal transformer on tokens and words.
Differs:  the paper's frozen CLIP ViT-B/16 is replaced by a small convolutional encoder trained on
          simulator states and by static word vectors, so that the model ships in a few megabytes
          and scores in real time on one core. The paper's f is the cross-modal part alone. Without
          CLIP's knowledge of words, what that part learns of 45 tasks misleads it on the next one;
          progress does not. What happens in a scene that does not fit the text counts little: that
          is the paper's ILP (two segments of another task are about equally good) by construction.
          No final sigmoid, which would cap the preference probability at 0.73.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.models.vlp.encoder import FrameEncoder, Positions
from vlfeedback.models.vlp.instructed import InstructedProgress
from vlfeedback.models.vlp.progress import ProgressHead, SuccessHead, describe_motion
from vlfeedback.models.vlp_clip.cross_modal import CrossModal

__all__ = ["ReadSegment", "ReadText", "VLPArchitecture", "VLPNetwork"]


@dataclass(frozen=True, slots=True)
class VLPArchitecture:
    """Everything needed to build an empty network.

    Attributes:
        picture_size: px; pictures of other sizes are area-filtered to it.
        n_frames: pictures a score reads (paper, Table 7).
        word_dim: of the static word vectors.
        max_words: tokens of an instruction that are read.
        width: of tokens; the paper's CLIP has 768.
        n_heads: paper: 16, at six times the width.
        self_layers: paper, Table 7.
        head: widths; paper: (512, 256).
        dropout: paper, Table 7.
        progress_members: small networks whose mean is the progress.
        progress_width: of each of them.
        success_width: of the network that tells success; 0: there is none.
        instructed_width: of the progress that reads the text, for trained tasks; 0: there is none.
        relevance_weight: of the cross-modal part beside the progress.
        match_threshold: cosine of scene and text at which the match is one half.
        match_steepness: of the sigmoid of that cosine.
        match_offset: what a match is worth, in log-odds of being preferred.
        stranger_share: of progress and relevance that counts without a match.
    """

    picture_size: int = 112
    n_frames: int = 8
    word_dim: int = 64
    max_words: int = 24
    width: int = 128
    n_heads: int = 4
    self_layers: int = 2
    head: tuple[int, int] = (256, 128)
    dropout: float = 0.1
    progress_members: int = 4
    progress_width: int = 64
    success_width: int = 64
    instructed_width: int = 0
    # Chosen on training tasks that were held out:
    relevance_weight: float = 0.25
    match_threshold: float = 0.25
    match_steepness: float = 8.0
    match_offset: float = 6.0
    stranger_share: float = 0.25

    @property
    def grid(self) -> int:
        """Side of the grid of tokens a picture becomes."""
        return -(-self.picture_size // 64)


class ReadSegment(NamedTuple):
    """Encoding of N segments, independent of the instruction."""

    video: Float[Tensor, "N FP D"]
    has_reset: Bool[Tensor, " N"]  # whether motion is since the reset
    motion: Float[Tensor, "N F 10"]  # standardised
    progress: Float[Tensor, " N"]
    success: Float[Tensor, "N F"] | None  # log-odds after each picture, whatever the text
    scene: Float[Tensor, "N E"]  # unit vectors, in the space of texts


class ReadText(NamedTuple):
    """Encoding of N instructions, independent of the segment."""

    tokens: Float[Tensor, "N M D"]
    mask: Bool[Tensor, "N M"]  # False: padding
    meaning: Float[Tensor, "N E"]  # unit vectors

    def take(self, rows: Tensor) -> ReadText:
        """The texts at these positions, for as many segments."""
        return ReadText(self.tokens[rows], self.mask[rows], self.meaning[rows])


class VLPNetwork(nn.Module):
    """Tokens of a segment and words of an instruction to one preference score."""

    def __init__(self, architecture: VLPArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        width, places = architecture.width, architecture.grid**2
        self.encoder = FrameEncoder(architecture.picture_size, width)
        self.positions = Positions(places, width)
        self.progress = ProgressHead(
            architecture.n_frames, architecture.progress_members, architecture.progress_width
        )
        self.success = SuccessHead(architecture.success_width) if self.tells_success else None
        self.instructed = (
            InstructedProgress(
                architecture.n_frames, architecture.word_dim, architecture.instructed_width
            )
            if architecture.instructed_width
            else None
        )
        self.scene = nn.Sequential(
            nn.LayerNorm(places * width),
            nn.Dropout(0.3),
            nn.Linear(places * width, 2 * width),
            nn.GELU(),
            nn.Dropout(0.3),
            nn.Linear(2 * width, architecture.word_dim),
        )
        self.importance = nn.Linear(architecture.word_dim, 1)  # of a word: "drawer", not "the"
        self.common = nn.Parameter(torch.zeros(architecture.word_dim))  # to all instructions
        self.relevance = CrossModal(
            n_frames=architecture.n_frames,
            places=places,
            width=width,
            n_heads=architecture.n_heads,
            layers=architecture.self_layers,
            head=architecture.head,
            dropout=architecture.dropout,
            word_dim=architecture.word_dim,
            max_words=architecture.max_words,
        )

    @property
    def tells_success(self) -> bool:
        """Whether `ReadSegment.success` is there."""
        return self.architecture.success_width > 0

    def read_segment(
        self,
        tokens: Float[Tensor, "N F P D"],
        first: Float[Tensor, "N P D"],
        has_reset: Bool[Tensor, " N"],
    ) -> ReadSegment:
        """Read segments once, for any number of instructions.

        Args:
            tokens: of the pictures of each segment.
            first: of the picture of the reset each segment's episode began with; of the segment's
                own first picture where the reset is unknown.
            has_reset: whether it is known.
        """
        motion = self.read_motion(self.positions(tokens), self.positions(first))
        return ReadSegment(
            self.relevance.read_video(tokens, first),
            has_reset,
            motion,
            self.progress(motion, has_reset).mean(dim=0),
            None if self.success is None else self.success(motion),
            self.read_scene(first),
        )

    def read_motion(
        self, positions: Float[Tensor, "N F 10"], first: Float[Tensor, "N 10"]
    ) -> Float[Tensor, "N F 10"]:
        """Standardised features of each picture, see `describe_motion`."""
        return self.progress.standardise(describe_motion(positions, first))

    def read_scene(self, first: Float[Tensor, "N P D"]) -> Float[Tensor, "N E"]:
        """What a picture shows, as a unit vector in the space of texts."""
        return functional.normalize(self.scene(first.flatten(1)), dim=-1)

    def read_text(self, words: Float[Tensor, "N M E"], mask: Bool[Tensor, "N M"]) -> ReadText:
        """Read instructions once, for any number of segments; padding is where `mask` is False."""
        return ReadText(
            self.relevance.read_text(words, mask),
            mask,
            self.mean_text(words, mask),
        )

    def mean_text(
        self, words: Float[Tensor, "N M E"], mask: Bool[Tensor, "N M"]
    ) -> Float[Tensor, "N E"]:
        """Meaning of an instruction: the weighted mean of its word vectors, as a unit vector.

        Little is learned here, so that words of no training task keep their meaning.
        """
        weights = self.importance(words).masked_fill(~mask.unsqueeze(-1), -torch.inf).softmax(dim=1)
        return functional.normalize((words * weights).sum(dim=1) - self.common, dim=-1)

    def score(self, segment: ReadSegment, text: ReadText) -> Float[Tensor, " N"]:
        """f(segment | text) of N segments and as many texts."""
        return self.combine(
            self.score_match(segment, text),
            self.score_progress(segment, text),
            self.score_relevance(segment, text),
        )

    def combine(
        self,
        match: Float[Tensor, " N"],
        progress: Float[Tensor, " N"],
        relevance: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        """Compute f from its parts, see the module's header."""
        settings = self.architecture
        quality = progress + settings.relevance_weight * relevance
        share = settings.stranger_share + (1.0 - settings.stranger_share) * match
        return settings.match_offset * match + share * quality

    def score_progress(self, segment: ReadSegment, text: ReadText) -> Float[Tensor, " N"]:
        """How far each segment has got, by its motion; since a reset, by the text if it is read."""
        if self.instructed is None:
            return segment.progress
        correction: Tensor = self.instructed(segment.motion, text.meaning)
        return segment.progress + correction * segment.has_reset

    def score_success(self, segment: ReadSegment, text: ReadText) -> Float[Tensor, " N"]:
        """Probability that what the text asks for is done at the end of each segment.

        Raises:
            TypeError: the network does not tell.
        """
        if segment.success is None:
            raise TypeError("This network does not tell success: its success_width is 0.")
        return torch.sigmoid(segment.success[:, -1]) * self.score_match(segment, text)

    def score_relevance(self, segment: ReadSegment, text: ReadText) -> Float[Tensor, " N"]:
        """How well a segment follows the instruction, by the paper's cross-modal transformer."""
        relevance: Tensor = self.relevance(segment.video, text.tokens, text.mask)
        return relevance.mean(dim=1)

    def score_match(self, segment: ReadSegment, text: ReadText) -> Float[Tensor, " N"]:
        """How well the scene fits the text, 0 to 1."""
        cosine = (segment.scene * text.meaning).sum(dim=-1)
        steepness, threshold = self.architecture.match_steepness, self.architecture.match_threshold
        return torch.sigmoid(steepness * (cosine - threshold))
