import json
from collections.abc import Callable
from statistics import mean, stdev

import numpy as np
import pytest

from vlfeedback.reports.learning_curves import evaluation_means
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.results import summarise_sweep

Write = Callable[..., None]


def test_a_cell_has_both_protocols_by_hand(folder: SweepFolder, write_row: Write) -> None:
    """Nine evaluations of four episodes: the first eight have 12 successes, the last eight 8."""
    write_row("drawer-close_teacher_p-iql_0", [4, 4, 4, 0, 0, 0, 0, 0, 0])
    write_row("drawer-close_teacher_p-iql_1", [0, 0, 0, 0, 0, 0, 0, 0, 4])
    cell = summarise_sweep(folder)["cells"]["drawer-close"]["teacher/p-iql"]
    best = [100 * 12 / 32, 100 * 4 / 32]
    last = [100 * 8 / 32, 100 * 4 / 32]
    assert cell["best"]["values"] == best and cell["last"]["values"] == last
    assert cell["best"]["mean"] == mean(best) == 25
    assert cell["best"]["std"] == pytest.approx(stdev(best))
    assert cell["seeds"] == [0, 1] and cell["of_seeds"] == 2
    assert cell["label_accuracy"] == 0.75
    assert cell["label_cost"] == 1.0  # half a dollar a run
    assert cell["cpu_hours"] == 1.0


def test_the_papers_figure_stands_beside_it(folder: SweepFolder) -> None:
    cells = summarise_sweep(folder)["cells"]
    assert cells["drawer-close"]["vlp/p-iql"]["paper"] == {
        "table": "VLP, Table 2",
        "column": "P-IQL+VLP",
        "mean": 64.9,
        "std": 2.9,
    }
    assert cells["mean"]["teacher/p-iql"]["paper"]["mean"] == 62.9


def test_a_run_that_is_missing_is_no_zero(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_1", [4])
    results = summarise_sweep(folder)
    cell = results["cells"]["drawer-close"]["teacher/p-iql"]
    assert (cell["best"]["mean"], cell["best"]["std"], cell["seeds"]) == (100, None, [1])
    empty = results["cells"]["door-close"]["teacher/p-iql"]
    assert empty["best"]["mean"] is empty["best"]["iqm"] is empty["label_accuracy"] is None
    assert "drawer-close_teacher_p-iql_0" in results["missing"] and len(results["missing"]) == 7
    assert results["why_missing"]["drawer-close_teacher_p-iql_0"] == "not finished yet"
    assert results["cells"]["mean"]["teacher/p-iql"]["tasks"] == 0


@pytest.mark.slow  # the bootstrap of three cells
def test_a_mean_over_tasks_is_made_seed_by_seed_of_whole_tasks(
    folder: SweepFolder, write_row: Write
) -> None:
    for task, first, second in (("drawer-close", 4, 2), ("door-close", 0, 1)):
        write_row(f"{task}_teacher_p-iql_0", [first])
        write_row(f"{task}_teacher_p-iql_1", [second])
    write_row("drawer-close_vlp_p-iql_0", [4])
    means = summarise_sweep(folder)["cells"]["mean"]
    assert means["teacher/p-iql"]["best"]["values"] == [50, 37.5]
    assert (means["teacher/p-iql"]["tasks"], means["vlp/p-iql"]["tasks"]) == (2, 0)
    assert means["vlp/p-iql"]["best"]["mean"] is None


def test_the_interval_holds_the_interquartile_mean(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_0", [3])
    write_row("drawer-close_teacher_p-iql_1", [1])
    best = summarise_sweep(folder)["cells"]["drawer-close"]["teacher/p-iql"]["best"]
    assert best["iqm"] == 50
    assert 25 <= best["low"] <= 50 <= best["high"] <= 75


def test_equal_labels_that_were_trained_twice_are_compared(
    folder: SweepFolder, write_row: Write
) -> None:
    same = {"feedback": {"digest": "same", "accuracy": 1.0, "cost": 0.0}}
    write_row("drawer-close_teacher_p-iql_0", [1, 2], **same)
    write_row("drawer-close_vlp_p-iql_0", [1, 2], **same)
    write_row("door-close_teacher_p-iql_1", [1, 2], **same)  # another task: nothing to compare
    assert summarise_sweep(folder)["determinism"] == {"compared": 1, "different": []}
    write_row("drawer-close_vlp_p-iql_0", [1, 3], **same)
    assert summarise_sweep(folder)["determinism"]["different"] == [
        ["drawer-close_teacher_p-iql_0", "drawer-close_vlp_p-iql_0"]
    ]


def test_a_shared_run_costs_nothing_and_proves_nothing(
    folder: SweepFolder, write_row: Write
) -> None:
    same = {"feedback": {"digest": "same", "accuracy": 1.0, "cost": 0.0}}
    write_row("drawer-close_teacher_p-iql_0", [1], **same)
    leader = "drawer-close_teacher_p-iql_0"
    write_row("drawer-close_vlp_p-iql_0", [1], **same, same_labels_as=leader)
    results = summarise_sweep(folder)
    cell = results["cells"]["drawer-close"]["vlp/p-iql"]
    assert (cell["shared"], cell["cpu_hours"]) == (1, 0)
    assert results["determinism"]["compared"] == 0


def test_everything_is_json(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_0", [1, 2])
    results = summarise_sweep(folder)
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_success_is_in_percent_and_return_as_it_is(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_0", [1, 4])
    row = folder.find("runs", "drawer-close_teacher_p-iql_0")
    assert row is not None
    np.testing.assert_array_equal(evaluation_means(row, "success"), [25, 100])
    np.testing.assert_array_equal(evaluation_means(row, "return"), [-0.25, -1])
