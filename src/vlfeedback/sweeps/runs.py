"""What a sweep consists of: runs, each one policy, and the labels or rewards they learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vlfeedback.data.contents import CONTENTS, digests_of_files
from vlfeedback.errors import FileFormatError
from vlfeedback.offline.learners import get_learner
from vlfeedback.offline.presets import get_preset
from vlfeedback.sweeps.specification import LearnerSpec, SourceSpec, Sweep

__all__ = ["Feedback", "Run", "expand"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """One source's labels of a task and seed, or its rewards of a task: made once, used often."""

    task: str
    source: SourceSpec
    seed: int | None  # None for rewards, which are the same for every seed

    def settings(self, sweep: Sweep, data: Mapping[str, Any]) -> dict[str, Any]:
        """All that the labels or rewards depend on."""
        facts: dict[str, Any] = {"task": self.task, "seed": self.seed, "data": data}
        source = {
            "gives": self.source.gives,
            "source": self.source.source,
            "config": self.source.config_for(self.task),
            "instruction": self.source.instruction_for(self.task),
            CONTENTS: digests_of_files(self.source.config_for(self.task)),
        }
        pairs = asdict(sweep.pairs)
        if not pairs["min_gap"]:
            del pairs["min_gap"]  # as rows of earlier releases have it
        return facts | {"source": source} | ({} if self.seed is None else {"pairs": pairs})

    @property
    def id(self) -> str:
        """Name of its files."""
        parts = (self.task, self.source.name) + (() if self.seed is None else (str(self.seed),))
        return "_".join(parts)


@dataclass(frozen=True, slots=True)
class Run:
    """One policy."""

    task: str
    source: SourceSpec | None  # None for learners that need neither labels nor rewards
    learner: LearnerSpec
    seed: int
    steps: int  # gradient steps

    def settings(self, sweep: Sweep, data: Mapping[str, Any]) -> dict[str, Any]:
        """All that the result depends on."""
        learner = asdict(self.learner)
        del learner["name"]
        if learner["levels"] is None:
            del learner["levels"]  # as rows of earlier releases have it
        feedback = self.feedback
        evaluation = asdict(sweep.evaluation)
        del evaluation["metric"]
        if not evaluation["env_options"]:
            del evaluation["env_options"]
        own = sweep.own_task(self.task)
        task_facts = {} if own is None else {"env_id": own.env_id, "success_key": own.success_key}
        return (
            {"task": self.task, "data": data}
            | task_facts
            | (feedback.settings(sweep, data) if feedback else {})
            | {"seed": self.seed, "learner": learner | {"steps": self.steps}}
            | {"evaluation": evaluation}
        )

    @property
    def id(self) -> str:
        """Name of its files: ``drawer-close_teacher_p-iql_0``."""
        return "_".join((self.task, *self.compared, str(self.seed)))

    @property
    def compared(self) -> tuple[str, ...]:
        """Source and learner, or the learner alone: a row of the report."""
        return (
            (self.learner.name,) if self.source is None else (self.source.name, self.learner.name)
        )

    @property
    def feedback(self) -> Feedback | None:
        """The labels or rewards it is trained on."""
        if self.source is None:
            return None
        return Feedback(
            self.task, self.source, self.seed if self.source.gives == "labels" else None
        )


def expand(sweep: Sweep) -> list[Run]:
    """All runs, task by task and seed by seed, so that whole comparisons are finished early.

    Raises:
        FileFormatError: a learner needs labels or rewards and no source gives them, or a source
            has no learner that could use it.
        UnknownNameError: there is no such learner or preset.
    """
    learners = [(learner, _sources_of(learner, sweep)) for learner in sweep.learners]
    names = {source.name for _, sources in learners for source in sources if source}
    for source in (*sweep.labels, *sweep.rewards):
        if source.name not in names:
            raise FileFormatError(
                f"{sweep.name}: no learner uses the {source.gives} of {source.name!r}; add one "
                f"that does, or remove [{source.gives}.{source.name}]."
            )
    return [
        Run(task, source, learner, seed, learner.steps or sweep.steps)
        for task in sweep.tasks
        for seed in sweep.seeds
        for learner, sources in learners
        for source in sources
    ]


def _sources_of(learner: LearnerSpec, sweep: Sweep) -> tuple[SourceSpec | None, ...]:
    """The sources this learner is trained on, each in runs of its own; (None,) if it reads none."""
    get_preset(learner.preset)
    reads = get_learner(learner.learner).reads
    if "preferences" not in reads and "rewards" not in reads:
        return (None,)
    kind = "labels" if "preferences" in reads else "rewards"
    sources = sweep.labels if kind == "labels" else sweep.rewards
    if not sources:
        raise FileFormatError(
            f"{sweep.name} [learners.{learner.name}]: {learner.learner!r} learns from {kind} and "
            f"the sweep has none; add a table such as "
            f"{'[labels.teacher]' if kind == 'labels' else '[rewards.env]'}."
        )
    return sources
