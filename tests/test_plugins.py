"""A package with a reward source and a labeller, installed for real; others go wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.plugin_site import PLUGIN, answer, command, new_python


def test_an_installed_plugin_is_listed_made_and_has_gymnasium_ids(installed: Path) -> None:
    code = """
import json, sys
import gymnasium, vlfeedback
listed, imported = vlfeedback.list_reward_sources(), "vlfeedback_brightness" in sys.modules
source = vlfeedback.make_reward_source("brightness", scale=2.0)
print(json.dumps({
    "listed": "brightness" in listed,
    "imported by listing": imported,
    "scale": source.config.scale,
    "labels pairs": "brightness" in vlfeedback.list_preference_sources(),
    "id": gymnasium.spec("BrightnessReward-DrawerClose-v0").kwargs,
}))
"""
    assert answer(code, site=installed, run=new_python) == {
        "listed": True,
        "imported by listing": False,
        "scale": 2.0,
        "labels pairs": True,
        "id": {"task": "drawer-close", "source": "brightness"},
    }


def test_a_plugin_passes_its_contract_in_a_file_of_five_lines(installed: Path) -> None:
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(PLUGIN / "test_brightness.py")]
    done = new_python(*arguments, site=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_an_environment_gets_the_reward_of_a_plugin(installed: Path) -> None:
    code = """
import json
import numpy as np, vlfeedback
from vlfeedback.testing import PointReachEnv
env = vlfeedback.RewardFromSource(PointReachEnv(steps=5, render_mode="rgb_array"), "brightness")
env.reset(seed=0)
print(json.dumps([round(env.step(np.ones(1, np.float32))[1], 4) for _ in range(5)]))
"""
    assert answer(code, site=installed) == [0.2, 0.4, 0.6, 0.8, 1.0]


ENTRY = """
from vlfeedback.registry import Entry
from vlfeedback.types.released import Released, WeightsFile

ENTRY = Entry(
    "bright-clip",
    "bright.reward:Bright",
    "how bright CLIP finds it",
    "BrightCLIP",
    weights=Released(
        files=(WeightsFile("checkpoint", "bright.pt", "our site", 0.1, choose="size=3"),),
        code_licence="MIT",
        weights_licence="CC BY-NC 4.0",
        parameters="1",
        teraflops=0.5,
    ),
    recogniser="bright.weights:recognise",
    loader="bright.weights:load",
)
"""

WEIGHTS_OF_ENTRY = """
from vlfeedback.encoders.recognise import Recognised

def recognise(weights):
    if "bright.weight" not in weights.tensors:
        return None
    return Recognised("a Bright of ours", settings={"size": len(weights.tensors["bright.weight"])})

def load(path, settings):
    if settings["size"] != 3:
        raise RuntimeError("three or nothing")
"""


def write_entry_plugin(site: Path) -> None:
    (site / "bright").mkdir()
    (site / "bright" / "__init__.py").write_text(ENTRY)
    (site / "bright" / "weights.py").write_text(WEIGHTS_OF_ENTRY)
    text = (PLUGIN / "vlfeedback_brightness.py").read_text()
    (site / "bright" / "reward.py").write_text(text.replace("BrightnessReward", "Bright"))


def test_an_entry_of_a_plugin_has_the_powers_of_ours(
    fake: Callable[[str, str], Path], tmp_path: Path
) -> None:
    site = fake("bright-rewards", "Bright-CLIP = bright:ENTRY")
    write_entry_plugin(site)
    torch.save({"bright.weight": torch.zeros(3)}, tmp_path / "bright.pt")
    torch.save({"bright.weight": torch.zeros(4)}, tmp_path / "four.pt")
    code = f"""
