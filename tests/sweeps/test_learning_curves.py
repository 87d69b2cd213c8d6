from collections.abc import Callable

import numpy as np
import pytest

from vlfeedback.reports.learning_curves import draw_curves
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.results import summarise_sweep

Write = Callable[..., None]


def test_a_panel_a_task_with_mean_band_and_the_papers_line(
    folder: SweepFolder, write_row: Write
) -> None:
    write_row("drawer-close_teacher_p-iql_0", [0, 4])
    figure = draw_curves(summarise_sweep(folder))
    assert [axes.get_title() for axes in figure.axes] == ["drawer-close", "door-close"]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    np.testing.assert_array_equal(lines["teacher/p-iql"].get_ydata(), [0, 100])
    np.testing.assert_array_equal(lines["teacher/p-iql"].get_xdata(), [10, 20])
    assert "vlp/p-iql (missing)" in lines
    dotted = [line for line in lines.values() if line.get_linestyle() == ":"]
    heights = sorted(float(np.asarray(line.get_ydata())[0]) for line in dotted)
    assert heights == [49.3, 64.9]  # VLP, Table 2


def test_the_band_is_one_standard_deviation_over_seeds(
    folder: SweepFolder, write_row: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The interval of the table takes a second and is not drawn.
    monkeypatch.setattr("vlfeedback.sweeps.results.bootstrap_interval", lambda *_, **__: (0, 0))
    write_row("drawer-close_teacher_p-iql_0", [0, 4])
    write_row("drawer-close_teacher_p-iql_1", [2, 4])
    (band,) = draw_curves(summarise_sweep(folder)).axes[0].collections
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert heights.min() == 0 and heights.max() == 100  # 25 ± 25 at step 10, 100 ± 0 at step 20


def test_more_comparisons_than_colours_are_told_apart_by_the_line(folder: SweepFolder) -> None:
    results = summarise_sweep(folder)
    cell = results["cells"]["drawer-close"]["teacher/p-iql"]
    results["cells"] = {"drawer-close": {str(number): cell for number in range(10)}}
    lines = [x for x in draw_curves(results).axes[0].get_lines() if x.get_linestyle() != ":"]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 10
