import re
from collections.abc import Callable

import pytest

from vlfeedback.reports.sweep_page import html_page, markdown_table
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.results import summarise_sweep

Write = Callable[..., None]


def test_the_table_names_seeds_protocols_and_the_paper(
    folder: SweepFolder, write_row: Write
) -> None:
    write_row("drawer-close_teacher_p-iql_0", [4])
    write_row("drawer-close_teacher_p-iql_1", [2])
    header, rule, first, *_ = markdown_table(summarise_sweep(folder)).splitlines()
    assert header.split(" | ")[2] == "success %, best mean of 8 neighbouring evaluations, 2 seeds"
    assert header.count("|") == rule.count("|") == first.count("|")
    cells = first.strip("| ").split(" | ")
    assert cells[:3] == ["drawer-close", "teacher / p-iql", "75.0 ± 35.4"]
    assert cells[4:7] == ["75.0 ± 35.4", "49.3 ± 4.2 (VLP, Table 2, P-IQL)", "75.0"]


def test_small_returns_are_printed_with_two_decimals(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_0", [4])
    write_row("drawer-close_teacher_p-iql_1", [2])
    results = summarise_sweep(folder)
    cell = results["cells"]["drawer-close"]["teacher/p-iql"]["best"]
    cell |= {"mean": 0.5678, "std": 0.0123, "iqm": 0.5432, "low": 0.512, "high": 0.599}
    for other in results["cells"].values():
        for name in other:
            other[name]["best"] = cell
    first = markdown_table(results | {"metric": "return"}).splitlines()[2]
    assert "| 0.57 ± 0.01 | 0.54 [0.51, 0.60] |" in first
    successes = markdown_table(results).splitlines()[2]  # in %
    assert "| 0.6 ± 0.0 | 0.5 [0.5, 0.6] |" in successes


def test_missing_runs_are_called_missing(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_0", [4])
    text = markdown_table(summarise_sweep(folder))
    assert "| 100.0 (1 of 2 seeds) |" in text
    assert "| missing (0 of 2 seeds) | missing | missing |" in text
    assert "| missing (0 of 2 tasks) |" in text
    assert "Missing runs, counted nowhere: 7 (drawer-close_vlp_p-iql_0" in text


def test_a_sweep_without_a_finished_run_has_a_page_too(folder: SweepFolder) -> None:
    assert "Missing runs, counted nowhere: 8" in html_page(summarise_sweep(folder))


def test_the_verdict_on_determinism_is_stated(folder: SweepFolder, write_row: Write) -> None:
    same = {"feedback": {"digest": "same", "accuracy": 1.0, "cost": 0.0}}
    write_row("drawer-close_teacher_p-iql_0", [1], **same)
    assert "equal labels" not in markdown_table(summarise_sweep(folder))
    write_row("drawer-close_vlp_p-iql_0", [1], **same)
    text = markdown_table(summarise_sweep(folder))
    assert "equal labels, each trained: 1; all their evaluations are bit for bit the same." in text
    write_row("drawer-close_vlp_p-iql_0", [2], **same)
    assert "they differ, and should not: drawer-close_teacher_p-iql_0 and" in markdown_table(
        summarise_sweep(folder)
    )


def test_shared_runs_are_counted(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_vlp_p-iql_0", [1], same_labels_as="drawer-close_teacher_p-iql_0")
    assert "which share its policy: 1." in markdown_table(summarise_sweep(folder))


def test_the_page_needs_no_other_file(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_0", [1, 2, 4])
    page = html_page(summarise_sweep(folder))
    assert re.findall(r'(?:src|href)="([^"]{22})', page) == ["data:image/png;base64,"]
    assert "Labels of vlp train as good policies as scripted ones" in page


def test_a_missing_run_is_shown_with_the_reason(folder: SweepFolder, write_row: Write) -> None:
    write_row("drawer-close_teacher_p-iql_0", [4])
    folder.note_failure("drawer-close_vlp_p-iql_0", "NeedsError: no <pictures>.")
    results = summarise_sweep(folder)
    text = markdown_table(results)
    assert "7 (drawer-close_vlp_p-iql_0: NeedsError: no <pictures>; " in text
    assert text.count("not finished yet") == 1
    assert "NeedsError: no &lt;pictures&gt;; " in html_page(results)
    folder.note_failure("drawer-close_vlp_p-iql_0", "")
    assert "pictures" not in markdown_table(summarise_sweep(folder)).partition("Missing")[2]
    del results["why_missing"]  # of an earlier release
    assert "not finished yet" in markdown_table(results)


def test_the_page_escapes_what_it_shows(folder: SweepFolder, write_row: Write) -> None:
    results = summarise_sweep(folder) | {"claim": "a < b & c"}
    assert "<p>a &lt; b &amp; c</p>" in html_page(results)


BASELINES = {
    "claim": "labels help",
    "tasks": ["drawer-close", "door-close"],
    "seeds": [0, 1],
    "labels": {"teacher": {}},
    "learners": {"p-iql": {}, "bc": {}, "bc-expert": {"learner": "bc", "levels": ["expert"]}},
}


@pytest.mark.parametrize("table", [BASELINES])
def test_what_does_not_beat_cloning_is_marked_so_in_words(
    folder: SweepFolder, write_row: Write
) -> None:
    """Of four episodes; cloning 2 and 2 in one task, 1 and 3 in the other."""
    for task, of_cloning, of_p_iql in (
        ("drawer-close", (2, 2), (1, 4)),
        ("door-close", (1, 3), (1, 3)),
    ):
        for seed in (0, 1):
            write_row(f"{task}_bc_{seed}", [of_cloning[seed]])
            write_row(f"{task}_teacher_p-iql_{seed}", [of_p_iql[seed]])
    write_row("drawer-close_bc-expert_0", [1])
    text = markdown_table(summarise_sweep(folder))
    assert "| drawer-close | teacher / p-iql | 62.5 ± 53.0 |" in text
    assert "| drawer-close | bc | 50.0 ± 0.0 |" in text
    assert "| door-close | teacher / p-iql | 50.0 ± 35.4, does not beat cloning |" in text
    assert "| mean of 2 tasks | teacher / p-iql | 56.2 ± 44.2 |" in text
    assert "| drawer-close | bc-expert | 25.0 (1 of 2 seeds) |" in text  # not all are finished
    assert '"does not beat cloning": the mean over seeds in that column is no higher than' in text


def test_without_a_row_that_clones_nothing_is_said_of_cloning(
    folder: SweepFolder, write_row: Write
) -> None:
    write_row("drawer-close_teacher_p-iql_0", [4])
    assert "cloning" not in markdown_table(summarise_sweep(folder))
