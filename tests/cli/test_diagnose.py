"""`vlfeedback eval source`, from the command line to figures and a page."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.tasks import own_task
from vlfeedback.types import ArrayFrames, Trajectory

PLUGIN = Path(__file__).parents[1] / "plugin"


def diagnose(*arguments: str) -> str:
    """What is printed."""
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
    output = diagnose(
        *("--source", "env", "--source", f"mine={plugin}", "--source", "picture-energy"),
        *("--set", "mine.scale=2.0", "--task", "drawer-close", "--data", str(tiny_dataset)),
        *("--pairs", "20", "--json", str(figures), "--page", str(page)),
    )
    assert "env: good: worth a training run" in output
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


def test_names_and_words_that_look_like_markup_are_printed_and_drawn_as_they_are(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    name, words = "[/b]$\\x$", "[bold]close :smile: $\\undefined$ [/]"
    output = diagnose(
        *("--source", f"{name}=random", "--task", "drawer-close", "--instruction", words),
        *("--data", str(tiny_dataset), "--pairs", "20", "--page", str(tmp_path / "page.html")),
    )
    assert f"{name}: inconclusive" in output and words in output  # of two episodes a level


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


@pytest.fixture
def towels(tmp_path: Path) -> Path:
    """Recorded episodes of a task that no registry knows: experts get brighter and are paid."""
    collection = Collection.create(tmp_path / "towels", {"recorded": "elsewhere"})
    task = own_task("my_package:FoldTowel-v0", "fold the towel")
    collection.note_task(task, {})
    for level, top in {"expert": 240, "random": 0}.items():
        episodes = [towel_episode(level, top, number) for number in range(3)]
        write_trajectories(collection.path(task.name, level), episodes)
    return collection.root


def towel_episode(level: str, top: int, number: int) -> Trajectory:
    pictures = np.linspace(number, max(top, number), 13).astype(np.uint8)
    return Trajectory(
        np.full((25, 2), top + number, np.float32),
        np.full((24, 2), number, np.float32),
        env_rewards=np.linspace(0, top / 240, 24, dtype=np.float32),
        successes=np.arange(24) >= (20 if top else 24),
        frames=ArrayFrames(
            np.r_[0, np.arange(1, 25, 2)], np.repeat(pictures, 64 * 3).reshape(13, 8, 8, 3)
        ),
        task="fold-towel",
        id=f"fold-towel/{level}/{number}",
        level=level,
    )


def test_recorded_episodes_of_a_task_of_ones_own_are_judged(towels: Path, plugin: str) -> None:
    options = ["--episodes", "3", "--pairs", "10", "--length", "8", "--data", str(towels)]
    output = diagnose("--source", plugin, "--task", "fold-towel", *options)
    assert "fold-towel: “fold the towel”" in output
    assert "brightness: good: worth a training run" in output
    output = diagnose(
        *("--source", plugin, "--env-id", "my_package:FoldTowel-v0", *options),
        *("--instruction", "fold it in half"),
    )
    assert "fold-towel: “fold it in half”" in output


def test_a_task_of_ones_own_without_episodes_says_how_to_collect_them() -> None:
    with pytest.raises(NeedsError, match=r"'fold-towel' has no scripted expert.*--policy"):
        diagnose(
            *("--source", "env", "--env-id", "my_package:FoldTowel-v0"),
            *("--instruction", "fold the towel"),
        )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [([], "Name the task"), (["--env-id", "my_package:FoldTowel-v0"], "needs words for what")],
)
def test_options_that_name_no_task_are_refused(options: list[str], complaint: str) -> None:
    run = CliRunner().invoke(app, ["eval", "source", "--source", "env", *options])
    assert run.exit_code == 2
    assert complaint in " ".join(run.output.replace("│", " ").split())


def test_recorded_episodes_of_another_task_are_refused(tiny_dataset: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'door-open'; it has \['drawer-close'\]"):
        diagnose("--source", "env", "--task", "door-open", "--data", str(tiny_dataset))


def test_help_teaches_how_settings_are_written() -> None:
    output = diagnose("--help")
    assert "NAME.KEY=VALUE" in output and "chance.seed=3" in output


@pytest.mark.slow
def test_cart_pole_has_no_second_camera_and_no_other_wording(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    diagnose(
        *("--source", "env", "--source", "picture-energy", "--task", "cart-pole-balance"),
        *("--episodes", "3", "--pairs", "20", "--json", str(figures), "--workers", "1"),
    )
    results = json.loads(figures.read_text())
    assert results["sources"]["env"]["verdict"] != "useless"
    metrics = results["sources"]["picture-energy"]["findings"]
    assert "not_applicable" in metrics["camera_correlation"]


@pytest.mark.slow
def test_a_source_that_compares_with_a_goal_gets_one_that_is_not_evaluated(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    output = diagnose(
        *("--source", "vip-distance", "--set", "random_weights_seed=0", "--task", "drawer-close"),
        *("--data", str(tiny_dataset), "--pairs", "5", "--json", str(figures), "--camera", ""),
    )
    assert "which is not evaluated" in output
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
