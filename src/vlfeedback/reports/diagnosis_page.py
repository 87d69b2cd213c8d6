"""One page that says whether rewards are any good here: verdicts, figures and curves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlfeedback.data.whole_files import new_file
from vlfeedback.evaluation.diagnosis import DiagnosedSources
from vlfeedback.evaluation.diagnosis.metrics import show_value
from vlfeedback.evaluation.diagnosis.verdict import describe_rule
from vlfeedback.figures.inline_picture import data_uri
from vlfeedback.figures.level_curves import draw_cameras, draw_levels, draw_views
from vlfeedback.reports.metric_cells import metric_cell
from vlfeedback.reports.pages import render_page
from vlfeedback.reports.provenance import describe_provenance

__all__ = ["diagnosis_page", "write_diagnosis_page"]


def write_diagnosis_page(
    path: str | Path, diagnosed: DiagnosedSources, results: Mapping[str, Any]
) -> None:
    """Draw the curves of every source and write the page.

    Args:
        path: the page; its folder is made.
        diagnosed: of `vlfeedback.evaluation.diagnosis.diagnose_sources`.
        results: its results, and the ``command`` that they are of.

    Raises:
        MissingExtraError: matplotlib is not installed.
        NeedsError: the episodes have no pictures.
    """
    cameras, inputs = results["cameras"], diagnosed.inputs
    films = {
        name: data_uri(draw_levels(diagnosis.curves, unit="score"), dpi=100)
        for name, diagnosis in diagnosed.diagnoses.items()
    }
    scatters = {
        name: data_uri(draw_cameras(diagnosis.cameras, cameras=(cameras[0], cameras[1])))
        for name, diagnosis in diagnosed.diagnoses.items()
        if diagnosis.cameras is not None
    }
    views = None
    if inputs.retaken:
        views = data_uri(draw_views(*next(iter(inputs.retaken.items())), names=cameras))
    with new_file(Path(path)) as partial:
        page = diagnosis_page(results, films=films, scatters=scatters, views=views)
        partial.write_text(page, encoding="utf-8")


def diagnosis_page(
    results: Mapping[str, Any],
    *,
    films: Mapping[str, str],
    scatters: Mapping[str, str],
    views: str | None = None,
) -> str:
    """A page of HTML that needs no other file.

    Args:
        results: as `vlfeedback eval source --json` writes them.
        films: by source, the plot of `vlfeedback.figures.level_curves.draw_levels` as a data URI.
        scatters: by source, that of `draw_cameras`; none for a source without.
        views: the same scene seen by both cameras, of `draw_views`, as a data URI.
    """
    sources: Mapping[str, Mapping[str, Any]] = results["sources"]
    return render_page(
        "diagnosis",
        title=f"Is this reward any good at {results['task']}?",
        instruction=results["instruction"],
        episodes=_episodes(results["episodes"]),
        cards=[_card(name, source) for name, source in sources.items()],
        names=list(sources),
        rows=[_row(key, kind, sources) for key, kind in results["legend"].items()],
        films={name: films[name] for name in sources if name in films},
        views=views,
        sensitivities=[
            _sensitivity(name, source, scatters.get(name)) for name, source in sources.items()
        ],
        rule=describe_rule(results["thresholds"]),
        settings={name: _settings(source) for name, source in sources.items()},
        provenance=describe_provenance(results),
    )


def _episodes(levels: Mapping[str, Mapping[str, int]]) -> str:
    parts = [f"{row['n']} {level} ({row['succeed']} succeed)" for level, row in levels.items()]
    return ", ".join(parts)


def _card(name: str, source: Mapping[str, Any]) -> dict[str, Any]:
    word, _, meaning = source["sentence"].partition(": ")
    return {
        "name": name,
        "verdict": source["verdict"],
        "word": word,
        "meaning": meaning,
        "reasons": source["reasons"],
    }


def _row(
    key: str, kind: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    prior = next(iter(sources.values()))["priors"].get(key.removesuffix("_pairs"))
    return {
        "title": kind["title"],
        "meaning": kind["meaning"] + ("" if prior is None else f" Prior: {100 * prior:.0f} %."),
        "cells": [metric_cell(source["findings"][key], kind) for source in sources.values()],
    }


def _sensitivity(name: str, source: Mapping[str, Any], scatter: str | None) -> dict[str, Any]:
    def why_not(key: str) -> str:
        return str(source["findings"][key].get("not_applicable", ""))

    return {
        "name": name,
        "wordings": {
            text: show_value(row["value"], "correlation") if "value" in row else "-"
            for text, row in source["wordings"].items()
        },
        "scatter": scatter,
        "no_wordings": why_not("wording_correlation"),
        "no_scatter": why_not("camera_correlation"),
    }


def _settings(source: Mapping[str, Any]) -> str:
    goal = f" {source['goal']}" if source.get("goal") else ""
    return f"{source['id']} {json.dumps(source['settings'])}{goal}"
