import pytest

from vlfeedback.errors import UnknownNameError
from vlfeedback.online import PRESETS, SURFConfig, get_online_preset

# Task, labels of a session, passes, steps between sessions, budget, exploring, steps, reward's
# learning rate, side of a picture: the table of RL-VLM-F's run.sh.
TABLE = [
    ("drawer-open", 40, 10, 4000, 20_000, 9000, 1_000_000, 3e-4, 300),
    ("sweep-into", 40, 10, 4000, 20_000, 9000, 1_000_000, 3e-4, 300),
    ("soccer", 40, 5, 4000, 20_000, 9000, 1_000_000, 1e-4, 300),
    ("cart-pole", 50, 50, 5000, 10_000, 1000, 500_000, 3e-4, 200),
    ("rope", 100, 30, 5000, 20_000, 9000, 600_000, 1e-4, 80),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_presets_of_rl_vlm_f_have_the_numbers_of_its_script(row: tuple[object, ...]) -> None:
    name, labels, passes, between, budget, exploring, n_steps, rate, size = row
    preset = get_online_preset(f"rl-vlm-f-{name}")
    config, training = preset.config, preset.training
    assert (config.labels_per_session, training.epochs) == (labels, passes)
    assert (config.steps_between_sessions, config.max_labels) == (between, budget)
    assert (config.random_steps, config.exploration_steps) == (1000, exploring)
    assert (preset.n_steps, training.learning_rate) == (n_steps, rate)
    assert (preset.reward.inputs, preset.reward.picture_size) == ("frames", size)
    assert (config.segment_length, config.sampler) == (1, "uniform")


def test_the_smallest_published_budgets_are_there() -> None:
    found = {
        name: (preset.config.max_labels, preset.config.labels_per_session)
        for name, preset in PRESETS.items()
        if name.startswith("few-labels")
    }
    assert found == {
        "few-labels-100": (100, 5),
        "few-labels-1000": (1000, 10),
        "few-labels-4000": (4000, 20),
    }


def test_the_preset_of_surf_has_the_numbers_of_its_readme() -> None:
    preset, theirs = get_online_preset("surf"), SURFConfig()
    config = preset.config
    assert (preset.n_steps, preset.training.epochs) == (2_000_000, 20)
    assert (config.max_labels, config.labels_per_session) == (10_000, 50)
    assert (config.random_steps, config.exploration_steps) == (1000, 9000)
    assert (config.steps_between_sessions, config.sampler) == (5000, "disagreement")
    assert (preset.algorithm_settings["batch_size"], config.segment_length) == (512, 50)
    assert (theirs.threshold, theirs.batch_ratio, theirs.unlabelled_ratio) == (0.99, 4, 10)
    assert (theirs.weight, theirs.window, theirs.crop_range) == (1, 5, 5)


def test_a_preset_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No preset 'b-perf'\. Did you mean 'b-pref'"):
        get_online_preset("b-perf")
