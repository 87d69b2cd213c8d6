"""Several sources on one task: what is made of them, of episodes, of goals and of cameras."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlfeedback.errors import UnknownNameError
from vlfeedback.evaluation.diagnosis import SourceChoice, diagnose_sources
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.tasks import TaskSpec
from vlfeedback.testing.brightness import BrightnessConfig, BrightnessReward
from vlfeedback.types import ArrayFrames, RewardSource, Trajectory

SMALL: dict[str, Any] = {"n_pairs": 20, "length": 16, "episodes": 4}


@pytest.fixture
def episodes(trajectories: list[Trajectory]) -> list[Trajectory]:
    """Four experts that grow brighter and succeed at step 15, and four random ones, all dark."""
    return [
        replace(t, successes=(np.arange(21) >= 15) & (t.level == "expert")) for t in trajectories
    ]


@pytest.fixture
def towel(monkeypatch: pytest.MonkeyPatch, episodes: list[Trajectory]) -> TaskSpec:
    """A task with a script and a second camera of its own, a negative of the first."""

    def roll_out(
        task: TaskSpec, level: str, seeds: Sequence[int], settings: Mapping[str, Any]
    ) -> Iterator[Trajectory]:
        acted = [t for t in episodes if t.level == level]
        for number, seed in enumerate(seeds):
            yield replace(acted[number], task=task.name, seed=seed, id=f"{level}/{number}")

    def retake(
        task: TaskSpec, trajectories: Sequence[Trajectory], camera: str, *, frame_size: int
    ) -> Iterator[Trajectory]:
        assert (camera, frame_size) == ("negative", 8)
        for trajectory in trajectories:
            assert trajectory.frames is not None
            times = trajectory.frames.times
            pictures = 255 - trajectory.frames.read(times)
            yield replace(trajectory, frames=ArrayFrames(times, pictures))

    world = ModuleType("towel_world")
    world.__dict__.update(roll_out=roll_out, retake=retake)
    monkeypatch.setitem(sys.modules, "towel_world", world)
    return TaskSpec(
        "fold-towel",
        "fold the towel",
        "my_package:FoldTowel-v0",
        camera="positive",
        levels=("expert", "random"),
        rollout="towel_world:roll_out",
        retake="towel_world:retake",
    )


def test_live_sources_are_judged_on_recorded_episodes(episodes: list[Trajectory]) -> None:
    sources: dict[str, RewardSource] = {"mine": BrightnessReward(), "reward": EnvReward()}
    diagnosed = diagnose_sources(sources, "drawer-close", trajectories=episodes, **SMALL)
    results = json.loads(json.dumps(diagnosed.results, allow_nan=False))
    assert results["verdicts"] == {"mine": "good", "reward": "good"}
    assert results["sources"]["mine"]["id"] == "vlfeedback.testing.brightness:BrightnessReward"
    assert results["sources"]["mine"]["settings"]["granularity"] == "step"
    assert results["settings"] == {"episodes": 4, "pairs": 20, "length": 16}
    assert (results["task"], results["seed"]) == ("drawer-close", 0)
    assert {"versions", "hardware", "commit", "seconds"} <= set(results)
    assert diagnosed.diagnoses["mine"].curves["expert"].trajectory is episodes[0]


def test_choices_are_made_and_an_unknown_one_is_refused_first(
    episodes: list[Trajectory], towel: TaskSpec, tmp_path: Path
) -> None:
    choice = SourceChoice("chance", "random", {"seed": 3})
    results = diagnose_sources({"chance": choice}, towel, trajectories=episodes, **SMALL).results
    assert results["sources"]["chance"]["id"] == "random"
    assert results["sources"]["chance"]["settings"] == {"seed": 3}
    with pytest.raises(UnknownNameError, match="No reward source 'rundom'"):
        diagnose_sources({"x": SourceChoice("x", "rundom")}, towel, clips=tmp_path / "clips")
    assert not (tmp_path / "clips").exists()


def test_fresh_episodes_are_acted_out_by_the_tasks_own_script_and_kept(
    towel: TaskSpec, tmp_path: Path
) -> None:
    config = BrightnessConfig("window", context=16, frame_stride=5)
    calls: list[tuple[str, int, int]] = []
    results = diagnose_sources(
        {"mine": BrightnessReward(config)},
        towel,
        **(SMALL | {"episodes": 3}),
        horizon=21,
        frame_size=8,
        camera="negative",
        clips=tmp_path,
        workers=0,
        report=lambda stage, done, total, _: calls.append((stage, done, total)),
    ).results
    assert results["verdicts"] == {"mine": "weak"}  # brightness is the same backwards
    assert results["episodes"] == {
        "expert": {"n": 3, "succeed": 3},
        "random": {"n": 3, "succeed": 0},
    }
    assert results["settings"]["collected"]["episodes"] == 4  # one more, to show a goal
    assert (tmp_path / "20000-every-5" / "fold-towel" / "expert.h5").is_file()
    # Each clip and its negative sum to the same: the brightest is the darkest.
    assert results["cameras"] == ["positive", "negative"]
    camera = results["sources"]["mine"]["findings"]["camera_correlation"]
    assert camera["value"] == pytest.approx(-1.0)
    assert list(dict.fromkeys(stage for stage, *_ in calls)) == [
        "collect fold-towel",
        "seen by negative",
        "mine",
    ]
    assert calls[-1][1] == calls[-1][2]


def test_pictures_of_fresh_episodes_that_are_not_kept_can_still_be_drawn(
    towel: TaskSpec,
) -> None:
    diagnosed = diagnose_sources(
        {"mine": BrightnessReward()},
        towel,
        **(SMALL | {"episodes": 3}),
        horizon=21,
        frame_size=8,
        workers=0,
    )
    curve = diagnosed.diagnoses["mine"].curves["expert"]
    frames = curve.trajectory.frames
    assert frames is not None
    assert frames.read(frames.times).shape == (len(frames.times), 8, 8, 3)


def test_a_camera_that_cannot_be_had_leaves_its_figures_out_and_says_why(
    episodes: list[Trajectory], towel: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(towel, retake="")
    arguments: Any = {"trajectories": episodes, "camera": "negative", **SMALL}
    diagnosed = diagnose_sources({"mine": BrightnessReward()}, gone, **arguments)
    assert diagnosed.results["cameras"] == ["positive"]
    assert diagnosed.inputs.why_not_retaken == ""  # nobody was asked

    from vlfeedback.errors import RenderError

    def broken(*_: Any, **__: Any) -> Iterator[Trajectory]:
        raise RenderError("No camera 'negative'.")

    monkeypatch.setattr(sys.modules["towel_world"], "retake", broken)
    diagnosed = diagnose_sources({"mine": BrightnessReward()}, towel, **arguments)
    assert diagnosed.inputs.why_not_retaken == "No camera 'negative'."
    metric = diagnosed.results["sources"]["mine"]["findings"]["camera_correlation"]
    assert metric["not_applicable"].endswith("of another camera. No camera 'negative'.")


def test_what_compares_with_a_goal_gets_the_end_of_an_expert_that_is_not_evaluated(
    episodes: list[Trajectory],
    towel: TaskSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class GoalConfig:
        goal: str | None = None

    class ToGoal(BrightnessReward):
        config_type = GoalConfig

        def __init__(self, config: GoalConfig) -> None:
            super().__init__()
            self.goal = config.goal

    made: list[ToGoal] = []

    def make(choice: SourceChoice, _: str) -> ToGoal:
        made.append(ToGoal(GoalConfig(**choice.settings)))
        return made[-1]

    monkeypatch.setattr(SourceChoice, "_class", lambda _: ToGoal)
    monkeypatch.setattr(SourceChoice, "make", make)
    monkeypatch.setattr(
        "vlfeedback.evaluation.diagnosis.prepared_sources.source_to_json",
        lambda source: {"params": {"goal": source.goal}},
    )
    results = diagnose_sources(
        {"g": SourceChoice("g", "to-goal")},
        towel,
        trajectories=episodes,
        goals=tmp_path / "goals",
        **(SMALL | {"episodes": 4}),
    ).results
    assert len(made) == 1
    assert results["episodes"]["expert"]["n"] == 3  # the fourth shows the goal
    row = results["sources"]["g"]
    assert row["goal"].startswith(f"goal: the last picture of {episodes[3].id}, which is not")
    with Image.open(row["settings"]["goal"]) as picture:
        assert picture.getpixel((0, 0)) == (200, 200, 200)


def test_torch_has_its_threads_back_afterwards(episodes: list[Trajectory], towel: TaskSpec) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    threads: list[int] = []

    class Watching(BrightnessReward):
        def rewards(self, batch: Any) -> np.ndarray:
            threads.append(torch.get_num_threads())
            return super().rewards(batch)

    diagnose_sources({"mine": Watching()}, towel, trajectories=episodes, **SMALL)
    assert set(threads) == {1}
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