import json, sys
from pathlib import Path
import gymnasium, vlfeedback
imported = "bright" in sys.modules
from vlfeedback.cli.listing import rows_of_rewards
from vlfeedback.rewards import source_from_json, source_to_json
from vlfeedback.rewards.released import released_for
from vlfeedback.rewards.weights_check import check
source = vlfeedback.make_reward_source("bright-clip", scale=2.0)
(row,) = [row for row in rows_of_rewards() if row["source"] == "Bright-CLIP"]
card = released_for("bright-clip")
print(json.dumps({{
    "imported by listing": imported,
    "scale": source_from_json(source_to_json(source)).config.scale,
    "row": row,
    "id": gymnasium.spec("BrightCLIPReward-DrawerClose-v0").kwargs["source"],
    "card": [card.files[0].name, card.non_commercial],
    "what": check(Path({str(tmp_path / "bright.pt")!r})).what,
    "loads": [check(Path({str(tmp_path)!r}, name)).loads for name in ("bright.pt", "four.pt")],
}}))
"""
    assert answer(code, site=site) == {
        "imported by listing": False,
        "scale": 2.0,
        "row": {
            "source": "Bright-CLIP",
            "needs": ["frames"],
            "granularity": "step",
            "summary": "how bright CLIP finds it",
            "distribution": "bright-rewards",
            "problem": "",
        },
        "id": "Bright-CLIP",
        "card": ["bright.pt", True],
        "what": "a Bright of ours",
        "loads": [{"Bright-CLIP": ""}, {"Bright-CLIP": "RuntimeError: three or nothing"}],
    }


@pytest.mark.parametrize(
    ("point", "complaint"),
    [
        (
            "bright-clip",
            "says gym_name='BrightCLIP', and ids go by the capitals of its entry point",
        ),
        ("dim-clip", "its entry is called 'bright-clip'; give both one name"),
    ],
)
def test_an_entry_that_contradicts_its_entry_point_is_reported(
    fake: Callable[[str, str], Path], point: str, complaint: str
) -> None:
    site = fake("bright-rewards", f"{point} = bright:ENTRY")
    write_entry_plugin(site)
    code = f"""
import json, vlfeedback
try:
    vlfeedback.make_reward_source({point!r})
except vlfeedback.errors.BrokenPluginError as error:
    print(json.dumps(str(error)))
"""
    assert complaint in answer(code, site=site)


BROKEN = {
    "import": "raise RuntimeError('no GPU found')",
    "exit": "raise SystemExit(3)",
    "lookup": "def __getattr__(name): raise OSError('disk gone')",
    "metaclass": """
class Meta(type):
    def __getattr__(cls, name): raise RuntimeError('asked for ' + name)
class Reward(metaclass=Meta): ...
""",
    "entry": "from vlfeedback.registry import Entry\nReward = Entry('bad', 'nowhere:Reward')",
    "docstring": "class Reward:\n    __doc__ = 3",
    "needs": """
class Meta(type):
    @property
    def needs(cls): raise SystemExit(3)
class Reward(metaclass=Meta):
    'Its class says its needs, and leaves.'
""",
    "attribute": "def __getattr__(name): raise SystemExit(name)",
    "base exception": "class Own(BaseException): ...\nraise Own('mine')",
    "error": """
class Own(Exception):
    def __str__(self): raise ValueError('no words')
raise Own
""",
    "surrogate": "raise RuntimeError('a \\ud800 b')",
    "summary": "from vlfeedback.registry import Entry\nReward = Entry('bad', 'bad:Reward', 5)",
}


@pytest.mark.parametrize(
    "way",
    [
        way if way in ("error", "exit", "needs") else pytest.param(way, marks=pytest.mark.slow)
        for way in BROKEN
    ],
)
def test_a_plugin_that_fails_in_any_way_is_listed_with_its_problem_beside_the_others(
    fake: Callable[[str, str], Path], way: str
) -> None:
    site = fake("flaky-rewards", "bad = flaky_rewards:Reward")
    (site / "flaky_rewards.py").write_text(BROKEN[way] + "\n")
    code = """
