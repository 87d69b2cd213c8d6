from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torch import Tensor, nn

from vlfeedback.encoders.clip import load_clip
from vlfeedback.encoders.liv import load_liv
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError

TINY = "tiny-resnet-quickgelu"

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parent / "tiny_clip")


def pictures(n: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def tensors_of(architecture: str = TINY, seed: int = 1) -> Tensors:
    """CLIP's names, with statistics of batches that training has moved."""
    encoder = load_clip(architecture, random_weights_seed=seed)
    tensors = {key: tensor.clone() for key, tensor in encoder.model.state_dict().items()}
    for key in tensors:
        if key.endswith("running_mean"):
            tensors[key] += 0.1
    return tensors


def released(tensors: Tensors) -> dict[str, Any]:
    """As its authors' DataParallel names them."""
    return {"liv": {f"module.model.{key}": tensor for key, tensor in tensors.items()}}


def released_in_float16(tensors: Tensors) -> dict[str, Any]:
    halves = {k: t.half() if t.is_floating_point() else t for k, t in tensors.items()}
    return released(halves)


def self_trained(tensors: Tensors) -> dict[str, Any]:
    """The snapshot that its training writes, with the state of the optimizer."""
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([parameter])
    parameter.grad = torch.ones(3)
    optimizer.step()
    return {
        "liv": {f"model.{key}": tensor for key, tensor in tensors.items()},
        "optimizer": optimizer.state_dict(),
        "global_step": 20_000,
    }


@pytest.mark.parametrize("layout", [released, released_in_float16, self_trained])
def test_every_layout_gives_back_the_weights_in_float32(layout: Any, tmp_path: Path) -> None:
    tensors = tensors_of()
    torch.save(layout(tensors), tmp_path / "model.pt")
    model = load_liv(architecture=TINY, checkpoint=tmp_path / "model.pt").model
    assert not any(module.training for module in model.modules())
    assert model.state_dict().keys() == tensors.keys()
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, tensors[key], rtol=1e-3, atol=1e-4)


def test_liv_has_the_489_tensors_of_clips_resnet_50() -> None:
    with torch.device("meta"):
        model = open_clip.create_model("RN50-quickgelu", device="meta")
    assert len(model.state_dict()) == 489
    assert sum(parameter.numel() for parameter in model.parameters()) == 102_007_137


@torch.inference_mode()
def test_features_are_those_of_the_network_and_of_no_fixed_length(tmp_path: Path) -> None:
    tensors = tensors_of()
    torch.save(released(tensors), tmp_path / "model.pt")
    encoder = load_liv(architecture=TINY, checkpoint=tmp_path / "model.pt")
    clip = open_clip.create_model(TINY).eval()
    clip.load_state_dict(tensors)
    (text,) = clip.encode_text(open_clip.get_tokenizer(TINY)(["open microwave"]))
    np.testing.assert_allclose(encoder.embed_text("open microwave"), text.numpy(), atol=1e-5)
    prepared = encoder.pictures.preprocess(torch.from_numpy(pictures(2)))
    expected = clip.encode_image(prepared).numpy()
    np.testing.assert_allclose(encoder.pictures.embed(pictures(2)), expected, atol=1e-5)
    assert not np.allclose(np.linalg.norm(expected, axis=1), 1, atol=0.01)


def test_a_picture_has_the_same_features_alone_and_among_others() -> None:
    embed = load_liv(architecture=TINY, random_weights_seed=0).pictures.embed
    frames = pictures(11)
    alone = np.concatenate([embed(frame[None]) for frame in frames])
    np.testing.assert_allclose(embed(frames), alone, atol=1e-5)


def test_in_bfloat16_features_point_nearly_the_same_way() -> None:
    exact, fast = (
        load_liv(architecture=TINY, random_weights_seed=0, precision=p).pictures.embed(pictures(4))
        for p in ("float32", "bfloat16")
    )
    lengths = np.linalg.norm(exact, axis=-1) * np.linalg.norm(fast, axis=-1)
    assert np.all((exact * fast).sum(axis=-1) / lengths > 0.999)
    assert not np.array_equal(exact, fast)


