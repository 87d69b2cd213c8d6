"""Learners by name, and those of other packages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import BrokenPluginError, NeedsError, UnknownNameError
from vlfeedback.offline import LEARNERS, Learner, get_learner, list_learners, train_policy
from vlfeedback.offline.learners import LearnerInputs
from vlfeedback.types import Trajectory

PLUGIN = """
from vlfeedback.offline import BCConfig, D3rlpyTraining, Learner, TransitionBuffer

def recipe(inputs):
    buffer = TransitionBuffer(inputs.trajectories, rewards="none", seed=inputs.seed)
    config = BCConfig(seed=inputs.seed, **inputs.settings)
    return D3rlpyTraining(config.create(device=inputs.device), buffer)

LEARNER = Learner("cloning, once more", ("trajectories",), recipe)
NO_LEARNER = "a text"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an installer leaves behind of a package with two learners, one of them broken."""
    folder = tmp_path / "more_learners-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: more-learners\nVersion: 1.0\n")
    points = "clone = more_learners:LEARNER\nbroken = more_learners:NO_LEARNER\n"
    (folder / "entry_points.txt").write_text(f"[vlfeedback.learners]\n{points}")
    (tmp_path / "more_learners.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    LEARNERS.__dict__.pop("_entries", None)
    yield
    LEARNERS.__dict__.pop("_entries", None)
    sys.modules.pop("more_learners", None)


def trajectories() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    return [
        Trajectory(
            rng.normal(size=(9, 2)).astype(np.float32),
            rng.uniform(-1, 1, (8, 1)).astype(np.float32),
            truncated=True,
            id=str(n),
        )
        for n in range(4)
    ]


def test_a_learner_of_a_plugin_trains_with_its_own_defaults_under_any_preset(
    plugin: None, tmp_path: Path
) -> None:
    assert "clone" in list_learners() and get_learner("clone").summary == "cloning, once more"
    options: dict[str, Any] = {
        "trajectories": trajectories(),
        "preset": "vlp",
        "n_steps": 4,
        "seed": 1,
    }
    theirs = train_policy("clone", out=tmp_path / "policy", **options)
    assert theirs.config["settings"] == {}
    assert theirs.algo.config.hidden == [256, 256] and theirs.algo.config.batch_size == 256
    again = train_policy("clone", out=tmp_path / "policy", **options)
    states = np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(again.algo.predict(states), theirs.algo.predict(states))


def test_an_entry_point_that_is_no_learner_is_reported_when_it_is_used(plugin: None) -> None:
    assert "broken" in list_learners()
    with pytest.raises(BrokenPluginError, match=r"'broken' of 'more-learners' .* is 'a text'"):
        get_learner("broken")


def test_a_name_may_be_written_with_other_dashes() -> None:
    assert get_learner("P_IQL") is get_learner("p-iql")
    trained = train_policy("BC", trajectories=trajectories(), n_steps=1, seed=0, preset="smoke")
    assert trained.config["learner"] == "bc"
    with pytest.raises(UnknownNameError, match="`vlfeedback list learners` shows all"):
        get_learner("bcq")


def test_a_learner_says_what_it_reads_and_got_none_of() -> None:
    learner = Learner("none", ("trajectories", "rewards"), lambda _: pytest.fail("was asked"))
    with pytest.raises(NeedsError, match="reads trajectories and got none; pass trajectories="):
        learner.prepare(LearnerInputs(None, None, {}, 0))


def test_what_learns_from_rewards_says_so() -> None:
    reading = {name for name in list_learners() if "rewards" in get_learner(name).reads}
    assert reading == {"iql", "iql-d3rlpy"}
