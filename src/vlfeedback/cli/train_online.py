"""`vlfeedback train --online`: a policy that learns while its reward is learned from labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.cli.one_task import parse_task
from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.settings import check_no_argument, parse_settings
from vlfeedback.errors import InvalidValueError

if TYPE_CHECKING:
    from vlfeedback.online import OnlineResult, SessionReport
    from vlfeedback.types import PreferenceSource

__all__ = ["train_online"]


def train_online(
    out: Annotated[
        Path,
        typer.Option(
            file_okay=False,
            callback=folder_to_fill,
            help="Folder for policy, reward model and labels; run again to go on.",
        ),
    ],
    labeller: Annotated[
        str,
        typer.Option(
            help="Who compares segments: see `vlfeedback list preferences`; 'none' learns from "
            "the environment's own reward, to compare with."
        ),
    ],
    preset: Annotated[
        str,
        typer.Option(
            help="Paper whose numbers are taken where nothing else is said, such as b-pref, "
            "few-labels-100, rl-vlm-f-drawer-open."
        ),
    ] = "",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of the environment; default: 100,000.")
    ] = None,
    task: Annotated[str, typer.Option(help="Name of the task: see `vlfeedback list tasks`.")] = "",
    env_id: Annotated[
        str, typer.Option("--env-id", help="In place of --task: your own environment.")
    ] = "",
    instruction: Annotated[
        str, typer.Option(help="What is to be done; default: the task's own words.")
    ] = "",
    label_settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set-labeller", help="Settings of --labeller: key=value, repeat for several."
        ),
    ] = None,
    max_labels: Annotated[
        int | None, typer.Option(min=1, help="Pairs asked about in all; default: 1,000.")
    ] = None,
    labels_per_session: Annotated[
        int | None, typer.Option(min=1, help="Pairs of a session; default: 50.")
    ] = None,
    steps_between_sessions: Annotated[
        int | None, typer.Option(min=1, help="From one session to the next; default: 5,000.")
    ] = None,
    segment_length: Annotated[
        int | None, typer.Option(min=1, help="Steps of a segment; default: 50.")
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="Which pairs: uniform, disagreement, entropy, k-center, k-center-disagreement "
            "or k-center-entropy; default: disagreement."
        ),
    ] = None,
    random_steps: Annotated[
        int | None, typer.Option(min=1, help="Of random actions, first; default: 1,000.")
    ] = None,
    exploration_steps: Annotated[
        int | None, typer.Option(min=0, help="Of seeking new states, then; default: 9,000.")
    ] = None,
    asynchronous: Annotated[
        bool | None,
        typer.Option(
            "--asynchronous/--synchronous",
            help="Act on while pairs are with the labeller, such as a person; default: wait.",
        ),
    ] = None,
    rime: Annotated[
        bool,
        typer.Option("--rime/--no-rime", help="Filter labels that may be wrong, as RIME does."),
    ] = False,
    rune: Annotated[
        bool,
        typer.Option("--rune/--no-rune", help="Seek what the reward model is unsure of, as RUNE."),
    ] = False,
    surf: Annotated[
        bool,
        typer.Option(
            "--surf/--no-surf", help="Learn from pairs without labels and from crops, as SURF does."
        ),
    ] = False,
    person: Annotated[
        str,
        typer.Option(
            help="PrefVLM: who is asked about what --labeller leaves uncertain, such as human."
        ),
    ] = "",
    person_settings: Annotated[
        list[str] | None, typer.Option("--set-person", help="Settings of --person: key=value.")
    ] = None,
    prefvlm_settings: Annotated[
        list[str] | None,
        typer.Option("--set-prefvlm", help="Of PrefVLM: human_budget=200, adapters=false, ..."),
    ] = None,
    algorithm: Annotated[
        str,
        typer.Option(
            help="sac, td3, ddpg, ppo or a2c; with JAX: sbx-sac, sbx-td3, sbx-ddpg, sbx-crossq, "
            "sbx-tqc."
        ),
    ] = "sac",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Settings of the algorithm: key=value, repeat for several."),
    ] = None,
    n_envs: Annotated[int, typer.Option(min=1, help="Environments that act together.")] = 1,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Steps of an episode; default: the environment's.")
    ] = None,
    eval_every: Annotated[int, typer.Option(min=1, help="Steps between evaluations.")] = 10_000,
    episodes: Annotated[int, typer.Option(min=0, help="Of an evaluation; 0: none.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same policy.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
) -> None:
    """Train a policy while its reward is learned: PEBBLE, with any labeller.

    After a stop, however sudden, the same command goes on, and ends with the policy of a training
    that never stopped.

    Example: vlfeedback train --online --task drawer-close --labeller vlp --out runs/drawer

    Example: vlfeedback train --online --task window-open --labeller teacher --max-labels 100
    --labels-per-session 5 --set-labeller mistake=0.1 --rime --out runs/window

    Example: vlfeedback train --online --task rlvlmf-drawer-open --labeller rl-vlm-f
    --set-labeller model=gpt-5-mini --preset rl-vlm-f-drawer-open --out runs/pictures

    Example: vlfeedback train --online --env-id Pendulum-v1 --instruction "swing the pendulum up"
    --labeller human --set-labeller queue=questions --asynchronous --out runs/pendulum
    """
    from dataclasses import replace

    from vlfeedback.online import (
        FeedbackConfig,
        OnlinePreset,
        PrefVLMConfig,
        RIMEConfig,
        RUNEConfig,
        SURFConfig,
        get_online_preset,
    )
    from vlfeedback.online import train_online as train
    from vlfeedback.setting_types import checked_settings

    numbers = OnlinePreset("", 100_000, FeedbackConfig(), algorithm_settings={})
    if preset:
        numbers = get_online_preset(preset)
        if algorithm.removeprefix("sbx-") != "sac":
            raise InvalidValueError(
                f"--preset {preset} has settings of SAC, and --algorithm is {algorithm}; leave one "
                "of them out."
            )
    given: dict[str, Any] = {
        "max_labels": max_labels,
        "labels_per_session": labels_per_session,
        "steps_between_sessions": steps_between_sessions,
        "segment_length": segment_length,
        "sampler": sampler,
        "random_steps": random_steps,
        "exploration_steps": exploration_steps,
        "asynchronous": asynchronous,
    }
    feedback = replace(numbers.config, **{k: v for k, v in given.items() if v is not None})
    spec = parse_task(task, env_id=env_id, instruction=instruction, data=None)
    source = None
    if labeller != "none":
        source = _make(labeller, label_settings, device)
    asked, prefvlm = None, None
    if person:
        asked = _make(person, person_settings, device)
        chosen = parse_settings(prefvlm_settings or ())
        prefvlm = PrefVLMConfig(**checked_settings(PrefVLMConfig, chosen, of="PrefVLM"))
    with LossBars() as report:
        result = train(
            spec,
            source,
            n_steps=steps or numbers.n_steps,
            seed=seed,
            config=feedback,
            reward=numbers.reward,
            training=numbers.training,
            label_filter=RIMEConfig() if rime else None,
            rune=RUNEConfig() if rune else None,
            surf=SURFConfig() if surf else None,
            person=asked,
            prefvlm=prefvlm,
            algorithm=algorithm,
            algorithm_settings={**numbers.algorithm_settings, **parse_settings(settings or ())},
            n_envs=n_envs,
            horizon=horizon,
            eval_every=eval_every,
            eval_episodes=episodes,
            device=device,
            out=out,
            report=report,
            on_session=lambda session, correlation: report.say(_of_session(session, correlation)),
        )
    _print(result)
    typer.echo(
        f"{out}: {result.n_asked} pairs asked about, {result.seconds / 60:.1f} min. Next: score "
        "recordings with what was learned, in Python:\n\n"
        "from vlfeedback import LearnedReward, RewardModel\n"
        f"source = LearnedReward(RewardModel.load({str(out / 'reward_model.safetensors')!r}))"
    )


def _make(name: str, settings: list[str] | None, device: str) -> PreferenceSource:
    from vlfeedback.preferences import make_preference_source

    given = check_no_argument(parse_settings(settings or ()), make_preference_source, of=name)
    return make_preference_source(name, device=device, **given)


def _of_session(session: SessionReport, correlation: float) -> str:
    """How well the reward model does, in a line."""
    told = []
    if session.foreseen is not None:
        told.append(f"{session.foreseen:.0%} of the new ones foreseen")
    if not math.isnan(session.train_accuracy):
        told.append(f"{session.train_accuracy:.0%} of all learnt")
    if session.disagreement is not None:
        told.append(f"disagreement {session.disagreement:.2f}")
    if not math.isnan(correlation):
        told.append(f"correlation with the true reward {correlation:.2f}")
    return f"{session.n_labels:,} labels: {', '.join(told) or 'nothing could be learnt'}"


def _print(result: OnlineResult) -> None:
    from rich.table import Table

    from vlfeedback.cli.console import console

    if not len(result.curve):
        return
    table = Table("steps", "success", "return", title="On the environment's own reward")
    curve = result.curve
    for step, success, gain in zip(curve.steps, curve.means(), curve.means("return"), strict=True):
        table.add_row(f"{step:,}", f"{success:.0%}", f"{gain:.4g}")
    console().print(table)
