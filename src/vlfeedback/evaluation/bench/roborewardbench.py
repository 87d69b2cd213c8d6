"""RoboRewardBench: 2,831 real-robot episodes with scores from 1 to 5, checked by people.

Paper:    Lee et al. 2026, RoboReward, arXiv 2601.00675 (the scores, MAE); Kwok et al. 2026,
          LLM-as-a-Verifier, arXiv 2607.05391 (500 pairs, value-order correlation)
Dataset:  teetone/RoboReward on the Hugging Face hub, CC BY 4.0; its split ``test``
Layout:   ``test/metadata.jsonl``, a JSON object a line: ``file_name`` (of an MP4 video, relative to
          ``test/``; unique), ``task`` (the instruction), ``reward`` (1 to 5), ``gpt5_mini_check``
          (a text). The first folder of a file's name is the data set it is of: ``robo_arena``,
          ``droid`` ...

Verified, on the dataset's card and in public code that reads it (robometer at c7f38e2,
``dataset_upload/dataset_loaders/roboreward_loader.py``): the layout; that a score judges the end of
the episode, 1 "no success" to 5 "perfect completion"; reward = (score - 1) / 4. In public code
alone: one picture a second (robometer's port of the model); that names end in
``_attempt_<n>_score_<1-4>.mp4`` where a success was cut short, so that a name gives its score
away (nothing here reads it); that one video occurs under several instructions.

Not verified, and so our choice: which 500 pairs and 500 trajectories arXiv 2607.05391 compares, and
how it counts ties; whether MAE is the mean over episodes or over data sets (both are given). Our
pairs are drawn from all clips of one data set and instruction with other scores; a tie is half
right; value-order correlation is of clips that score 5. Nobody of the authors has published an
evaluation script that we found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.foreign_files import path_inside, reading
from vlfeedback.data.video_sampling import VideoSampling
from vlfeedback.errors import FileFormatError
from vlfeedback.evaluation.bench.exam import Exam, ExamClip, draw_pairs
from vlfeedback.evaluation.bench.video_clips import PROVIDED_BY_VIDEOS, VideoClip

__all__ = ["read_roborewardbench"]

_METADATA = "metadata.jsonl"
_COLUMNS = {"file_name": str, "task": str, "reward": int}
_ADVICE = "Expected the test split of teetone/RoboReward as its authors published it."


def read_roborewardbench(
    data: str | Path,
    *,
    n_pairs: int | None = 500,
    sampling: VideoSampling | None = None,
    seed: int = 0,
) -> Exam:
    """The exam in a downloaded copy; no video is read yet.

    Args:
        data: the dataset's folder, or that of its split ``test``.
        n_pairs: that are compared, drawn from all; None for all.
        sampling: pictures of each video; default: one a second.
        seed: decides which pairs.

    Raises:
        FileNotFoundError: there is no such dataset.
        FileFormatError: a line has other columns, or a value that is none.
        InvalidValueError: a file's name leads out of the folder, or occurs twice.
    """
    folder = _folder(Path(data))
    sampling = sampling or VideoSampling(fps=1.0)
    clips = [
        ExamClip(
            id=row["file_name"],
            task=row["task"],
            instruction=row["task"],
            reader=VideoClip(path_inside(folder, row["file_name"], where=where), sampling),
            set=row["file_name"].partition("/")[0],
            score=row["reward"],
            rises=row["reward"] == 5,
            known=f"{row['reward']} of 5",
        )
        for where, row in _rows(folder / _METADATA)
    ]
    clips.sort(key=lambda clip: (clip.unit, clip.id))
    return Exam(
        name="roborewardbench",
        title="RoboRewardBench",
        clips=clips,
        pairs=draw_pairs(clips, n_pairs, rng=np.random.default_rng(seed)),
        provides=PROVIDED_BY_VIDEOS,
        metrics=("preference_accuracy", "ties", "mae", "mae_of_sets", "mae_fitted", "voc"),
        settings={"pairs": n_pairs, "seed": seed, "pictures": str(sampling)},
        notes=(
            "Which pairs and which trajectories the papers took is not published: ours are drawn "
            "from all clips of one data set and instruction, and value-order correlation is of all "
            "clips that score 5.",
            "A success that was cut short is compared with the whole of it: a longer clip is a "
            "better one there, which “length” shows.",
        ),
    )


def _folder(data: Path) -> Path:
    for folder in (data / "test", data):
        if (folder / _METADATA).is_file():
            return folder
    raise FileNotFoundError(
        f"No RoboRewardBench at {data}: expected test/{_METADATA} and the videos beside it, of "
        "https://huggingface.co/datasets/teetone/RoboReward."
    )


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with its place, for messages."""
    with reading(path, "list of clips", advice=_ADVICE):
        lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number},"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{where} is no JSON ({error}). {_ADVICE}") from error
        if not isinstance(row, dict):
            raise FileFormatError(f"{where} is no JSON object. {_ADVICE}")
        for column, kind in _COLUMNS.items():
            value = row.get(column)
            if not isinstance(value, kind) or isinstance(value, bool) or value == "":
                raise FileFormatError(
                    f"{where} has {column} {value!r}; expected "
                    f"{'a text' if kind is str else 'a whole number'}. {_ADVICE}"
                )
        if not 1 <= row["reward"] <= 5:
            raise FileFormatError(f"{where} has reward {row['reward']}; expected 1 to 5. {_ADVICE}")
        yield where, row
