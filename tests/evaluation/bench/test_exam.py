from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.bench.made_sets import made_exam, ramp

from vlfeedback.data.video_sampling import VideoSampling
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.evaluation.bench.exam import Exam, ExamClip, ExamPair, draw_pairs, why_not_asked
from vlfeedback.evaluation.bench.video_clips import VideoClip, picture_episode
from vlfeedback.scoring.paced import pace_of
from vlfeedback.types import SourceNeeds

THREE = {"a": ("push", 2, 9), "b": ("push", 0, 5), "c": ("push", 1, 7), "d": ("pull", 0, 3)}


def test_every_two_clips_of_a_task_that_differ_are_a_pair_with_the_better_one_named() -> None:
    exam = made_exam(THREE | {"e": ("push", 2, 1)})
    names = [exam.clips[pair.better].id + exam.clips[pair.worse].id for pair in exam.pairs]
    assert sorted(names) == ["ab", "ac", "cb", "eb", "ec"]  # not a and e, nor d of another task


def test_a_number_of_pairs_is_drawn_by_the_seed_without_repeats() -> None:
    clips = made_exam({str(k): ("push", k, k) for k in range(10)}).clips
    one, again, other = (draw_pairs(clips, 7, rng=np.random.default_rng(s)) for s in (1, 1, 2))
    assert one == again != other
    assert len({(pair.better, pair.worse) for pair in one}) == 7
    sides = [pair.better_first for pair in draw_pairs(clips, None, rng=np.random.default_rng(0))]
    assert 10 < sum(sides) < 35  # of 45


def test_a_clip_of_unknown_worth_is_in_no_pair() -> None:
    clips = [
        ExamClip(str(k), "t", "t", made_exam(THREE).clips[0].reader, tier=t)
        for k, t in enumerate([0, None, 1])
    ]
    assert [(p.better, p.worse) for p in draw_pairs(clips, None, rng=np.random.default_rng(0))] == [
        (2, 0)
    ]


def test_an_exam_that_cannot_be_marked_is_refused() -> None:
    clip = made_exam(THREE).clips[0]
    with pytest.raises(NeedsError, match="Made has no clips here"):
        Exam("made", "Made", [], [], frozenset(), ())
    with pytest.raises(InvalidValueError, match="Two clips are called 'a'"):
        Exam("made", "Made", [clip, clip], [ExamPair(0, 1, True)], frozenset(), ())
    with pytest.raises(InvalidValueError, match="score 6; expected 1 to 5"):
        ExamClip("x", "t", "t", clip.reader, score=6)
    with pytest.raises(UnknownNameError, match="No figure 'tau'; there are: kendall_tau, "):
        made_exam(THREE, metrics=["tau"])
    with pytest.raises(InvalidValueError, match="n_pairs=0"):
        draw_pairs([clip], 0, rng=np.random.default_rng(0))


def test_a_source_is_told_what_the_clips_have_not() -> None:
    exam = made_exam(THREE)
    assert why_not_asked(SourceNeeds(frames=True, first_frame=True, instruction=True), exam) == ""
    assert why_not_asked(SourceNeeds(actions=True, env_rewards=True), exam) == (
        "It reads actions and the environment's own rewards, which these clips have not."
    )


@pytest.mark.parametrize(
    ("needs", "times"),
    [
        (SourceNeeds(frames=True), [0, 1, 8, 15, 22]),
        (SourceNeeds(frames=True, frame_stride=10), [0, 1, 11, 21, 31]),
        (
            SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7),
            [0, 1, 8, 15, 22],
        ),
        (SourceNeeds(frames=True, granularity="episode"), [0, 1, 2, 3, 4]),
    ],
)
def test_a_source_reads_the_pictures_of_a_video_one_after_the_other(
    needs: SourceNeeds, times: list[int]
) -> None:
    episode = picture_episode(ramp(200, 5), needs, n_frames=50, id="v")
    assert episode.frames is not None
    assert episode.frames.times.tolist() == times
    assert len(episode) == times[-1]
    assert pace_of(needs, times[2] - times[1]) == times[2] - times[1]  # none is left out


def test_one_picture_is_a_world_at_rest_and_without_pictures_a_frame_is_a_step() -> None:
    episode = picture_episode(ramp(200, 1), SourceNeeds(frames=True), n_frames=1, id="v")
    assert episode.frames is not None
    assert episode.frames.times.tolist() == [0, 1]
    assert len(picture_episode(ramp(200, 5), SourceNeeds(), n_frames=50, id="v")) == 49


def test_a_video_clip_is_known_by_its_content_and_by_which_pictures_are_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    (tmp_path / "c").write_bytes(b"two")
    slow, fast = VideoSampling(fps=1.0), VideoSampling(fps=2.0)
    digests = [VideoClip(tmp_path / name, slow).digest() for name in "abc"]
    assert digests[0] == digests[1] != digests[2]
    assert VideoClip(tmp_path / "a", fast).digest() != digests[0]
