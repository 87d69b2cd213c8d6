from pathlib import Path

import pytest
import torch

from vlfeedback.errors import CheckpointError, FileFormatError
from vlfeedback.models.training_state import load_training_state, save_training_state


def begin() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    return network, torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)


def train(network: torch.nn.Module, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimiser.zero_grad()
        network(torch.full((4, 3), float(step))).square().sum().backward()
        optimiser.step()


def test_a_training_that_went_on_ends_like_one_that_was_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    whole, optimiser = begin()
    train(whole, optimiser, range(6))

    first, optimiser = begin()
    train(first, optimiser, range(4))
    save_training_state(path, first, optimiser, step=4, settings={"seed": 0})
    second, optimiser = begin()
    step = load_training_state(path, second, optimiser, settings={"seed": 0})
    train(second, optimiser, range(step, 6))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name


def test_without_a_file_nothing_is_done_yet(tmp_path: Path) -> None:
    assert load_training_state(tmp_path / "no.safetensors", *begin(), settings={}) == 0


def test_other_settings_are_refused_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_training_state(path, *begin(), step=1, settings={"seed": 0, "tasks": ["reach"]})
    with pytest.raises(FileFormatError, match=r"seed was 0 and is 1\. Use the same"):
        load_training_state(path, *begin(), settings={"seed": 1, "tasks": ("reach",)})


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_training_state(path, *begin(), step=1, settings={})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="delete it to start again"):
        load_training_state(path, *begin(), settings={})
