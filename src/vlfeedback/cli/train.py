"""`vlfeedback train`: a policy from a dataset or from labelled pairs, judged on the way."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlfeedback.cli.dataset_option import (
    DATA_HELP,
    READING_HELP,
    copy_name,
    data_options,
    read_data,
)
from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.settings import check_no_argument, parse_settings
from vlfeedback.errors import InvalidValueError, NeedsError

if TYPE_CHECKING:
    from vlfeedback.offline import EvaluationCurve, PolicyEvaluator
    from vlfeedback.types import Trajectory

__all__ = ["train"]


def train(
    learner: Annotated[str, typer.Option(help="What trains: see `vlfeedback list learners`.")],
    data: Annotated[
        str,
        typer.Option(help=DATA_HELP),
    ],
    out: Annotated[
        Path,
        typer.Option(
            file_okay=False,
            callback=folder_to_fill,
            help="Folder for the policy; run again to go on.",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Labelled pairs of --data, a .parquet file."),
    ] = None,
    labeller: Annotated[
        str,
        typer.Option(
            help="In place of --labels: who labels pairs first, see `vlfeedback list preferences`."
        ),
    ] = "",
    label_settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set-labeller", help="Settings of --labeller: key=value, repeat for several."
        ),
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(min=1, help="For --labeller; default: the preset's.")
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of a pair's segments; default: the preset's."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Paper whose numbers are taken: vlp, cpl, ipl, plare, ...")
    ] = "vlp",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Gradient steps; default: the preset's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same policy.")] = 0,
    task: Annotated[
        str, typer.Option(help="Of the data's tasks, the one to learn; default: the only one.")
    ] = "",
    levels: Annotated[
        str, typer.Option(help="Comma-separated levels of the data to learn from; default: all.")
    ] = "",
    rest: Annotated[
        bool,
        typer.Option(
            "--rest/--no-rest",
            help="Learn also from how a script rests after its episode, where the data know.",
        ),
    ] = False,
    env: Annotated[
        str,
        typer.Option(help="Id of the environment that judges; default: the one of the data."),
    ] = "",
    eval_every: Annotated[
        int | None, typer.Option(min=1, help="Steps between evaluations; default: the preset's.")
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(min=0, help="Of an evaluation, 0: none; default: the preset's.")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Steps of an episode; default: the environment's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Settings of the learner: key=value, repeat for several."),
    ] = None,
    reading: Annotated[str, typer.Option(help=READING_HELP)] = "{}",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
) -> None:
    """Train a policy from fixed data, judge it on the way, and keep it in a folder.

    A policy that acts while its reward is learned: `vlfeedback train --online --help`.

    After a stop, however sudden, the same command goes on from the last evaluation, and ends with
    the policy of a training that never stopped.

    Example: vlfeedback train --learner iql --data relabelled --steps 20000 --out policy

    Example: vlfeedback train --learner cpl --data cartpole --labels labels.parquet --out policy

    Example: vlfeedback train --learner p-iql --preset offline-rl-vlm-f --data cartpole
    --labeller rl-vlm-f --set-labeller model=gpt-5-mini --out policy
    """
    from vlfeedback.cli.one_task import task_of_data
    from vlfeedback.cli.train_labels import label_first, sampler_of
    from vlfeedback.data.learning_episodes import forget_stops
    from vlfeedback.data.preferences import PreferenceDataset
    from vlfeedback.offline import train_policy
    from vlfeedback.offline.learners import get_learner
    from vlfeedback.offline.presets import get_preset

    overrides = check_no_argument(parse_settings(settings or ()), train_policy, of="the learner")
    protocol, reads = get_preset(preset), get_learner(learner).reads
    if "preferences" in reads and labels is None and not labeller:
        raise NeedsError(
            f"{learner} learns from labelled pairs; give --labels, or --labeller to make some. To "
            "look at them first: "
            f"{_command('label', data, reading, '--labeller teacher --out labels.parquet')}"
        )
    if labeller and ("preferences" not in reads or labels is not None):
        why = f"{learner} reads no labels" if labels is None else "--labels has labels already"
        raise InvalidValueError(f"{why}; leave --labeller {labeller} out.")
    trajectories = read_data(data, reading, task)
    from_source = overrides.get("rewards", "source") == "source"
    if (
        "rewards" in reads
        and from_source
        and any(trajectory.rewards is None for trajectory in trajectories)
    ):
        raise NeedsError(
            f"{learner} learns from a source's rewards and {data} has none. Give it some, such as "
            "the environment's own: "
            f"{_command('relabel', data, reading, f'--source env --out {copy_name(data)}')}"
        )
    preferences = None
    shown = forget_stops(trajectories) if rest else trajectories
    if labels is not None:
        preferences = PreferenceDataset.load(labels, shown)
    elif labeller:
        preferences = label_first(
            shown,
            labeller,
            label_settings or (),
            instruction=task_of_data(task, data).instruction if task else "",
            n_pairs=pairs or protocol.n_pairs,
            length=length or protocol.segment_length,
            sampler=sampler_of(preset),
            seed=seed,
            device=device,
            save_to=out / "labels.parquet",
        )
    learnt = trajectories
    if "trajectories" in reads or overrides.get("replay"):
        learnt = _to_learn(trajectories, data, levels, rest)
    elif levels:
        raise InvalidValueError(
            f"{learner} learns from labelled pairs alone; leave --levels {levels} out, and label "
            "pairs of those."
        )
    n_episodes = protocol.n_episodes if episodes is None else episodes
    evaluator = _evaluator(trajectories, data, task, env, n_episodes, horizon)
    if evaluator is not None and trajectories:
        evaluator.check_fits(trajectories[0])
    with LossBars() as report:
        policy = train_policy(
            learner,
            trajectories=learnt,
            preferences=preferences,
            preset=preset,
            n_steps=steps or protocol.n_steps,
            seed=seed,
            evaluator=evaluator,
            eval_every=eval_every or protocol.eval_every,
            device=device,
            out=out,
            report=report,
            **overrides,
        )
    _print(policy.curve)
    if pairs := policy.notes.get("reward_model", {}).get("pairs"):
        typer.echo(f"Reward model: {pairs}")
    typer.echo(
        f"{out}: {learner} trained for {policy.config['n_steps']} steps in {policy.seconds:.0f} "
        "s. Next, in Python:\n\n"
        "from vlfeedback.offline import TrainedPolicy\n"
        f"policy = TrainedPolicy.load({str(out)!r}).algo\n"
        "actions = policy.predict(observations)  # (B, D) to (B, A)"
    )


def _command(name: str, data: str, reading: str, others: str) -> str:
    return f"{shlex.join(['vlfeedback', name, *data_options(data, reading)])} {others}"


def _to_learn(
    trajectories: list[Trajectory], data: str, levels: str, rest: bool
) -> list[Trajectory]:
    """What is learnt from; says so where it is not all that was recorded."""
    from vlfeedback.cli.task_option import split_names
    from vlfeedback.data.learning_episodes import episodes_to_learn

    knows_stops = any(trajectory.stopped_at is not None for trajectory in trajectories)
    chosen = split_names(levels) if levels else None
    whole, episodes = (
        episodes_to_learn(trajectories, rest=kept, levels=chosen, where=data)
        for kept in (True, rest or not knows_stops)
    )
    n_steps, n_left = (sum(map(len, of)) for of in (whole, episodes))
    if n_left < n_steps:
        typer.echo(
            f"Learning from {n_left:,} of {n_steps:,} steps: the others were recorded after their "
            "script's stop or first success. --rest learns from them too."
        )
    return episodes


def _evaluator(
    trajectories: list[Trajectory],
    data: str,
    task: str,
    env: str,
    n_episodes: int,
    horizon: int | None,
) -> PolicyEvaluator | None:
    """What judges the policy; None where nothing says in which environment."""
    from vlfeedback.cli.one_task import task_of_data
    from vlfeedback.collecting.settings import steps_of
    from vlfeedback.data.learning_episodes import env_options_of
    from vlfeedback.errors import UnknownNameError
    from vlfeedback.offline import PolicyEvaluator

    if n_episodes == 0:
        return None
    if env:
        steps_of(env)  # which says what is no id
        return PolicyEvaluator(env, seeds=range(n_episodes), horizon=horizon)
    tasks = {trajectory.task for trajectory in trajectories}
    try:
        spec = task_of_data(task or (tasks.pop() if len(tasks) == 1 else ""), data)
    except UnknownNameError:
        if task:
            raise
        typer.echo("The data name no known task; the policy is not judged. Say --task or --env.")
        return None
    return PolicyEvaluator(
        spec.env_id,
        seeds=range(n_episodes),
        horizon=horizon,
        success_key=spec.success_key,
        env_options=env_options_of(trajectories, where=data) if trajectories else None,
    )


def _print(curve: EvaluationCurve) -> None:
    from rich.table import Table

    from vlfeedback.cli.console import console

    if not len(curve):
        return
    table = Table("steps", "success", "return")
    rows = zip(curve.steps, curve.means(), curve.means("return"), strict=True)
    for step, success, gain in rows:
        table.add_row(f"{step:,}", f"{success:.0%}", f"{gain:.4g}")
    screen = console()
    screen.print(table)
    screen.print(
        f"Best mean of 8 evaluations in a row: success {curve.best():.0%}, return "
        f"{curve.best(of='return'):.4g}."
    )
