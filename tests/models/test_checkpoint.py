import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vlfeedback.errors import CheckpointError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    fill_network,
    read_checkpoint,
    read_description,
    save_checkpoint,
)

TOY = CheckpointFormat("toy", version=2, model="toy model", made_by="vlfeedback fit toy")
TENSORS = {"weight": torch.arange(6.0).reshape(2, 3).T, "bias": torch.ones(3).half()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toys" / "toy.safetensors"
    save_checkpoint(path, TENSORS, {"architecture": {"width": 3}}, file_format=TOY)
    return path


@pytest.fixture(params=[0o022, 0o027, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_tensors_come_back_bit_by_bit_with_their_description(saved: Path) -> None:
    description, tensors = read_checkpoint(saved, file_format=TOY)
    assert description == {"format": "toy", "version": 2, "architecture": {"width": 3}}
    assert description == read_description(saved, file_format=TOY)
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor)


def test_the_same_content_is_the_same_file(saved: Path) -> None:
    before = saved.read_bytes()
    save_checkpoint(saved, TENSORS, {"architecture": {"width": 3}}, file_format=TOY)
    assert saved.read_bytes() == before


def test_whoever_may_read_other_new_files_may_read_weights(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "toy.safetensors"
    save_checkpoint(path, TENSORS, {}, file_format=TOY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_file_is_replaced_only_once_the_new_one_is_whole(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write = saved.read_bytes(), Path.write_bytes

    def fill_the_disk(path: Path, contents: bytes) -> int:
        write(path, contents[:40])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(saved, {"weight": torch.zeros(9)}, {}, file_format=TOY)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
    monkeypatch.undo()
    save_checkpoint(saved, {"weight": torch.zeros(9)}, {}, file_format=TOY)
    assert saved.read_bytes() != before
    assert list(saved.parent.iterdir()) == [saved]


def refused(path: Path, message: str, file_format: CheckpointFormat = TOY) -> None:
    for read in (read_checkpoint, read_description):
        with pytest.raises(CheckpointError, match=message):
            read(path, file_format=file_format)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors'; .*vlfeedback fit toy"):
        read_description(tmp_path / "nothing.safetensors", file_format=TOY)


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_truncated_file_is_refused_wherever_it_ends(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    problem = "is damaged: its contents" if kept == -1 else "is no readable safetensors file: "
    refused(saved, rf"toy\.safetensors {problem}.*opy it again.*vlfeedback fit toy")


def test_a_description_that_is_no_json_is_refused(tmp_path: Path) -> None:
    save_file({}, tmp_path / "toy", metadata={"vlfeedback": "{'format': 'toy'}"})
    refused(tmp_path / "toy", "no readable safetensors file: Expecting property name")


def test_weights_of_another_library_are_refused_with_their_first_tensors(tmp_path: Path) -> None:
    save_file({"visual.proj": torch.zeros(2)}, tmp_path / "clip")
    refused(
        tmp_path / "clip",
        r"no toy model but 'something else' \(1 tensors, first: \['visual.proj'\]\); .*fit toy",
    )


def test_weights_of_another_format_are_refused_with_its_name(saved: Path) -> None:
    other = replace(TOY, name="game", model="game model")
    refused(saved, r"no game model but 'toy' \(2 tensors, first: \['bias', 'weight'\]\)", other)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (1, "has version 2, this release reads 1; upgrade vlfeedback"),
        (3, "has version 2, this release reads 3; .*Train again with: vlfeedback fit toy"),
    ],
)
def test_weights_of_another_version_are_refused_with_what_to_do(
    saved: Path, version: int, message: str
) -> None:
    refused(saved, message, replace(TOY, version=version))


def test_a_network_is_filled_in_its_own_precision(saved: Path) -> None:
    network = nn.Linear(2, 3)
    fill_network(network, read_checkpoint(saved, file_format=TOY)[1], saved, file_format=TOY)
    assert network.weight.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert network.bias.tolist() == [1, 1, 1] and network.bias.dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"bias": None}, "1 tensors .*first: .'bias'."),  # missing
        ({"gain": torch.ones(3)}, "1 tensors .*first: .'gain'."),  # unexpected
        ({"weight": torch.zeros(3, 3)}, "1 tensors .*first: .'weight'."),  # of another shape
        ({"bias": None, "gain": torch.ones(3)}, "2 tensors .*first: .'bias', 'gain'."),
    ],
)
def test_tensors_that_do_not_fit_are_named_and_none_is_taken(
    changes: dict[str, torch.Tensor | None], named: str
) -> None:
    network = nn.Linear(2, 3)
    before = network.weight.tolist()
    tensors = {k: t for k, t in (TENSORS | changes).items() if t is not None}
    with pytest.raises(CheckpointError, match=f"another architecture .*{named}.*vlfeedback fit to"):
        fill_network(network, tensors, Path("toy.safetensors"), file_format=TOY)
    assert network.weight.tolist() == before
