from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.types import (
    Configured,
    DecidesTogether,
    EmbeddingSource,
    ExplainsLabels,
    ForeseesCost,
    GivesLogOdds,
    LabelRecord,
    MeasuresPairs,
    NamesItsEmbeddings,
    NamesItsModel,
    NamesItsPrompt,
    PreferenceSource,
    PricedPerPair,
    RewardSource,
    SaysHowSure,
    SegmentBatch,
    SegmentPairs,
    SeveralLabellers,
    SourceNeeds,
    Wraps,
    class_and_settings,
    embedding_id,
    unwrapped,
)


def test_a_window_of_fifty_steps_with_stride_seven_reads_eight_pictures() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    assert needs.context_frames == 8
    assert SourceNeeds(frames=True).context_frames == 1


@pytest.mark.parametrize("changes", [{"context": 0}, {"frame_stride": 0}])
def test_context_and_stride_count_steps(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="both must be at least 1"):
        SourceNeeds(granularity="window", **changes)


def test_a_score_of_one_step_has_no_context() -> None:
    with pytest.raises(ValueError, match="granularity='window'"):
        SourceNeeds(granularity="step", context=2)


def test_the_picture_of_the_reset_is_read_beside_others() -> None:
    with pytest.raises(ValueError, match="frames=False reads none; set frames=True"):
        SourceNeeds(first_frame=True)


def test_sources_are_known_by_their_methods() -> None:
    class Reward:
        needs = SourceNeeds()

        def rewards(self, batch: SegmentBatch) -> None: ...

    class Embedding(Reward):
        def embed(self, frames: np.ndarray) -> None: ...

    class Preference:
        needs = SourceNeeds()

        def label(self, pairs: SegmentPairs) -> None: ...

    assert isinstance(Reward(), RewardSource) and not isinstance(Reward(), EmbeddingSource)
    assert isinstance(Embedding(), EmbeddingSource)
    assert isinstance(Preference(), PreferenceSource)
    assert not isinstance(Preference(), RewardSource)


@dataclass(frozen=True)
class Settings:
    strength: float = 0.5


class Says:
    """A source that says of itself all that a source may."""

    config = Settings()
    embedding_id = "encoder 1"
    log_odds_scale = 2.0
    cost_per_pair = 0.25
    model = "a-model"
    prompt = "question/2"
    records = (LabelRecord("one"), LabelRecord("other"))

    def measured_on(self, pairs: Any) -> Any: ...

    def decided_on(self, questions: Any) -> Any: ...

    def as_probabilities(self) -> Any: ...

    def explain(self, pairs: Any) -> Any: ...

    def foresee(self, pairs: Any) -> Any: ...

    @property
    def wrapped(self) -> Any:
        return Silent()


class Silent:
    """One that says nothing."""


@pytest.mark.parametrize(
    "protocol",
    [
        Configured,
        DecidesTogether,
        ExplainsLabels,
        ForeseesCost,
        GivesLogOdds,
        MeasuresPairs,
        NamesItsEmbeddings,
        NamesItsModel,
        NamesItsPrompt,
        PricedPerPair,
        SaysHowSure,
        SeveralLabellers,
        Wraps,
    ],
)
def test_what_a_source_may_say_of_itself_is_known_by_its_name_alone(protocol: Any) -> None:
    assert isinstance(Says(), protocol)
    assert not isinstance(Silent(), protocol)
    assert protocol.__doc__


def test_within_any_number_of_wrappers_is_the_source_that_answers() -> None:
    class Wrapper:
        def __init__(self, wrapped: Any) -> None:
            self.wrapped = wrapped

    source = Silent()
    assert unwrapped(source) is source
    assert unwrapped(Wrapper(Wrapper(source))) is source
    assert class_and_settings(Wrapper(source)) == (f"{__name__}:Silent", {})


def test_a_record_names_the_class_and_its_settings() -> None:
    class Plain:
        config = Settings(0.25)

    name, settings = class_and_settings(Plain())
    assert name.endswith("Plain") and settings == {"strength": 0.25}


def test_what_changes_no_answer_is_not_recorded_at_any_depth() -> None:
    @dataclass(frozen=True)
    class Part:
        words: dict[str, Any]
        limit: int = field(default=3, metadata={"recorded": False})

    @dataclass(frozen=True)
    class Whole:
        parts: tuple[Part, ...]
        by_name: dict[str, Part]
        store: str = field(default="here", metadata={"recorded": False})

    class Nested:
        config = Whole((Part({"a": [1]}),), {"b": Part({})})

    _, settings = class_and_settings(Nested())
    assert settings == {"parts": ({"words": {"a": [1]}},), "by_name": {"b": {"words": {}}}}
    settings["parts"][0]["words"]["a"].append(2)
    assert Nested.config.parts[0].words == {"a": [1]}  # a record is a copy


def test_embeddings_go_by_their_name_or_by_class_and_settings() -> None:
    class Nameless:
        needs = SourceNeeds(frames=True)

        def rewards(self, batch: SegmentBatch) -> Any: ...

        def embed(self, frames: np.ndarray) -> Any: ...

    class Embedder(Nameless):
        config = Settings()

    class Named(Embedder):
        embedding_id = "encoder 1"

    assert embedding_id(Named()) == "encoder 1"
    assert embedding_id(Embedder()).endswith('Embedder {"strength": 0.5}')
    with pytest.raises(NeedsError, match="Nameless does not say what its embeddings depend on"):
        embedding_id(Nameless())
