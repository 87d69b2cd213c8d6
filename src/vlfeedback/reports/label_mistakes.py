"""Pictures of the pairs that a source labelled wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlfeedback.data.foreign_files import path_inside
from vlfeedback.evaluation.labels.failures import Mistake
from vlfeedback.evaluation.labels.pairings import picture_stride
from vlfeedback.figures.contact_sheet import contact_sheet

__all__ = ["write_mistake_sheets"]


def write_mistake_sheets(mistakes: Sequence[Mistake], task: str, folder: str | Path) -> None:
    """Write one contact sheet a mistake: the better segment above the one that was preferred.

    Args:
        mistakes: of `surest_mistakes`, their trajectories with pictures.
        task: begins the names of the files, ``<task>-<pairing>-<number>.png``.
        folder: must exist.

    Raises:
        NeedsError: a trajectory has no pictures.
        MissingExtraError: Pillow is not installed.
        InvalidValueError: `task` leads out of the folder.
    """
    from matplotlib.image import imsave

    folder = Path(folder)
    for number, mistake in enumerate(mistakes):
        rows = (
            ("better", mistake.better, mistake.score_better, mistake.return_better),
            ("worse, preferred", mistake.worse, mistake.score_worse, mistake.return_worse),
        )
        videos, captions = [], []
        for name, shown, score, gain in rows:
            stride = picture_stride([shown.segment.trajectory])
            pictures = shown.segment.read("frames", stride=stride)
            videos.append(pictures[::-1] if shown.reversed else pictures)
            level = shown.segment.trajectory.level
            captions.append(
                f"{name}: {level}, from step {shown.segment.start}"
                + (", backwards" if shown.reversed else "")
                + ("" if gain is None else f", return {gain:.1f}")
                + ("" if score is None else f", score {score:.2f}")
                + f", '{shown.instruction}'"
            )
        name = f"{task}-{mistake.pairing}-{number}.png"
        imsave(path_inside(folder, name, where="A task's name"), contact_sheet(videos, captions))
