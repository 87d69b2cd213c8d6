"""What lies beside weights, or is read by them, made up to harm: refused in a sentence."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors
from torch import Tensor

from vlfeedback.encoders.clip import load_clip
from vlfeedback.encoders.clip_tokenizer import load_tokenizer
from vlfeedback.encoders.goals import read_picture
from vlfeedback.encoders.r3m import load_language_network
from vlfeedback.encoders.recognise import recognise
from vlfeedback.encoders.weights_files import read_weights
from vlfeedback.encoders.words import WORDS_FORMAT, WordVectors
from vlfeedback.errors import CheckpointError, FileFormatError

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(HERE / "tiny_clip")


def test_code_beside_a_tokenizer_is_neither_run_nor_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, victim = tmp_path / "tokenizer", tmp_path / "victim"
    shutil.copytree(HERE / "tiny_tokenizer", folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", "mine.Mine"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(victim)!r}, 'w')\nclass Mine: pass\n")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    with pytest.raises(FileFormatError, match=r"is no readable tokenizer: .*custom code"):
        load_tokenizer("tiny-siglip2", folder)
    assert not victim.exists()


def test_a_goal_in_a_language_that_another_program_would_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "goal.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(FileFormatError, match=r"goal\.png is no readable picture: cannot identify"):
        read_picture(path)


def test_a_picture_of_absurd_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "goal.ppm"
    path.write_bytes(b"P6 100000 100000 255\n")
    with pytest.raises(
        FileFormatError, match=r"goal\.ppm is no readable picture: .*DecompressionB"
    ):
        read_picture(path)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"mean": "0.5"}, "mean='0.5'"),
        ({"mean": [0.5, 0.5]}, r"mean=\[0.5, 0.5\]"),
        ({"std": [0.5, 0.5, 0]}, r"std=\[0.5, 0.5, 0\]"),
        ({"std": [1, 1, float("nan")]}, r"std=\[1, 1, nan\]"),
        ({"mean": {"r": 1}}, "mean={'r': 1}"),
        ({"std": None}, "std=None"),
    ],
)
def test_preprocessing_of_nonsense_beside_weights_is_refused(
    settings: dict[str, Any], named: str, tmp_path: Path
) -> None:
    path = tmp_path / "open_clip_model.safetensors"
    model = load_clip("tiny", random_weights_seed=0).model
    save_tensors(dict(model.state_dict()), path)
    config = {"model_cfg": {}, "preprocess_cfg": settings}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=rf"are to be used with {named} of .*_config\.json"):
        load_clip("tiny", checkpoint=path)


@pytest.mark.parametrize(
    "names",
    [
        ("convnet.layer1.0.conv1.weight", "convnet.layer4.0.conv1.weight", "convnet.fc.weight"),
        ("visual.conv1.weight", "text_projection"),
        ("visual.trunk.patch_embed.proj.weight", "logit_bias", "visual.trunk.pos_embed"),
        ("patch_embed.proj.weight", "blocks.", "reg_token"),
        ("visual.conv1.weight", "text_projection", "visual.transformer.resblocks"),
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (1, 2, 3, 4)])
def test_known_names_with_other_shapes_are_told_without_failing(
    names: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    assert recognise({name: torch.zeros(shape) for name in names}).what


def language(**changes: Tensor) -> dict[str, Tensor]:
    tensors = {
        "convnet.conv1.weight": torch.zeros(64, 3, 7, 7),
        "lang_enc.model.embeddings.word_embeddings.weight": torch.zeros(1, 64),
        "lang_enc.model.embeddings.position_embeddings.weight": torch.zeros(1, 64),
        "lang_enc.model.transformer.layer.0.ffn.lin1.weight": torch.zeros(1, 64),
        "lang_rew.pred.0.weight": torch.zeros(1, 1),
    }
    return tensors | {name.replace("__", "."): tensor for name, tensor in changes.items()}


@pytest.mark.parametrize(
    "changes",
    [
        {"lang_rew__pred__0__weight": torch.zeros(10**6, 1)},
        {"lang_rew__pred__0__weight": torch.zeros(())},
        {"lang_enc__model__embeddings__word_embeddings__weight": torch.zeros(1, 10**6)},
        {"lang_enc__model__embeddings__word_embeddings__weight": torch.zeros(1)},
    ],
)
def test_small_tensors_that_ask_for_a_large_network_are_refused_at_once(
    changes: dict[str, Tensor], tmp_path: Path
) -> None:
    save_tensors(language(**changes), tmp_path / "r3m.safetensors")
    begin = time.monotonic()
    with pytest.raises(CheckpointError, match=r"is no R3M of size 50 with a language head: "):
        load_language_network(tmp_path / "r3m.safetensors", 50)
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("key", [3, ("a", "b"), None])
def test_tensors_under_names_that_are_no_text_are_refused(key: Any, tmp_path: Path) -> None:
    torch.save({key: torch.zeros(1)}, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"net\.pt holds a dict; expected named tensors"):
        read_weights(tmp_path / "net.pt")


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("save", ["zip", "legacy", "safetensors"])
def test_a_number_that_is_none_is_refused_in_every_layout_but_in_a_mask(
    save: str, number: float, tmp_path: Path
) -> None:
    path = tmp_path / f"net.{save}"
    tensors = {"a": torch.ones(3).half(), "b": torch.tensor([1.0, number, 2.0])}
    masked = {"attn_mask": torch.tensor([0, -torch.inf]), "b": torch.full((9,), 6e4).half()}

    def write(named: dict[str, Tensor]) -> None:
        if save == "safetensors":
            save_tensors(named, path)
        else:
            torch.save(named, path, _use_new_zipfile_serialization=save == "zip")

    write(tensors)
    with pytest.raises(CheckpointError, match=r"1 numbers that are NaN or infinite .* 'b', of 3"):
        read_weights(path)
    write(masked)
    assert torch.equal(read_weights(path).tensors["attn_mask"], masked["attn_mask"])


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_word_vectors_that_are_no_numbers_are_refused(scale: float, tmp_path: Path) -> None:
    tensors: dict[str, np.ndarray] = {
        "vectors": np.ones((2, 4), np.int8),
        "scales": np.array([1, scale], np.float32),
        "vocabulary": np.frombuffer(b"close\ndrawer", np.uint8),
    }
    save_file(tensors, tmp_path / "words.safetensors", metadata={"format": WORDS_FORMAT})
    with pytest.raises(CheckpointError, match=r"words\.safetensors is no .*NaN or infinite"):
        WordVectors.load(tmp_path / "words.safetensors")
