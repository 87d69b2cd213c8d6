"""Exams taken by sources whose answers are known, with figures worked out by hand."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.bench.made_sets import (
    ROBOREWARD,
    MadeClip,
    made_exam,
    ramp,
    write_rbm_videos,
    write_roboreward,
)
from tests.evaluation.bench.test_answers import Brighter

from vlfeedback.data.video import write_video
from vlfeedback.errors import InvalidValueError, NeedsError, SourceAnswerError
from vlfeedback.evaluation.bench import (
    ExamPair,
    read_rbm_eval_ood,
    read_roborewardbench,
    take_exam,
)
from vlfeedback.evaluation.bench.extremes import best_and_worst
from vlfeedback.evaluation.bench.video_clips import picture_episode
from vlfeedback.testing import BrightnessConfig, BrightnessReward
from vlfeedback.types import SegmentBatch, SourceNeeds, Trajectory

CLIPS = {
    # name: task, tier, brightness at the end
    "good": ("go", 2, 200),
    "fair": ("go", 1, 100),
    "poor": ("go", 0, 150),
    "best": ("stay", 2, 90),
    "also": ("stay", 0, 90),
}


def values(row: dict[str, Any]) -> dict[str, float | str]:
    """The figures, or why there is none."""
    return {k: f.get("value", f.get("not_applicable")) for k, f in row["figures"].items()}


def test_roborewardbench_by_hand(tmp_path: Path) -> None:
    exam = read_roborewardbench(write_roboreward(tmp_path))
    results = take_exam(exam, {"mine": BrightnessReward()}).results
    # Brightness 250, 128, 64 | 128, 192 of 255 are 5, 3, 2 | 3, 4; the truth is 5, 3, 1 | 2, 1.
    figures = values(results["sources"]["mine"])
    assert figures["mae"] == (0 + 0 + 1 + 1 + 3) / 5
    assert figures["mae_of_sets"] == pytest.approx(((0 + 0 + 1) / 3 + (1 + 3) / 2) / 2, abs=1e-4)
    # Of 4 pairs the one of "open it" is wrong. One clip alone scores 5: it grows brighter.
    assert figures["preference_accuracy"] == 0.75
    assert figures["voc"] == 1.0
    assert results["sources"]["mine"]["parts"]["preference_accuracy"] == {"toy_a": 1, "toy_b": 0}
    # On the other task, .25, .5, .98 stand for 1, 3, 5: .5 is 3 and .75 is 4.04. Here .5 and .75
    # stand for 2 and 1, which must not fall: 1.5 each, and 2 when rounded.
    assert figures["mae_fitted"] == ((5 - 2) + (3 - 2) + (2 - 1) + (3 - 2) + (4 - 1)) / 5
    length = values(results["sources"]["length"])
    assert length["preference_accuracy"] == 0.5 and length["ties"] == 1.0 and length["voc"] == 1.0
    assert length["mae"] == "Its scores do not lie in [0, 1]."
    assert results["exam"]["clips"] == 5 and results["exam"]["rising"] == 1


def test_rbm_eval_ood_by_hand(tmp_path: Path) -> None:
    exam = read_rbm_eval_ood(write_rbm_videos(tmp_path))
    results = take_exam(exam, {"mine": BrightnessReward()}).results
    figures = values(results["sources"]["mine"])
    # stack: success 200 > failure 150 > suboptimal 100: signs +, +, -. push: successes 100 and 40,
    # failure 70: +, -. pull has successes alone. One task a data set: the mean of 1/3 and 0.
    assert figures["kendall_tau"] == pytest.approx((1 / 3 + 0) / 2, abs=1e-4)
    assert figures["preference_accuracy"] == 3 / 5
    assert figures["voc"] == 1.0
    assert figures["voc_pearson"] == pytest.approx(1, abs=2e-3)  # H.264 rounds brightness
    assert results["sources"]["mine"]["parts"]["kendall_tau"] == {"usc_koch": 0, "usc_xarm": 0.3333}
    length = values(results["sources"]["length"])  # videos are equally long: a tie is wrong here
    assert length["kendall_tau"] == 0 and length["preference_accuracy"] == 0


def test_a_tie_counts_half_or_nothing_and_is_told() -> None:
    for credit, accuracy in ((0.5, 2.5 / 4), (0.0, 2 / 4)):
        exam = made_exam(CLIPS, tie_credit=credit)
        figures = values(take_exam(exam, {"mine": BrightnessReward()}).results["sources"]["mine"])
        assert figures["preference_accuracy"] == accuracy
        assert figures["ties"] == 1 / 4
    assert figures["kendall_tau"] == pytest.approx((1 / 3 + 0) / 2, abs=1e-4)


def test_the_mean_along_a_clip_may_be_its_score() -> None:
    exam = made_exam({"slow": ("go", 1, 100), "quick": ("go", 0, 90)})
    clips = [
        exam.clips[0],
        replace(exam.clips[1], reader=MadeClip(ramp(90, 5)[[0, 4, 4, 4, 4]], "quick")),
    ]
    exam = replace(exam, clips=clips)
    for clip_score, accuracy in (("last", 1.0), ("mean", 0.0)):
        taken = take_exam(exam, {"mine": BrightnessReward()}, clip_score=clip_score)  # type: ignore[arg-type]
        assert values(taken.results["sources"]["mine"])["preference_accuracy"] == accuracy


def test_a_labeller_has_figures_of_pairs_alone() -> None:
    exam = made_exam({k: ("go", tier, top) for k, (_, tier, top) in CLIPS.items()})
    results = take_exam(exam, {"eyes": Brighter()}).results
    figures = values(results["sources"]["eyes"])
    # Pairs of unequal tiers: good-fair, good-poor, good-also, best-poor (wrong), best-fair (wrong),
    # fair-poor (wrong), fair-also, best-also (tie).
    assert figures["preference_accuracy"] == (4 + 0.5) / 8
    assert figures["ties"] == 1 / 8
    assert figures["kendall_tau"] == "It compares clips, and gives none of them a score."


def test_intervals_are_over_tasks_and_one_task_has_none() -> None:
    exam = made_exam(CLIPS)
    row = take_exam(exam, {"mine": BrightnessReward()}).results["sources"]["mine"]
    # Two tasks, of 2 in 3 and a tie: each resample has both, or one of them twice.
    assert row["figures"]["preference_accuracy"]["interval"] == pytest.approx(
        [0.5, 2 / 3], abs=1e-4
    )
    one = made_exam({name: clip for name, clip in CLIPS.items() if clip[0] == "go"})
    row = take_exam(one, {"mine": BrightnessReward()}).results["sources"]["mine"]
    assert row["figures"]["preference_accuracy"]["interval"] is None


def test_a_source_that_reads_what_is_not_there_is_left_out_with_the_reason() -> None:
    results = take_exam(made_exam(CLIPS), ["env", "picture-energy"]).results
    assert results["sources"]["env"]["not_asked"] == (
        "It reads the environment's own rewards, which these clips have not."
    )
    assert "figures" not in results["sources"]["env"]
    assert "figures" in results["sources"]["picture-energy"]


class Broken(BrightnessReward):
    """Gives up at the third clip."""

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        if len(self.batch_sizes) == 2:
            raise SourceAnswerError("Out of money.")
        return super().rewards(batch)


def test_a_source_that_gives_up_is_asked_no_more_and_has_no_figures() -> None:
    broken = Broken()
    results = take_exam(made_exam(CLIPS), {"broken": broken, "mine": BrightnessReward()}).results
    assert results["sources"]["broken"]["not_asked"] == "It was asked no more: Out of money."
    assert "figures" not in results["sources"]["broken"]
    assert len(broken.batch_sizes) == 2
    assert results["sources"]["mine"]["figures"]["ties"]["n"] == 4


def test_clips_that_cannot_be_read_count_for_nobody(tmp_path: Path) -> None:
    root = write_roboreward(tmp_path)
    (root / "test" / "toy_a" / "3.mp4").write_bytes(b"no video")
    (root / "test" / "toy_b" / "5.mp4").unlink()
    results = take_exam(read_roborewardbench(root), {"mine": BrightnessReward()}).results
    assert "no readable video" in results["exam"]["unreadable"]["toy_a/3.mp4"]
    assert "No such file" in results["exam"]["unreadable"]["toy_b/5.mp4"]
    assert results["exam"]["clips"] == 3
    assert results["sources"]["mine"]["figures"]["mae"]["n"] == 3
    assert results["sources"]["mine"]["figures"]["preference_accuracy"]["n"] == 1


def test_an_exam_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    root = write_roboreward(tmp_path)
    for name, *_ in ROBOREWARD:
        (root / "test" / name).write_bytes(b"no video")
    with pytest.raises(NeedsError, match=r"None of 5 clips can be read\. The first: .*1\.mp4"):
        take_exam(read_roborewardbench(root), {"mine": BrightnessReward()})


class Stoppable(BrightnessReward):
    """May be stopped, as by Ctrl-C, after some calls."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self._stop_after = stop_after

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        if len(self.batch_sizes) == self._stop_after:
            raise KeyboardInterrupt
        return super().rewards(batch)


