"""RBM-EVAL-OOD: real-robot clips of six data sets, each a success, suboptimal or a failure.

Paper:    Robometer, arXiv 2603.02115; Kendall's tau_a is its measure of ranking policies
Code:     robometer/robometer at c7f38e2: ``evals/compile_results.py``, ``eval_metrics_utils.py``,
          ``data/samplers/eval/progress_policy_ranking.py``, ``eval_commands/policy_ranking.sh``
Dataset:  robometer/rbm-1m-ood on the Hugging Face hub, Apache-2.0, in either of its two forms

Verified in that code: clips of one data set and one task are compared. Every way to take one clip
of each label that the task has is a ranking, whose tau_a counts concordant minus discordant pairs
over all pairs, a tie of scores as neither; the task's tau is the mean over rankings. Tasks with one
label do not count. A data set's tau is the mean over its tasks, and the benchmark's the mean over
the six data sets (so in RynnValue's README, at 10e0d33). The score of a clip is what a model says
after its last picture; every clip is used, and Robometer itself and RynnValue read 8 pictures,
evenly spaced. A pair is right where the better clip scores higher; a tie is wrong.

Layouts. Of ``videos``, verified by its ``meta/info.json``: ``eval_data_sources`` (the six), and
``train/metadata.parquet`` with the columns ``file_name`` (of a video in ``train/``), ``id``,
``task``, ``data_source``, ``quality_label``, ``is_robot`` and ``partial_success``, all texts. Of
``lerobot``, a LeRobotDataset v3.0 that its card describes: a camera ``video`` at 10 fps and the
columns ``id`` and ``quality_label``. It has 571 episodes, and the benchmark 976 clips; all are
taken. That it names ``data_source`` too is not verified: where it does not, all count as one set.

Not verified: the spelling of labels there (the code has "successful", "suboptimal", "failure", and
``info.json`` "success": both are read). Left out: the preprocessed form that the benchmark's own
script reads (robometer/processed_datasets).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vlfeedback.data.video_sampling import VideoSampling
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.bench.exam import Exam, ExamClip, draw_pairs
from vlfeedback.evaluation.bench.rbm_layouts import RbmRow, read_rows
from vlfeedback.evaluation.bench.video_clips import PROVIDED_BY_VIDEOS

__all__ = ["read_rbm_eval_ood"]


def read_rbm_eval_ood(
    data: str | Path,
    *,
    n_pairs: int | None = None,
    sampling: VideoSampling | None = None,
    seed: int = 0,
) -> Exam:
    """The exam in a downloaded copy; no video is read yet.

    Args:
        data: the dataset's folder.
        n_pairs: that are compared; None for all.
        sampling: pictures of each video; default: 8, evenly spaced.
        seed: decides which pairs.

    Raises:
        FileNotFoundError: there is no such dataset.
        FileFormatError: it has other columns, or a label that is none; or it is damaged.
        NeedsError: it has no clip of the benchmark.
        InvalidValueError: a file's name leads out of the folder, or an id occurs twice.
        MissingExtraError: pyarrow is not installed.
    """
    sampling = sampling or VideoSampling(pictures=8)
    form, rows = read_rows(Path(data), sampling)
    clips = sorted(_clips(rows), key=lambda clip: (clip.unit, clip.id))
    if not clips:
        raise NeedsError(f"{data} has no clip of a robot of the benchmark's data sets.")
    return Exam(
        name="rbm-eval-ood",
        title="RBM-EVAL-OOD",
        clips=clips,
        pairs=draw_pairs(clips, n_pairs, rng=np.random.default_rng(seed)),
        provides=PROVIDED_BY_VIDEOS,
        metrics=("kendall_tau", "preference_accuracy", "ties", "voc", "voc_pearson"),
        tie_credit=0.0,
        settings={"pairs": n_pairs, "seed": seed, "pictures": str(sampling), "form": form},
        notes=(
            f"{len(clips)} clips in {len({clip.set for clip in clips})} data sets; the benchmark "
            "has 976 in 6.",
            "Figures of papers are of models that read as many pictures as they like; here every "
            "source is given the same ones.",
        ),
    )


def _clips(rows: Iterator[RbmRow]) -> Iterator[ExamClip]:
    for row in rows:
        yield ExamClip(
            id=row.id,
            task=row.task,
            instruction=row.task,
            reader=row.reader,
            set=row.data_source,
            tier=row.tier,
            rises=row.tier == 2,
            known=row.label,
        )
