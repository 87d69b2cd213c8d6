from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import models

from vlfeedback.encoders.distilbert import distilbert, mean_of_tokens
from vlfeedback.encoders.r3m import LanguageNetwork, LanguageReward, load_r3m_language
from vlfeedback.errors import CheckpointError, FileFormatError, InvalidValueError, ShapeError

Tensors = dict[str, Tensor]

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "open", "close", "the", "drawer", "##s"]
D, L, HIDDEN = 512, 64, 24


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Everything but the picture encoder, under the repository's names; a narrow DistilBERT."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text = distilbert(vocabulary=len(WORDS), positions=8, width=L, hidden=32, layers=2)
        head = [
            torch.nn.Linear(wide, narrow)
            for wide, narrow in [(2 * D + L, HIDDEN), *[(HIDDEN, HIDDEN)] * 3, (HIDDEN, 1)]
        ]
        pictures = models.resnet18()
    pictures.fc = torch.nn.Identity()
    named = {f"convnet.{key}": tensor for key, tensor in pictures.state_dict().items()}
    named |= {f"lang_enc.model.{key}": tensor for key, tensor in text.state_dict().items()}
    for place, layer in zip((0, 2, 4, 6, 8), head, strict=True):
        named[f"lang_rew.pred.{place}.weight"] = layer.weight.detach()
        named[f"lang_rew.pred.{place}.bias"] = layer.bias.detach()
    return named


@pytest.fixture
def checkpoint(tensors: Tensors, tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    parallel = {f"module.{key}": tensor for key, tensor in tensors.items()}
    torch.save({"r3m": parallel, "global_step": 3}, tmp_path / "model.pt")
    return tmp_path / "model.pt"


@pytest.fixture
def language(checkpoint: Path) -> LanguageReward:
    return load_r3m_language(18, checkpoint=checkpoint)


def features(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def by_hand(tensors: Tensors, first: Any, now: Any, text: Any) -> float:
    x = torch.cat([torch.as_tensor(part) for part in (first, now, text)])
    for layer in (0, 2, 4, 6, 8):
        x = tensors[f"lang_rew.pred.{layer}.weight"] @ x + tensors[f"lang_rew.pred.{layer}.bias"]
        x = x if layer == 8 else x.clamp(min=0)
    return float(x)


@pytest.mark.parametrize(("n_features", "n_parameters"), [(512, 4_985_857), (2048, 8_131_585)])
def test_the_head_has_the_published_size(n_features: int, n_parameters: int) -> None:
    with torch.device("meta"):
        network = LanguageNetwork(distilbert(layers=1), n_features=n_features)
    assert sum(p.numel() for p in network.lang_rew.parameters()) == n_parameters
    shapes = {k: tuple(t.shape) for k, t in network.state_dict().items() if "lang_rew" in k}
    assert list(shapes) == [
        f"lang_rew.pred.{layer}.{kind}" for layer in (0, 2, 4, 6, 8) for kind in ("weight", "bias")
    ]
    assert shapes["lang_rew.pred.0.weight"] == (1024, 2 * n_features + 768)
    assert shapes["lang_rew.pred.8.weight"] == (1, 1024)


def test_scores_are_the_heads_formula(language: LanguageReward, tensors: Tensors) -> None:
    first, now, text = features(2, D), features(2, 3, D, seed=1), features(2, L, seed=2)
    expected = [[by_hand(tensors, first[n], now[n, f], text[n]) for f in range(3)] for n in (0, 1)]
    np.testing.assert_allclose(language.score(first, now, text), expected, rtol=1e-4, atol=1e-5)


def test_many_pictures_are_scored_as_few_are(
    language: LanguageReward, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, now, text = features(3, D), features(3, 5, D, seed=1), features(3, L, seed=2)
    at_once = language.score(first, now, text)
    monkeypatch.setattr("vlfeedback.encoders.r3m._ROWS", 4)
    np.testing.assert_allclose(language.score(first, now, text), at_once, rtol=1e-4, atol=1e-5)


def test_features_of_another_network_are_refused(language: LanguageReward) -> None:
    with pytest.raises(ShapeError, match=r"\(2, 1, 2048\).*expected \(N, F, 512\)"):
        language.score(features(2, 2048), features(2, 1, 2048), features(2, L))


@torch.inference_mode()
def test_a_sentence_is_the_mean_of_its_tokens_from_the_files_own_weights(
    language: LanguageReward, tensors: Tensors
) -> None:
    text = distilbert(vocabulary=len(WORDS), positions=8, width=L, hidden=32, layers=2).eval()
    text.load_state_dict(
        {
            key.removeprefix("lang_enc.model."): tensor
            for key, tensor in tensors.items()
            if key.startswith("lang_enc.")
        }
    )
    expected = mean_of_tokens(text, torch.tensor([[2, 5, 7, 8, 9, 3]]))
    np.testing.assert_allclose(
        language.embed_text("Open the drawers"), expected.numpy(), rtol=1e-5, atol=1e-6
    )


def test_a_sentence_longer_than_the_text_encoder_reads_is_refused(language: LanguageReward) -> None:
    assert language.embed_text("open " * 6).shape == (L,)  # with its two marks, 8 tokens
    with pytest.raises(InvalidValueError, match=r"has 9 tokens .* reads 8 at most"):
        language.embed_text("open " * 7)


def save_bare(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path)


def save_without_the_wrapper_of_pictures(tensors: Tensors, path: Path) -> None:
    torch.save({"r3m": {key.removeprefix("convnet."): t for key, t in tensors.items()}}, path)


def save_as_older_transformers_did(tensors: Tensors, path: Path) -> None:
    ids = {"lang_enc.model.embeddings.position_ids": torch.arange(8)[None]}
    torch.save({"r3m": tensors | ids}, path)


@pytest.mark.parametrize(
    "save", [save_bare, save_without_the_wrapper_of_pictures, save_as_older_transformers_did]
)
def test_every_layout_gives_back_the_weights(
    save: Any, tensors: Tensors, checkpoint: Path, tmp_path: Path
) -> None:
    save(tensors, tmp_path / "other.pt")
    loaded = load_r3m_language(18, checkpoint=tmp_path / "other.pt").network
    assert not loaded.training
    for key, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, tensors[key])


def test_a_missing_tensor_and_one_too_many_are_named(
    tensors: Tensors, checkpoint: Path, tmp_path: Path
) -> None:
    changed = tensors | {"lang_rew.sim.weight": torch.zeros(1)}
    del changed["lang_enc.model.transformer.layer.1.ffn.lin2.bias"]
    torch.save({"r3m": changed}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"2 tensors.*layer\.1\.ffn\.lin2.*lang_rew\.sim"):
        load_r3m_language(18, checkpoint=tmp_path / "other.pt")


def test_a_head_without_a_text_encoder_is_refused(
    tensors: Tensors, checkpoint: Path, tmp_path: Path
) -> None:
    kept = {key: tensor for key, tensor in tensors.items() if not key.startswith("lang_enc.")}
    torch.save({"r3m": kept}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"use r3m-goal, or a file with lang_enc"):
        load_r3m_language(18, checkpoint=tmp_path / "other.pt")


def test_a_vocabulary_of_another_text_encoder_is_refused(checkpoint: Path) -> None:
    other = checkpoint.with_name("cased.txt")
    other.write_text("\n".join([*WORDS, "Open"]) + "\n")
    with pytest.raises(FileFormatError, match=r"cased\.txt holds 11 tokens .* knows 10"):
        load_r3m_language(18, checkpoint=checkpoint, tokenizer=other)
