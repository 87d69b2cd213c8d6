"""The `vlfeedback` command and its subcommands."""

from __future__ import annotations

import sys

import typer

from vlfeedback.cli import (
    browse,
    collect,
    diagnose,
    doctor,
    evaluate,
    evaluate_vlp,
    explain,
    fit,
    fit_clip,
    fit_reward,
    goals,
    instructions,
    listing,
    relabel,
    report,
    sweep,
    weights,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="vlfeedback",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _describe() -> None:
    """Rewards and preference labels from vision-language models, for any Gymnasium env."""


app.command("list")(listing.list_names)
app.command("doctor")(doctor.doctor)
app.command("collect")(collect.collect)
app.command("browse")(browse.browse)
app.command("goals")(goals.goals)
app.command("explain")(explain.explain)
app.command("relabel")(relabel.relabel)
app.command("sweep")(sweep.sweep)
app.command("report")(report.report)
fit.fit_app.command("vlp-clip")(fit_clip.fit_vlp_clip)
fit.fit_app.command("reward")(fit_reward.fit_reward)
app.add_typer(fit.fit_app, name="fit")
evaluate.eval_app.command("vlp")(evaluate_vlp.eval_vlp)
evaluate.eval_app.command("source")(diagnose.eval_source)
app.add_typer(evaluate.eval_app, name="eval")
app.add_typer(weights.weights_app, name="weights")
app.add_typer(instructions.instructions_app, name="instructions")

_USER_ERRORS = (LookupError, ValueError, TypeError, OSError, ImportError, RuntimeError)


def main() -> None:
    """Run the command line; errors of the library are printed as one sentence, without a trace."""
    try:
        app()
    except _USER_ERRORS as error:
        if not type(error).__module__.startswith("vlfeedback") and not isinstance(error, OSError):
            raise
        typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        sys.exit(1)
