"""The stages of a cascade as settings: who is asked, which pairs go on, and what may be spent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from vlfeedback.errors import InvalidTypeError, InvalidValueError, NeedsError
from vlfeedback.setting_types import checked_settings

__all__ = ["CascadeConfig", "Stage"]

Correction = Literal["none", "temperature", "isotonic"]
Ties = Literal["unsure", "sure"]
OpenPairs = Literal["keep", "unsure"]

_SURE_FROM = 0.9  # our choice; benchmarks/cascade.py: 93 % of the bundled model's are right there


@dataclass(frozen=True, slots=True)
class Stage:
    """One labeller of a cascade. Which of its answers are final, and what it may cost.

    The last stage passes on nothing; the first one is asked about all pairs.

    Attributes:
        labeller: id of a preference source, or of a reward source.
        settings: its settings. Labels are probabilities where it has some, unless these say
            ``soft=False``.
        sure_from: [0.5, 1]; an answer at least this sure is final, other pairs go on. None: 0.9.
        pass_on: [0, 1]; or the share of its pairs that goes on, the least sure first.
        max_pairs: most pairs that it is asked about; None: no limit.
        max_usd: most that asking it may take, in US dollars, by the price that it foresees for a
            pair; None: no limit.
        ties: whether an answer of 0.5 is "unsure" or "sure".
        calibration: how its probabilities are corrected by answers of the next stage, before they
            are compared with `sure_from` and become labels: "temperature", "isotonic" or "none".
        calibration_pairs: drawn at random for that, of those that go on.

    Raises:
        InvalidValueError: a number or word outside its range, or `sure_from` beside `pass_on`.
    """

    labeller: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, metadata={"recorded": False})
    sure_from: float | None = None
    pass_on: float | None = None
    max_pairs: int | None = None
    max_usd: float | None = None
    ties: Ties = "unsure"
    calibration: Correction = "none"
    calibration_pairs: int = 50

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if value is not None and not (least <= value <= most):
                raise InvalidValueError(
                    f"{name!r} of stage {self.labeller!r} is {value}; expected "
                    + (f"{least:g} to {most:g}." if most < math.inf else f"at least {least:g}.")
                )
        for name, words in (("ties", get_args(Ties)), ("calibration", get_args(Correction))):
            if getattr(self, name) not in words:
                raise InvalidValueError(
                    f"{name!r} of stage {self.labeller!r} is {getattr(self, name)!r}; expected "
                    f"one of {', '.join(words)}."
                )
        if self.sure_from is not None and self.pass_on is not None:
            raise InvalidValueError(
                f"Stage {self.labeller!r} has both 'sure_from' and 'pass_on'; give how sure an "
                "answer has to be, or the share of pairs that goes on."
            )

    @property
    def threshold(self) -> float:
        """How sure an answer has to be for the pair to stay here, where no share is given."""
        return _SURE_FROM if self.sure_from is None else self.sure_from

    @property
    def has_budget(self) -> bool:
        """Whether it may be asked about some pairs only."""
        return self.max_pairs is not None or self.max_usd is not None


_RANGES = (
    ("sure_from", 0.5, 1.0),
    ("pass_on", 0.0, 1.0),
    ("max_pairs", 0, math.inf),
    ("max_usd", 0.0, math.inf),
    ("calibration_pairs", 1, math.inf),
)
_OF_THE_FIRST = ("max_pairs", "max_usd")  # what the first stage cannot have
_OF_THE_LAST = ("sure_from", "pass_on", "calibration")


@dataclass(frozen=True, slots=True)
class CascadeConfig:
    """Settings of a cascade.

    Attributes:
        stages: two or more, the cheapest first: each the id of a labeller, a `Stage`, or the
            fields of one by name.
        open_pairs: a pair that no stage is sure of and no budget reaches has its latest answer
            ("keep"), or none and the outcome "unsure".
        seed: of the pairs for calibration, and of the order of pairs that are equally unsure.
        pairs: how many share the budgets; None: as many as are asked. `label_pairs` fills it in.

    Raises:
        NeedsError: there are fewer than two stages.
        InvalidValueError: a stage has what its place does not allow, or another number or word is
            outside its range.
        InvalidTypeError: a stage is none of these, or a field of it is of another type.
        UnknownNameError: a stage has no such field.
    """

    stages: Sequence[Stage | Mapping[str, Any] | str] = ()
    open_pairs: OpenPairs = "keep"
    seed: int = 0
    pairs: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.stages, str) or len(self.stages) < 2:
            raise NeedsError(
                f"The stages of a cascade are {self.stages!r}; expected two labellers or more, "
                "the cheapest first: ['vlp', 'teacher'], or with settings of their own: "
                "[{'labeller': 'vlp', 'sure_from': 0.95}, {'labeller': 'teacher', "
                "'max_pairs': 50}]."
            )
        stages = tuple(_stage(stage, n) for n, stage in enumerate(self.stages, start=1))
        object.__setattr__(self, "stages", stages)
        for place, stage, names in (
            ("first", stages[0], _OF_THE_FIRST),
            ("last", stages[-1], _OF_THE_LAST),
        ):
            given = [n for n in names if getattr(stage, n) != getattr(_PLAIN, n)]
            if given:
                why = "is asked about all pairs" if place == "first" else "passes on nothing"
                raise InvalidValueError(
                    f"The {place} stage, {stage.labeller!r}, {why}, and has {given[0]!r}; leave it "
                    "out, or give it to another stage."
                )
        if self.open_pairs not in get_args(OpenPairs):
            raise InvalidValueError(
                f"'open_pairs' of a cascade is {self.open_pairs!r}; expected 'keep' or 'unsure'."
            )


_PLAIN = Stage()


def _stage(stage: Any, number: int) -> Stage:
    if isinstance(stage, Stage):
        return stage
    if isinstance(stage, str):
        return Stage(stage)
    if not isinstance(stage, Mapping):
        raise InvalidTypeError(
            f"Stage {number} of a cascade is {stage!r}; expected the id of a labeller, or a table "
            "such as {'labeller': 'vlp', 'sure_from': 0.95}."
        )
    return Stage(**checked_settings(Stage, stage, of=f"stage {number} of a cascade"))
