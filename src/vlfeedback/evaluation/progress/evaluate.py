"""All figures of a reward's shape in one call: fresh clips, every source, and pairs by protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlfeedback.data.collection import Collection
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.evaluation.labels.episodes import episodes_by_task, task_of
from vlfeedback.evaluation.labels.sources import AnySource
from vlfeedback.evaluation.progress.clips import FreshClips, collect_clips
from vlfeedback.evaluation.progress.measure import (
    fresh_task_clips,
    measure_progress,
    task_clips,
)
from vlfeedback.evaluation.progress.protocols import labels_by_protocol
from vlfeedback.evaluation.progress.scored import TaskClips
from vlfeedback.scoring.cached_embeddings import CachedEmbeddings
from vlfeedback.scoring.pictures import embeds_pictures
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import Report, RewardSource

__all__ = ["evaluate_progress", "evaluate_progress_at_hand"]


def evaluate_progress(
    sources: Mapping[str, AnySource],
    tasks: Sequence[str | TaskSpec],
    root: str | Path,
    *,
    episodes: int = 8,
    n_pairs: int = 100,
    length: int = 50,
    seed: int = 0,
    horizon: int | None = None,
    camera: str = "",
    protocols: bool = True,
    workers: int = 1,
    report: Report | None = None,
) -> dict[str, Any]:
    """Measure sources on fresh clips of Meta-World's tasks; each picture is encoded once.

    Args:
        sources: by name. A labeller without rewards has figures by protocol alone.
        tasks: to measure on.
        root: folder that keeps the clips, and is gone on with.
        episodes: of each task, level and way to make clips.
        n_pairs: of each task, pairing and protocol.
        length: steps of a segment (VLP paper, Table 8: 50).
        seed: the same gives the same clips, pairs and intervals.
        horizon: steps of an episode; None: as the tasks are collected.
        camera: another one that some episodes are seen again by; "": none.
        protocols: also pairs on clips that were made in other ways.
        workers: processes that collect.
        report: called with the stages ``"collect TASK"``, a task's name and ``"PROTOCOL"``.

    Returns:
        What `measure_progress` returns, with ``protocols`` (see `labels_by_protocol`) and
        ``settings`` of the clips.

    Raises:
        NeedsError: a task has no such scripts, a source reads what clips lack, or there is no
            source of rewards and `protocols` is off.
        InvalidValueError: a source is called like a baseline.
        SourceAnswerError: a source returned something that is no answer.
    """
    remembering = {name: _remembering(source) for name, source in sources.items()}
    rewards = _of_rewards(remembering)
    if not rewards and not protocols:
        raise NeedsError(
            f"None of {', '.join(sources)} gives rewards, and labels are compared by protocol "
            "alone: leave protocols on."
        )
    clips = collect_clips(
        root,
        tasks,
        episodes=episodes,
        seed=seed,
        horizon=horizon,
        protocols=protocols,
        workers=workers,
        report=report,
    )
    figures: dict[str, Any] = {"sources": {}}
    if rewards:
        of_tasks = fresh_task_clips(clips, tasks, length=length, camera=camera, seed=seed)
        figures = measure_progress(rewards, of_tasks, seed=seed, n_tasks=len(tasks), report=report)
    if protocols:
        figures["protocols"] = labels_by_protocol(
            remembering, clips, tasks, n_pairs=n_pairs, length=length, seed=seed, report=report
        )
    figures["settings"] = _settings(clips, length=length, seed=seed, camera=camera)
    return figures


def evaluate_progress_at_hand(
    sources: Mapping[str, AnySource],
    collection: Collection,
    *,
    tasks: Sequence[str | TaskSpec] | None = None,
    length: int = 50,
    seed: int = 0,
    camera: str = "",
    report: Report | None = None,
) -> dict[str, Any]:
    """The same on episodes of a collection, without protocols: of tasks of any environment.

    Args:
        sources: of rewards, by name.
        collection: with the levels ``"expert"`` and ``"random"``, and rewards of the environment.
        tasks: of it, by name or as they are; default: all.
        length: steps of a segment.
        seed: of intervals and chance.
        camera: another one, where a task can show its episodes again; "": none.
        report: called with a task's name.

    Raises:
        NeedsError: a level, rewards, or what a source reads are not there.
        InvalidValueError: a source is called like a baseline, or gives no rewards.
    """
    remembering = {name: _remembering(source) for name, source in sources.items()}
    rewards = _of_rewards(remembering)
    if len(rewards) < len(sources):
        names = ", ".join(name for name in sources if name not in rewards)
        raise InvalidValueError(
            f"{names} gives labels and no rewards along an episode; expected sources of rewards. "
            "`vlfeedback eval labels` measures any labeller."
        )
    given = {t.name if isinstance(t, TaskSpec) else t: t for t in tasks or collection.tasks()}

    def of_tasks() -> Iterable[TaskClips]:
        for name, task in given.items():
            episodes = episodes_by_task(collection, [name])[name]
            spec = task_of(task, collection, episodes)
            yield task_clips(spec, episodes, length=length, camera=camera, seed=seed)

    figures = measure_progress(rewards, of_tasks(), seed=seed, n_tasks=len(given), report=report)
    shown = {"data": str(collection.root), "length": length, "seed": seed, "camera": camera}
    return figures | {"settings": shown}


def _remembering(source: AnySource) -> AnySource:
    """Embeddings are kept over tasks and protocols, which share episodes."""
    if isinstance(source, RewardSource) and embeds_pictures(source):
        return source if isinstance(source, CachedEmbeddings) else CachedEmbeddings(source)
    return source


def _of_rewards(sources: Mapping[str, AnySource]) -> dict[str, RewardSource]:
    return {name: s for name, s in sources.items() if isinstance(s, RewardSource)}


def _settings(clips: FreshClips, *, length: int, seed: int, camera: str) -> dict[str, Any]:
    collections = {name: dict(settings) for name, settings in clips.settings.items()}
    return {"length": length, "seed": seed, "camera": camera, "collections": collections}
