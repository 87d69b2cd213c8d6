"""Answers about clips of known brightness, and what is kept of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.bench.made_sets import ramp

from vlfeedback.errors import BusyError, FileFormatError, NeedsError
from vlfeedback.evaluation.bench.answer_log import AnswerLog
from vlfeedback.evaluation.bench.answers import ClipAnswer, ask_about_clip, ask_about_pair
from vlfeedback.evaluation.bench.video_clips import picture_episode
from vlfeedback.testing import BrightnessConfig, BrightnessReward
from vlfeedback.types import (
    ArrayFrames,
    PreferenceLabels,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)

EPISODE = BrightnessConfig(granularity="episode")


def clip(top: int, source_needs: SourceNeeds, n: int = 5) -> Trajectory:
    return picture_episode(ramp(top, n), source_needs, n_frames=n, id="v")


def test_the_score_of_a_clip_is_what_is_said_after_its_last_picture() -> None:
    source = BrightnessReward()
    answer = ask_about_clip(source, clip(200, source.needs), "go", along=False, rises=True)
    assert answer.scores == pytest.approx([200 / 255], abs=1e-6)
    assert answer.last == answer.mean
    assert answer.n_rising == 0 and np.isnan(answer.spearman)


def test_along_a_clip_every_picture_but_the_first_has_a_score() -> None:
    source = BrightnessReward()
    answer = ask_about_clip(source, clip(200, source.needs), "go", along=True, rises=True)
    assert np.array(answer.scores) * 255 == pytest.approx([50, 100, 150, 200], abs=1e-4)
    assert answer.mean * 255 == pytest.approx(125, abs=1e-4)
    assert answer.spearman == 1 and answer.pearson == pytest.approx(1)
    assert answer.n_rising == 4


def test_a_source_of_windows_reads_as_many_pictures_as_its_window_has() -> None:
    # A window of 15 steps at a stride of 7 has three pictures: 100, 150 and 200 at the end.
    source = BrightnessReward(BrightnessConfig(granularity="window", context=15, frame_stride=7))
    answer = ask_about_clip(source, clip(200, source.needs), "go", along=True, rises=False)
    assert answer.last * 255 == pytest.approx(150, abs=1e-4)
    assert answer.n_rising == 0


def test_order_is_told_up_to_the_first_success_alone() -> None:
    frames = ArrayFrames(np.r_[0, 1:6], ramp(200, 6)[[0, 1, 2, 3, 1, 0]])
    episode = Trajectory(
        np.zeros((6, 1), np.float32),
        np.zeros((5, 1), np.float32),
        successes=np.array([False, False, True, True, True]),
        frames=frames,
    )
    source = BrightnessReward(BrightnessConfig(granularity="window", context=1))
    answer = ask_about_clip(source, episode, "go", along=True, rises=True)
    assert answer.n_rising == 3 and answer.spearman == 1
    assert len(answer.scores) == 5 and answer.last == 0


def test_constant_scores_have_no_order_and_falling_ones_the_opposite() -> None:
    steps = [0, 7, 14]
    assert ClipAnswer([2.0, 2.0, 2.0], steps, 3).spearman == 0
    assert ClipAnswer([2.0, 2.0, 2.0], steps, 3).pearson == 0
    assert ClipAnswer([3.0, 2.0, -9.0], steps, 3).spearman == -1
    # Of (0, 1, 8) and (0, 7, 14): 56 / sqrt(38 * 98).
    assert ClipAnswer([0.0, 1.0, 8.0], steps, 3).pearson == pytest.approx(56 / np.sqrt(38 * 98))


class Brighter:
    """Prefers the clip whose last picture is brighter, by more than a margin."""

    needs = SourceNeeds(frames=True, instruction=True)

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        first, second = pairs.first.frames, pairs.second.frames
        assert first is not None and second is not None
        assert pairs.first.instructions == pairs.second.instructions == ["go"]
        gap = second[:, -1].mean(axis=(1, 2, 3)) - first[:, -1].mean(axis=(1, 2, 3))
        prefer = np.where(np.abs(gap) < 5, 0.5, gap > 0)
        return PreferenceLabels(prefer.astype(np.float32), np.ones(len(gap), dtype=np.bool_))


def test_a_labeller_compares_clips_of_any_length_whole() -> None:
    labeller = Brighter()
    dark, bright = clip(100, labeller.needs, 4), clip(200, labeller.needs, 9)
    assert ask_about_pair(labeller, dark, bright, "go") == 1
    assert ask_about_pair(labeller, bright, dark, "go") == -1
    assert ask_about_pair(labeller, dark, clip(102, labeller.needs), "go") == 0


def test_a_clip_in_another_rhythm_than_the_source_reads_is_refused() -> None:
    episode = Trajectory(
        np.zeros((9, 1), np.float32),
        np.zeros((8, 1), np.float32),
        frames=ArrayFrames(np.array([0, 1, 6]), ramp(9, 3)),
    )
    with pytest.raises(NeedsError, match="one was taken every 5"):
        ask_about_clip(BrightnessReward(EPISODE), episode, "go", along=False, rises=False)


def test_answers_are_there_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    with AnswerLog.opened(tmp_path / "a", {"source": "x"}) as log:
        log.add("one", [1.5])
        log.add("two", None)
        assert "one" in log and "three" not in log
    with AnswerLog.opened(tmp_path / "a", {"source": "x"}) as log:
        assert log["one"] == [1.5] and log["two"] is None


def test_a_half_written_answer_is_asked_for_again(tmp_path: Path) -> None:
    with AnswerLog.opened(tmp_path, {}) as log:
        log.add("one", 1)
        log.add("two", 2)
    path = tmp_path / "answers.jsonl"
    path.write_bytes(path.read_bytes()[:-4])  # as a killed process leaves it
    with AnswerLog.opened(tmp_path, {}) as log:
        assert "one" in log and "two" not in log
        log.add("two", 3)
    with AnswerLog.opened(tmp_path, {}) as log:
        assert (log["one"], log["two"]) == (1, 3)


def test_answers_of_other_settings_are_not_gone_on_with(tmp_path: Path) -> None:
    with AnswerLog.opened(tmp_path, {"seed": 1}) as log:
        log.add("one", 1)
    with (
        pytest.raises(FileFormatError, match=r"seed was 1 and is 2\. Use the same ones to go on"),
        AnswerLog.opened(tmp_path, {"seed": 2}),
    ):
        pass


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    with AnswerLog.opened(tmp_path, {}) as log:
        log.add("one", 1)
    path = tmp_path / "answers.jsonl"
    path.write_text(path.read_text() + json.dumps({"key": "two"}) + "\n")
    with (
        pytest.raises(FileFormatError, match=r"answers\.jsonl, line 2, is no answer \(KeyError\)"),
        AnswerLog.opened(tmp_path, {}),
    ):
        pass


def test_two_cannot_keep_answers_in_one_folder_at_a_time(tmp_path: Path) -> None:
    with (
        AnswerLog.opened(tmp_path, {}),
        pytest.raises(BusyError, match="keeps answers in"),
        AnswerLog.opened(tmp_path, {}),
    ):
        pass


def test_without_a_folder_answers_are_known_but_not_kept() -> None:
    with AnswerLog.opened(None, {}) as log:
        log.add("one", 1)
        assert log["one"] == 1
