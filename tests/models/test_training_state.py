from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.errors import CheckpointError, FileFormatError
from vlfeedback.models.training_state import TrainingState, state_path, torch_generators

Training = tuple[torch.nn.Module, torch.optim.Optimizer]


def begin() -> Training:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    return network, torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)


def step(network: torch.nn.Module, optimiser: torch.optim.Optimizer, number: float) -> None:
    optimiser.zero_grad()
    network(torch.full((4, 3), number)).square().sum().backward()
    optimiser.step()


def train(state: TrainingState, training: Training, until: int) -> int:
    """Ten steps that depend on drawn numbers, or fewer; how many were there before."""
    rng = np.random.default_rng(5)
    torch.manual_seed(7)
    begun = state.resume(*training, [rng, *torch_generators("cpu")])
    for number in range(begun, until):
        step(*training, float(rng.normal()) + float(torch.rand(())))
        state.done(number + 1, 10)
    return begun


@pytest.mark.parametrize(("cut_off", "gone_on_from"), [(2, 0), (3, 3), (8, 6), (10, 10)])
def test_a_training_that_went_on_ends_like_one_that_was_not_cut_off(
    tmp_path: Path, cut_off: int, gone_on_from: int
) -> None:
    path = tmp_path / "deeper" / "state.safetensors"
    whole, first, second = begin(), begin(), begin()
    train(TrainingState(), whole, 10)
    train(TrainingState(path, every=3), first, cut_off)
    assert train(TrainingState(path, every=3), second, 10) == gone_on_from
    for name, tensor in whole[0].state_dict().items():
        assert torch.equal(second[0].state_dict()[name], tensor), name


def test_without_a_file_nothing_is_done_yet(tmp_path: Path) -> None:
    state = TrainingState(tmp_path / "no.safetensors")
    assert (state.resume(*begin()), state.seconds(), state.notes) == (0, 0.0, {})


def test_nothing_is_written_without_a_path(tmp_path: Path) -> None:
    train(TrainingState(), begin(), 10)
    assert not list(tmp_path.iterdir())


def test_notes_and_seconds_come_back_and_all_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state = TrainingState(path, every=1)
    state.resume(*begin())
    state.notes = {"losses": [0.1, 0.7]}
    state.done(1, 2)
    again = TrainingState(path)
    assert again.resume(*begin()) == 1
    assert again.notes == {"losses": [0.1, 0.7]}
    assert 0.0 < again.seconds() < 60.0
    again.done(2, 2)
    assert TrainingState(path).seconds() > again.seconds() - 1e-9
    again.remove()
    again.remove()
    assert not list(tmp_path.iterdir())


def save(path: Path, settings: dict[str, object]) -> None:
    state = TrainingState(path, settings)
    state.resume(*begin())
    state.done(1, 1)


def test_other_settings_are_refused_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save(path, {"seed": 0, "tasks": ["reach"]})
    state = TrainingState(path, {"seed": 1, "tasks": ("reach",)})
    for refused in (state.seconds, lambda: state.resume(*begin())):
        with pytest.raises(FileFormatError, match=r"seed was 0 and is 1\. Use the same"):
            refused()


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save(path, {})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"is damaged: .*\. Delete it to start again"):
        TrainingState(path).resume(*begin())


def test_it_lies_beside_the_weights_it_will_become() -> None:
    assert state_path(Path("a/vlp.mine.safetensors")) == Path("a/vlp.mine.training.safetensors")
    assert state_path(Path("model"), "stage1") == Path("model.stage1.training.safetensors")
