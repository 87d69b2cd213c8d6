"""Several sources and rules on the same clips: means, differences, goals."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.progress.bright_clips import bright_clips, latest_picture

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.evaluation.progress.measure import BASELINES, measure_progress, task_clips
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.tasks import TaskSpec


def test_figures_are_means_over_tasks_and_of_each() -> None:
    rising = bright_clips()
    falling = replace(
        bright_clips(expert=(200, 150, 100, 50, 0)), task=TaskSpec("fade", "fade", env_id="")
    )
    result = measure_progress({"latest": latest_picture()}, iter([rising, falling]))
    order = result["sources"]["latest"]["figures"]["value_order"]
    assert {task: cell["value"] for task, cell in order.items()} == {
        "mean": 0.0,
        "shine": 1.0,
        "fade": -1.0,
    }
    assert order["mean"]["interval"] == [0.0, 0.0]  # both experts of a task are alike
    assert result["sources"]["latest"]["goals"]["value_order"] == 0.5
    assert result["goals"]["value_order"] == "at least 0.8"


def test_rules_stand_beside_every_source() -> None:
    result = measure_progress({"env": EnvReward()}, [bright_clips()])
    # Pictures of every fifth step are in no rhythm for windows that read every seventh.
    rules = [name for name in BASELINES if name != "picture-energy"]
    assert list(result["sources"]) == ["env", *rules]
    assert [name for name, row in result["sources"].items() if row["is_rule"]] == rules
    minus = result["sources"]["env"]["minus"]["value_order"]
    assert minus["length"] == {"difference": 0.0, "interval": [0.0, 0.0]}
    clock = result["sources"]["length"]["figures"]["value_order"]["mean"]
    assert clock["value"] == 1.0


def test_a_share_that_is_not_defined_reaches_no_goal() -> None:
    clips = bright_clips(random=(250,) * 5)
    result = measure_progress({"latest": latest_picture()}, [clips])
    assert result["sources"]["latest"]["goals"]["idle_share"] == 0.0
    idle = result["sources"]["latest"]["figures"]["idle_share"]["mean"]
    assert set(idle) == {"not_applicable"}


def test_each_task_is_reported() -> None:
    told: list[tuple[str, int, int]] = []
    measure_progress(
        {"env": EnvReward()},
        [bright_clips()],
        n_tasks=1,
        report=lambda stage, done, total, _: told.append((stage, done, total)),
    )
    assert told == [("shine", 1, 1)]


def test_a_source_that_is_called_like_a_rule_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="'length', like a baseline"):
        measure_progress({"length": EnvReward()}, [bright_clips()])


def test_no_tasks_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="no clips of any task"):
        measure_progress({"env": EnvReward()}, [])


def test_episodes_without_ids_of_their_own_are_refused() -> None:
    episodes = [replace(t, id="one") for t in bright_clips().episodes]
    with pytest.raises(NeedsError, match="4 episodes of 'shine' have 1 ids"):
        task_clips(TaskSpec("shine", "shine", env_id=""), episodes)


def test_every_source_is_resampled_alike() -> None:
    first, second = (bright_clips().bootstrap() for _ in range(2))
    ids = [t.id for t in bright_clips().episodes]
    assert np.array_equal(first.weights(ids), second.weights(ids))
