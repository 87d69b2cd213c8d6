"""The protocols a source of feedback fulfils, and those for what it may say of itself.

A source is known by its methods and attributes, not by its class. Beside `RewardSource` and
`PreferenceSource`, all protocols here are optional: whoever uses one asks
``isinstance(source, ...)``, so a source that has the attribute has it for everybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.types.batches import SegmentBatch, SegmentPairs, SourceNeeds
from vlfeedback.types.forecasts import CostForecast
from vlfeedback.types.labels import LabelRecord, PreferenceLabels
from vlfeedback.types.trajectories import Segment

__all__ = [
    "Configured",
    "DecidesTogether",
    "EmbeddingSource",
    "EmbedsTexts",
    "ExplainsLabels",
    "ForeseesCost",
    "GivesLogOdds",
    "MeasuresPairs",
    "NamesItsContent",
    "NamesItsEmbeddings",
    "NamesItsModel",
    "NamesItsPrompt",
    "PreferenceSource",
    "PricedPerPair",
    "RewardSource",
    "SaysHowSure",
    "SeveralLabellers",
    "TellsSuccess",
    "Wraps",
    "class_and_settings",
    "embedding_id",
    "unwrapped",
]


@runtime_checkable
class RewardSource(Protocol):
    """Anything that turns segments into rewards."""

    needs: SourceNeeds

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """One number a step; a window or episode score sits at the last real step."""


@runtime_checkable
class TellsSuccess(RewardSource, Protocol):
    """A reward source that sees whether the task is done, in the look that it takes anyway."""

    @property
    def tells_success(self) -> bool:
        """Whether it does, with the settings that it has."""

    def rewards_and_success(
        self, batch: SegmentBatch
    ) -> tuple[Float32[np.ndarray, "N T"], Float32[np.ndarray, " N"]]:
        """The same as `rewards`, and the probability that each segment ends with the task done."""


@runtime_checkable
class AskedAtOnce(RewardSource, Protocol):
    """A reward source that waits less where it is asked about several batches at once.

    A model that is served, for one. Segments of one batch are equally long, and those of several
    need not be.
    """

    def rewards_of(self, batches: Sequence[SegmentBatch]) -> Sequence[Float32[np.ndarray, "N T"]]:
        """What `rewards` gives of each batch.

        Where a `SourceAnswerError` names a row, it counts through all of them.
        """


@runtime_checkable
class EmbeddingSource(RewardSource, Protocol):
    """A reward source that reads each picture once: wrappers keep embeddings, not pictures.

    `rewards(batch)` must give the same answer for `frames` and for the `embeddings` of them.
    What its embeddings depend on, it may say as `NamesItsEmbeddings`.
    """

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """Encode pictures, independently of each other."""


@runtime_checkable
class EmbedsTexts(EmbeddingSource, Protocol):
    """An `EmbeddingSource` whose pictures and texts lie in one space, where angles compare them.

    Such as CLIP's. PrefVLM trains adapters on both sides of such a source.
    """

    def embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features of a text, of as many numbers as those of a picture; their length is free."""


@runtime_checkable
class PreferenceSource(Protocol):
    """Anything that says which of two segments follows the instruction better."""

    needs: SourceNeeds

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Compare each pair.

        A pair that it cannot answer has another `Outcome`. What stops the work, such as a spent
        budget, is raised: `vlfeedback.label_pairs` keeps the answers of earlier batches.
        """


@runtime_checkable
class Configured(Protocol):
    """A source with settings: they go into records, and into what a resumed run has to share."""

    @property
    def config(self) -> Any:
        """Its settings, a dataclass of JSON values."""


@runtime_checkable
class Wraps(Protocol):
    """A source that passes on another's answers as they are, such as `CachedEmbeddings`.

    Records and comparisons then speak of the source within, see `unwrapped`.
    """

    @property
    def wrapped(self) -> Any:
        """The source within, of either kind."""


@runtime_checkable
class NamesItsEmbeddings(Protocol):
    """An `EmbeddingSource` that says what its embeddings depend on beside the picture.

    Two sources with equal ids give equal embeddings, and share a cache of them. Without an id, a
    source shares only with its own class and settings, see `embedding_id`.
    """

    @property
    def embedding_id(self) -> str:
        """Differs where embeddings do, such as a digest of the encoder's weights."""


@runtime_checkable
class NamesItsContent(Protocol):
    """A source of either kind whose answers depend on more than settings, and files they name.

    Such as weights that a plugin finds by itself. Resumed work does not go on where it differs.
    """

    @property
    def content_id(self) -> str:
        """Differs where answers do, such as a digest of its weights; ``""`` says nothing."""


@runtime_checkable
class GivesLogOdds(Protocol):
    """A reward source whose differences of scores are log-odds: its labels may be soft.

    `PreferenceFromReward(source, soft=True)` labels with the probability.
    """

    @property
    def log_odds_scale(self) -> float:
        """> 0; P[second preferred] = sigmoid(scale * (score of the second - of the first))."""


