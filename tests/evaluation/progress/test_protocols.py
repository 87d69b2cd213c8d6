"""Clips that were made in several ways: which files each is, and labels on all of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.progress.clips import PROTOCOLS, FreshClips, collect_clips
from vlfeedback.evaluation.progress.protocols import labels_by_protocol
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.types import ArrayFrames, Trajectory

TASK = "drawer-close"
FOLDERS: Mapping[str, tuple[str, ...]] = {
    "rest": ("expert", "medium", "random"),
    "run-on": ("expert",),
    "box": ("random",),
    "near-object": ("medium",),
    "jittered": ("expert", "medium", "random"),
}
RETURNS = {"expert": 4.0, "medium": 1.0, "random": 0.0}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> FreshClips:
    """64 steps, pictures as bright as the reward; experts succeed at step 30."""
    root = tmp_path_factory.mktemp("clips")
    for folder, levels in FOLDERS.items():
        collection = Collection.create(root / folder, {})
        for level in levels:
            made = [_episode(folder, level, k) for k in range(3)]
            write_trajectories(collection.path(TASK, level), made)
    return FreshClips(root, {folder: {} for folder in FOLDERS})


def _episode(folder: str, level: str, number: int) -> Trajectory:
    shades = np.linspace(0, 50 * RETURNS[level], 11).astype(np.uint8)
    return Trajectory(
        observations=np.full((65, 3), RETURNS[level] + number / 100, np.float32),
        actions=np.zeros((64, 2), np.float32),
        env_rewards=np.linspace(0, RETURNS[level], 64, dtype=np.float32),
        successes=(np.arange(64) >= 30) & (level == "expert"),
        frames=ArrayFrames(
            np.r_[0, np.arange(1, 65, 7)], np.repeat(shades, 8 * 8 * 3).reshape(11, 8, 8, 3)
        ),
        task=TASK,
        id=f"{folder}/{level}/{number}",
        level=level,
        stopped_at=64,
    )


@pytest.mark.parametrize(
    ("protocol", "folders"),
    [
        ("rest", ["rest", "rest", "rest"]),
        ("run-on", ["run-on", "rest", "rest"]),
        ("box", ["rest", "rest", "box"]),
        ("run-on-box", ["run-on", "rest", "box"]),
        ("near-object", ["rest", "near-object", "rest"]),
        ("jittered", ["jittered", "jittered", "jittered"]),
    ],
)
def test_a_protocol_differs_in_the_levels_that_it_changes(
    clips: FreshClips, protocol: str, folders: list[str]
) -> None:
    episodes = clips.load(TASK, protocol)
    levels = ("expert", "medium", "random")
    wanted = [f"{f}/{k}/{n}" for f, k in zip(folders, levels, strict=True) for n in range(3)]
    assert [t.id for t in episodes] == wanted


def test_episodes_that_end_at_success_are_as_long_as_a_segment_at_least(clips: FreshClips) -> None:
    assert [len(t) for t in clips.load(TASK, "ended")] == [31] * 3 + [64] * 6
    assert [len(t) for t in clips.load(TASK, "ended", least=50)] == [50] * 3 + [64] * 6


def test_a_protocol_that_was_not_collected_is_named(clips: FreshClips) -> None:
    with pytest.raises(NeedsError, match="no random clips by protocol 'box'"):
        FreshClips(clips.root, {"rest": {}, "run-on": {}}).load(TASK, "box")


def test_labels_are_right_by_pairing_source_and_protocol(clips: FreshClips) -> None:
    told: list[str] = []
    figures = labels_by_protocol(
        {"env": EnvReward()},
        clips,
        [TASK],
        n_pairs=12,
        length=50,
        report=lambda stage, *_: told.append(stage),
    )
    assert told == list(figures["legend"]) == list(PROTOCOLS)
    random = figures["accuracy"]["random"]
    assert next(iter(random)) == "env"
    assert {"colour-change", "picture-energy", "still", "random", "prior"} < set(random)
    assert [random["env"][p]["mean"] for p in PROTOCOLS] == [1.0] * len(PROTOCOLS)
    assert random["env"]["rest"]["by_task"] == {TASK: 1.0}
    assert "beats_energy" in random["env"]["rest"] and "beats_energy" not in random["prior"]["rest"]
    assert "reversed" not in figures["accuracy"]  # it reads no pictures


def test_tasks_whose_scripts_know_no_protocols_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NeedsError, match="cart-pole-balance has none of them"):
        collect_clips(tmp_path, ["drawer-close", "cart-pole-balance"])
