"""`vlfeedback collect`: episodes of tasks, acted out by their scripts, a policy, or at random."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from vlfeedback.cli.env_option import parse_env_options
from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.task_option import parse_tasks, split_names
from vlfeedback.protocols import get_protocol
from vlfeedback.tasks import METAWORLD_TASKS, VLP_TEST_TASKS, TaskSpec, get_task, own_task

__all__ = ["collect"]

_LENGTH = 50  # steps of a segment, by default of `vlfeedback label`


def collect(
    out: Annotated[
        Path, typer.Option(callback=folder_to_fill, help="Folder to fill; run again to resume.")
    ],
    tasks: Annotated[
        str, typer.Option(help="Comma-separated task names; default: all 50 Meta-World tasks.")
    ] = "",
    env_id: Annotated[
        str,
        typer.Option(help="Instead of --tasks: any Gymnasium id, such as my_package:MyEnv-v0."),
    ] = "",
    instruction: Annotated[str, typer.Option(help="Of --env-id: what is to be done.")] = "",
    name: Annotated[
        str, typer.Option(help="Of --env-id: what files call the task; default: from the id.")
    ] = "",
    success_key: Annotated[
        str, typer.Option(help="Of --env-id: key of `info` that is truthy once it is done.")
    ] = "success",
    instruction_key: Annotated[
        str,
        typer.Option(
            help="Of --env-id: key of the observation or `info` that says what each episode asks "
            "for, such as mission."
        ),
    ] = "",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Who acts: module:function, which takes an observation and gives an action, a "
            "folder of `vlfeedback train`, or a .zip of stable-baselines3; for another level than "
            "expert, LEVEL=... May be given again."
        ),
    ] = None,
    levels: Annotated[
        str,
        typer.Option(
            help="Comma-separated levels; default: all that the tasks have but flawed and idle, "
            "which Meta-World's have for the asking."
        ),
    ] = "",
    episodes: Annotated[
        int | None, typer.Option(help="Trajectories a task and level, at most 1000; default: 32*.")
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(help="Steps of an episode; default: 150*, or the environment's own limit."),
    ] = None,
    random_actions: Annotated[
        Literal["u01", "box"] | None,
        typer.Option(
            help="u01: U[0, 1] as the VLP paper prints it; box: the whole box; default: u01*."
        ),
    ] = None,
    frame_stride: Annotated[
        int | None, typer.Option(help="Steps between pictures, 0 for none; default: 7*.")
    ] = None,
    frame_size: Annotated[
        int | None, typer.Option(min=8, help="Side of stored pictures, px; default: 112*, or 224.")
    ] = None,
    medium: Annotated[
        Literal["half-way", "near-object"] | None,
        typer.Option(
            help="Where a medium script stops; near-object is the VLP paper's flag; default: "
            "half-way."
        ),
    ] = None,
    ends: Annotated[
        Literal["rest", "run-on"] | None,
        typer.Option(help="What a script does once the task is done; default: rest."),
    ] = None,
    env_option: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE, a keyword argument of the environment, such as "
            "hand_starts=jittered or looks=varied; policies are judged under the same. May be "
            "given again."
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="A paper's settings, such as vlp; other options stand above them."),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same trajectories.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Collect episodes with pictures: of experts, half-way ones, and random ones.

    Of Meta-World's tasks it is a dataset like MTVLP. Scattered scenes come with it, on which
    `vlfeedback fit vlp` learns to read pictures. Any other environment has random episodes, and
    those of your policy.

    * Meta-World's; other tasks bring defaults of their own. CartPole has 1000 episodes of 100
    steps without pictures.

    Example: vlfeedback collect --out mtvlp --tasks drawer-close,door-open --episodes 8

    Example: vlfeedback collect --out towels --env-id my_package:FoldTowel-v0
    --instruction "fold the towel" --policy my_package:expert
    """
    from vlfeedback import collecting
    from vlfeedback.cli.progress import one_bar

    sys.path.append(os.getcwd())  # where a module of one's own is looked for as well
    specs = _tasks(tasks, env_id, instruction, name, success_key, instruction_key)
    overrides = {
        "episodes": episodes,
        "horizon": horizon,
        "random_actions": random_actions,
        "frame_stride": frame_stride,
        "frame_size": frame_size,
        "seed": seed,
        "medium": medium,
        "ends": ends,
        "env_options": parse_env_options(env_option) if env_option else None,
    }
    overrides = {key: value for key, value in overrides.items() if value is not None}
    if protocol:
        overrides = {**get_protocol(protocol).collecting, **overrides}
    if any(spec.collecting != specs[0].collecting for spec in specs):
        raise typer.BadParameter(
            f"{specs[-1].name} has settings of its own; collect it into another folder than "
            f"{specs[0].name}.",
            param_hint="--tasks",
        )
    settings = collecting.complete_settings(specs, overrides)
    for key, problem in collecting.unusable_settings(specs, settings).items():
        raise typer.BadParameter(problem, param_hint=f"--{key.replace('_', '-')}")
    start = time.monotonic()
    with one_bar("collecting") as report:
        n_collected = collecting.collect(
            out,
            specs,
            settings=settings,
            workers=workers,
            levels=split_names(levels) if levels else None,
            policies=_policies(policy or []),
            report=report,
        )
    typer.echo(
        f"{n_collected} trajectories collected in {time.monotonic() - start:.0f} s; all of "
        f"{len(specs)} tasks are in {out}. Next: {_next(out, specs, settings['horizon'])}"
    )


def _tasks(
    tasks: str, env_id: str, instruction: str, name: str, success_key: str, instruction_key: str
) -> list[TaskSpec]:
    if not env_id:
        given = {"instruction": instruction, "name": name, "instruction-key": instruction_key}
        for option, value in given.items():
            if value:
                raise typer.BadParameter(
                    "it is of --env-id; registered tasks have their own.",
                    param_hint=f"--{option}",
                )
        return [get_task(task) for task in (parse_tasks(tasks) if tasks else METAWORLD_TASKS)]
    if tasks:
        raise typer.BadParameter("give --tasks or --env-id, not both.", param_hint="--env-id")
    if not instruction:
        raise typer.BadParameter(
            "say in words what is to be done in this environment.", param_hint="--instruction"
        )
    return [
        own_task(
            env_id,
            instruction,
            success_key=success_key,
            name=name,
            instruction_key=instruction_key,
        )
    ]


def _policies(texts: list[str]) -> dict[str, str]:
    """``["mine:act", "medium=sac/medium.zip"]``: who acts, by level."""
    by_level: dict[str, str] = {}
    for text in texts:
        named = re.fullmatch(r"([\w.-]+)=(.+)", text)  # a path may hold a "=" too
        level, target = named.groups() if named else ("expert", text)
        by_level[level] = target
    return by_level


def _next(out: Path, specs: list[TaskSpec], horizon: int) -> str:
    """A command that makes something of these tasks; labels are of one of them."""
    from vlfeedback.types import SCATTERED

    trained_on = [s for s in specs if SCATTERED in s.levels and s.name not in VLP_TEST_TASKS]
    if len(trained_on) > 1:
        command = ["fit", "vlp", "--data", str(out), "--out", "vlp.mine.safetensors"]
        return shlex.join(["vlfeedback", *command])
    data = out if len(specs) == 1 else out / specs[0].name
    command = ["label", "--data", str(data), "--labeller", "teacher", "--out", "labels.parquet"]
    if horizon < _LENGTH:
        command += ["--length", str(max(1, horizon // 2))]
    return shlex.join(["vlfeedback", *command])
