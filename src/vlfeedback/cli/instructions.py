"""`vlfeedback instructions`: what there is to say about each task, and a model that says more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.output_options import file_to_write
from vlfeedback.cli.task_option import parse_tasks
from vlfeedback.data.instruction_file import InstructionFile
from vlfeedback.data.unseen_instructions import LanguageKind, unseen_instructions

__all__ = ["instructions_app"]

instructions_app = typer.Typer(no_args_is_help=True, help="Show or write instructions.")


@instructions_app.callback()
def _describe() -> None:
    """Show the instructions of a task, or have a language model write others."""


@instructions_app.command("show")
def show(
    task: Annotated[str, typer.Argument(help="Name of a task; `vlfeedback list tasks`.")],
    kind: Annotated[
        LanguageKind, typer.Option(help="seen: the corpus; the others are kept for testing.")
    ] = "seen",
) -> None:
    """Print the instructions of a task, one a line.

    Example: vlfeedback instructions show drawer-close --kind "correct colour"
    """
    for text in unseen_instructions(task, kind):
        typer.echo(text)


@instructions_app.command("write")
def write(
    model: Annotated[str, typer.Option(help="Name of the model, as the server knows it.")],
    out: Annotated[
        Path, typer.Option(callback=file_to_write, help="JSON file to write; run again to resume.")
    ],
    base_url: Annotated[
        str, typer.Option(help="Root of an OpenAI-compatible API; default: OpenAI's own.")
    ] = "",
    tasks: Annotated[
        str, typer.Option(help="Comma-separated task names; default: all 50 Meta-World tasks.")
    ] = "",
    count: Annotated[int, typer.Option(min=1, help="Instructions a task; the paper has 40.")] = 40,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Show the model a picture of each task.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds to wait for an answer.")] = 120.0,
) -> None:
    """Have a language model write instructions, with the prompt of the VLP paper.

    The API key is read from OPENAI_API_KEY, for any server; one of your own may need none.
    Tasks that are in the file already are skipped.

    Example: vlfeedback instructions write --model gpt-4o --out instructions.json --pictures
    """
    from vlfeedback.tasks import METAWORLD_TASKS
    from vlfeedback.vlms.instruction_writer import PROMPT_VERSION

    names = parse_tasks(tasks) if tasks else [*METAWORLD_TASKS]
    provenance = {
        "model": model,
        "prompt": PROMPT_VERSION,
        "count": count,
        "pictures": pictures,
    }
    with InstructionFile.opened(out, provenance) as file:
        missing = [name for name in names if name not in file.phrases]
        if missing:
            try:
                _write_missing(file, missing, base_url, timeout)
            except BaseException:
                n_finished = sum(name in file.phrases for name in names)
                where = f"{n_finished} of {len(names)} tasks are in {out}"
                typer.echo(f"{where}; go on with the same command.", err=True)
                raise
    total = sum(len(file.phrases[name]) for name in names)
    typer.echo(f"{total} instructions of {len(names)} tasks are in {out}.")


def _write_missing(
    file: InstructionFile, missing: list[str], base_url: str, timeout_s: float
) -> None:
    from vlfeedback.cli.progress import counting_progress
    from vlfeedback.collecting import picture_task
    from vlfeedback.errors import NeedsError
    from vlfeedback.tasks import get_task
    from vlfeedback.vlms.instruction_writer import write_instructions
    from vlfeedback.vlms.settings import VLMSettings
    from vlfeedback.vlms.vlm import VLM

    count = int(file.provenance["count"])
    refused: dict[str, str] = {}
    model = str(file.provenance["model"])
    # The file keeps what is good; what is not has to be able to turn out better another time.
    settings = VLMSettings(model=model, base_url=base_url, timeout_s=timeout_s, store="none")
    with VLM(settings) as vlm, counting_progress() as progress:
        for task in progress.track(missing, description="asking"):
            picture = picture_task(get_task(task)) if file.provenance["pictures"] else None
            owners = {text: owner for owner, texts in file.phrases.items() for text in texts}
            try:
                phrases = write_instructions(vlm, task, count, picture, taken=owners)
            except NeedsError as error:  # of this task; the others may still succeed
                refused[task] = str(error)
            else:
                file.add(task, phrases)
    if refused:
        raise NeedsError(
            f"{len(refused)} of {len(missing)} tasks are missing: {', '.join(refused)}. "
            f"{next(iter(refused.values()))} Then run the same command again."
        )