def test_its_paths_for_tensors_and_for_pil_pictures_prepare_pictures_differently() -> None:
    frame = torch.from_numpy(pictures(1, 96, 192))
    paper, clip = (
        load_liv(architecture=TINY, random_weights_seed=0, preprocess=path).pictures.preprocess
        for path in ("paper", "clip")
    )
    # Bilinear without antialiasing, 96 to 32 px: the middle one of each three pixels.
    middle = frame.permute(0, 3, 1, 2)[:, :, 1::3, 49:-47:3] / 255
    mean, std = torch.tensor(paper.mean), torch.tensor(paper.std)
    expected = (middle - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(paper(frame), expected, rtol=0, atol=1e-4)
    theirs = load_clip(TINY, random_weights_seed=0).preprocess
    torch.testing.assert_close(clip(frame), theirs(frame))
    assert (paper(frame) - clip(frame)).abs().mean() > 0.3


def test_a_file_of_clip_is_refused_though_its_tensors_fit(tmp_path: Path) -> None:
    torch.save(tensors_of(), tmp_path / "RN50.pt")
    with pytest.raises(CheckpointError, match=r"no LIV checkpoint.* looks like a CLIP ResNet"):
        load_liv(architecture=TINY, checkpoint=tmp_path / "RN50.pt")


def test_files_of_other_sources_are_named(tmp_path: Path) -> None:
    vip = {"module.convnet.fc.weight": torch.zeros(1024, 2048)}
    torch.save({"vip": vip, "global_step": 1}, tmp_path / "vip.pt")
    with pytest.raises(CheckpointError, match=r"no LIV checkpoint.* looks like a VIP checkpoint"):
        load_liv(architecture=TINY, checkpoint=tmp_path / "vip.pt")
    torch.save(tensors_of("tiny-quickgelu"), tmp_path / "vit.pt")
    with pytest.raises(CheckpointError, match=r"no LIV checkpoint.* looks like tiny"):
        load_liv(architecture=TINY, checkpoint=tmp_path / "vit.pt")
    torch.save(released(tensors_of("tiny-quickgelu")), tmp_path / "liv_vit.pt")
    with pytest.raises(CheckpointError, match=r"is no 'tiny-resnet-quickgelu': \d+ tensors"):
        load_liv(architecture=TINY, checkpoint=tmp_path / "liv_vit.pt")


@pytest.mark.parametrize("layout", [released, self_trained])
def test_a_file_of_liv_is_refused_by_clip_and_named(layout: Any, tmp_path: Path) -> None:
    torch.save(layout(tensors_of()), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="looks like a LIV checkpoint"):
        load_clip(TINY, checkpoint=tmp_path / "model.pt")


def test_a_missing_tensor_and_a_truncated_file_are_refused(tmp_path: Path) -> None:
    tensors = tensors_of()
    del tensors["logit_scale"]
    torch.save(released(tensors), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"1 tensors are missing.*'logit_scale'"):
        load_liv(architecture=TINY, checkpoint=tmp_path / "model.pt")
    content = (tmp_path / "model.pt").read_bytes()
    (tmp_path / "model.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="no readable weights file"):
        load_liv(architecture=TINY, checkpoint=tmp_path / "model.pt")


def test_an_architecture_with_plain_gelu_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"trained with QuickGELU.*'tiny-resnet-quickgelu'"):
        load_liv(architecture="tiny-resnet", random_weights_seed=0)


def test_weights_are_asked_for_and_settings_out_of_range_named() -> None:
    needed = r"LIV got no weights; give exactly one of: checkpoint=.*hf download jasonyma/LIV"
    with pytest.raises(NeedsError, match=needed):
        load_liv()
    with pytest.raises(InvalidValueError, match=r"'pil'; expected one of 'paper', 'clip"):
        load_liv(random_weights_seed=0, preprocess="pil")


@pytest.mark.slow
def test_a_released_file_of_full_size_is_read(tmp_path: Path) -> None:
    torch.save(released_in_float16(tensors_of("RN50-quickgelu")), tmp_path / "model.pt")
    encoder = load_liv(checkpoint=tmp_path / "model.pt")
    assert len(encoder.model.state_dict()) == 489
    assert encoder.pictures.embed(pictures(1)).shape == (1, 1024)
