"""`vlfeedback answers`: what models have answered and cost so far, to look at and to share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlfeedback.cli.output_options import file_to_write

if TYPE_CHECKING:
    from vlfeedback.vlms.ledger.store import AnswerStore
    from vlfeedback.vlms.ledger.store_totals import Spent, Total

__all__ = ["answers_app"]

answers_app = typer.Typer(
    no_args_is_help=True,
    help="Answers of vision-language models: what is kept, what it cost, and how to share it.",
)

StoreOption = Annotated[
    str, typer.Option(help="The store; default: answers.sqlite in the user's cache folder.")
]


@answers_app.command("show")
def show(
    store: StoreOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show how many answers are kept, by model, prompt and outcome, and what has been spent.

    Example: vlfeedback answers show
    """
    opened = _open(store)
    totals, spent = opened.totals(), opened.spent()
    if as_json:
        printed = {"answers": [asdict(total) for total in totals], "spent": asdict(spent)}
        typer.echo(json.dumps({"store": str(opened.path), **printed}, indent=2))
    else:
        _print_tables(opened, totals, spent)


@answers_app.command("export")
def export(
    file: Annotated[
        Path,
        typer.Argument(
            callback=file_to_write, help="Parquet file to write.", metavar="FILE", dir_okay=False
        ),
    ],
    store: StoreOption = "",
    prompt: Annotated[str, typer.Option(help="Only answers to this, such as rl-vlm-f/1.")] = "",
    model: Annotated[str, typer.Option(help="Only answers of this model.")] = "",
) -> None:
    """Write answers to a file for others, who then need not pay for them again.

    It holds words, replies and digests of pictures, but no picture and no key.

    Example: vlfeedback answers export drawer.parquet --prompt rl-vlm-f/1
    """
    n_written = _open(store).export(file, prompt=prompt, model=model)
    typer.echo(f"{n_written:,} answers are in {file}. Next: vlfeedback answers import {file}")


@answers_app.command("import")
def add(
    file: Annotated[Path, typer.Argument(help="What `export` wrote.", metavar="FILE")],
    store: StoreOption = "",
) -> None:
    """Add the answers of a file to the store: the same questions are then not asked.

    What is there stays. The answers count towards no budget: somebody else has paid.

    Example: vlfeedback answers import drawer.parquet
    """
    from vlfeedback.vlms.ledger.store import AnswerStore

    opened = AnswerStore(_path(store))
    done = opened.add_from(file.expanduser())
    typer.echo(
        f"{done.added:,} answers are added to {opened.path}, and {done.already_there:,} were there."
    )


@answers_app.command("check")
def check(store: StoreOption = "") -> None:
    """Compare every answer with its checksum and its question with its key.

    The exit status is 1 where one is damaged.

    Example: vlfeedback answers check
    """
    from vlfeedback.cli.progress import counting_progress

    opened = _open(store)
    n_answers = sum(total.answers for total in opened.totals())
    with counting_progress() as progress:
        task = progress.add_task("checking", total=n_answers)
        n_whole = opened.check(lambda n_done: progress.update(task, completed=n_done))
    typer.echo(f"All {n_whole:,} answers in {opened.path} are as they were written.")


def _open(store: str) -> AnswerStore:
    """The store, which has to be there."""
    from vlfeedback.vlms.ledger.store import AnswerStore

    path = _path(store)
    if not path.is_file():
        raise FileNotFoundError(
            f"No store of answers {path}: no model has been asked yet, or it kept its answers "
            "elsewhere (--store)."
        )
    return AnswerStore(path)


def _path(store: str) -> Path:
    from vlfeedback.errors import NeedsError
    from vlfeedback.vlms.ledger.store import store_path

    path = store_path(store)
    if path is None:
        raise NeedsError("--store none keeps no answers; name a file.")
    return path


def _print_tables(store: AnswerStore, totals: Sequence[Total], spent: Spent) -> None:
    from rich.table import Table

    from vlfeedback.cli.console import console
    from vlfeedback.vlms.ledger.prices import dollars

    screen = console()
    table = Table("model", "prompt", "outcome")
    for column in ("answers", "tokens read", "written", "cost"):
        table.add_column(column, justify="right")
    for total in totals:
        cost = "unknown" if total.unpriced == total.answers else dollars(total.cost_usd)
        counts = (total.answers, total.tokens_in, total.tokens_out)
        table.add_row(
            *(total.model, total.prompt, total.outcome), *(f"{count:,}" for count in counts), cost
        )
    screen.print(table)
    unknown = f", beside {spent.unpriced:,} at an unknown price" if spent.unpriced else ""
    screen.print(
        f"Spent here, in {spent.requests:,} requests of which {spent.failed:,} failed: "
        f"{dollars(spent.usd)}{unknown}, and {spent.tokens:,} tokens."
    )
    screen.print(f"Kept in {store.path}", soft_wrap=True)
