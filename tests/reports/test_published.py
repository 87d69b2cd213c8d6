import pytest

from vlfeedback.reports.published import (
    LABEL_TABLES,
    PUBLISHED,
    Figure,
    vlp_label_tables,
    vlp_tables_of_training,
)
from vlfeedback.tasks import TASKS, VLP_TEST_TASKS


def test_every_row_has_a_figure_for_each_column_and_names_a_task() -> None:
    elsewhere = {"mean", "straighten-rope"}  # SoftGym's rope is none of our tasks
    for table in PUBLISHED.values():
        assert all(len(row) == len(table.columns) for row in table.rows.values())
        assert {name.split()[0] for name in table.rows} <= {*TASKS, *elsewhere}


@pytest.mark.parametrize("name", ["vlp-2", "vlp-3", "vlp-4"])
def test_the_means_of_vlp_are_those_of_its_rows(name: str) -> None:
    """A slip of the pen in a row would show; the paper rounds to one decimal."""
    table = PUBLISHED[name]
    for column in table.columns:
        figures = [table.figure(task, "", column, "success") for task in VLP_TEST_TASKS]
        mean = table.figure("mean", "", column, "success")
        assert mean is not None
        assert sum(f.mean for f in figures if f) / 5 == pytest.approx(mean.mean, abs=0.06)


def test_shares_become_percentages_and_returns_stay() -> None:
    table = PUBLISHED["offline-rl-vlm-f-1"]
    drawer = table.figure("rlvlmf-drawer-open", "random", "IQL-GT", "success")
    assert drawer is not None
    assert drawer.mean == pytest.approx(99) and drawer.std == pytest.approx(2)
    pole = table.figure("cart-pole-balance", "random", "IQL-GT", "return")
    assert pole == Figure(-93.54, 20.22)


def test_a_figure_without_a_deviation_or_a_row_is_none() -> None:
    table = PUBLISHED["offline-rl-vlm-f-1"]
    gail = table.figure("cart-pole-balance", "random", "GAIL", "return")
    assert gail == Figure(-1683.31, None)
    assert table.figure("reach", "random", "GAIL", "success") is None


def test_every_row_about_labels_has_a_number_for_each_column() -> None:
    for table in LABEL_TABLES.values():
        assert all(len(row) == len(table.columns) for row in table.rows.values())


@pytest.mark.parametrize("name", ["vlp-15", "vlp-5"])
def test_the_printed_means_of_labels_are_those_of_the_five_tasks(name: str) -> None:
    """A slip of the pen in a row would show; the paper rounds tasks and means to three decimals."""
    table = LABEL_TABLES[name]
    for column in table.columns:
        numbers = table.column(column)
        mean = sum(numbers[task] for task in VLP_TEST_TASKS) / 5
        assert mean == pytest.approx(numbers["mean"], abs=1e-3), column


def test_what_the_paper_prints_of_labels_is_given_by_what_is_measured() -> None:
    paper = vlp_label_tables()
    assert paper["label_accuracy"]["drawer-close"] == 0.96  # Table 15
    assert paper["label_accuracy"]["box-close"] == 0.90  # Table 18
    assert (paper["label_accuracy"]["mean"], paper["label_accuracy"]["mean_ml45"]) == (0.974, 0.97)
    assert paper["baseline_label_accuracy"]["RoboCLIP"]["window-open"] == 0.49
    assert paper["baseline_correlation"]["LIV"]["button-press"] == -0.281
    assert "VLP" not in paper["baseline_correlation"]
    assert paper["label_correlation"]["faucet-close"] == 1.0
    assert paper["language"]["phrase"] == {
        "itp_accuracy": 0.958,
        "ivp_accuracy": 0.905,
        "ilp_loss": 0.704,
        "average_loss": 0.554,
    }


def test_the_papers_own_setting_is_the_same_row_of_tables_13_and_14() -> None:
    by_weights, by_share = vlp_tables_of_training()
    assert by_weights[0.1, 0.5] == by_share[1.0] == vlp_label_tables()["language"]["seen"]
    assert by_weights[0.1, 0.0]["ivp_accuracy"] == 0.63
    assert by_share[0.75]["ilp_loss"] == 0.707