def test_an_exam_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    exam = made_exam(CLIPS)
    with pytest.raises(KeyboardInterrupt):
        take_exam(exam, {"mine": Stoppable(stop_after=2)}, answers=tmp_path)
    again, once_more = Stoppable(), Stoppable()
    resumed = take_exam(exam, {"mine": again}, answers=tmp_path).results
    assert len(again.batch_sizes) == 3  # of five clips
    known = take_exam(exam, {"mine": once_more}, answers=tmp_path).results
    assert once_more.batch_sizes == []
    assert known["sources"]["mine"] == resumed["sources"]["mine"]
    assert values(resumed["sources"]["mine"])["preference_accuracy"] == 2.5 / 4


def test_no_clip_is_held_while_another_is_read() -> None:
    read: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    class Fresh:
        """Reads its pictures anew, and counts those of others that are still there."""

        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Callable[[SourceNeeds], Trajectory]:
            alive.append(sum(reference() is not None for reference in read))
            pictures = ramp(200, 5)
            read.append(weakref.ref(pictures))
            return lambda needs: picture_episode(pictures, needs, n_frames=5, id=self.name)

        def digest(self) -> str:
            return self.name

    exam = made_exam(CLIPS)
    exam = replace(exam, clips=[replace(clip, reader=Fresh(clip.id)) for clip in exam.clips])
    take_exam(exam, {"mine": BrightnessReward(), "moves": "picture-energy"})
    assert alive == [0, 0, 0, 0, 0]


