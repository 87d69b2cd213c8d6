"""The `vlfeedback` command and its subcommands."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vlfeedback.cli import (
    answers,
    bench,
    browse,
    collect,
    diagnose,
    doctor,
    evaluate,
    evaluate_progress,
    evaluate_vlp,
    explain,
    fit,
    fit_clip,
    fit_reward,
    goals,
    instructions,
    label,
    listing,
    relabel,
    report,
    serve,
    sweep,
    train,
    train_online,
    weights,
)
from vlfeedback.cli.console import plain
from vlfeedback.cli.messages import message_of, options_of
from vlfeedback.errors import VLFeedbackError, VLFeedbackWarning

__all__ = ["app", "main"]

_RESUMABLE = ("collect", "label", "relabel", "serve", "train", "train-online", "sweep")
_STOPPED = 130  # exit code of what Ctrl-C ended, as shells have it


class _Commands(TyperGroup):
    """All commands; Ctrl-C ends each of them in one line."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # Two trainings with hardly an option in common, and one name for both.
        if args[0] == "train" and "--online" in args:
            args = ["train-online", *(text for text in args[1:] if text != "--online")]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            resumable = ctx.invoked_subcommand in _RESUMABLE
            text = "Stopped. The same command goes on from there." if resumable else "Stopped."
            typer.secho(text, fg="red", err=True)
            raise typer.Exit(_STOPPED) from None


app = typer.Typer(
    name="vlfeedback",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(value: bool) -> bool:
    if value:
        from vlfeedback import __version__

        typer.echo(f"vlfeedback {__version__}")
        raise typer.Exit
    return value


@app.callback()
def _describe(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Rewards and preference labels from vision-language models, for any Gymnasium env."""


app.command("list")(listing.list_names)
app.command("doctor")(doctor.doctor)
app.command("collect")(collect.collect)
app.command("browse")(browse.browse)
app.command("goals")(goals.goals)
app.command("explain")(explain.explain)
app.command("label")(label.label)
app.command("serve")(serve.serve)
app.command("relabel")(relabel.relabel)
app.command("train")(train.train)
app.command("train-online", hidden=True)(train_online.train_online)
app.command("sweep")(sweep.sweep)
app.command("report")(report.report)
fit.fit_app.command("vlp-clip")(fit_clip.fit_vlp_clip)
fit.fit_app.command("reward")(fit_reward.fit_reward)
app.add_typer(fit.fit_app, name="fit")
evaluate.eval_app.command("vlp")(evaluate_vlp.eval_vlp)
evaluate.eval_app.command("source")(diagnose.eval_source)
evaluate.eval_app.command("progress")(evaluate_progress.eval_progress)
evaluate.eval_app.command("bench")(bench.eval_bench)
app.add_typer(evaluate.eval_app, name="eval")
app.add_typer(weights.weights_app, name="weights")
app.add_typer(instructions.instructions_app, name="instructions")
app.add_typer(answers.answers_app, name="answers")


def _show_warning(
    show: Callable[..., None], message: Warning | str, category: type[Warning], *place: Any
) -> None:
    """The library's own warnings as a sentence; others with the line that gave them."""
    if issubclass(category, VLFeedbackWarning):
        typer.secho(plain(f"Warning: {message}"), fg="yellow", err=True)
    else:
        show(message, category, *place)


def main() -> None:
    """Run the command line.

    What the library raises on purpose, and what the system refuses, ends in a sentence and exit
    code 1; anything else is a mistake of ours and keeps its trace.
    """
    warnings.showwarning = partial(_show_warning, warnings.showwarning)
    try:
        app()
    except (VLFeedbackError, OSError) as error:
        options = options_of(typer.main.get_command(app), sys.argv[1:])
        typer.secho(plain(message_of(error, options)), fg="red", err=True)
        sys.exit(1)
