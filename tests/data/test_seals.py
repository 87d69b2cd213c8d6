"""Safetensors files that carry a digest of themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch

from vlfeedback.data.seals import SEAL, check_seal, sealed
from vlfeedback.errors import CheckpointError, FileFormatError

TENSORS: dict[str, np.ndarray] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.ones(3, np.int64),
}


def test_a_sealed_file_holds_the_same_tensors_and_metadata_and_one_key_more(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(sealed(save(TENSORS, metadata={"who": "me"})))
    with safe_open(path, framework="np") as file:
        assert file.metadata() == {"who": "me", SEAL: file.metadata()[SEAL]}
    read = load(path.read_bytes())
    assert read.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(read[name], array)
    check_seal(path, advice="Copy it again.")


def test_types_that_only_torch_knows_are_sealed_too(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(sealed(save_torch({"a": torch.ones(2, dtype=torch.bfloat16)})))
    check_seal(path, advice="Copy it again.")
    assert load_torch(path.read_bytes())["a"].dtype == torch.bfloat16


def test_no_flipped_bit_changes_what_is_read(tmp_path: Path) -> None:
    """Those in spaces, and in the name of the digest itself, leave all else as it was."""
    path = tmp_path / "a.safetensors"
    contents = sealed(save(TENSORS, metadata={"who": "me"}))
    n_refused = 0
    for position in range(len(contents)):
        damaged = bytearray(contents)
        damaged[position] ^= 1 << (position % 7)
        path.write_bytes(damaged)
        try:
            check_seal(path, advice="Copy it again.")
            read = load(bytes(damaged))
        except (FileFormatError, SafetensorError):
            n_refused += 1
            continue
        assert read.keys() == TENSORS.keys()
        for name, array in TENSORS.items():
            np.testing.assert_array_equal(read[name], array)
    assert n_refused > 0.9 * len(contents)


def test_a_file_without_a_digest_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save(TENSORS))
    check_seal(path, advice="Copy it again.")


@pytest.mark.parametrize("contents", [b"", b"\xff" * 40, b"\x02" + bytes(7) + b"[]", b"\x08{}"])
def test_what_is_no_safetensors_file_is_refused_with_the_advice(
    tmp_path: Path, contents: bytes
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"a.safetensors is no readable .* Copy it again\."):
        check_seal(path, advice="Copy it again.", error=CheckpointError)
