"""A task of a package, installed for real, with its own source and labeller; others go wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plugin_site import COMMAND, answer, command, new_python, python

from vlfeedback.data.collection import Collection
from vlfeedback.data.preferences import PreferenceDataset


def test_a_plugins_task_is_listed_without_being_imported_and_has_the_ids_of_all_sources(
    installed: Path,
) -> None:
    code = """
import json, sys
import gymnasium, vlfeedback
imported = "vlfeedback_brightness" in sys.modules
listed = "lamp-reach" in vlfeedback.list_tasks()
ids = [f"{s}Reward-LampReach-v0" in gymnasium.registry for s in ("VLP", "CLIP", "Brightness")]
env = gymnasium.make("BrightnessReward-LampReach-v0", size=8)
env.reset(seed=0)
_, reward, _, _, info = env.step([0.0, 0.0])
print(json.dumps({
    "imported": imported, "listed": listed, "ids": ids, "reward": round(reward, 2),
    "env": round(info["env_reward"], 2),
    "instruction": vlfeedback.get_task("LampReach").instruction,
}))
"""
    assert answer(code, site=installed, run=new_python) == {
        "imported": False,
        "listed": True,
        "ids": [True, True, True],
        "reward": 0.1,  # 0.9 m from the lamp
        "env": -0.9,
        "instruction": "fly to the lamp",
    }


def test_a_plugins_task_is_shown_with_an_id_to_begin_with(installed: Path) -> None:
    rows = json.loads(command("list", "tasks", "--json", site=installed))
    assert rows[-1] == {
        "task": "lamp-reach",
        "instruction": "fly to the lamp",
        "id": "BrightnessReward-LampReach-v0",
    }
    assert rows[0]["task"] == "assembly" and len(rows) == 72


def test_other_wordings_and_wrong_instructions_of_a_plugins_task(installed: Path) -> None:
    code = """
import json
from vlfeedback.data.instructions import instruction_corpus, other_instructions
others = other_instructions("lamp-reach")
print(json.dumps([instruction_corpus("lamp-reach"), len(others), "fly to the lamp" in others,
                  "fly to the lamp" in other_instructions("drawer-close")]))
"""
    corpus, n_others, itself, of_ours = answer(code, site=installed)
    assert corpus == ["fly to the lamp", "reach the lamp", "go into the light"]
    assert n_others == 67 and not itself  # alone in its suite: those of our own tasks
    assert not of_ours
    said = python(
        *("-c", COMMAND, "instructions", "show", "lamp-reach", "--kind", "phrase"), site=installed
    )
    assert said.returncode == 1
    assert "Task 'lamp-reach' has no texts of kind 'phrase'" in said.stderr


@pytest.fixture(scope="module")
def episodes(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("episodes") / "lamp"
    said = command(
        "collect", "--out", out, "--tasks", "lamp-reach", "--workers", "2", site=installed
    )
    assert "8 trajectories collected" in said
    return out


def test_a_plugins_task_is_collected_by_its_own_script(episodes: Path) -> None:
    collection = Collection.open(episodes)
    experts = collection.load("lamp-reach", ["expert"])
    assert [len(t) for t in experts] == [20] * 4
    # 0.9 m away, of which 0.7 are flown: a tenth of a metre a step along an axis, more aslant.
    assert all(t.first_success in (4, 5, 6, 7) for t in experts)
    assert {path.name for path in (episodes / "lamp-reach").iterdir()} == {"expert.h5", "random.h5"}


SWEEP = """
claim = "it runs"
tasks = ["lamp-reach"]
levels = ["expert", "random"]
seeds = [0]
steps = 10
pairs = { count = 8, length = 5, sampler = "uniform" }
evaluation = { every = 10, episodes = 2, horizon = 5, metric = "return" }
[labels.brighter]
[rewards.brightness]
[learners.cpl]
settings = { bc_steps = 5 }
[learners.iql]
"""


@pytest.mark.slow
def test_a_plugins_task_and_sources_are_compared_in_a_sweep_and_reported(
    installed: Path, episodes: Path, tmp_path: Path
) -> None:
    pytest.importorskip("d3rlpy")
    (tmp_path / "lamp.toml").write_text(SWEEP, encoding="utf-8")
    out = tmp_path / "out"
    arguments = [str(tmp_path / "lamp.toml"), "--out", str(out), "--data", str(episodes)]
    assert "2 of 2 runs are finished" in command("sweep", *arguments, site=installed)
    row = json.loads((out / "runs" / "lamp-reach_brighter_cpl_0.json").read_text())
    assert row["feedback"]["accuracy"] > 0.8 and row["returns"][0][0] < 0
    assert row["settings"]["source"]["instruction"] == "fly to the lamp"
    command("report", out, site=installed)
    assert "lamp-reach" in (out / "report.md").read_text()


def test_episodes_of_a_plugins_task_judge_its_source(
    installed: Path, episodes: Path, tmp_path: Path
) -> None:
    said = command(
        *("eval", "source", "--source", "brightness", "--task", "lamp-reach", "--data", episodes),
        *("--length", "5", "--pairs", "20", "--json", tmp_path / "figures.json"),
        site=installed,
    )
    assert "brightness: good" in " ".join(said.split())


def test_a_plugins_labeller_labels_episodes_of_its_task(
    installed: Path, episodes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.parquet"
    command(
        *("label", "--data", episodes, "--labeller", "brighter", "--task", "lamp-reach"),
        *("--pairs", "12", "--length", "5", "--set", "margin=0.01", "--out", out),
        site=installed,
    )
    collection = Collection.open(episodes)
    dataset = PreferenceDataset.load(out, collection.load("lamp-reach"))
    assert len(dataset) == 12 and dataset.labels.answered.all()
    assert set(dataset.labels.prefer_second.tolist()) <= {0.0, 0.5, 1.0}


TASK_ERRORS = """
import json
import vlfeedback
said = {}
for name in ("bad", "other", "reach"):
    try:
        said[name] = vlfeedback.get_task(name).instruction
    except Exception as error:
        said[name] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


def test_a_broken_task_is_reported_by_its_distribution_when_it_is_used(
    fake: Callable[..., Path],
) -> None:
    fake("flaky-tasks", "bad = flaky_tasks:TASK", "tasks")
    site = fake("odd-tasks", "other = odd_tasks:TASK", "tasks")
    (site / "flaky_tasks.py").write_text("raise RuntimeError('no licence')\n")
    (site / "odd_tasks.py").write_text("TASK = 3\n")
    said = answer(TASK_ERRORS, site=site)
    assert "'flaky-tasks' is broken" in said["bad"] and "no licence" in said["bad"]
    assert "'odd-tasks' is broken" in said["other"] and "is 3; expected a TaskSpec" in said["other"]
    assert said["reach"] == "reach the goal"


def test_a_plugins_task_with_a_name_of_ours_is_refused(fake: Callable[..., Path]) -> None:
    said = answer(TASK_ERRORS, site=fake("reach-tasks", "reach = reach_tasks:TASK", "tasks"))
    assert said["reach"].startswith("UnknownNameError: Two tasks have one name: 'reach' of")
    assert "'reach-tasks'" in said["reach"]
