from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.encoders.distilbert import distilbert, distilbert_like, mean_of_tokens

TINY = {"vocabulary": 20, "positions": 9, "width": 128, "hidden": 48, "layers": 2}


@pytest.fixture
def tiny() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = distilbert(**TINY)
        for parameter in model.parameters():
            parameter.data.normal_(std=0.2)  # biases, too, which are zero at first
    return model.eval()


def reference(tensors: dict[str, Tensor], ids: list[int], heads: int) -> Tensor:
    """Sanh et al.: BERT without segments, pooler, and every second layer; written by hand."""

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
        return centred / deviation * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    words = tensors["embeddings.word_embeddings.weight"][ids]
    places = tensors["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(words + places, "embeddings.LayerNorm")
    for layer in range(TINY["layers"]):
        name = f"transformer.layer.{layer}"
        q, k, v = (
            linear(x, f"{name}.attention.{part}_lin").unflatten(-1, (heads, -1)).transpose(0, 1)
            for part in "qkv"
        )
        weights = functional.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, dim=-1)
        seen = linear((weights @ v).transpose(0, 1).flatten(1), f"{name}.attention.out_lin")
        x = norm(seen + x, f"{name}.sa_layer_norm")
        forward = linear(functional.gelu(linear(x, f"{name}.ffn.lin1")), f"{name}.ffn.lin2")
        x = norm(forward + x, f"{name}.output_layer_norm")
    return x.mean(0)


def test_the_released_one_has_the_published_size() -> None:
    with torch.device("meta"):
        model = distilbert()
    assert len(model.state_dict()) == 100
    assert sum(parameter.numel() for parameter in model.parameters()) == 66_362_880


@torch.inference_mode()
def test_features_are_the_mean_over_all_tokens_of_the_formula(tiny: nn.Module) -> None:
    ids = [2, 7, 11, 5, 3]
    expected = reference(tiny.state_dict(), ids, heads=2)
    features = mean_of_tokens(tiny, torch.tensor([ids]))
    np.testing.assert_allclose(features.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_architecture_is_that_of_the_tensors(tiny: nn.Module) -> None:
    like = distilbert_like(tiny.state_dict())
    shapes = {key: tensor.shape for key, tensor in like.state_dict().items()}
    assert shapes == {key: tensor.shape for key, tensor in tiny.state_dict().items()}
    like.load_state_dict(tiny.state_dict())
    ids = torch.tensor([[2, 7, 3]])
    with torch.inference_mode():
        torch.testing.assert_close(mean_of_tokens(like.eval(), ids), mean_of_tokens(tiny, ids))


def test_tensors_that_tell_nothing_give_the_released_architecture() -> None:
    with torch.device("meta"):
        model = distilbert_like({"transformer.layer.5.ffn.lin2.bias": torch.zeros(768)})
    assert model.state_dict()["embeddings.word_embeddings.weight"].shape == (30522, 768)
