"""Episodes with known events, and the marks they must have on the sheet."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.figures import episode_sheet as module
from vlfeedback.figures.episode_sheet import (
    STOPPED_COLOUR,
    SUCCESS_COLOUR,
    episode_sheet,
)
from vlfeedback.types import ArrayFrames, Trajectory


def episode(level: str = "expert", *, success: int = 99, **info: Any) -> Trajectory:
    """Thirty steps, pictured every seventh, done from step `success` on."""
    times = np.array([0, 1, 8, 15, 22, 29])
    return Trajectory(
        observations=np.zeros((31, 3), np.float32),
        actions=np.zeros((30, 4), np.float32),
        env_rewards=np.arange(30, dtype=np.float32) / 10,
        successes=np.arange(30) >= success,
        frames=ArrayFrames(times, np.full((6, 112, 112, 3), 128, np.uint8)),
        task="reach",
        id=f"reach/{level}",
        info={"level": level, **info},
    )


def outlined(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many pictures of 112 px with an outline of 3 px have this colour."""
    pixels = (sheet == colour).all(axis=-1).sum()
    assert pixels % (112**2 - 106**2) == 0
    return int(pixels // (112**2 - 106**2))


def test_pictures_after_success_and_after_the_stop_are_outlined() -> None:
    # States 15, 22 and 29 follow steps 14, 21 and 28.
    sheet = episode_sheet([episode(success=21)], episodes=1, n_frames=12)
    assert (outlined(sheet, SUCCESS_COLOUR), outlined(sheet, STOPPED_COLOUR)) == (2, 0)
    sheet = episode_sheet([episode("medium", stop=14)], episodes=1, n_frames=12)
    assert (outlined(sheet, SUCCESS_COLOUR), outlined(sheet, STOPPED_COLOUR)) == (0, 3)
    sheet = episode_sheet([episode("medium", stop=14, success=28)], episodes=1, n_frames=12)
    assert (outlined(sheet, SUCCESS_COLOUR), outlined(sheet, STOPPED_COLOUR)) == (1, 2)


def test_captions_say_what_happened_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}

    def keep(clips: Any, captions: Any, *, frame_captions: Any) -> np.ndarray:
        drawn.update(captions=captions, frames=frame_captions)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(module, "contact_sheet", keep)
    episodes = [episode(success=21, seed=7), episode("medium", stop=14), episode("")]
    episode_sheet(episodes, episodes=1, n_frames=12)
    assert drawn["captions"] == [
        "expert episode 0 (seed 7), return 43.5, succeeds at step 21",
        "medium episode 0, return 43.5, stopped at step 14, never succeeds",
        "episode 0, return 43.5, never succeeds",
    ]
    assert drawn["frames"][0] == [
        "reset",
        "step 0: 0.00",
        "step 7: 0.70",
        "step 14: 1.40",
        "step 21: 2.10 ✓",
        "step 28: 2.80 ✓",
    ]


def test_scattered_scenes_are_counted_and_promise_no_step_or_reward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: dict[str, Any] = {}

    def keep(clips: Any, captions: Any, *, frame_captions: Any) -> np.ndarray:
        drawn.update(captions=captions, frames=frame_captions)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(module, "contact_sheet", keep)
    scenes = replace(episode("scattered", seed=9), env_rewards=None, successes=None)
    episode_sheet([scenes], episodes=1, n_frames=3)
    assert drawn["captions"] == ["scattered scenes 0 (seed 9)"]
    assert drawn["frames"] == [["scene 0", "scene 8", "scene 29"]]


def test_each_level_has_so_many_rows_and_each_row_so_many_pictures() -> None:
    episodes = [episode("expert")] * 3 + [episode("random")] * 3
    short, long = (episode_sheet(episodes, episodes=n, n_frames=3) for n in (1, 2))
    assert (long.shape[0] - 8) / (short.shape[0] - 8) == 2.0
    assert short.shape[1] == 480 + 16  # three pictures are narrower than the narrowest sheet


def test_the_level_and_the_stop_are_what_the_data_says() -> None:
    medium = episode("medium", stop=14)
    assert (medium.level, medium.rests_from) == ("medium", 14)
    assert episode(stop=30).rests_from is None  # acted to the end
    bare = Trajectory(np.zeros((2, 1), np.float32), np.zeros((1, 1), np.float32))
    assert (bare.level, bare.rests_from) == ("", None)


def test_an_episode_without_pictures_is_refused() -> None:
    bare = Trajectory(np.zeros((2, 1), np.float32), np.zeros((1, 1), np.float32), id="bare")
    with pytest.raises(NeedsError, match="'bare' has no pictures"):
        episode_sheet([bare], episodes=1, n_frames=12)
