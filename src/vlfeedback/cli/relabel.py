"""`vlfeedback relabel`: a dataset of any known format with the rewards of a source."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vlfeedback.cli.dataset_option import DATA_HELP, READING_HELP, training_options
from vlfeedback.cli.progress import counting_progress
from vlfeedback.cli.settings import check_no_argument, parse_json_object
from vlfeedback.errors import NeedsError, VLFeedbackError

if TYPE_CHECKING:
    from vlfeedback.adapters.formats import Dataset
    from vlfeedback.types import RewardSource, Trajectory

__all__ = ["relabel"]


def relabel(
    data: Annotated[
        str,
        typer.Option(help=DATA_HELP),
    ],
    source: Annotated[str, typer.Option(help="What rewards: see `vlfeedback list rewards`.")],
    out: Annotated[str, typer.Option(help="The copy, of the same format.")],
    instruction: Annotated[
        str, typer.Option(help="What the source is told; default: what the dataset says itself.")
    ] = "",
    between: Annotated[
        Literal["refuse", "hold", "interpolate"],
        typer.Option(help="Where the source reads a picture that was not taken."),
    ] = "refuse",
    source_config: Annotated[str, typer.Option(help="Settings of the source, as JSON.")] = "{}",
    reading: Annotated[str, typer.Option(help=READING_HELP)] = "{}",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures or steps at a time.")] = 1024,
    cache: Annotated[
        str,
        typer.Option(
            help="A file that keeps the pictures' embeddings, for other instructions and settings "
            "of the source. See vlfeedback.CachedEmbeddings."
        ),
    ] = "",
) -> None:
    """Copy a dataset with the rewards that a source's wrapper would have given.

    Nothing but the rewards changes, and the environment's own are kept beside them. A few
    episodes are held at a time. What is finished is kept in OUT.rewards until the copy is whole:
    after a stop, run the same command again to go on. Collected pictures are some steps apart;
    --between hold holds each reward until the next.

    Example: vlfeedback relabel --data mtvlp/drawer-close/expert.h5 --source vlp --instruction
    "close the drawer" --between hold --out relabelled.h5
    """
    from contextlib import closing

    from vlfeedback.adapters.formats import open_dataset
    from vlfeedback.data.locks import locked_file
    from vlfeedback.data.writable import check_writable
    from vlfeedback.rewards import make_reward_source, source_to_json
    from vlfeedback.scoring.relabel import relabel as relabel_trajectories

    config = parse_json_object("--source-config", source_config)
    check_no_argument(config, make_reward_source, of="the source")
    how: dict[str, Any] = {
        "instruction": instruction or None,
        "between": between,
        "batch_size": batch_size,
    }
    dataset = open_dataset(data, parse_json_object("--reading", reading))
    try:
        copy = dataset.new_copy(out)
        check_writable(copy.path)
    except FileExistsError:
        if not _is_done(dataset, source, source_config, device, out, how):
            raise
        typer.echo(f"{out} is this copy already. Next: {_next(out, reading)}")
        return
    reward_source = make_reward_source(source, device=device, **config)
    record = {"source": source_to_json(reward_source), "instruction": instruction or None}
    if cache:
        reward_source = _cached(reward_source, source, cache)
    totals = _Totals()
    with locked_file(copy.path, what="relabels into"), counting_progress() as progress:
        trajectories = progress.track(
            dataset.read(), total=dataset.total, description="relabelling"
        )
        relabelled = relabel_trajectories(trajectories, reward_source, resume=copy.finished, **how)
        with closing(relabelled):
            copy.write(totals.passing(relabelled), record)
        copy.clean()
    typer.echo(f"{totals.summary()} The relabelled dataset is {out}. Next: {_next(out, reading)}")


def _next(out: str, reading: str) -> str:
    command = ["vlfeedback", "train", "--learner", "iql", *training_options(out, reading)]
    return shlex.join([*command, "--out", "policy"])


def _is_done(
    dataset: Dataset, source: str, source_config: str, device: str, out: str, how: dict[str, Any]
) -> bool:
    """Whether `out` is what the same command wrote just before it was stopped; tidies up then."""
    from vlfeedback.adapters.formats import finished_rewards, open_dataset
    from vlfeedback.rewards import make_reward_source
    from vlfeedback.scoring.relabel import is_relabelled
    from vlfeedback.scoring.reward_store import RewardStore

    settings = parse_json_object("--source-config", source_config)
    reward_source = make_reward_source(source, device=device, **settings)
    try:
        copy = open_dataset(out, dataset.reading)
        is_done = is_relabelled(copy.read(), dataset.read(), reward_source, **how)
    except (VLFeedbackError, OSError):  # it is something else
        return False
    if is_done:
        RewardStore.remove(finished_rewards(out))
    return is_done


def _cached(source: RewardSource, name: str, cache: str) -> RewardSource:
    from vlfeedback.scoring.cached_embeddings import CachedEmbeddings
    from vlfeedback.types import EmbeddingSource

    if not (source.needs.frames and isinstance(source, EmbeddingSource)):
        raise NeedsError(f"--cache keeps embeddings of pictures, and {name!r} has none; leave it.")
    return CachedEmbeddings(source, cache)


class _Totals:
    """Counts of the trajectories and rewards that are relabelled."""

    def __init__(self) -> None:
        self._episodes = self._steps = 0
        self._low, self._high, self._sum = float("inf"), float("-inf"), 0.0

    def passing(self, trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """The same trajectories, counted on the way."""
        for trajectory in trajectories:
            if trajectory.rewards is not None:
                self._low = min(self._low, float(trajectory.rewards.min()))
                self._high = max(self._high, float(trajectory.rewards.max()))
                self._sum += float(trajectory.rewards.sum())
            self._episodes += 1
            self._steps += len(trajectory)
            yield trajectory

    def summary(self) -> str:
        """The counts, in a sentence."""
        return (
            f"{self._episodes} episodes, {self._steps} steps, rewards from {self._low:.3g} to "
            f"{self._high:.3g}, {self._sum / max(1, self._steps):.3g} on average."
        )