def test_a_clip_that_was_replaced_is_asked_about_again(tmp_path: Path) -> None:
    root = write_roboreward(tmp_path / "set")
    first, second = BrightnessReward(), BrightnessReward()
    take_exam(read_roborewardbench(root), {"mine": first}, answers=tmp_path / "answers")
    write_video(root / "test" / "toy_b" / "5.mp4", ramp(30), fps=10.0)
    taken = take_exam(read_roborewardbench(root), {"mine": second}, answers=tmp_path / "answers")
    assert len(first.batch_sizes) == 5 and len(second.batch_sizes) == 1
    assert values(taken.results["sources"]["mine"])["preference_accuracy"] == 1.0


def test_progress_is_told_clip_by_clip_and_pair_by_pair() -> None:
    told: list[tuple[str, int, int]] = []
    exam = made_exam(CLIPS, pairs=[ExamPair(0, 1, True), ExamPair(0, 2, False)])
    exam = replace(exam, clips=[replace(clip, instruction="go") for clip in exam.clips])
    take_exam(
        exam,
        {"eyes": Brighter()},
        report=lambda stage, done, total, _: told.append((stage, done, total)),
    )
    assert told == [*(("clips", k, 5) for k in range(1, 6)), ("pairs", 1, 2), ("pairs", 2, 2)]


def test_a_source_cannot_be_called_like_a_rule() -> None:
    with pytest.raises(InvalidValueError, match="called 'length', like a rule beside it"):
        take_exam(made_exam(CLIPS), {"length": BrightnessReward()})


def test_the_best_and_the_worst_clips_are_those_most_of_whose_pairs_are_right_or_wrong() -> None:
    exam = made_exam({"a": ("t", 2, 0), "b": ("t", 1, 0), "c": ("t", 0, 0), "d": ("t", 0, 0)})
    names = [exam.clips[p.better].id + exam.clips[p.worse].id for p in exam.pairs]
    assert names == ["ab", "ac", "ad", "bc", "bd"]
    # a is right in 3 of 3; b is wrong about d alone; c right in 2 of 2; d in 1 of 2.
    best, worst = best_and_worst(exam, dict(enumerate([5.0, 1, 1, 1, -1])), at_most=2)
    assert [(exam.clips[p.place].id, p.right, p.n_pairs) for p in worst] == [
        ("d", 1.0, 2),
        ("b", 2.0, 3),
    ]
    assert [exam.clips[p.place].id for p in best] == ["a", "c"]
    best, worst = best_and_worst(exam, {0: 1.0}, at_most=2)
    assert worst == [] and len(best) == 2


def test_results_say_what_was_asked_of_whom() -> None:
    source = BrightnessReward(BrightnessConfig(granularity="window", context=15, frame_stride=7))
    results = take_exam(made_exam(CLIPS), {"mine": source}).results
    row = results["sources"]["mine"]
    assert row["class"] == "vlfeedback.testing.brightness:BrightnessReward"
    assert row["settings"] == {"granularity": "window", "context": 15, "frame_stride": 7}
    assert not row["is_rule"] and results["sources"]["chance"]["is_rule"]
    assert results["legend"]["voc"]["unit"] == "correlation"
    assert {"commit", "versions", "hardware", "seconds", "seed"} <= set(results)
