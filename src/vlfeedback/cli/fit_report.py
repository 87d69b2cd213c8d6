"""How a reward model was fitted, as it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlfeedback.models.reward.fit import FitReport

__all__ = ["print_fit"]


def print_fit(report: FitReport) -> None:
    """A table of figures, why the training stopped, and its warnings."""
    from rich.table import Table

    from vlfeedback.cli.console import console

    table = Table("", "training", "validation")
    table.add_row("pairs", str(report.n_pairs), str(report.n_validation))
    table.add_row("accuracy", f"{report.train_accuracy:.3f}", f"{report.validation_accuracy:.3f}")
    curves = (report.train_losses, report.validation_losses)
    table.add_row("loss", *(f"{curve[-1]:.3f}" if curve else "nan" for curve in curves))
    table.add_row("calibration error", "", f"{report.calibration_error:.3f}")
    table.add_row("Brier score", "", f"{report.brier_score:.3f}")
    screen = console()
    screen.print(table)
    screen.print(report.pairs)
    reasons = {
        "accuracy": "training pairs are told apart",
        "validation": "validation pairs are told no better",
        "epochs": "that is how many were asked for",
    }[report.stopped]
    screen.print(f"Stopped after {report.epochs} passes: {reasons}.")
    for warning in report.warnings:
        screen.print(f"Warning: {warning}", style="yellow")
