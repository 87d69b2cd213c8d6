"""One page of an exam: a table a figure, ours beside what papers print, and clips to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.whole_files import new_file
from vlfeedback.evaluation.bench import Exam, TakenExam
from vlfeedback.evaluation.bench.extremes import PlacedClip
from vlfeedback.figures.contact_sheet import contact_sheet
from vlfeedback.figures.inline_picture import picture_uri
from vlfeedback.reports.metric_cells import metric_cell
from vlfeedback.reports.pages import render_page
from vlfeedback.reports.provenance import describe_provenance
from vlfeedback.types import SourceNeeds

__all__ = ["bench_page", "write_bench_page"]

_PICTURES = 8  # of a clip
_PARTS = 12  # columns of data sets or tasks; more would not fit a page


def write_bench_page(path: str | Path, taken: TakenExam, results: Mapping[str, Any]) -> None:
    """Draw the best and worst clips of every source and write the page.

    Args:
        path: the page; its folder is made.
        taken: of `vlfeedback.evaluation.bench.take_exam`.
        results: its results, and the ``command`` and the ``published`` figures that belong to them.

    Raises:
        MissingExtraError: Pillow or matplotlib is not installed.
    """
    sheets = {
        name: picture_uri(sheet)
        for name in taken.best
        if (sheet := _sheet(taken.exam, taken.best[name], taken.worst[name])) is not None
    }
    with new_file(Path(path)) as partial:
        partial.write_text(bench_page(results, sheets=sheets), encoding="utf-8")


def bench_page(results: Mapping[str, Any], *, sheets: Mapping[str, str]) -> str:
    """A page of HTML that needs no other file.

    Args:
        results: as `vlfeedback eval bench --out results.json` writes them.
        sheets: by source, its best and worst clips as a data URI; none for a source without.
    """
    exam, sources = results["exam"], results["sources"]
    answered = {name: row for name, row in sources.items() if "figures" in row}
    return render_page(
        "bench",
        title=exam["title"],
        facts=_facts(results),
        notes=exam["notes"],
        not_asked={name: row["not_asked"] for name, row in sources.items() if "not_asked" in row},
        unreadable=exam["unreadable"],
        tables=[
            _table(key, kind, answered, results["published"])
            for key, kind in results["legend"].items()
        ],
        sheets={name: sheets[name] for name in answered if name in sheets},
        settings={name: _settings(row) for name, row in sources.items()},
        exam_settings=json.dumps(exam["settings"]),
        provenance=describe_provenance(results),
    )


def _facts(results: Mapping[str, Any]) -> str:
    exam = results["exam"]
    sets = f"{len(exam['sets'])} data sets, " if len(exam["sets"]) > 1 else ""
    tie = {0.0: "wrong", 0.5: "half right"}.get(exam["tie_credit"], str(exam["tie_credit"]))
    said = "after its last picture" if results["clip_score"] == "last" else "along it, on average"
    return (
        f"{exam['clips']:,} clips of {exam['tasks']:,} tasks, {sets}{exam['pairs']:,} pairs, "
        f"{exam['rising']:,} clips that get on from beginning to end. The score of a clip is what "
        f"a source says {said}; a tie of two scores is {tie}."
    )


def _table(
    key: str,
    kind: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, Any]],
    published: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """One figure: rows of sources, rules and models of papers."""
    parts = list(
        dict.fromkeys(part for row in sources.values() for part in row["parts"].get(key, ()))
    )
    if len(parts) > _PARTS:
        parts = []
    scale = 100 if kind["unit"] == "%" else 1
    rows = [
        {
            "name": name,
            "is_rule": row["is_rule"],
            "cell": metric_cell(row["figures"][key], kind),
            "parts": [_part(row["parts"].get(key, {}).get(part), kind["unit"]) for part in parts],
        }
        for name, row in sources.items()
    ]
    papers = [
        {
            "model": row["model"],
            "value": f"{scale * row['value']:.{1 if scale == 100 else 3}f}" + " %" * (scale == 100),
            "paper": row["title"],
            "about": row["source"],
        }
        for row in published
        if row["metric"] == key
    ]
    if kind["unit"] == "points":
        papers.reverse()
    return {
        "title": kind["title"],
        "meaning": kind["meaning"],
        "parts": parts,
        "rows": rows,
        "papers": papers,
    }


def _part(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.0f}" if unit == "%" else f"{value:.2f}"


def _settings(row: Mapping[str, Any]) -> str:
    return f"{row['class'].rpartition(':')[2]} {json.dumps(row['settings'])}"


def _sheet(
    exam: Exam, best: Sequence[PlacedClip], worst: Sequence[PlacedClip]
) -> np.ndarray | None:
    """Rows of pictures, the worst first; None where no clip was in a pair."""
    rows, captions = [], []
    for word, placed in (("worst", worst), ("best", best)):
        for clip_placed in placed:
            clip = exam.clips[clip_placed.place]
            rows.append(_pictures(exam, clip_placed.place))
            captions.append(
                f"{word}: right in {clip_placed.right:g} of {clip_placed.n_pairs} pairs; known: "
                f"{clip.known}; “{clip.instruction}”; {clip.id}"
            )
    return contact_sheet(rows, captions) if rows else None


def _pictures(exam: Exam, place: int) -> np.ndarray:
    needs = SourceNeeds(frames=True)
    frames = exam.clips[place].reader.load()(needs).frames
    times = np.arange(0) if frames is None else frames.times
    places = np.rint(np.linspace(0, len(times) - 1, min(_PICTURES, len(times)))).astype(np.int64)
    pictures = np.zeros((1, 8, 8, 3), np.uint8) if frames is None else frames.read(times[places])
    step = -(-pictures.shape[2] // 160)  # large pictures are thinned out
    return np.asarray(pictures[:, ::step, ::step])
