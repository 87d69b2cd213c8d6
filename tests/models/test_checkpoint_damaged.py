"""Weights files of our own that were damaged or made up: refused in a sentence, and at once."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vlfeedback.data.seals import SEAL, check_seal
from vlfeedback.encoders.clip_tokens import CLIPIdentity
from vlfeedback.encoders.weights_files import read_weights
from vlfeedback.encoders.words import BUNDLED_WORDS
from vlfeedback.errors import CheckpointError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    check_outline,
    fill_network,
    read_checkpoint,
    read_description,
    save_checkpoint,
)
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.weights import VLPWeights, load_vlp, save_vlp
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork
from vlfeedback.models.vlp_clip.weights import VLPClipWeights, load_vlp_clip, save_vlp_clip

TOY = CheckpointFormat("toy", version=2, model="toy model", made_by="vlfeedback fit toy")
CLIP = CLIPIdentity("tiny", "0" * 64, {"size": 32})


def write_reward_model(path: Path) -> None:
    RewardModel(RewardModelConfig("state", n_members=2, hidden=(4,)), (3,)).save(path)


def write_vlp(path: Path) -> None:
    small = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8))
    save_vlp(path, VLPNetwork(small), VLPWeights(small, 0.5, 2.0, ("reach",), {"seed": 3}))


def write_vlp_clip(path: Path) -> None:
    small = VLPClipArchitecture(picture_width=24, text_width=12, width=32, n_heads=2, head=(8, 4))
    weights = VLPClipWeights(small, CLIP, 0.5, 2.0, ("reach",), {})
    save_vlp_clip(path, VLPClipNetwork(small), weights)


FORMATS: dict[str, tuple[Any, Any]] = {
    "reward": (write_reward_model, RewardModel.load),
    "vlp": (write_vlp, lambda path: load_vlp(str(path))),
    "vlp-clip": (write_vlp_clip, lambda path: load_vlp_clip(path, CLIP)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


def contents(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["vlfeedback"])
        return description, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def rewrite(path: Path, changes: dict[str, Any]) -> None:
    """Another description, whose author had no seal to break; nested by a dot in the name."""
    description, tensors = contents(path)
    for name, value in changes.items():
        part, _, inner = name.rpartition(".")
        (description[part] if part else description)[inner] = value
    save_file(tensors, path, metadata={"vlfeedback": json.dumps(description)})


# Seals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_a_flipped_bit_anywhere_is_noticed_by_every_reader(kind: str, path: Path) -> None:
    write, load = FORMATS[kind]
    write(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    header = int.from_bytes(whole[:8], "little")
    for place in (*rng.integers(8 + header, size=20), *rng.integers(8 + header, len(whole), 20)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        for read in (load, read_weights):
            with pytest.raises(CheckpointError, match=r"is damaged|is no readable|holds no "):
                read(path)
    path.write_bytes(whole)
    load(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_an_earlier_release_without_a_seal_still_loads(kind: str, path: Path) -> None:
    write, load = FORMATS[kind]
    write(path)
    rewrite(path, {})
    load(path)


def test_the_bundled_weights_are_sealed() -> None:
    paths = sorted(BUNDLED_WORDS.parent.glob("*.safetensors"))
    assert {"words.safetensors", "vlp.mt45.safetensors"} <= {path.name for path in paths}
    for path in paths:
        with safe_open(path, framework="pt") as file:
            assert len(file.metadata()[SEAL]) == 64
        check_seal(path, advice="Install it again.")


# Numbers that make no sense --------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_tensor_with_nan_or_infinity_is_refused_by_name(
    kind: str, number: float, path: Path
) -> None:
    write, load = FORMATS[kind]
    write(path)
    description, tensors = contents(path)
    name = sorted(tensors)[0]
    tensors[name].view(-1)[-1] = number
    save_file(tensors, path, metadata={"vlfeedback": json.dumps(description)})
    for read in (load, read_weights):
        with pytest.raises(CheckpointError, match=rf"1 numbers that are NaN .* '{name}'"):
            read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, -1.0, "two", None, [1]])
@pytest.mark.parametrize(
    ("kind", "name"), [("reward", "reward_std"), ("vlp", "score_std"), ("vlp-clip", "score_std")]
)
def test_a_scale_that_is_no_number_above_zero_is_refused(
    kind: str, name: str, value: Any, path: Path
) -> None:
    write, load = FORMATS[kind]
    write(path)
    rewrite(path, {name: value})
    with pytest.raises(CheckpointError, match=r"describes no .* model of this release \(.*fit "):
        load(path)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("reward", {"reward_mean": np.nan}),
        ("vlp", {"score_mean": np.inf}),
        ("vlp", {"architecture.match_steepness": np.nan}),
        ("vlp", {"architecture.head": [16, np.nan]}),
        ("vlp", {"architecture": None}),
        ("vlp", {"architecture": []}),
        ("vlp", {"architecture.dropout": 2}),
        ("vlp", {"architecture.width": "wide"}),
        ("vlp", {"architecture.n_heads": 3}),
        ("vlp", {"architecture.n_heads": 0}),
        ("vlp", {"tasks": 3}),
        ("vlp-clip", {"clip": {"sha1": ""}}),
        ("vlp-clip", {"architecture.n_heads": 0}),
        ("reward", {"config": {"inputs": "sound"}}),
        ("reward", {"shape": None}),
        ("reward", {"shape": [-3]}),
        ("reward", {"training": 1}),
    ],
)
def test_a_description_of_nonsense_is_refused_in_a_sentence(
    kind: str, changes: dict[str, Any], path: Path
) -> None:
    write, load = FORMATS[kind]
    write(path)
    rewrite(path, changes)
    with pytest.raises(CheckpointError, match=r"describes no .* model of this release \(.*fit "):
        load(path)


@pytest.mark.parametrize("header", ["null", "[1]", '"toy"', "7", "[" * 100_000])
def test_a_header_that_is_no_object_is_refused(header: str, path: Path) -> None:
    save_file({"a": torch.ones(1)}, path, metadata={"vlfeedback": header})
    for read in (read_checkpoint, read_description):
        with pytest.raises(CheckpointError, match="is no readable safetensors file: "):
            read(path, file_format=TOY)


@pytest.mark.parametrize("version", [None, "2", []])
def test_a_version_that_is_no_number_is_refused(version: Any, path: Path) -> None:
    header = json.dumps({"format": "toy", "version": version})
    save_file({"a": torch.ones(1)}, path, metadata={"vlfeedback": header})
    with pytest.raises(CheckpointError, match=r"weights\.safetensors (is no readable|has version)"):
        read_checkpoint(path, file_format=TOY)


# Sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("reward", {"config.n_members": 10**9}),
        ("reward", {"config.hidden": [10**6, 10**6]}),
        ("reward", {"shape": [10**12]}),
        ("vlp", {"architecture.width": 2**20}),
        ("vlp", {"architecture.self_layers": 10**9}),
        ("vlp", {"architecture.progress_members": 10**9}),
        ("vlp", {"architecture.picture_size": 10**7}),
        ("vlp", {"architecture.max_words": 10**12}),
        ("vlp-clip", {"architecture.cross_blocks": 10**9}),
        ("vlp-clip", {"architecture.head": [2**40, 2**40]}),
    ],
)
def test_a_description_of_absurd_size_is_refused_at_once(
    kind: str, changes: dict[str, Any], path: Path
) -> None:
    write, load = FORMATS[kind]
    write(path)
    rewrite(path, changes)
    begin = time.monotonic()
    with pytest.raises(
        CheckpointError, match=r"far more tensors than|another architecture than|describes no"
    ):
        load(path)
    assert time.monotonic() - begin < 10


def test_an_outline_that_fits_passes_draws_no_numbers_and_leaves_no_trace(path: Path) -> None:
    network = nn.Linear(2, 3)
    before = torch.random.get_rng_state()
    check_outline(lambda: nn.Linear(2, 3), network.state_dict(), path, file_format=TOY)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert nn.Linear(1, 1).weight.device.type == "cpu"
    for _ in range(200):  # no longer counted
        nn.Linear(1, 1)


def test_what_is_built_in_another_thread_meanwhile_is_not_counted(path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def build() -> nn.Module:
        with ThreadPoolExecutor(1) as others:
            others.submit(lambda: [nn.Linear(1, 1) for _ in range(500)]).result()
        return nn.Linear(2, 3)

    check_outline(build, nn.Linear(2, 3).state_dict(), path, file_format=TOY)


def test_a_network_that_cannot_be_filled_stays_as_it_was(path: Path) -> None:
    network = nn.Linear(2, 1)
    before = network.weight.clone()
    tensors = {"weight": torch.full((1, 2), torch.nan), "bias": torch.zeros(1)}
    with pytest.raises(CheckpointError, match="'weight'"):
        fill_network(network, tensors, path, file_format=TOY)
    assert torch.equal(network.weight, before)


def test_what_is_saved_is_sealed(path: Path) -> None:
    save_checkpoint(path, {"a": torch.arange(4.0)}, {"b": 1}, file_format=TOY)
    with safe_open(path, framework="pt") as file:
        assert file.metadata().keys() == {"vlfeedback", "sha256"}
