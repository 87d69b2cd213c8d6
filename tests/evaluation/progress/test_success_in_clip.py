"""Success in clips that end with it, and in clips that run on: shades by hand."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.progress.bright_clips import bright_clips, latest_picture, scored

from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.progress.scored import TaskClips
from vlfeedback.evaluation.progress.success_in_clip import success_figures
from vlfeedback.evaluation.resampling import Resampled


def figures(clips: TaskClips) -> dict[str, float]:
    measured = success_figures(scored(clips), clips.bootstrap())
    return {name: f.value for name, f in measured.items() if isinstance(f, Resampled)}


def test_success_is_told_where_the_clip_that_ends_with_it_is_brightest() -> None:
    measured = figures(bright_clips())
    assert measured == {"success_cut": 1.0, "success_rest": 1.0}


def test_clips_that_run_on_may_look_like_clips_without_success() -> None:
    # Without success are three clips of shade 10 of each of two random episodes, and one of shade
    # 50 of each of two experts. Those that run on end with shade 20.
    measured = figures(bright_clips(run_on=(0, 50, 100, 150, 20)))
    assert measured["success_cut"] == 1.0
    assert measured["success_run_on"] == pytest.approx(6 / 8)
    assert measured["run_on_loss"] == pytest.approx(2 / 8)


def test_without_experts_that_run_on_nothing_is_said_of_them() -> None:
    measured = success_figures(scored(bright_clips()), bright_clips().bootstrap())
    assert measured["run_on_loss"] == NotApplicable("No clip goes on after success.")


def test_without_failures_there_is_nothing_to_tell() -> None:
    clips = bright_clips()
    lucky = [replace(t, successes=np.ones(21, np.bool_)) for t in clips.episodes]
    clips = replace(clips, episodes=tuple(lucky))
    measured = success_figures(scored(clips), clips.bootstrap())
    assert all(isinstance(figure, NotApplicable) for figure in measured.values())


def test_a_clip_of_single_steps_is_scored_by_the_mean_of_its_last_steps() -> None:
    clips = bright_clips()
    of_steps = scored(clips, type(latest_picture())())
    ends = np.array([0, 5, 20])
    # The last ten steps before the end have two pictures, at the reset one.
    means = np.array([0, (0 + 50) / 2, (150 + 200) / 2]) / 255
    assert of_steps.at(clips.experts[0], ends).tolist() == pytest.approx(means.tolist())
