from pathlib import Path
from typing import Any

from vlfeedback.figures.label_accuracy import (
    draw_accuracy,
    draw_accuracy_by_gap,
    draw_label_figures,
    draw_reliability,
)

BINS = [
    {"low": 0.5, "high": 0.75, "n": 30, "mean": 0.6, "accuracy": 0.7},
    {"low": 0.75, "high": 1.0, "n": 0, "mean": None, "accuracy": None},
]
FIGURES: dict[str, Any] = {
    "clustered_pairs": {"vlp": {"mean": 0.9}, "prior": {"mean": 0.8}},
    "reversed_pairs": {"vlp": {"mean": None}, "prior": {"mean": 0.5}},
    "intervals": {
        "clustered": {"vlp": {"mean": [0.85, 0.95]}, "prior": {"mean": [None, None]}},
        "reversed": {"vlp": {"mean": [None, None]}, "prior": {"mean": [0.4, 0.6]}},
    },
    "calibration": {"clustered": {"expected_calibration_error": 0.1, "bins": BINS}},
    "accuracy_by_gap": {"clustered": {"vlp": BINS, "still": BINS}},
}


def test_bars_stand_at_the_means_and_undefined_ones_are_left_out() -> None:
    (axes,) = draw_accuracy(FIGURES).axes
    assert sorted(round(bar.get_height()) for bar in axes.patches) == [50, 80, 90]  # type: ignore[attr-defined]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["clustered", "reversed"]


def test_plots_are_written_into_a_folder_that_is_named_in_text(tmp_path: Path) -> None:
    for path in draw_label_figures(FIGURES, str(tmp_path)):
        assert path.is_file() and path.parent == tmp_path


def test_reliability_leaves_out_empty_bins() -> None:
    (axes,) = draw_reliability(FIGURES).axes
    diagonal, line = axes.lines
    assert list(line.get_xdata()) == [60]  # type: ignore[arg-type]
    assert list(line.get_ydata()) == [70]  # type: ignore[arg-type]
    assert list(diagonal.get_xdata()) == [50, 100]  # type: ignore[arg-type]


def test_accuracy_by_gap_has_a_panel_a_pairing_and_a_line_a_source() -> None:
    (axes,) = draw_accuracy_by_gap(FIGURES).axes
    assert [line.get_label() for line in axes.lines[:2]] == ["vlp", "still"]


def test_what_the_figures_do_not_hold_is_not_drawn(tmp_path: Path) -> None:
    assert [p.name for p in draw_label_figures(FIGURES, tmp_path)] == [
        "label_accuracy.png",
        "reliability.png",
        "accuracy_by_gap.png",
    ]
    bare = {k: v for k, v in FIGURES.items() if k.endswith("_pairs") or k == "intervals"}
    (path,) = draw_label_figures(bare, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")
