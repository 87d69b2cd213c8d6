"""`vlfeedback eval source`, from the command line to figures and a page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.cli.diagnosis_episodes import collecting, write_goal
from vlfeedback.data.collection import Collection
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.tasks import TaskSpec, register_task
from vlfeedback.types import ArrayFrames, SourceNeeds, Trajectory

PLUGIN = Path(__file__).parents[1] / "plugin"


def diagnose(*arguments: str) -> str:
    """What is said."""
    run = CliRunner().invoke(app, ["eval", "source", *arguments])
    if run.exception is not None:
        raise run.exception
    return " ".join(run.output.split())


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The test plugin's reward source, found by its entry point as if it were installed."""
    site = tmp_path / "site"
    (site / "brightness-1.0.dist-info").mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: brightness\nVersion: 1.0\n"
    (site / "brightness-1.0.dist-info" / "METADATA").write_text(metadata)
    point = "[vlfeedback.reward_sources]\nbrightness = vlfeedback_brightness:BrightnessReward\n"
    (site / "brightness-1.0.dist-info" / "entry_points.txt").write_text(point)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(PLUGIN))
    REWARD_SOURCES.__dict__.pop("_entries", None)
    yield "brightness"
    REWARD_SOURCES.__dict__.pop("_entries", None)


def test_several_sources_a_plugin_among_them_are_judged_on_recorded_episodes(
    tiny_dataset: Path, tmp_path: Path, plugin: str
) -> None:
    figures, page = tmp_path / "out" / "figures.json", tmp_path / "out" / "page.html"
    said = diagnose(
        *("--source", "env", "--source", f"mine={plugin}", "--source", "picture-energy"),
        *("--set", "mine.scale=2.0", "--task", "drawer-close", "--data", str(tiny_dataset)),
        *("--pairs", "20", "--json", str(figures), "--page", str(page)),
    )
    assert "env: good: worth a training run" in said
    results = json.loads(figures.read_text())
    assert results["verdicts"]["env"] == "good"
    assert results["sources"]["mine"]["settings"] == {"scale": 2.0}
    assert results["episodes"]["expert"] == {"n": 2, "succeed": 2}
    assert results["settings"]["data"] == str(tiny_dataset)
    assert {"command", "seed", "versions", "hardware", "seconds"} <= set(results)
    # Episodes of `vlfeedback collect` are played again before another camera.
    assert results["cameras"] == ["corner4", "corner2"]
    camera = results["sources"]["mine"]["findings"]["camera_correlation"]
    assert -1 <= camera["value"] <= 1 and camera["n"] == 36  # 2 episodes, 3 levels, 6 clips
    text = page.read_text()
    assert text.index("worth a training run") < text.index("All figures")
    assert text.count('class="film"') == 3
    assert "http" not in text


def test_an_unknown_source_or_task_is_refused_before_anything_is_collected(
    tmp_path: Path,
) -> None:
    clips = ["--clips", str(tmp_path / "clips")]
    with pytest.raises(UnknownNameError, match="No reward source 'vlpp'"):
        diagnose("--source", "vlpp", "--task", "drawer-close", *clips)
    with pytest.raises(UnknownNameError, match="Did you mean 'drawer-close'"):
        diagnose("--source", "env", "--task", "drawer-closed", *clips)
    with pytest.raises(UnknownNameError, match=r"has no setting 'sed'\. Did you mean 'seed'"):
        diagnose("--source", "random", "--set", "sed=1", "--task", "drawer-close", *clips)
    assert not (tmp_path / "clips").exists()


def test_a_task_without_scripted_experts_says_what_to_pass(fresh_tasks: None) -> None:
    register_task(TaskSpec("fold-towel", "fold the towel", "lab:FoldTowel-v0"))
    with pytest.raises(NeedsError, match=r"'fold-towel' has no scripted experts.*pass --data"):
        diagnose("--source", "env", "--task", "fold-towel")


