import json
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlfeedback.errors import CheckpointError, UnknownNameError
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.weights import VLPWeights, bundled_weights, load_vlp, save_vlp

SMALL = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "vlp.test.safetensors"
    save_vlp(path, VLPNetwork(SMALL), VLPWeights(SMALL, 0.5, 2.0, ("reach",), {"seed": 3}))
    return path


def test_weights_come_back_with_their_description(saved: Path) -> None:
    network, weights = load_vlp(str(saved))
    assert weights == VLPWeights(SMALL, 0.5, 2.0, ("reach",), {"seed": 3})
    torch.manual_seed(0)
    for (name, tensor), original in zip(
        network.state_dict().items(), VLPNetwork(SMALL).state_dict().values(), strict=True
    ):
        assert torch.equal(tensor, original.half().float()), name


def test_loaded_networks_are_in_evaluation_mode(saved: Path) -> None:
    assert not load_vlp(str(saved))[0].training


def test_an_unknown_name_lists_what_is_bundled() -> None:
    with pytest.raises(UnknownNameError, match=r"No VLP weights 'mt54': bundled are"):
        load_vlp("mt54")


def test_a_truncated_file_is_named(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"vlp\.test\.safetensors is damaged: its con"):
        load_vlp(str(saved))


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not a model at all")
    with pytest.raises(CheckpointError, match="no readable safetensors"):
        load_vlp(str(path))


def test_weights_of_another_model_are_refused_with_their_first_tensors(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    save_file({"visual.proj": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"no VLP model but .*\(1 tensors.*visual.proj"):
        load_vlp(str(path))


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (2, r"has version 2, this release reads 3; .*Train again with: vlfeedback fit vlp"),
        (4, r"has version 4, this release reads 3; upgrade vlfeedback"),
    ],
)
def test_weights_of_another_version_are_refused_with_what_to_do(
    saved: Path, version: int, told: str
) -> None:
    header = {"format": "vlfeedback-vlp", "version": version}
    save_file(load_file(saved), saved, metadata={"vlfeedback": json.dumps(header)})
    with pytest.raises(CheckpointError, match=told):
        load_vlp(str(saved))


def test_a_checkpoint_of_another_architecture_is_refused_with_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    wide = VLPArchitecture(picture_size=64, width=64, n_heads=2, head=(16, 8))
    save_vlp(path, VLPNetwork(wide), VLPWeights(SMALL, 0.0, 1.0, (), {}))
    with pytest.raises(CheckpointError, match=r"another architecture than .*encoder\.body"):
        load_vlp(str(path))


def test_bundled_weights_together_stay_under_20_megabytes() -> None:
    folder = Path(str(files("vlfeedback") / "weights"))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20e6


def test_every_bundled_set_has_a_card_that_says_what_it_was_trained_on() -> None:
    for name, path in bundled_weights().items():
        _, weights = load_vlp(name)
        card = path.with_name(f"vlp.{name}.md").read_text(encoding="utf-8")
        assert f"{len(weights.tasks)} tasks" in card.splitlines()[0]
