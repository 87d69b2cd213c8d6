"""A d3rlpy policy from the file that its ``save`` wrote, with nothing in the file executed.

The file is a pickle of three plain values: weights as `torch.save` writes them, the algorithm's
settings as JSON, and d3rlpy's version. d3rlpy's own ``load_learnable`` would run whatever else a
pickle holds; this reads plain values and refuses the rest.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.inert_pickles import Inert, read_pickle
from vlfeedback.errors import CheckpointError
from vlfeedback.optional import import_d3rlpy

__all__ = ["load_policy"]

_ADVICE = "Copy it again, or train it again with: vlfeedback train"


def load_policy(path: str | Path, *, device: str = "cpu") -> Any:
    """Read a policy of d3rlpy's algorithms or of vlfeedback's.

    Args:
        path: what ``algo.save(path)`` wrote.
        device: torch's name of where it computes.

    Returns:
        The algorithm, built, with its weights.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, no policy, or a pickle of more than plain values.
        MissingExtraError: d3rlpy is not installed.
    """
    d3rlpy = import_d3rlpy(needed_by="a saved policy")
    # d3rlpy finds our learners and encoders once their modules are imported.
    from vlfeedback.offline import bc, cpl, ipl, iql, point_encoder, sft  # noqa: F401

    contents = Path(path).read_bytes()
    with reading(path, "policy of d3rlpy", advice=_ADVICE, error=CheckpointError):
        values = read_pickle(contents)
        _check_plain(values)
        described = d3rlpy.base.LearnableConfigWithShape.deserialize(values["config"])
        algo = described.create(device)
        algo.impl.load_model(io.BytesIO(values["torch"]))
    return algo


def _check_plain(values: Any) -> None:
    for value in values.values():
        if isinstance(value, Inert):
            raise CheckpointError(
                f"The file is a pickle that wants to run {value.name}; a policy holds plain values "
                f"alone, so nothing of it was read. {_ADVICE}"
            )
