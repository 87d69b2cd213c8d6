"""Rewards of a source for recorded episodes: those that its wrapper would have given.

Trajectories go in and come out one by one, and a few are held at a time, whatever the size of
the dataset. Pictures are read once, and encoded once where the source keeps embeddings.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlfeedback.arguments import check_instruction, reward_source
from vlfeedback.data.contents import CONTENTS, digests_of_source, trajectory_digest
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.scoring.readable import check_arrays
from vlfeedback.scoring.reward_store import RewardStore
from vlfeedback.scoring.steps import ChosenSteps, score_steps
from vlfeedback.scoring.timing import scored_steps, states_seen
from vlfeedback.types import Report, RewardSource, Trajectory, class_and_settings

__all__ = ["Between", "check_readable", "is_relabelled", "relabel"]

Between = Literal["refuse", "hold", "interpolate"]
"""What is done where a recording lacks pictures that a wrapper would have taken."""


def relabel(
    trajectories: Iterable[Trajectory],
    source: RewardSource | str,
    *,
    instruction: str | None = None,
    between: Between = "refuse",
    batch_size: int = 1024,
    resume: str | Path | None = None,
    report: Report | None = None,
) -> Generator[Trajectory, None, None]:
    """Give every step of every trajectory the source's reward; the input is left as it is.

    The rewards are those of `vlfeedback.RewardFromSource` around the environment that was
    recorded: the steps 0, stride, 2 stride ... and the last one are scored (`SourceNeeds`), each
    on the picture after it, and a score is held until the next. A source that scores whole
    episodes gives 0 until the last step. A recording that was cut short ends where it was cut.

    A recording may lack pictures that a wrapper would have taken. `between` says what is done:

    - ``"refuse"``: it is an error.
    - ``"hold"``: steps whose pictures are there are scored, and a score is held until the next;
      steps before the first score get the first.
    - ``"interpolate"``: the same with a straight line from one score to the next, also where no
      picture is lacking. A step's reward then depends on what came after it, which no wrapper
      can give.

    Args:
        trajectories: any number; a few are held at a time.
        source: any reward source, or the id of one; trajectories need have nothing but what it
            reads.
        instruction: what it is told the task is; default: each trajectory's own,
            `Trajectory.instruction`.
        between: see above.
        batch_size: pictures, or steps of arrays, that are held and scored at a time; one
            trajectory's, or one window's, where that alone is more.
        resume: folder that keeps finished rewards. After a stop, however sudden, the same call
            takes them from there and goes on; at most `batch_size` steps are scored again.
        report: called with ("relabel", trajectories done, trajectories in all, nan); 0 in all
            where that is not known.

    Yields:
        Trajectories with ``rewards``, in order; all else is shared with the input.

    Raises:
        NeedsError: a trajectory lacks what the source reads, or there is no instruction.
        SourceAnswerError: the source returned something that is no finite reward a step.
        FileFormatError: `resume` was begun with another source, other settings, weights or
            trajectories.
        BusyError: another process keeps rewards in `resume`.
        WriteError: `resume` cannot be written; nothing was scored then.
        ValueError: an option has no such value.
        TypeError: `source` is no source, or `instruction` no text.

    Source: `batch_size` is our choice; small networks were fastest on a CPU with about as many.
    """
    if between not in get_args(Between):
        raise InvalidValueError(
            f"between={between!r}; expected one of {', '.join(get_args(Between))}."
        )
    if batch_size < 1:
        raise InvalidValueError(f"batch_size={batch_size}; expected at least 1 picture or step.")
    check_instruction(instruction)
    plan = _Plan(reward_source(source), instruction, between)
    storage: AbstractContextManager[RewardStore | None] = nullcontext()
    if resume is not None:
        settings = plan.settings()
        RewardStore.check(Path(resume), settings)
        storage = RewardStore.opened(Path(resume), settings, plan.digest)
    relabelled = _relabel(trajectories, plan, batch_size, storage)
    return relabelled if report is None else _reported(relabelled, trajectories, report)


def is_relabelled(
    copy: Iterable[Trajectory],
    trajectories: Iterable[Trajectory],
    source: RewardSource,
    *,
    instruction: str | None = None,
    between: Between = "refuse",
    batch_size: int = 1024,
) -> bool:
    """Whether a copy is what `relabel` gives: all steps are equal, and the first rewards.

    Args:
        copy: with rewards.
        trajectories: what it should be a copy of, in order.
        source: scores once more the first trajectories, as many as are scored at a time.
        instruction: see `relabel`, as for the others.
        between: see above.
        batch_size: see above.

    Raises:
        NeedsError, SourceAnswerError, ValueError: see `relabel`.
    """
    plan = _Plan(source, instruction, between)
    first: list[ChosenSteps] = []
    rewards: list[np.ndarray | None] = []
    for written, trajectory in zip_longest(copy, trajectories):
        if written is None or trajectory is None or not _same_steps(written, trajectory):
            return False
        if not first or sum(chosen.size for chosen in first) < batch_size:
            first.append(plan.choose(trajectory))
            rewards.append(written.rewards)
    group = next(_groups(first, batch_size), [])
    scores = score_steps(group, source, batch_size=batch_size)
    return all(
        row is not None and np.allclose(row, plan.spread(chosen, score), rtol=1e-4, atol=1e-5)
        for row, chosen, score in zip(rewards, group, scores, strict=False)
    )


def _same_steps(one: Trajectory, other: Trajectory) -> bool:
    return np.array_equal(one.observations, other.observations) and np.array_equal(
        one.actions, other.actions
    )


def check_readable(
    trajectories: Iterable[Trajectory],
    source: RewardSource,
    *,
    instruction: str | None = None,
    between: Between = "refuse",
) -> None:
    """Refuse trajectories that `relabel` would refuse; no picture is read and nothing is scored.

    Raises:
        NeedsError: a trajectory lacks what the source reads, or there is no instruction.
    """
    plan = _Plan(source, instruction, between)
    for trajectory in trajectories:
        chosen = plan.choose(trajectory)
        check_arrays([trajectory.segment(0, len(trajectory))], source.needs, chosen.instruction)


def _reported(
    relabelled: Iterator[Trajectory], trajectories: Iterable[Trajectory], report: Report
) -> Generator[Trajectory, None, None]:
    total = len(trajectories) if isinstance(trajectories, Sequence) else 0
    for done, trajectory in enumerate(relabelled, start=1):
        report("relabel", done, total, float("nan"))
        yield trajectory


def _relabel(
    trajectories: Iterable[Trajectory],
    plan: _Plan,
    batch_size: int,
    storage: AbstractContextManager[RewardStore | None],
) -> Generator[Trajectory, None, None]:
    remaining = iter(trajectories)
    with storage as store:
        if store is not None:
            for trajectory, rewards in store.saved(remaining):
                yield replace(trajectory, rewards=rewards)
        for group in _groups(map(plan.choose, remaining), batch_size):
            scores = score_steps(group, plan.source, batch_size=batch_size)
            done = [
                replace(chosen.trajectory, rewards=plan.spread(chosen, row))
                for chosen, row in zip(group, scores, strict=True)
            ]
            if store is not None:
                store.append(done)
            yield from done


def _groups(episodes: Iterable[ChosenSteps], batch_size: int) -> Iterator[list[ChosenSteps]]:
    """Episodes in order, as many at a time as read `batch_size` pictures or steps; at least one."""
    group: list[ChosenSteps] = []
    room = batch_size
    for chosen in episodes:
        if group and chosen.size > room:
            yield group
            group, room = [], batch_size
        group.append(chosen)
        room -= chosen.size
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which steps are scored, and what stands between them."""

    source: RewardSource
    instruction: str | None
    between: Between

    def settings(self) -> dict[str, Any]:
        """What the rewards depend on, besides the trajectories; JSON values."""
        source, config = class_and_settings(self.source)
        return {
            "source": source,
            "config": config,
            "instruction": self.instruction,
            "between": self.between,
            CONTENTS: digests_of_source(self.source),
        }

    def digest(self, trajectory: Trajectory) -> str:
        """Tells trajectories apart by all that the source may read of them."""
        read = self.choose(trajectory).distinct if self.source.needs.frames else None
        return trajectory_digest(trajectory, read)

    def choose(self, trajectory: Trajectory) -> ChosenSteps:
        """The steps of a trajectory that are scored."""
        needs = self.source.needs
        instruction = self.instruction or trajectory.instruction or None
        if needs.instruction and not (instruction or "").strip():
            raise NeedsError(
                f"{type(self.source).__name__} reads an instruction and trajectory "
                f"{trajectory.id!r} has none of its own; pass instruction='close the drawer', or "
                "whatever the task is."
            )
        ends = scored_steps(len(trajectory), needs)
        if not needs.frames:
            nothing = np.zeros((len(ends), 0), dtype=np.int64)
            return ChosenSteps(trajectory, ends, nothing, nothing[0], instruction)
        states = states_seen(ends, needs)
        reset = np.zeros(int(needs.first_frame), dtype=np.int64)
        there = self._pictured(trajectory, ends, states, reset)
        distinct = np.union1d(states[there], reset)
        return ChosenSteps(trajectory, ends[there], states[there], distinct, instruction)

    def _pictured(
        self,
        trajectory: Trajectory,
        ends: Int64[np.ndarray, " E"],
        states: Int64[np.ndarray, "E F"],
        reset: Int64[np.ndarray, " R"],
    ) -> Bool[np.ndarray, " E"]:
        """For which of these steps the recording has the pictures."""
        taken = pictures_of(trajectory).times
        lacking = ~np.isin(states, taken)
        there = np.asarray(~lacking.any(axis=1) & np.isin(reset, taken).all())
        if there.all():
            return there
        state = states[lacking][0] if lacking.any() else 0
        n_scored, n_pictured = int(there.sum()), int(np.isin(ends + 1, taken).sum())
        reads = (
            f"{type(self.source).__name__} reads the picture of state {state}, and trajectory "
            f"{trajectory.id!r} has pictures of {len(taken)} of its {len(trajectory) + 1} states "
            f"{taken[:4].tolist()} ... {taken[-1:].tolist()}"
        )
        # Where most pictures go unread they were taken in another rhythm than the source's, and
        # one score held over an episode would pass for a reward.
        if 2 * n_scored < max(1, n_pictured):
            stride = self.source.needs.frame_stride
            raise NeedsError(
                f"{reads}, which are enough for {n_scored} of {len(ends)} scores. Record pictures "
                f"of the reset and after the steps 0, {stride}, {2 * stride} ... and the last."
            )
        if self.between == "refuse":
            raise NeedsError(
                f"{reads}. {n_scored} of {len(ends)} scores can be given: pass between='hold' to "
                "hold each until the next, or between='interpolate'; or record that picture."
            )
        return there

    def spread(
        self, chosen: ChosenSteps, scores: Float32[np.ndarray, " E"]
    ) -> Float32[np.ndarray, " L"]:
        """Scores of the chosen steps as a reward for each step."""
        steps = np.arange(len(chosen.trajectory))
        if self.source.needs.granularity == "episode":
            return np.where(steps == chosen.ends[0], scores[0], np.float32(0))
        if self.between == "interpolate":
            return np.asarray(np.interp(steps, chosen.ends, scores), dtype=np.float32)
        newest = np.searchsorted(chosen.ends, steps, side="right") - 1
        return np.asarray(scores[newest.clip(0)])