def test_recorded_episodes_of_another_task_are_refused(tiny_dataset: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'door-open'; it has \['drawer-close'\]"):
        diagnose("--source", "env", "--task", "door-open", "--data", str(tiny_dataset))


def needs(stride: int, granularity: Any = "window") -> SourceNeeds:
    context = 50 if granularity == "window" else 1
    return SourceNeeds(frames=True, granularity=granularity, context=context, frame_stride=stride)


@pytest.mark.parametrize(
    ("sources", "stride"),
    [
        ([SourceNeeds(actions=True)], 7),
        ([needs(1, "step")], 7),
        ([needs(7), needs(1, "step")], 7),
        ([needs(6), needs(4, "episode")], 2),
    ],
)
def test_pictures_are_collected_as_often_as_all_sources_need(
    sources: list[SourceNeeds], stride: int
) -> None:
    settings = collecting("drawer-close", sources, 8, None, 112, 3)
    assert settings["frame_stride"] == stride
    assert (settings["episodes"], settings["horizon"], settings["seed"]) == (9, 150, 20_003)


def test_cart_pole_is_collected_by_its_own_rules() -> None:
    settings = collecting("cart-pole-balance", [needs(7)], 2, None, 112, 0)
    assert (settings["horizon"], settings["random_actions"]) == (100, "box")


def test_the_goal_is_the_last_picture_of_an_episode(tmp_path: Path) -> None:
    pictures = np.repeat(np.array([10, 20, 30], np.uint8), 12).reshape(3, 2, 2, 3)
    shown = Trajectory(
        np.zeros((4, 1), np.float32),
        np.zeros((3, 1), np.float32),
        frames=ArrayFrames(np.array([0, 1, 3]), pictures),
        task="drawer-close",
    )
    path = write_goal(shown, tmp_path / "new")
    with Image.open(path) as opened:
        assert opened.getpixel((0, 0)) == (30, 30, 30)
    assert path.name == "goal-drawer-close.png"


def test_help_teaches_how_settings_are_written() -> None:
    said = diagnose("--help")
    assert "NAME.KEY=VALUE" in said and "chance.seed=3" in said


@pytest.mark.slow
def test_cart_pole_has_no_second_camera_and_no_other_wording(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    diagnose(
        *("--source", "env", "--source", "picture-energy", "--task", "cart-pole-balance"),
        *("--episodes", "3", "--pairs", "20", "--json", str(figures), "--workers", "1"),
    )
    results = json.loads(figures.read_text())
    assert results["sources"]["env"]["verdict"] != "useless"
    found = results["sources"]["picture-energy"]["findings"]
    assert "not_applicable" in found["camera_correlation"]


@pytest.mark.slow
def test_a_source_that_compares_with_a_goal_gets_one_that_is_not_evaluated(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    said = diagnose(
        *("--source", "vip-distance", "--set", "random_weights_seed=0", "--task", "drawer-close"),
        *("--data", str(tiny_dataset), "--pairs", "5", "--json", str(figures), "--camera", ""),
    )
    assert "which is not evaluated" in said
    results = json.loads(figures.read_text())
    assert results["episodes"]["expert"]["n"] == 1
    assert results["cameras"] == ["corner4"]
    assert Path(results["sources"]["vip-distance"]["settings"]["goal"]).is_file()


@pytest.mark.slow
def test_the_verdicts_on_drawer_close_are_what_is_known_of_the_sources(tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")
    figures = tmp_path / "figures.json"
    diagnose(
        *("--source", "vlp", "--source", "env", "--source", "random", "--source", "picture-energy"),
        *("--source", "clip.tiny-quickgelu", "--set", "clip.tiny-quickgelu.random_weights_seed=0"),
        *("--task", "drawer-close", "--clips", str(tmp_path / "clips"), "--json", str(figures)),
    )
    verdicts = json.loads(figures.read_text())["verdicts"]
    assert verdicts["env"] == "good"
    assert verdicts["vlp"] in ("good", "weak")
    assert verdicts["random"] == "useless"
    assert verdicts["picture-energy"] != "good"
    assert verdicts["clip.tiny-quickgelu"] != "good"
    assert len(Collection.open(tmp_path / "clips" / "20000-every-7").load("drawer-close")) == 27
