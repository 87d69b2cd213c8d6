"""What a sweep file says: tasks, sources and learners to compare, on which data and budget.

A sweep is a TOML file. Label sources meet every learner of preferences, reward sources every
learner of rewards; a learner that needs neither stands alone::

    claim = "Labels of vlp.mt45 train policies as good as scripted labels do"
    data = "outputs/mtvlp"            # a collection's folder, or an .h5 file of trajectories
    tasks = ["drawer-close"]
    seeds = [0, 1, 2]

    [labels.teacher]                  # a preference source, or any reward source
    [labels.flipped]
    source = "teacher"                # by default the name of the table
    config = { flip = 0.25 }

    [rewards.env]                     # a reward source

    [rewards.vip-distance]
    config = { checkpoint = "weights/vip.pt" }
    tasks.drawer-close.goal = "goals/drawer-close.png"  # settings of one task alone

    [own_tasks.fold-towel]            # a task that is not registered, to be named in `tasks`
    env_id = "my_package:FoldTowel-v0"
    instruction = "fold the towel"
    success_key = "success"           # of `info`; by default this one

    [learners.p-iql]
    preset = "vlp"
    settings = { expectile = 0.9 }

    [paper]                           # what a paper prints for a source and learner
    "teacher/p-iql" = "vlp-2/P-IQL"

Tasks of `vlfeedback collect --env-id` are known from the folder they were collected into, those of
plugins by their names. Every other key, with its default, is a field of a dataclass below.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vlfeedback.data.collection import Collection
from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError, UnknownNameError
from vlfeedback.protocols import get_protocol
from vlfeedback.registry import suggest
from vlfeedback.reports.published import PUBLISHED
from vlfeedback.sweeps.tables import from_table, named_from_table
from vlfeedback.tasks import TASKS, TaskSpec, get_task, own_task

__all__ = [
    "Evaluation",
    "LearnerSpec",
    "OwnTask",
    "Pairs",
    "SourceSpec",
    "Sweep",
    "is_collection",
    "parse_sweep",
    "read_table",
]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which segments are labelled; all sources of a task and seed see the same."""

    count: int = 100  # VLP paper, Table 8
    length: int = 50  # steps of a segment (VLP paper, Table 8)
    sampler: Literal["clustered", "uniform"] = "clustered"  # VLP paper, appendix A.2
    start_multiple: int = 1  # segments begin at multiples; with pictures every 7th step, 7
    min_gap: int = 0  # steps between the starts of two segments of one trajectory, at least


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How policies are judged."""

    every: int = 5000  # gradient steps between evaluations (VLP paper, section 5.1)
    episodes: int = 25  # the same seeds each time (VLP paper, section 5.1)
    horizon: int | None = None  # steps of an episode; None: the environment's own limit
    stop_at_success: bool = False  # an episode ends with its first success; saves time
    # Keyword arguments of the environment, over those that the data were recorded with: where a
    # policy is judged by another reward than its labeller knew, or on other starts.
    env_options: Mapping[str, Any] = field(default_factory=dict)
    metric: Literal["success", "return"] = "success"  # what the report's table shows


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A task of the sweep's own, as its file describes it."""

    name: str  # as tables and files call it
    env_id: str  # Gymnasium id, importable as "module:id"
    instruction: str  # what a person would say
    success_key: str = "success"  # key of `info` that is truthy once it is done


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where labels or rewards come from."""

    name: str  # as tables and files call it
    gives: Literal["labels", "rewards"]
    source: str  # id of a preference or reward source
    config: Mapping[str, Any] = field(default_factory=dict)  # its settings
    tasks: Mapping[str, Any] = field(default_factory=dict)  # by task: settings of that task alone
    instructions: Mapping[str, Any] = field(default_factory=dict)  # by task: what it is told there

    def config_for(self, task: str) -> dict[str, Any]:
        """The settings of the source for one task."""
        return {**self.config, **self.tasks.get(task, {})}

    def instruction_for(self, task: str) -> str:
        """The instruction the source gets for a task; by default the task's own."""
        instruction: str | None = self.instructions.get(task)
        return get_task(task).instruction if instruction is None else instruction


@dataclass(frozen=True, slots=True)
class LearnerSpec:
    """How a policy is learnt."""

    name: str  # as tables and files call it
    learner: str  # of `vlfeedback.offline`
    preset: str = "vlp"  # paper whose numbers are taken
    steps: int | None = None  # gradient steps, where they are not those of the sweep
    every: int | None = None  # of them between evaluations, where not those of [evaluation]
    settings: Mapping[str, Any] = field(default_factory=dict)  # instead of the preset's
    levels: tuple[str, ...] | None = None  # of trajectories it learns from, if not the sweep's


