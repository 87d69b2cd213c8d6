"""Policies come back from their files, and nothing in a file is executed."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import CheckpointError
from vlfeedback.offline.policy_file import load_policy

d3rlpy = pytest.importorskip("d3rlpy")

STATES = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Any, Path]:
    algo = d3rlpy.algos.BCConfig().create("cpu:0")
    algo.create_impl((3,), 2)
    path = tmp_path / "policy.d3"
    algo.save(str(path))
    return algo, path


def test_a_policy_of_d3rlpy_comes_back(saved: tuple[Any, Path]) -> None:
    algo, path = saved
    np.testing.assert_array_equal(load_policy(str(path)).predict(STATES), algo.predict(STATES))


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("place", ["config", "torch", "weights", "more"])
def test_a_pickle_that_would_run_something_is_refused(
    saved: tuple[Any, Path], tmp_path: Path, place: str
) -> None:
    _, path = saved
    values = pickle.loads(path.read_bytes())
    target = tmp_path / "touched"
    if place == "weights":  # in torch's archive within
        import torch

        weights = io.BytesIO()
        torch.save({"_imitator": _Runs(target)}, weights)
        values["torch"] = weights.getvalue()
    else:
        values[place] = _Runs(target)
    path.write_bytes(pickle.dumps(values))
    with pytest.raises(CheckpointError):
        load_policy(path)
    assert not target.exists()


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04", pickle.dumps([1]), pickle.dumps({})])
def test_what_is_no_policy_is_refused_with_its_name(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "policy.d3"
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"policy.d3 is no readable policy of d3rlpy"):
        load_policy(path)
