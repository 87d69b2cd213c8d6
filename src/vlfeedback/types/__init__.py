"""The types of the library: trajectories, segments, pairs, labels, and the two protocols.

Axes: N segments, pairs or envs; T steps of a segment; L steps of a trajectory (L actions,
L + 1 observations and pictures); F pictures; H, W picture, channels last, RGB, uint8 0-255.

Timing: index t of a segment is action t, and its reward. The picture that belongs to step t
is the one taken *after* action t, which is all a wrapper around an environment can see.
"""

from vlfeedback.types.batches import Granularity, SegmentBatch, SegmentPairs, SourceNeeds
from vlfeedback.types.forecasts import CostForecast
from vlfeedback.types.labels import LabelRecord, Outcome, PreferenceLabels
from vlfeedback.types.progress import Report
from vlfeedback.types.sources import (
    AskedAtOnce,
    Configured,
    DecidesTogether,
    EmbeddingSource,
    EmbedsTexts,
    ExplainsLabels,
    ForeseesCost,
    GivesLogOdds,
    MeasuresPairs,
    NamesItsContent,
    NamesItsEmbeddings,
    NamesItsModel,
    NamesItsPrompt,
    PreferenceSource,
    PricedPerPair,
    RewardSource,
    SaysHowSure,
    SeveralLabellers,
    TellsSuccess,
    Wraps,
    class_and_settings,
    embedding_id,
    unwrapped,
)
from vlfeedback.types.trajectories import (
    SCATTERED,
    ArrayFrames,
    Frames,
    Segment,
    Trajectory,
    rows_of,
)

__all__ = [
    "SCATTERED",
    "ArrayFrames",
    "AskedAtOnce",
    "Configured",
    "CostForecast",
    "DecidesTogether",
    "EmbeddingSource",
    "EmbedsTexts",
    "ExplainsLabels",
    "ForeseesCost",
    "Frames",
    "GivesLogOdds",
    "Granularity",
    "LabelRecord",
    "MeasuresPairs",
    "NamesItsContent",
    "NamesItsEmbeddings",
    "NamesItsModel",
    "NamesItsPrompt",
    "Outcome",
    "PreferenceLabels",
    "PreferenceSource",
    "PricedPerPair",
    "Report",
    "RewardSource",
    "SaysHowSure",
    "Segment",
    "SegmentBatch",
    "SegmentPairs",
    "SeveralLabellers",
    "SourceNeeds",
    "TellsSuccess",
    "Trajectory",
    "Wraps",
    "class_and_settings",
    "embedding_id",
    "rows_of",
    "unwrapped",
]
