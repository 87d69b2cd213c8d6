"""What people said about pairs of segments of a flat dataset, by the rows where segments start.

Source:  PreferenceTransformer (csmile-1006/PreferenceTransformer at f71647b, ``human_label/``) and
         Uni-RLHF (pickxiguapi/Clean-Offline-RLHF at 3053501, ``crowdsource_human_labels/`` and
         ``generated_fake_labels/``)
Files:   a folder has three: start rows of the first segments (``indices_num500``,
         ``indices_1_...``), of the second ones (``indices_2_...``), and the labels
         (``label_human``, ``human_label_...``, ``fake_label_...``). All are pickles of numbers,
         which are read without unpickling them; ``.npy`` files will do as well
Labels:  0 the first is better, 1 the second, -1 both alike, trained on as 0.5; scripted labels of
         Uni-RLHF are one-hot rows
Rows:    count what D4RL's ``qlearning_dataset`` leaves: an episode that was cut off has lost its
         last step, and the file its last row. Taken for rows of the file, every segment would
         begin some steps early, the later in the file the more (of Uni-RLHF's segments for
         halfcheetah none of 12,000 crosses the end of an episode of 999 such rows, and one in six
         would cross those of 1000)
Left out: the table that Uni-RLHF's platform exports (``label.csv``), which names videos
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int64

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.plain_pickles import read_pickled_numbers
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.types import LabelRecord, PreferenceLabels, Segment, Trajectory
from vlfeedback.types.label_arrays import LabelRows, label_rows

__all__ = ["CountedRows", "from_start_rows", "read"]

CountedRows = Literal["d4rl", "robomimic", "all"]
"""Which steps of the trajectories rows count: ``"d4rl"``, all but the last of an episode that was
cut off, and of the last episode; ``"robomimic"``, all but the last of each; ``"all"`` of them."""

_LENGTH = re.compile(r"_(?:len_?|q)(\d+)(?!\d)")  # "..._len_200_...", "indices_num500_q100"


def read(
    folder: str | Path,
    trajectories: Iterable[Trajectory],
    *,
    length: int | None = None,
    rows: str = "d4rl",
) -> PreferenceDataset:
    """Read the labels of a folder; see the module's header for its files.

    Args:
        folder: as it lies in either repository, such as ``human_label/hopper-medium-replay-v2``.
        trajectories: the dataset that was labelled, whole and in its order, as
            `vlfeedback.adapters.hdf5.read` gives D4RL's files.
        length: steps of a segment; None: what the names of the files say. Those of
            PreferenceTransformer for D4RL say nothing, and are of 100 steps.
        rows: what start rows count, see `CountedRows`.

    Returns:
        The pairs; those with a segment that does not lie within one episode are left out, with a
        warning that counts them.

    Raises:
        FileNotFoundError: there is no such folder.
        FileFormatError: it has not one file of each kind, or one is damaged.
        NeedsError: no file's name says how long segments are, and `length` is not given.
        InvalidValueError: a row is not of these trajectories, or no pair is left.
    """
    folder = Path(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    first, second, labels = (
        _only(folder, [name for name in names if re.search(pattern, name)], what)
        for what, pattern in (
            ("start rows of the first segments (indices_...)", r"^(human_)?indices_(?!2_)"),
            ("start rows of the second segments (indices_2_...)", r"^(human_)?indices_2_"),
            ("labels (..._label_..., label_human)", r"^(?!(human_)?indices_).*label"),
        )
    )
    if length is None:
        lengths = {
            int(match[1]) for path in (first, second) if (match := _LENGTH.search(path.name))
        }
        if len(lengths) != 1:
            raise NeedsError(
                f"The names of the files in {folder} do not say how many steps a segment has; pass "
                "length. PreferenceTransformer's labels for D4RL are of segments of 100 steps."
            )
        (length,) = lengths
    return from_start_rows(
        _numbers(first),
        _numbers(second),
        _numbers(labels),
        trajectories,
        length=length,
        rows=rows,
        source=f"file {folder.name}/{labels.name}",
    )


def from_start_rows(
    first: LabelRows,
    second: LabelRows,
    labels: LabelRows,
    trajectories: Iterable[Trajectory],
    *,
    length: int,
    rows: str = "d4rl",
    source: str = "unknown",
) -> PreferenceDataset:
    """Labels of pairs whose segments begin at these rows of a flat dataset.

    Args:
        first: (N,) rows where the first segments begin.
        second: (N,) rows where the second ones begin.
        labels: N times 0, 1 or -1; or one-hot, (N, 2).
        trajectories: as in `read`.
        length: steps of a segment.
        rows: as in `read`.
        source: who said so, for the dataset's `LabelRecord`.

    Returns:
        As in `read`.

    Raises:
        ShapeError: there are not as many of each.
        InvalidValueError: as in `read`; or a label is another number, or `rows` another word.

    >>> episode = Trajectory(np.zeros((9, 1)), np.zeros((8, 1)), truncated=True, id="0")
    >>> dataset = from_start_rows([0, 4], [3, 0], [1, -1], [episode, episode], length=3)
    >>> dataset.pairs[0], dataset.labels.prefer_second.tolist()
    ((Segment('0', steps 0-3), Segment('0', steps 3-6)), [1.0, 0.5])
    """
    if rows not in get_args(CountedRows):
        raise InvalidValueError(
            f"rows={rows!r}; expected one of {', '.join(get_args(CountedRows))}."
        )
    answers = _labels(labels)
    starts = [np.asarray(label_rows(side, name="start rows")) for side in (first, second)]
    if not len(starts[0]) == len(starts[1]) == len(answers):
        raise ShapeError(
            f"{len(starts[0])} and {len(starts[1])} start rows and {len(answers)} labels; expected "
            "as many of each."
        )
    episodes = list(trajectories)
    ends = np.cumsum(_counts(episodes, rows))
    sides = [_segments(side, episodes, ends, length) for side in starts]
    whole = [k for k in range(len(answers)) if sides[0][k] is not None and sides[1][k] is not None]
    if not whole:
        raise InvalidValueError(
            f"None of {len(answers)} pairs has both of its segments of {length} steps within an "
            "episode. Are these the trajectories that were labelled, whole and in their order?"
        )
    if len(whole) < len(answers):
        warnings.warn(
            f"{len(answers) - len(whole)} of {len(answers)} pairs are left out: one of their "
            f"segments of {length} steps begins in one episode and ends in another.",
            UserWarning,
            stacklevel=2,
        )
    pairs = [(sides[0][k], sides[1][k]) for k in whole]
    return PreferenceDataset(
        [(a, b) for a, b in pairs if a is not None and b is not None],
        answers.take(whole),
        labelled_by=(LabelRecord(source),),
    )


def _labels(labels: LabelRows) -> PreferenceLabels:
    if np.ndim(labels) == 2 and np.shape(labels)[1] == 2:
        return PreferenceLabels.from_vlp(labels)
    return PreferenceLabels.from_bpref(labels, "half")


def _counts(episodes: Sequence[Trajectory], rows: str) -> Int64[np.ndarray, " E"]:
    """Rows of each episode."""
    lengths = np.array([len(episode) for episode in episodes], dtype=np.int64)
    if rows == "all":
        return lengths
    cut_off = np.array([e.truncated or not e.terminated for e in episodes], dtype=np.bool_)
    cut_off[-1:] = True
    return lengths - (True if rows == "robomimic" else cut_off)


def _segments(
    starts: np.ndarray, episodes: Sequence[Trajectory], ends: np.ndarray, length: int
) -> list[Segment | None]:
    """The segment at each row; None where it does not end in its episode."""
    n_rows = int(ends[-1]) if len(ends) else 0
    invalid = np.flatnonzero((starts < 0) | (starts >= n_rows) | (starts != np.floor(starts)))
    if len(invalid):
        raise InvalidValueError(
            f"Start row {starts[invalid[0]]:g} of pair {invalid[0]} is none of the {n_rows:,} rows "
            f"of these {len(episodes)} trajectories. Are they the dataset that was labelled, whole "
            "and in its order, and is `rows` right?"
        )
    segments = []
    for start in starts.astype(np.int64):
        k = int(np.searchsorted(ends, start, side="right"))
        begin = int(ends[k - 1]) if k else 0
        is_whole = start + length <= ends[k]
        segments.append(episodes[k].segment(int(start) - begin, length) if is_whole else None)
    return segments


def _only(folder: Path, names: Sequence[str], what: str) -> Path:
    if len(names) != 1:
        listing = ", ".join(names) or "none"
        raise FileFormatError(
            f"{folder} has {listing}: expected one file with {what}. Keep one set of three files "
            "in a folder, named as in PreferenceTransformer or Uni-RLHF; or give their numbers to "
            "from_start_rows."
        )
    return folder / names[0]


def _numbers(path: Path) -> np.ndarray:
    if path.suffix != ".npy":
        return read_pickled_numbers(path)
    with reading(path, "array of numbers", advice="Copy it again."):
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
