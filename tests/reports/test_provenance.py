from vlfeedback.reports.provenance import describe_hardware, describe_provenance

MACHINE = {
    "command": "vlfeedback eval source",
    "hardware": {"machine": "x86_64", "processor": "CPU", "cores": 2},
    "versions": {"python": "3.11", "numpy": "2.4"},
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_one_result_says_seed_and_time_and_whether_files_were_changed() -> None:
    results = {**MACHINE, "seed": 3, "seconds": 9.7, "commit": f"{COMMIT} + changes"}
    assert describe_provenance(results) == (
        "vlfeedback eval source; seed 3; 10 s; CPU, 2 cores; python 3.11, numpy 2.4; commit "
        "0123456789 + changes."
    )


def test_several_runs_name_all_their_commits() -> None:
    results = {**MACHINE, "commits": [COMMIT, "f" * 40]}
    assert describe_provenance(results, quote="`") == (
        "`vlfeedback eval source`; CPU, 2 cores; python 3.11, numpy 2.4; commit 0123456789, "
        "ffffffffff."
    )


def test_what_is_not_known_is_left_out() -> None:
    results = {"command": "c", "hardware": None, "versions": None, "commit": None}
    assert describe_provenance(results) == "c; no commit."


def test_results_of_some_age_say_their_hardware_in_words() -> None:
    assert describe_hardware("x86_64, 2 cores, one thread") == "x86_64, 2 cores, one thread"
