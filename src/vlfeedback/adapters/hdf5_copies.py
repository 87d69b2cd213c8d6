"""The two rewards of each step in a copy of an HDF5 file, where all else stays as it was."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32

from vlfeedback.adapters.relabelled_copies import like_stored
from vlfeedback.data.hdf5_files import write_array
from vlfeedback.data.hdf5_groups import HDF5Group

__all__ = ["set_rewards"]


def set_rewards(
    group: h5py.Group, rewards: Float32[np.ndarray, " L"], *, kept_as: str, origin: Path
) -> None:
    """Put a source's rewards in place of the environment's own, which are kept beside them.

    Args:
        group: of a copy that is open for writing.
        rewards: for ``rewards``; they get the shape, dtype and attributes of those that were there.
        kept_as: name of what was there; NaN where there was none. What has that name stays.
        origin: the file that was copied, for messages.

    Raises:
        FileFormatError: a part of the group leads into another file.
    """
    parts = HDF5Group(origin, group)  # or writing would follow links out of the file
    stored = parts.get("rewards")
    has_kept = kept_as in parts
    array = like_stored(rewards, stored)
    attributes = {} if stored is None else dict(stored.attrs)
    if stored is not None and not has_kept:
        group.move("rewards", kept_as)
    elif stored is not None:
        del group["rewards"]
    elif not has_kept:
        write_array(group, kept_as, np.full_like(rewards, np.nan))
    new = write_array(group, "rewards", array)
    for name, value in attributes.items():
        new.attrs[name] = value