@dataclass(frozen=True, slots=True)
class Sweep:
    """A whole sweep."""

    name: str
    claim: str  # what its results speak for or against
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    learners: tuple[LearnerSpec, ...]
    labels: tuple[SourceSpec, ...] = ()
    rewards: tuple[SourceSpec, ...] = ()
    data: str = ""  # a collection's folder, or an .h5 file of trajectories
    protocol: str = ""  # of `vlfeedback.protocols`: what is said here stands above it
    # Settings that the collection has to have been made with; those that are not named may differ.
    collected: Mapping[str, Any] = field(default_factory=dict)
    levels: tuple[str, ...] = ("expert", "medium", "random")  # of a collection
    # False: policies learn from episodes that end at their script's stop, or with success, as the
    # VLP paper's do. Pairs are drawn from episodes of one segment's length at least: a shorter one
    # goes on, and rests, for its label alone.
    rest: bool = True
    steps: int = 100_000  # gradient steps (VLP paper, Table 8)
    pairs: Pairs = field(default_factory=Pairs)
    evaluation: Evaluation = field(default_factory=Evaluation)
    paper: Mapping[str, str] = field(default_factory=dict)  # "source/learner": "table/column"
    own_tasks: tuple[TaskSpec, ...] = ()  # those of `tasks` that their names alone do not tell

    def own_task(self, name: str) -> TaskSpec | None:
        """The sweep's own task of this name, if it has one."""
        return next((task for task in self.own_tasks if task.name == name), None)

    def task(self, name: str) -> TaskSpec:
        """The description of one of its tasks."""
        return self.own_task(name) or get_task(name)


def read_table(path: str | Path) -> dict[str, Any]:
    """Read a sweep file; `parse_sweep` makes sense of it.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no TOML.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No sweep file {path}; benchmarks/sweeps has examples.")
    with reading(path, "TOML file"):
        return tomllib.loads(path.read_text(encoding="utf-8"))


def parse_sweep(table: Mapping[str, Any], *, name: str, where: str) -> Sweep:
    """Build a sweep from the tables of its file; `where` begins every message.

    Raises:
        FileFormatError: a value is missing, of a wrong type or out of range.
        UnknownNameError: a key, task or published figure that does not exist; the message
            suggests the nearest.
    """
    values = _with_protocol(table, where)
    for section in ("labels", "rewards", "learners", "pairs", "evaluation", "paper", "own_tasks"):
        if not isinstance(values.get(section, {}), dict):
            raise FileFormatError(f"{where}: {section} is {values[section]!r}; expected a table.")
    values["own_tasks"] = own_tasks = _own_tasks(values, where)
    instructions = {task.name: task.instruction for task in own_tasks}
    for gives in ("labels", "rewards"):
        sources = [
            named_from_table(
                SourceSpec, key, entry, f"{where} [{gives}.{key}]", gives=gives, source=key
            )
            for key, entry in values.get(gives, {}).items()
        ]
        values[gives] = [
            replace(s, instructions={**instructions, **s.instructions}) for s in sources
        ]
    values["learners"] = [
        named_from_table(LearnerSpec, key, entry, f"{where} [learners.{key}]", learner=key)
        for key, entry in values.get("learners", {}).items()
    ]
    for section, cls in (("pairs", Pairs), ("evaluation", Evaluation)):
        values[section] = from_table(cls, values.get(section, {}), f"{where} [{section}]")
    sweep = from_table(Sweep, {**values, "name": name}, where)
    _check(sweep, where)
    return sweep


def _with_protocol(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The tables of a file, on top of those of its protocol."""
    name = table.get("protocol", "")
    if name == "":
        return dict(table)
    if not isinstance(name, str):
        raise FileFormatError(f"{where}: protocol is {name!r}; expected a text.")
    protocol = get_protocol(name)
    values = {**protocol.sweep, **table}
    for section, own in {**protocol.sweep, "collected": protocol.collecting}.items():
        given = table.get(section, {})
        if isinstance(own, Mapping) and isinstance(given, Mapping):
            values[section] = {**own, **given}
    return values


def _own_tasks(values: Mapping[str, Any], where: str) -> list[TaskSpec]:
    """Tasks that the file describes, then those that only the data's folder knows."""
    descriptions = [
        named_from_table(OwnTask, key, entry, f"{where} [own_tasks.{key}]")
        for key, entry in values.get("own_tasks", {}).items()
    ]
    for own in descriptions:
        if own.name in TASKS:
            raise FileFormatError(
                f"{where} [own_tasks.{own.name}]: there is a task of this name already; give "
                "yours another one, or leave the table out."
            )
    specs = [
        own_task(own.env_id, own.instruction, success_key=own.success_key, name=own.name)
        for own in descriptions
    ]
    names = {task.name for task in specs}
    data, tasks = values.get("data"), values.get("tasks")
    if not isinstance(data, str) or not isinstance(tasks, list) or not is_collection(data):
        return specs
    unknown = [name for name in tasks if isinstance(name, str) and name not in (*names, *TASKS)]
    for name in unknown:
        with suppress(UnknownNameError, FileNotFoundError):  # said better once all is checked
            specs.append(Collection.open(Path(data)).task(name))
    return specs


