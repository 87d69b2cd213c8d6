import pytest

from vlfeedback.reports.published import PUBLISHED, Figure
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
    drawer = table.figure("drawer-open", "random", "IQL-GT", "success")
    assert drawer is not None
    assert drawer.mean == pytest.approx(99) and drawer.std == pytest.approx(2)
    pole = table.figure("cart-pole-balance", "random", "IQL-GT", "return")
    assert pole == Figure(-93.54, 20.22)


def test_a_figure_without_a_deviation_or_a_row_is_none() -> None:
    table = PUBLISHED["offline-rl-vlm-f-1"]
    gail = table.figure("cart-pole-balance", "random", "GAIL", "return")
    assert gail == Figure(-1683.31, None)
    assert table.figure("reach", "random", "GAIL", "success") is None