import json
from vlfeedback.cli.doctor import check_plugins
from vlfeedback.cli.listing import rows_of_preferences, rows_of_rewards
from vlfeedback.rewards.released import released_weights
from vlfeedback.wrappers.ids import register_ids
rows = {row["source"]: row for row in rows_of_rewards()}
pairs = {row["source"]: row for row in rows_of_preferences()}
print(json.dumps({
    "bad": rows["bad"]["problem"],
    "pairs": pairs["bad"]["problem"],
    "others": [row["problem"] for name, row in rows.items() if name != "bad"],
    "weights": "clip" in released_weights()[0],
    "doctor": [check.subject for check in check_plugins()],
}))
"""
    said = answer(code, site=site)
    assert said["bad"] == said["pairs"] != ""
    assert not any(said["others"]) and len(said["others"]) > 10
    assert said["weights"]
    assert said["doctor"] == ["reward source bad"]
    assert "vlp" in command("list", "rewards", site=site)  # and a terminal takes it


def test_a_plugin_that_knows_its_needs_only_once_it_is_made_is_listed_without_them(
    fake: Callable[[str, str], Path],
) -> None:
    site = fake("late-rewards", "late = late_rewards:Reward")
    (site / "late_rewards.py").write_text(
        "class Reward:\n    'Late.'\n    @property\n    def needs(self): raise OSError\n"
    )
    code = """
import json
from vlfeedback.cli.listing import rows_of_rewards
print(json.dumps([row for row in rows_of_rewards() if row["source"] == "late"]))
"""
    (row,) = answer(code, site=site)
    assert (row["needs"], row["summary"], row["problem"]) == ([], "Late.", "")


ERRORS = """
import json
import vlfeedback
said = {}
for name in ("env", "bad", "twin"):
    try:
        vlfeedback.make_reward_source(name)
    except Exception as error:
        said[name] = f"{type(error).__name__}: {error}"
print(json.dumps({"listed": vlfeedback.list_reward_sources(), "said": said}))
"""


def test_a_broken_plugin_is_reported_by_its_distribution_when_it_is_used(
    fake: Callable[..., Path],
) -> None:
    site = fake("flaky-rewards", "bad = flaky_rewards:Reward")
    (site / "flaky_rewards.py").write_text("raise RuntimeError('no GPU found')\n")
    result = answer(ERRORS, site=site)
    assert {"bad", "clip", "vlp"} <= set(result["listed"])
    said = result["said"]["bad"]
    assert "'flaky-rewards' is broken" in said
    assert "RuntimeError: no GPU found" in said
    assert "env" not in result["said"]


def test_a_plugin_without_the_class_it_promises_is_reported(
    fake: Callable[..., Path],
) -> None:
    site = fake("flaky-rewards", "bad = flaky_rewards:Reward")
    (site / "flaky_rewards.py").write_text("class Rewards: ...\n")
    said = answer(ERRORS, site=site)["said"]["bad"]
    assert "'flaky-rewards' is broken" in said
    assert "has no attribute 'Reward'" in said


def test_a_plugin_with_a_name_of_ours_is_refused_under_both_names(
    fake: Callable[..., Path],
) -> None:
    result = answer(ERRORS, site=fake("env-rewards", "env = env_rewards:Reward"))
    assert result["listed"].count("env") == 1
    assert "clip" in result["listed"]
    said = result["said"]["env"]
    assert said.startswith("UnknownNameError: Two reward sources have one name")
    assert "'vlfeedback'" in said
    assert "'env-rewards'" in said


def test_two_plugins_with_one_name_are_refused_under_both_names(
    fake: Callable[..., Path],
) -> None:
    fake("first-rewards", "twin = first_rewards:Reward")
    said = answer(ERRORS, site=fake("second-rewards", "Twin = second_rewards:Reward"))["said"]
    assert "'first-rewards'" in said["twin"]
    assert "'second-rewards'" in said["twin"]