def is_collection(data: str) -> bool:
    """Whether a sweep's data is a folder of `vlfeedback collect`, and not an .h5 file."""
    return bool(data) and Path(data).suffix not in (".h5", ".hdf5")


def _check(sweep: Sweep, where: str) -> None:
    """Check what the types do not: ranges, repeated entries, and names that have to exist."""
    for key, listed in (("tasks", sweep.tasks), ("seeds", sweep.seeds), ("levels", sweep.levels)):
        _check_list(listed, key, where)
    for task in sweep.tasks:
        sweep.task(task)
    for learner in sweep.learners:
        if learner.levels is not None:
            _check_list(learner.levels, f"[learners.{learner.name}] levels", where)
            if unknown := sorted(set(learner.levels) - set(sweep.levels)):
                raise FileFormatError(
                    f"{where}: [learners.{learner.name}] levels name {', '.join(unknown)}, and "
                    f"the sweep reads {', '.join(sweep.levels)}; add them to its levels."
                )
    _check_numbers(sweep, where)
    if not sweep.learners:
        raise FileFormatError(f"{where}: no learner; add a table such as [learners.p-iql].")
    _check_sources(sweep, where)
    _check_paper(sweep, where)


def _check_numbers(sweep: Sweep, where: str) -> None:
    at_least_one: dict[str, int] = {
        "steps": sweep.steps,
        "[pairs] count": sweep.pairs.count,
        "[pairs] length": sweep.pairs.length,
        "[pairs] start_multiple": sweep.pairs.start_multiple,
        "[evaluation] every": sweep.evaluation.every,
        "[evaluation] episodes": sweep.evaluation.episodes,
        "[evaluation] horizon": sweep.evaluation.horizon or 1,
        **{
            f"[learners.{learner.name}] {key}": 1 if number is None else number
            for learner in sweep.learners
            for key, number in (("steps", learner.steps), ("every", learner.every))
        },
    }
    for key, number in at_least_one.items():
        if number < 1:
            raise FileFormatError(f"{where}: {key} is {number}; expected at least 1.")
    if sweep.pairs.min_gap < 0:
        raise FileFormatError(
            f"{where}: [pairs] min_gap is {sweep.pairs.min_gap}; expected at least 0."
        )
    if min(sweep.seeds) < 0:
        raise FileFormatError(f"{where}: seeds are {list(sweep.seeds)}; expected none below 0.")


def _check_list(listed: Sequence[Any], key: str, where: str) -> None:
    duplicates = {item for item in listed if listed.count(item) > 1}
    if not listed or duplicates:
        problem = f"name {', '.join(map(str, duplicates))} twice" if duplicates else "are empty"
        raise FileFormatError(f"{where}: {key} {problem}; expected each once, and at least one.")


def _check_sources(sweep: Sweep, where: str) -> None:
    sources = [source.name for source in (*sweep.labels, *sweep.rewards)]
    if len(set(sources)) < len(sources):
        raise FileFormatError(
            f"{where}: {sources} are the names under [labels] and [rewards]; expected each once. "
            'Give one of them another name, and its id as source = "...".'
        )
    for source in (*sweep.labels, *sweep.rewards):
        of = f"{where} [{source.gives}.{source.name}]"
        for task in (*source.tasks, *source.instructions):
            sweep.task(task)
        for task, settings in source.tasks.items():
            if not isinstance(settings, dict):
                raise FileFormatError(f"{of}: tasks.{task} is {settings!r}; expected a table.")
        for task, instruction in source.instructions.items():
            if not (isinstance(instruction, str) and instruction.strip()):
                raise FileFormatError(
                    f"{of}: instructions.{task} is {instruction!r}; expected a text."
                )


def _check_paper(sweep: Sweep, where: str) -> None:
    sources = {source.name for source in (*sweep.labels, *sweep.rewards)}
    comparisons = {f"{s}/{x.name}" for s in sources for x in sweep.learners}
    comparisons |= {x.name for x in sweep.learners}
    columns = [f"{table}/{c}" for table, rows in PUBLISHED.items() for c in rows.columns]
    for pair, figure in sweep.paper.items():
        if pair not in comparisons:
            raise UnknownNameError(
                f"{where} [paper]: this sweep compares no {pair!r}. {suggest(pair, comparisons)}"
                'Expected "source/learner", or "learner" where it needs no source.'
            )
        if figure not in columns:
            raise UnknownNameError(
                f"{where} [paper]: no published figures {figure!r}. {suggest(str(figure), columns)}"
                f'Expected "table/column" of the tables {", ".join(PUBLISHED)}.'
            )
