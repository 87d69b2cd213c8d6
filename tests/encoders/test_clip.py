import json
import logging
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from vlfeedback.encoders.clip import CLIPEncoder, load_clip
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.errors import CheckpointError, NeedsError, UnknownNameError

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parent / "tiny_clip")


def pictures(n: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def tensors_of(architecture: str, seed: int = 1) -> Tensors:
    encoder = load_clip(architecture, random_weights_seed=seed)
    return {key: tensor.clone() for key, tensor in encoder.model.state_dict().items()}


class Node(nn.Module):
    """Holds tensors under dotted names, and does nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return x

    def put(self, key: str, tensor: Tensor) -> None:
        head, _, rest = key.partition(".")
        if not rest:
            self.register_buffer(head, tensor)
            return
        if head not in self._modules:
            self.add_module(head, Node())
        child = self.get_submodule(head)
        assert isinstance(child, Node)
        child.put(rest, tensor)


def save_openai_archive(tensors: Tensors, path: Path) -> None:
    """TorchScript with float16 weights and three numbers among them, as OpenAI publishes."""
    root = Node()
    for key, tensor in tensors.items():
        root.put(key, tensor.half())
    for key, number in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 49408)):
        root.put(key, torch.tensor(number))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.trace(root, torch.zeros(1)).save(str(path))


def save_plain(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path)


def save_training_state(tensors: Tensors, path: Path) -> None:
    wrapped = {f"module.{key}": tensor for key, tensor in tensors.items()}
    torch.save({"epoch": 3, "state_dict": wrapped}, path)


def save_safetensors(tensors: Tensors, path: Path) -> None:
    save_file(tensors, path)


def test_open_drawer_has_the_tokens_of_openai() -> None:
    tokens = load_clip("tiny", random_weights_seed=0).tokenize(["open drawer"])
    expected = np.zeros((1, 77), np.int64)
    expected[0, :4] = [49406, 1488, 23219, 49407]
    np.testing.assert_array_equal(tokens.numpy(), expected)


@pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(40, 60), (224, 224), (480, 640)])
def test_preprocessing_is_within_two_grey_levels_of_open_clips_own(
    size: tuple[int, int], interpolation: str, resize_mode: str
) -> None:
    (picture,) = pictures(1, *size)
    constants = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.25)}
    settings: dict[str, Any] = {"interpolation": interpolation, "resize_mode": resize_mode}
    theirs = image_transform(224, is_train=False, **settings, **constants)(Image.fromarray(picture))
    (ours,) = Preprocess(224, **constants, **settings)(torch.from_numpy(picture[None]))  # type: ignore[arg-type]
    levels = (ours - theirs).abs() * torch.tensor(constants["std"])[:, None, None] * 255
    assert levels.max() < 2.01
    # Of the values, and on noise, where rounding between the two passes of a resize shows most.
    assert (levels > 0.01).float().mean() < 0.03


@pytest.mark.parametrize("architecture", ["tiny", "tiny-resnet"])
def test_a_picture_has_the_same_features_alone_and_among_others(architecture: str) -> None:
    encoder = load_clip(architecture, random_weights_seed=0)
    frames = pictures(11)
    alone = np.concatenate([encoder.embed_pictures(frame[None]) for frame in frames])
    np.testing.assert_allclose(encoder.embed_pictures(frames), alone, atol=1e-6)


def test_features_have_length_one() -> None:
    encoder = load_clip("tiny", random_weights_seed=0)
    np.testing.assert_allclose(np.linalg.norm(encoder.embed_pictures(pictures(3)), axis=1), 1, 1e-6)
    np.testing.assert_allclose(np.linalg.norm(encoder.embed_text("open drawer")), 1, 1e-6)


def test_equal_seeds_give_equal_weights_and_touch_no_global_generator() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (tensors_of("tiny", seed)["text_projection"] for seed in (3, 3, 4))
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_loading_leaves_logging_as_it_was() -> None:
    before = list(logging.getLogger().handlers)
    load_clip("tiny", random_weights_seed=0)
    assert logging.getLogger().handlers == before
    assert logging.getLogger().filters == []


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (save_plain, "plain.pt"),
        (save_training_state, "epoch_3.pt"),
        (save_safetensors, "open_clip_model.safetensors"),
        (save_openai_archive, "ViT-B-32.pt"),
    ],
)
def test_every_layout_gives_back_the_weights(
    save: Callable[[Tensors, Path], None], name: str, tmp_path: Path
) -> None:
    tensors = tensors_of("tiny-quickgelu")
    save(tensors, tmp_path / name)
    loaded = load_clip("tiny-quickgelu", checkpoint=tmp_path / name).model
    assert not loaded.training
    for key, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, tensors[key], rtol=1e-3, atol=1e-5)


def test_an_openai_archive_is_refused_by_an_architecture_without_quickgelu(tmp_path: Path) -> None:
    save_openai_archive(tensors_of("tiny"), tmp_path / "ViT-B-32.pt")
    with pytest.raises(CheckpointError, match=r"trained with QuickGELU.*'tiny-quickgelu'"):
        load_clip("tiny", checkpoint=tmp_path / "ViT-B-32.pt")


def test_a_tag_is_refused_by_an_architecture_with_another_activation() -> None:
    with pytest.raises(CheckpointError, match=r"QuickGELU.*architecture='ViT-B-32-quickgelu'"):
        load_clip("ViT-B-32", pretrained="openai")


def test_the_config_beside_a_file_gives_its_activation_and_preprocessing(tmp_path: Path) -> None:
    path = tmp_path / "open_clip_model.safetensors"
    save_safetensors(tensors_of("tiny"), path)
    constants = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "resize_mode": "squash"}
    config = {"model_cfg": {"embed_dim": 16}, "preprocess_cfg": {"size": 224, **constants}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    assert load_clip("tiny", checkpoint=path).preprocess == Preprocess(
        32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bicubic", "squash"
    )
    with pytest.raises(CheckpointError, match=r"plain GELU.*architecture='tiny'"):
        load_clip("tiny-quickgelu", checkpoint=path)


def test_weights_of_another_architecture_name_five_tensors_and_what_they_look_like(
    tmp_path: Path,
) -> None:
    save_plain(tensors_of("tiny-deep"), tmp_path / "deep.pt")
    with pytest.raises(CheckpointError, match=r"is no 'tiny': 12 tensors.* looks like tiny-deep"):
        load_clip("tiny", checkpoint=tmp_path / "deep.pt")
    save_plain({"convnet.conv1.weight": torch.zeros(1)}, tmp_path / "r3m.pt")
    with pytest.raises(CheckpointError, match="looks like an R3M checkpoint"):
        load_clip("tiny", checkpoint=tmp_path / "r3m.pt")


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_truncated_file_is_refused(name: str, tmp_path: Path) -> None:
    save = save_plain if name.endswith(".pt") else save_safetensors
    save(tensors_of("tiny"), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="no readable weights file"):
        load_clip("tiny", checkpoint=tmp_path / name)


def test_code_in_a_file_is_not_executed(tmp_path: Path) -> None:
    class Intruder:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "intruded",))

    (tmp_path / "weights.pt").write_bytes(pickle.dumps({"a": Intruder()}, protocol=2))
    with pytest.raises(CheckpointError):
        load_clip("tiny", checkpoint=tmp_path / "weights.pt")
    assert not (tmp_path / "intruded").exists()


def test_a_tag_is_read_from_the_hub_cache_and_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = {"hf_hub": "someone/tiny-clip/", "mean": (0.1, 0.2, 0.3), "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-quickgelu", {"openai": tag})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"hf download someone/tiny-clip open_clip_model"):
        load_clip("tiny-quickgelu", pretrained="openai")

    repository = tmp_path / "models--someone--tiny-clip"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    tensors = tensors_of("tiny-quickgelu")
    save_safetensors(tensors, repository / "snapshots" / "abc" / "open_clip_model.safetensors")
    encoder = load_clip("tiny-quickgelu", pretrained="openai")
    torch.testing.assert_close(encoder.model.state_dict(), tensors)
    assert encoder.preprocess.mean == (0.1, 0.2, 0.3)


def test_an_unknown_tag_or_architecture_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'openai'"):
        load_clip("ViT-B-32-quickgelu", pretrained="opnai")
    with pytest.raises(UnknownNameError, match="Did you mean 'ViT-B-32'"):
        load_clip("ViTB-32", random_weights_seed=0)


@pytest.mark.parametrize("choice", [{}, {"checkpoint": "a.pt", "random_weights_seed": 0}])
def test_exactly_one_choice_of_weights_is_asked_for(choice: dict[str, Any]) -> None:
    with pytest.raises(NeedsError, match=r"exactly one of: checkpoint=.*pretrained=.*random"):
        load_clip("tiny", **choice)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt"):
        load_clip("tiny", checkpoint="nowhere.pt")


@pytest.mark.slow
def test_the_default_architecture_has_the_size_of_openais_smallest_vit() -> None:
    encoder: CLIPEncoder = load_clip("ViT-B/32-quickgelu", random_weights_seed=0)
    assert sum(parameter.numel() for parameter in encoder.model.parameters()) == 151_277_313
    assert len(encoder.model.state_dict()) == 302
    assert encoder.embed_pictures(pictures(1)).shape == (1, 512)
