import json

import pytest
import typer
from typer.testing import CliRunner

from vlfeedback import rewards
from vlfeedback.cli.listing import list_names
from vlfeedback.registry import Entry, Registry
from vlfeedback.types import RewardSource


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry with a source that works and one that cannot be imported."""
    registry: Registry[RewardSource] = Registry(
        "reward source",
        group="no.such.group",
        listed_by="vlfeedback list rewards",
        built_ins=[
            Entry("env", "vlfeedback.rewards.env_reward:EnvReward", "the reward of the simulator"),
            Entry("bad", "no_such_module:Bad", "broken", distribution="flaky-rewards"),
        ],
    )
    monkeypatch.setattr(rewards, "REWARD_SOURCES", registry)


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(list_names)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_reward_sources_are_listed_with_what_they_need() -> None:
    rows = {row["source"]: row for row in json.loads(run("rewards", "--json"))}
    assert rows["vlp"]["needs"] == ["frames", "first_frame", "instruction"]
    assert rows["vlp"]["granularity"] == "window"
    assert rows["env"]["needs"] == ["env_rewards"]
    assert all(row["summary"] and not row["problem"] for row in rows.values())


def test_preference_sources_include_reward_sources() -> None:
    rows = {row["source"]: row for row in json.loads(run("preferences", "--json"))}
    assert rows["clip"]["summary"] == "sums of 'clip' rewards"


def test_tasks_are_listed_with_their_instruction_and_id() -> None:
    rows = json.loads(run("tasks", "--json"))
    assert len(rows) == 71
    assert {
        "task": "drawer-close",
        "instruction": "close the drawer",
        "id": "VLPReward-DrawerClose-v0",
    } in rows
    ids = [row["id"] for row in rows]
    assert "EnvReward-CartPoleBalance-v0" in ids  # `vlp` knows Meta-World alone


def test_learners_are_listed_with_what_they_read() -> None:
    rows = {row["learner"]: row for row in json.loads(run("learners", "--json"))}
    assert rows["p-iql"]["reads"] == ["trajectories", "preferences"]
    assert rows["iql"]["reads"] == ["trajectories", "rewards"]
    assert all(row["summary"] and not row["problem"] for row in rows.values())


def test_the_table_has_a_row_for_each_source(broken: None) -> None:
    printed = run("rewards")
    assert "env_rewards" in printed
    assert "the reward of the simulator" in printed


def test_a_broken_plugin_is_explained_beneath_the_others(broken: None) -> None:
    printed = " ".join(run("rewards").split())
    assert "bad: Reward source 'bad' of 'flaky-rewards' is broken" in printed
    assert "No module named 'no_such_module'" in printed


def test_a_name_that_looks_like_markup_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry: Registry[RewardSource] = Registry(
        "reward source",
        group="no.such.group",
        listed_by="vlfeedback list rewards",
        built_ins=[
            Entry("[/b]x", "vlfeedback.rewards.env_reward:EnvReward", "a [red]summary :warning:"),
            Entry("[/i]y", "no_such_module:Bad", distribution="flaky [/u] rewards"),
        ],
    )
    monkeypatch.setattr(rewards, "REWARD_SOURCES", registry)
    printed = run("rewards")
    assert "[/b]x" in printed and "a [red]summary :warning:" in printed
    assert "[/i]y: Reward source '[/i]y' of 'flaky [/u] rewards' is broken" in printed
