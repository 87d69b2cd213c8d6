"""`vlfeedback eval source`: is this reward any good on this task? Asked before any training."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlfeedback.cli.progress import counting_progress

if TYPE_CHECKING:
    from vlfeedback.cli.source_choice import SourceChoice
    from vlfeedback.evaluation.diagnosis.diagnose import Diagnosis
    from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs
    from vlfeedback.types import RewardSource, Trajectory

__all__ = ["eval_source"]


def eval_source(
    source: Annotated[
        list[str],
        typer.Option(
            help="ID, or NAME=ID to call it so; see `vlfeedback list rewards`. Repeat to compare."
        ),
    ],
    task: Annotated[str, typer.Option(help="See `vlfeedback list tasks`.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE, a setting of the source; with several sources NAME.KEY=VALUE. VALUE "
            "is JSON, else text. Repeat for more.",
        ),
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, max=999, help="Episodes a level.")] = 8,
    horizon: Annotated[
        int | None, typer.Option(min=2, max=500, help="Steps of each; default: 150, CartPole: 100.")
    ] = None,
    size: Annotated[int, typer.Option(min=8, help="Side of pictures, px.")] = 112,
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of clips, of each kind.")] = 200,
    length: Annotated[int, typer.Option(min=2, help="Steps of a clip.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same episodes and pairs.")] = 0,
    camera: Annotated[
        str, typer.Option(help="The other camera in Meta-World; '' for none.")
    ] = "corner2",
    data: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Take episodes from a folder of `vlfeedback collect` instead."
        ),
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep the episodes here, to use again.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write all figures here.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write one page of HTML, films included.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Processes that collect.")] = (
        os.cpu_count() or 1
    ),
) -> None:
    """Say whether a reward is good, weak or useless here, before a policy is trained on it.

    Fresh scripted episodes (expert, medium, random actions) are scored by every source: does it
    tell better clips from worse, success from failure, forwards from backwards, the right
    instruction from a wrong one; does another camera or wording change its mind; how fast is it.
    A source that compares with a picture of the goal and is given none gets the end of an expert
    episode that is not evaluated.

    Example: vlfeedback eval source --source vlp --task drawer-close --page diagnosis.html

    Example: vlfeedback eval source --source vlp --source chance=random --set chance.seed=3 --task
    drawer-close
    """
    from vlfeedback.cli.diagnosis_episodes import (
        collect_fresh,
        collecting,
        load_episodes,
        retake_episodes,
    )
    from vlfeedback.cli.diagnosis_report import print_tables, write_page
    from vlfeedback.cli.source_choice import parse_sources
    from vlfeedback.evaluation.diagnosis.inputs import choose_episodes, prepare_diagnosis
    from vlfeedback.optional import require
    from vlfeedback.tasks import get_task

    start = time.monotonic()
    name = get_task(task).name
    chosen = parse_sources(source, settings or [])
    made = {c.name: _make(c, device) for c in chosen if not c.lacks_goal}
    if page is not None:
        require("matplotlib", extra="vision", needed_by="A page")
    asked: dict[str, Any] = {"episodes": episodes, "pairs": pairs, "length": length}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if data is not None:
            given = load_episodes(data, name)
            asked["data"] = str(data)
        else:
            needs = [made[c.name].needs if c.name in made else c.needs for c in chosen]
            asked["collected"] = collecting(name, needs, episodes, horizon, size, seed)
            given = collect_fresh(clips or scratch, name, asked["collected"], workers)
        evaluated, rest = choose_episodes(given, episodes)
        folder = _beside(page, json_path) or scratch
        evaluated, goals = _make_with_goals(chosen, made, evaluated, rest, folder, device)
        exam = prepare_diagnosis(
            evaluated,
            name,
            n_pairs=pairs,
            length=length,
            seed=seed,
            retaken=retake_episodes(evaluated, name, camera),
            camera=camera,
        )
        found = _diagnose({c.name: made[c.name] for c in chosen}, exam)
        results = _results(chosen, made, goals, exam, found) | {
            "command": "vlfeedback " + " ".join(sys.argv[1:]),
            "seed": seed,
            "settings": asked,
            "seconds": round(time.monotonic() - start, 1),
        }
        print_tables(results)
        if json_path is not None:
            json_path.parent.mkdir(parents=True, exist_ok=True)
            json_path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        if page is not None:
            write_page(page, results, found, exam)
            typer.echo(f"Look at {page}")


def _make(choice: SourceChoice, device: str) -> RewardSource:
    from vlfeedback.rewards import make_reward_source

    made = make_reward_source(choice.id, device=device, **choice.settings)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)  # so that speeds mean the same on every machine
    return made


def _beside(*paths: Path | None) -> Path | None:
    """The folder of what is written, if anything is."""
    return next((path.parent for path in paths if path is not None), None)


def _make_with_goals(
    chosen: Sequence[SourceChoice],
    made: dict[str, RewardSource],
    evaluated: list[Trajectory],
    rest: Sequence[Trajectory],
    folder: Path,
    device: str,
) -> tuple[list[Trajectory], dict[str, str]]:
    """Make what waits for a picture of the goal; the episodes left, and where goals are from."""
    from vlfeedback.cli.diagnosis_episodes import write_goal
    from vlfeedback.evaluation.diagnosis.inputs import choose_goal_episode

    waiting = [choice for choice in chosen if choice.name not in made]
    if not waiting:
        return evaluated, {}
    shown, evaluated = choose_goal_episode(evaluated, rest)
    path = write_goal(shown, folder)
    success = shown.successes is not None and bool(shown.successes.any())
    note = (
        f"goal: the last picture of {shown.id}, which is not evaluated"
        f"{'' if success else ' and does not succeed'}; {path.name}"
    )
    for choice in waiting:
        made[choice.name] = _make(choice.with_goal(str(path)), device)
    return evaluated, {choice.name: note for choice in waiting}


def _diagnose(made: Mapping[str, RewardSource], exam: DiagnosisInputs) -> dict[str, Diagnosis]:
    from vlfeedback.evaluation.diagnosis.diagnose import diagnose

    found = {}
    with counting_progress() as progress:
        for name, source in made.items():
            bar = progress.add_task(name, total=None)
            found[name] = diagnose(
                source,
                exam,
                report=lambda part, done, total, _, bar=bar, name=name: progress.update(  # type: ignore[misc]
                    bar,
                    completed=done,
                    total=total,
                    description=name if done == total else f"{name}: {part}",
                ),
            )
    return found


def _results(
    chosen: Sequence[SourceChoice],
    made: Mapping[str, RewardSource],
    goals: Mapping[str, str],
    exam: DiagnosisInputs,
    found: Mapping[str, Diagnosis],
) -> dict[str, Any]:
    """All that is known, ready for JSON."""
    from vlfeedback.data.provenance import describe_machine
    from vlfeedback.evaluation.diagnosis.results import describe_diagnosis, describe_inputs
    from vlfeedback.rewards import source_to_json

    sources = {
        c.name: {
            "id": c.id,
            "settings": source_to_json(made[c.name])["params"],
            **({"goal": goals[c.name]} if c.name in goals else {}),
            **describe_diagnosis(found[c.name]),
        }
        for c in chosen
    }
    verdicts = {name: row["verdict"] for name, row in sources.items()}
    return {
        "verdicts": verdicts,
        "sources": sources,
        **describe_inputs(exam),
        **describe_machine(),
    }
