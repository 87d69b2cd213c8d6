"""A source whose pictures are encoded once, whatever the prompt, and whoever asked first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.arguments import reward_source
from vlfeedback.errors import FileFormatError, InvalidTypeError
from vlfeedback.scoring.embedding_cache import open_cache
from vlfeedback.scoring.pictures import embed_stack, encode_new
from vlfeedback.types import EmbeddingSource, RewardSource, SegmentBatch, SourceNeeds, embedding_id
from vlfeedback.types.trajectories import check_pictures

__all__ = ["CachedEmbeddings"]


class CachedEmbeddings:
    """The source, except that each picture is encoded once: what was encoded before is looked up.

    Rewards are the source's own. Embeddings are found by the picture's content and by what they
    depend on (``embedding_id``, see `EmbeddingSource`), not by what is made of them: with another
    instruction, or in another source with the same encoder, nothing is encoded again. Records of
    labels and of relabelled rewards name the source, as if it were not wrapped. Threads may share
    it. Where the source can be pickled or copied, so can this: a copy uses the same file, or what
    is in memory in the process that loads it.

    Args:
        source: reads pictures, and embeds them; or the id of such a one.
        path: an SQLite file on a local disk, made if it is not there, which several processes may
            use at a time. It takes 2 kB for each picture of CLIP's ViT-B/32 and is never cut down.
            None: in memory, up to 1 GiB, shared with the other sources of this process that are
            wrapped so.

    Attributes:
        wrapped: the source.
        needs: what it reads.

    Raises:
        TypeError: the source reads no pictures, or has no `embed`.
        NeedsError: the source says neither what its embeddings depend on nor its settings.
        FileFormatError: the file is damaged, of something else, or of a newer release.
        OSError: the file can be neither read nor made.

    Example:
        >>> from vlfeedback.testing import BrightnessEmbedder
        >>> source = CachedEmbeddings(BrightnessEmbedder())
        >>> source.embed(np.zeros((3, 8, 8, 3), dtype=np.uint8)).shape
        (3, 1)
        >>> source.wrapped.embedded  # of three equal pictures one was encoded
        [1]
    """

    def __init__(self, source: RewardSource | str, path: str | Path | None = None) -> None:
        source = reward_source(source) if isinstance(source, str) else source
        if isinstance(source, type) or not isinstance(source, EmbeddingSource):
            raise InvalidTypeError(
                f"{source!r} embeds no pictures, so there is nothing to remember; expected a "
                "source with `needs`, `rewards` and `embed`, such as 'clip'."
            )
        if not source.needs.frames:
            raise InvalidTypeError(
                f"{type(source).__name__} reads no pictures as it is set up here, so there is "
                "nothing to remember; use it as it is."
            )
        self.wrapped: EmbeddingSource = source
        self.needs: SourceNeeds = source.needs
        embedding_id(source)  # refuses one that has none before anything is encoded
        self._cache = open_cache(None if path is None else Path(path))

    @property
    def config(self) -> Any:
        """The source's settings."""
        return self.wrapped.config  # type: ignore[attr-defined]

    @property
    def embedding_id(self) -> str:
        """Names what the source's embeddings depend on, beside the picture."""
        return embedding_id(self.wrapped)

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """The source's embedding of each picture; each that is new is encoded, once, and kept.

        Raises:
            ShapeError: this is no stack of RGB pictures.
            DtypeError: the pictures are not uint8.
            FileFormatError: the file is damaged, or another source wrote under this one's name.
            OSError: the file can be neither read nor written.
        """
        check_pictures(frames, 4, "frames", "(B, H, W, 3)")
        if not len(frames):
            return self.wrapped.embed(frames)
        encoder = self.embedding_id
        embeddings = encode_new(
            frames,
            self.wrapped.embed,
            find=partial(self._cache.get, encoder),
            keep=partial(self._cache.put, encoder),
        )
        shapes = {embedding.shape for embedding in embeddings}
        if len(shapes) > 1:
            raise FileFormatError(
                f"Embeddings of equally large pictures have the shapes {sorted(shapes)} under the "
                f"name {encoder!r}: two different sources go by it. Give each an embedding_id of "
                "its own, and use another file."
            )
        return np.stack(embeddings)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """The source's rewards of the pictures' embeddings; raises what it and `embed` raise."""
        if batch.embeddings is None and batch.frames is not None:
            embeddings = embed_stack(batch.frames, self.embed)
            batch = replace(batch, frames=None, embeddings=embeddings)
        if batch.first_embeddings is None and batch.first_frames is not None:
            first = self.embed(batch.first_frames)
            batch = replace(batch, first_frames=None, first_embeddings=first)
        return self.wrapped.rewards(batch)
