from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlfeedback.encoders.clip_tokens import CLIPIdentity
from vlfeedback.errors import CheckpointError
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork
from vlfeedback.models.vlp_clip.weights import (
    VLPClipWeights,
    describe_vlp_clip,
    load_vlp_clip,
    save_vlp_clip,
)

SMALL = VLPClipArchitecture(
    picture_width=24, text_width=12, width=32, n_heads=2, head=(16, 8), class_token=True
)
CLIP = CLIPIdentity("tiny", "0" * 64, {"size": 32, "mean": [0.5, 0.5, 0.5]})
WEIGHTS = VLPClipWeights(SMALL, CLIP, 0.5, 2.0, ("reach",), {"seed": 3})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "vlp-clip.safetensors"
    save_vlp_clip(path, VLPClipNetwork(SMALL), WEIGHTS)
    return path


def test_weights_come_back_bit_by_bit_with_their_description(saved: Path) -> None:
    network, weights = load_vlp_clip(saved, CLIP)
    assert weights == WEIGHTS == describe_vlp_clip(saved)
    assert not network.training
    torch.manual_seed(0)
    for (name, tensor), original in zip(
        network.state_dict().items(), VLPClipNetwork(SMALL).state_dict().values(), strict=True
    ):
        assert torch.equal(tensor, original), name


def test_a_file_holds_only_what_was_trained(saved: Path) -> None:
    parameters = dict(VLPClipNetwork(SMALL).named_parameters())
    assert load_file(saved).keys() == parameters.keys()


def test_another_clip_is_refused_with_both_hashes(saved: Path) -> None:
    other = replace(CLIP, sha256="f" * 64)
    with pytest.raises(CheckpointError, match=r"another CLIP.*sha256 '000.*this one 'fff.*Pass"):
        load_vlp_clip(saved, other)


def test_another_preprocessing_is_refused_too(saved: Path) -> None:
    other = replace(CLIP, preprocess={"size": 32, "mean": [0.4, 0.4, 0.4]})
    with pytest.raises(CheckpointError, match=r"preprocess .*0\.5.* this one .*0\.4"):
        load_vlp_clip(saved, other)


def test_a_missing_file_says_how_to_train_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vlfeedback fit vlp-clip"):
        describe_vlp_clip(tmp_path / "nothing.safetensors")


def test_a_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"vlp-clip\.safetensors is damaged: its con"):
        load_vlp_clip(saved, CLIP)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    save_file({"visual.proj": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"no `vlp\.clip` model but 'something else'"):
        load_vlp_clip(path, CLIP)


def test_tensors_that_do_not_fit_the_header_are_refused_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    wide = VLPClipNetwork(replace(SMALL, width=64))
    save_vlp_clip(path, wide, WEIGHTS)
    with pytest.raises(CheckpointError, match=r"another architecture than .*head\.0\.weight"):
        load_vlp_clip(path, CLIP)