@runtime_checkable
class MeasuresPairs(Protocol):
    """A labeller that has to see all pairs before it can answer about any, for a threshold say.

    `label_pairs` calls this once, before anybody is asked, and asks what it gives.
    """

    def measured_on(self, pairs: list[tuple[Segment, Segment]]) -> PreferenceSource:
        """The labeller that answers; the one it is called on stays as it was."""


@runtime_checkable
class DecidesTogether(Protocol):
    """A labeller that decides about all pairs at once, such as which of them a budget is for.

    `label_pairs` shows it every question once, as it will be asked, before it asks any.
    """

    def decided_on(self, questions: Iterable[SegmentPairs]) -> PreferenceSource:
        """The labeller that answers; the one it is called on stays as it was.

        Its records and settings are those of before, so that labels made before a stop and after
        it are of one labeller. Equal questions lead to equal decisions, in any order.

        Args:
            questions: all pairs, in batches, with what its `needs` ask for; they may be gone
                through again, and are gathered anew each time.
        """


@runtime_checkable
class SaysHowSure(Protocol):
    """A labeller whose labels may be probabilities, though it was not asked for them."""

    def as_probabilities(self) -> PreferenceSource:
        """The same labeller with soft labels; itself where it has none to give."""


@runtime_checkable
class ExplainsLabels(Protocol):
    """A labeller that asks in words: what it was told in return, for people to read."""

    def explain(self, pairs: SegmentPairs) -> Sequence[Sequence[tuple[str, str]]]:
        """For each of N pairs all questions and raw answers behind its label, in order.

        It is called about pairs that `label` was just asked about, so that answers that are kept
        are not paid again.

        Returns:
            N lists of (text of the question, raw answer), pictures left out.
        """


@runtime_checkable
class ForeseesCost(Protocol):
    """A labeller that can tell before it asks what asking will take."""

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        """The estimate for these N pairs together; nobody is asked."""


@runtime_checkable
class PricedPerPair(Protocol):
    """A labeller with one price for every pair, fixed before it is asked.

    `label_pairs` records it where labels carry no cost of their own. A labeller that knows what
    each answer took gives it in `PreferenceLabels.cost_usd` instead.
    """

    @property
    def cost_per_pair(self) -> float:
        """US dollars, >= 0."""


@runtime_checkable
class NamesItsModel(Protocol):
    """A labeller that asks a model by name: `LabelRecord.model`."""

    @property
    def model(self) -> str:
        """Such as the name of a vision-language model."""


@runtime_checkable
class NamesItsPrompt(Protocol):
    """A labeller that asks with a prompt: `LabelRecord.prompt`."""

    @property
    def prompt(self) -> str:
        """Name and version of its template."""


@runtime_checkable
class SeveralLabellers(Protocol):
    """A labeller that is several, such as a model and a person for what the model leaves open.

    Its `label` says in `PreferenceLabels.labeller` who gave each outcome. `label_pairs` makes
    `records` the first of the dataset's `labelled_by`; after them stands the record of the whole,
    with its own class and settings, to which no pair points.
    """

    @property
    def records(self) -> Sequence[LabelRecord]:
        """Those who answer, in the order that `labeller` counts them."""


def unwrapped(source: Any) -> Any:
    """The source that gives the answers, where another passes them on as they are: see `Wraps`."""
    while isinstance(source, Wraps):
        source = source.wrapped
    return source


def class_and_settings(source: Any) -> tuple[str, dict[str, Any]]:
    """What a record says of a source of either kind: ``"module:Class"``, and its settings.

    Settings are the fields of its ``config``, none where that is no dataclass, and those of
    dataclasses within. Left out are those that change no answer, or are recorded elsewhere:
    ``field(metadata={"recorded": False})``.
    """
    source = unwrapped(source)
    cls, config = type(source), source.config if isinstance(source, Configured) else None
    is_settings = is_dataclass(config) and not isinstance(config, type)
    return f"{cls.__module__}:{cls.__qualname__}", _recorded(config) if is_settings else {}


def _recorded(value: Any) -> Any:
    """Dataclasses as mappings of what is recorded of them, at any depth."""
    if is_dataclass(value) and not isinstance(value, type):
        recorded = [field for field in fields(value) if field.metadata.get("recorded", True)]
        return {field.name: _recorded(getattr(value, field.name)) for field in recorded}
    if isinstance(value, dict):
        return {key: _recorded(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_recorded, value))
    return deepcopy(value)


def embedding_id(source: EmbeddingSource) -> str:
    """Names what a source's embeddings depend on beside the picture, see `NamesItsEmbeddings`.

    Raises:
        NeedsError: the source has neither an ``embedding_id`` nor a ``config``.
    """
    if isinstance(source, NamesItsEmbeddings):
        return source.embedding_id
    if not isinstance(source, Configured):
        raise NeedsError(
            f"{type(source).__name__} does not say what its embeddings depend on; give it a "
            "property embedding_id: str that differs where they do, such as a digest of the "
            "encoder's weights."
        )
    name, settings = class_and_settings(source)
    return f"{name} {json.dumps(settings, sort_keys=True)}"
