"""Does a reward rise while the expert works? Several sources on the same clips, task by task.

Figures:  of `vlfeedback.evaluation.progress.figures.FIGURES`; of each source beside rules that know
          nothing of a task, with 95 % intervals over episodes, whole episodes drawn level by level
Sources:  value-order correlation from GVL (Ma et al. 2024, section 4); what idling earns, from how
          policies were seen to settle for rest; clips that run on after success, on which
          Robometer's success signal was seen to collapse
Means:    of tasks, each alike; their intervals are over episodes, of these tasks
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.evaluation.bench.baselines import ColourChangeReward, LengthReward
from vlfeedback.evaluation.diagnosis.episodes import choose_episodes
from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.diagnosis.other_camera import retake_probed
from vlfeedback.evaluation.labels.pairings import picture_stride
from vlfeedback.evaluation.progress.along import along_figures
from vlfeedback.evaluation.progress.clips import FreshClips
from vlfeedback.evaluation.progress.other_views import view_figures
from vlfeedback.evaluation.progress.returns import return_figures
from vlfeedback.evaluation.progress.scored import ScoredClips, TaskClips
from vlfeedback.evaluation.progress.success_in_clip import success_figures
from vlfeedback.evaluation.progress.summary import Figures, summarise_progress
from vlfeedback.evaluation.resampling import Resampled
from vlfeedback.rewards.picture_energy import PictureEnergyReward
from vlfeedback.rewards.random import RandomConfig, RandomReward
from vlfeedback.scoring.paced import pace_of, paced
from vlfeedback.tasks import TaskSpec, get_task, task_seed
from vlfeedback.types import Report, RewardSource, Trajectory

__all__ = ["BASELINES", "fresh_task_clips", "measure_progress", "measure_source"]

BASELINES = ("picture-energy", "colour-change", "length", "random")
"""Rules beside every source: the more the picture changes along a window, the better; the more it
differs from the reset; the longer the episode, which is a clock; chance."""


def measure_progress(
    sources: Mapping[str, RewardSource],
    clips: Iterable[TaskClips],
    *,
    seed: int = 0,
    n_tasks: int = 0,
    report: Report | None = None,
) -> dict[str, Any]:
    """Measure every source, and the baselines, on the clips of every task, one after another.

    Args:
        sources: by the name that figures give them; none called like a baseline.
        clips: of each task; those of one are let go before the next, so a generator needs memory
            for one.
        seed: of chance.
        n_tasks: how many tasks there are, for `report`.
        report: called with (task, tasks done, `n_tasks`, nan) after each.

    Returns:
        The figures of `summarise_progress`, as JSON values.

    Raises:
        InvalidValueError: a source is called like a baseline, or there is no task.
        NeedsError: a source reads what the clips lack, or pictures in another rhythm.
        SourceAnswerError: a source returned something that is no finite reward a step.
    """
    if taken := [name for name in sources if name in BASELINES]:
        raise InvalidValueError(
            f"A source is called {taken[0]!r}, like a baseline beside it; expected another name "
            f"than {', '.join(BASELINES)}."
        )
    panel = {**sources, **_baselines(seed)}
    figures: dict[str, dict[str, Figures]] = {name: {} for name in panel}
    for n_done, of_task in enumerate(clips, start=1):
        for name, source in panel.items():
            if name in sources or _can_read(source, of_task.episodes):
                figures[name][of_task.task.name] = measure_source(source, of_task)
        if report is not None:
            report(of_task.task.name, n_done, n_tasks, float("nan"))
    if not any(figures.values()):
        raise InvalidValueError("There are no clips of any task; expected those of at least one.")
    return summarise_progress(figures, baselines=[n for n in BASELINES if figures[n]])


def measure_source(source: RewardSource, clips: TaskClips) -> Figures:
    """All figures of one source on one task; each picture is encoded once.

    Raises:
        NeedsError: the source reads what the clips lack, or pictures in another rhythm.
        SourceAnswerError: see `vlfeedback.scoring.ask`.
    """
    pace = pace_of(source.needs, picture_stride(clips.episodes))
    scored, bootstrap = ScoredClips(paced(source, pace), clips), clips.bootstrap()
    figures: dict[str, Resampled | NotApplicable] = {}
    measures: Sequence[Callable[..., Figures]] = (
        along_figures,
        return_figures,
        success_figures,
        view_figures,
    )
    for measure in measures:
        figures |= measure(scored, bootstrap)
    return figures


def fresh_task_clips(
    clips: FreshClips,
    tasks: Sequence[str | TaskSpec],
    *,
    length: int = 50,
    camera: str = "",
    seed: int = 0,
) -> Iterable[TaskClips]:
    """Clips of `collect_clips`, task by task, for `measure_progress`.

    Args:
        clips: that were collected of these tasks.
        tasks: whose instructions are told.
        length: steps of a clip.
        camera: another one, as the environment calls it; "": none.
        seed: of the resamples.
    """
    for task in tasks:
        spec = get_task(task)
        episodes = clips.load(spec.name, "rest")
        yield task_clips(
            spec,
            episodes,
            run_on=clips.experts_that_run_on(spec.name),
            length=length,
            camera=camera,
            seed=seed,
        )


def task_clips(
    task: TaskSpec,
    episodes: Sequence[Trajectory],
    *,
    run_on: Sequence[Trajectory] = (),
    length: int = 50,
    camera: str = "",
    seed: int = 0,
) -> TaskClips:
    """The clips of one task, of episodes at hand.

    Args:
        task: it.
        episodes: with levels ``"expert"`` and ``"random"``, the environment's rewards, and
            pictures equally far apart if a source reads some.
        run_on: the same experts acting on after success, under the same ids.
        length: steps of a clip.
        camera: another one that some episodes are seen again by; "": none.
        seed: of the resamples.

    Raises:
        NeedsError: a level or rewards lack, or two episodes have one id.
    """
    evaluated, _ = choose_episodes(episodes, len(episodes))
    ids = {t.id for t in evaluated}
    if len(ids) < len(evaluated) or not {t.id for t in run_on} <= ids:
        raise NeedsError(
            f"{len(evaluated)} episodes of {task.name!r} have {len(ids)} ids; expected one each, "
            "and experts that run on under the ids of experts. Give each episode its own: "
            "dataclasses.replace(trajectory, id=...)."
        )
    retaken = retake_probed(evaluated, task, camera)
    return TaskClips(
        task,
        tuple(evaluated),
        run_on=tuple(run_on),
        other_camera=retaken.episodes,
        length=length,
        seed=(seed, task_seed(task.name)),
    )


def _baselines(seed: int) -> dict[str, RewardSource]:
    return {
        "picture-energy": PictureEnergyReward(),
        "colour-change": ColourChangeReward(),
        "length": LengthReward(),
        "random": RandomReward(RandomConfig(seed=seed)),
    }


def _can_read(rule: RewardSource, episodes: Sequence[Trajectory]) -> bool:
    """Whether a baseline finds pictures where it reads some, in a rhythm that it can keep."""
    if not rule.needs.frames:
        return True
    return episodes[0].frames is not None and not (
        rule.needs.granularity == "window" and rule.needs.frame_stride % picture_stride(episodes)
    )
