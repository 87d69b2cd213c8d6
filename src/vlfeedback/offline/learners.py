"""The learners by name: ours, and those of plugins in the group ``vlfeedback.learners``.

A plugin's entry point names a `Learner` object. Nothing of d3rlpy or torch is imported before a
learner is prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vlfeedback.data.discrete import check_continuous
from vlfeedback.data.learning_checks import check_action_range
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import BrokenPluginError, NeedsError
from vlfeedback.offline.training_loop import Training
from vlfeedback.registry import Entry, Registry
from vlfeedback.types import Report, Trajectory

__all__ = ["LEARNERS", "Learner", "LearnerInputs", "Reads", "get_learner", "list_learners"]

Reads = Literal["trajectories", "rewards", "preferences"]
"""What a learner reads; ``"rewards"`` are those that a source gave to the trajectories."""


@dataclass(frozen=True, slots=True)
class LearnerInputs:
    """Data, settings and device of a training.

    Attributes:
        trajectories: the data, where there is some.
        preferences: labelled pairs, where there are some.
        settings: of the learner's config, and of its buffer.
        seed: of weights, batches and dropout.
        device: where the policy is trained.
        report: called with (stage, done, in all, loss).
        folder: for what takes long to make before the policy is trained, such as a reward model:
            what is there was made of the same data with the same settings, before a stop. Deleted
            once the training is finished. None: nothing is kept.
    """

    trajectories: Sequence[Trajectory] | None
    preferences: PreferenceDataset | None
    settings: Mapping[str, Any]
    seed: int
    device: str = "cpu"
    report: Report | None = None
    folder: Path | None = None

    def actions(self, reads: Sequence[Reads]) -> list[np.ndarray]:
        """Actions of the trajectories, or of the answered pairs' segments, that are read."""
        if self.trajectories is not None and "trajectories" in reads:
            return [trajectory.actions for trajectory in self.trajectories]
        if self.preferences is None or "preferences" not in reads:
            return []
        pairs = self.preferences.answered().pairs
        return [segment.read("actions") for pair in pairs for segment in pair]


@dataclass(frozen=True, slots=True)
class Learner:
    """A learner: its summary, the data it reads, and the recipe that prepares its training.

    Attributes:
        summary: one line for people.
        reads: what data it learns from, one or more of `Reads`; it does not do without.
        recipe: prepares its training from the inputs.
        continuous: its policy acts with vectors of numbers alone.
        any_actions: its policy reaches actions of any range; else those outside [-1, 1] are
            refused, unless its settings have an ``action_scaler``.
        together: several of its runs may be trained as one; see `train_policies`.
    """

    summary: str
    reads: tuple[Reads, ...]
    recipe: Callable[[LearnerInputs], Training]
    continuous: bool = False
    any_actions: bool = False
    together: bool = False

    def prepare(self, inputs: LearnerInputs) -> Training:
        """Bring the data into the form that is learnt from, and make the learner.

        Raises:
            NeedsError: data that it reads are not given.
            InvalidValueError: it acts with vectors of numbers, and the data's actions are discrete.
            InvalidValueError: actions lie where its policy does not reach.
            UnknownNameError: it has no such setting.
        """
        self.check(inputs)
        return self.recipe(inputs)

    def check(self, inputs: LearnerInputs) -> None:
        """Refuse data that cannot be learnt from, before anything is made; as `prepare` does."""
        for name in self.reads:
            data = "trajectories" if name == "rewards" else name
            if getattr(inputs, data) is None:
                raise NeedsError(f"This learner reads {data} and got none; pass {data}=...")
        if self.continuous:
            pairs = () if inputs.preferences is None else inputs.preferences.pairs
            shown = (segment.trajectory for pair in pairs for segment in pair)
            check_continuous(chain(inputs.trajectories or (), shown), learner="this learner")
        if not self.any_actions and inputs.settings.get("action_scaler") is None:
            check_action_range(inputs.actions(self.reads))


_BUILT_INS = {
    "bc": "BC",
    "cpl": "CPL",
    "cpl-bc": "CPL_BC",
    "cpl-kl": "CPL_KL",
    "diffusion": "DIFFUSION",
    "ipl": "IPL",
    "iql": "IQL",
    "iql-average": "IQL_AVERAGE",
    "iql-d3rlpy": "IQL_D3RLPY",
    "nothing": "NOTHING",
    "p-iql": "P_IQL",
    "random": "RANDOM",
    "sft": "SFT",
}

LEARNERS: Registry[Learner] = Registry(
    "learner",
    group="vlfeedback.learners",
    listed_by="vlfeedback list learners",
    built_ins=[Entry(name, f"vlfeedback.offline.recipes:{at}") for name, at in _BUILT_INS.items()],
)
"""All learners by name."""


def list_learners() -> list[str]:
    """Names of all learners, sorted.

    >>> "p-iql" in list_learners()
    True
    """
    return LEARNERS.names()


def get_learner(name: str) -> Learner:
    """The learner of this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest.
        MissingExtraError: a package it needs is not installed, or a plugin is broken.
    """
    learner = LEARNERS.load(name)
    if not isinstance(learner, Learner):
        entry = LEARNERS.entry(name)
        raise BrokenPluginError(
            f"Learner {name!r} of {entry.distribution!r} is broken: {entry.target!r} is "
            f"{learner!r}; expected a vlfeedback.offline.Learner. Update it or tell its authors."
        )
    return learner
