"""Real networks of a few thousand weights; what any network goes through is in test_frozen."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vlfeedback.encoders import frozen
from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.sharing import derived
from vlfeedback.errors import DtypeError, InvalidValueError, ShapeError

SIDE = 8


class Small(nn.Module):
    """A convolution, a norm and attention, as the networks of papers have them."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.patches = nn.Conv2d(3, 16, 4, 4)
            self.norm = nn.BatchNorm2d(16)
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.sizes: list[int] = []
        self.dtypes: set[torch.dtype] = set()
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        self.sizes.append(len(pictures))
        self.dtypes.add(pictures.dtype)
        tokens = self.norm(self.patches(pictures)).flatten(2).transpose(1, 2)
        seen: Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return seen.mean(dim=1)


def encoder(network: Any, encode: Any = None, **settings: Any) -> PictureEncoder:
    preprocess = Preprocess(SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return PictureEncoder(encode or network, preprocess, network=network, name="small", **settings)


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


# Batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_features_are_the_networks_own_a_batch_at_a_time(precision: str) -> None:
    network = Small()
    small = encoder(network, batch_size=3, precision=precision)
    frames = noise(7)
    features = small.embed(frames)
    assert network.sizes[-3:] == [3, 3, 1]
    assert features.dtype == np.float32
    exact = network(small.preprocess(torch.from_numpy(frames))).numpy()
    tolerance = 1e-5 if precision == "float32" else 0.02 * np.abs(exact).max()
    np.testing.assert_allclose(features, exact, atol=tolerance)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_picture_does_not_depend_on_the_others(precision: str) -> None:
    small = encoder(Small(), precision=precision, batch_size=4)
    frames = noise(6)
    alone = np.concatenate([small.embed(frame[None]) for frame in frames])
    np.testing.assert_allclose(small.embed(frames), alone, atol=1e-5)


def test_no_pictures_have_no_features_of_the_right_shape() -> None:
    assert encoder(Small()).embed(noise(0)).shape == (0, 16)


def test_pictures_of_any_size_and_in_any_memory_are_read() -> None:
    small = encoder(Small())
    frames = noise(2)
    wide = np.zeros((2, SIDE, 2 * SIDE, 3), np.uint8)
    wide[:, :, ::2] = frames
    np.testing.assert_array_equal(small.embed(wide[:, :, ::2]), small.embed(frames))
    frames.flags.writeable = False
    assert np.isfinite(small.embed(frames)).all()
    assert small.embed(np.zeros((1, 30, 20, 3), np.uint8)).shape == (1, 16)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_batches_are_halved_until_they_fit(size: int) -> None:
    network = Small()

    def encode(pictures: Tensor) -> Tensor:
        if len(pictures) > size:
            raise torch.OutOfMemoryError("full")
        return network(pictures)  # type: ignore[no-any-return]

    small = encoder(network, encode, batch_size=8)
    expected = encoder(network).embed(noise(9))
    if size < 8:
        with pytest.warns(ResourceWarning, match="pictures at once do not fit"):
            np.testing.assert_allclose(small.embed(noise(9)), expected, atol=1e-5)
    assert small.batch_size == {1: 1, 2: 2, 5: 4, 8: 8}[size]


def test_a_picture_that_does_not_fit_alone_names_the_ways_out() -> None:
    def encode(pictures: Tensor) -> Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 TB")

    with pytest.raises(RuntimeError, match="1 TB") as raised:
        encoder(Small(), encode, batch_size=1).embed(noise(2))
    assert "Not even one of the pictures fits into the memory of 'cpu'" in raised.value.__notes__[0]


def test_what_is_no_stack_of_byte_pictures_is_refused() -> None:
    small = encoder(Small())
    # Run-time type checks, which only tests have, come first and say the same in other words.
    with pytest.raises((DtypeError, TypeError)):
        small.embed((noise(1) / 255).astype(np.float32))
    with pytest.raises((ShapeError, TypeError)):
        small.embed(noise(1)[0])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"precision": "float16"}, "precision='float16'; expected one of float32, bfloat16, auto"),
        ({"batch_size": 0}, "batch_size=0; expected at least 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        encoder(Small(), **settings)


# bfloat16 --------------------------------------------------------------------------------------


def test_the_network_computes_in_bfloat16_and_is_left_as_it_was() -> None:
    network = Small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    encoder(network, precision="bfloat16").embed(noise(3))
    assert network.dtypes == {torch.float32, torch.bfloat16}  # float32 for the comparison
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])


def test_tensors_and_modules_that_stand_in_several_places_are_swapped_and_come_back() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = Small()
            self.again = self.first  # a module under two names
            self.second = Small(seed=1)
            self.second.patches.weight = self.first.patches.weight  # a tensor in two modules
            self.requires_grad_(False).eval()

        def forward(self, pictures: Tensor) -> Tensor:
            seen: Tensor = self.again(pictures) + self.second(pictures)
            return seen

    network = Tied()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    exact = encoder(network).embed(noise(3))
    fast = encoder(network, lambda pictures: network(pictures), precision="bfloat16")
    np.testing.assert_allclose(fast.embed(noise(3)), exact, atol=0.02 * np.abs(exact).max())
    assert network.second.dtypes == {torch.float32, torch.bfloat16}
    assert network.second.patches.weight is network.first.patches.weight
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def test_auto_takes_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_faster in (True, False):
        monkeypatch.setattr(frozen, "is_bfloat16_faster", lambda _, told=is_faster: told)
        assert encoder(Small(), precision="auto").bfloat16 == is_faster


def test_where_bfloat16_points_elsewhere_float32_is_used_and_named() -> None:
    network = Small()

    def cancelling(pictures: Tensor) -> Tensor:
        return network(pictures) - network(pictures.to(torch.float64).to(pictures.dtype) * 1.001)  # type: ignore[no-any-return]

    small = encoder(network, cancelling, precision="bfloat16")
    with pytest.warns(RuntimeWarning, match=r"cosine .*, expected 0\.995\); computing in float32"):
        name = small.identity
    assert not small.bfloat16
    assert name.endswith(" float32")
    # The next one of this network knows, and warns no more.
    again = encoder(network, cancelling, precision="bfloat16")
    assert again.identity == name
    np.testing.assert_array_equal(again.embed(noise(2)), small.embed(noise(2)))


def test_the_pictures_that_come_first_do_not_decide() -> None:
    network = Small()
    names = set()
    for frames in (np.zeros((2, SIDE, SIDE, 3), np.uint8), noise(2)):
        small = encoder(network, precision="bfloat16")
        small.embed(frames)
        names.add(small.identity)
    assert len(names) == 1


def test_both_precisions_of_one_network_may_compute_at_a_time() -> None:
    network = Small()
    frames = noise(4)
    encoders = [encoder(network, precision=p, batch_size=1) for p in ("float32", "bfloat16")]
    alone = [small.embed(frames) for small in encoders]
    start = threading.Barrier(2)

    def work(small: PictureEncoder) -> list[np.ndarray]:
        start.wait(timeout=60)
        return [small.embed(frames) for _ in range(30)]

    with ThreadPoolExecutor(2) as pool:
        for results, expected in zip(pool.map(work, encoders), alone, strict=True):
            for features in results:
                np.testing.assert_array_equal(features, expected)


# Identity --------------------------------------------------------------------------------------


def test_equal_weights_have_one_name_wherever_they_come_from() -> None:
    name = encoder(Small()).identity
    assert encoder(Small()).identity == name
    assert encoder(Small(), batch_size=2).identity == name


def test_all_that_changes_features_changes_the_name() -> None:
    network = Small()
    other = Preprocess(SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), interpolation="bilinear")
    names = {
        encoder(network).identity,
        encoder(network, precision="bfloat16").identity,
        encoder(Small(seed=1)).identity,
        PictureEncoder(network, other, network=network, name="small").identity,
        PictureEncoder(network, other, network=network, name="another").identity,
    }
    assert len(names) == 5


def test_what_is_made_of_a_network_does_not_outlive_it() -> None:
    network = Small()
    made = ref(derived(network))
    encoder(network, precision="bfloat16").embed(noise(1))
    assert made() is not None
    del network
    gc.collect()
    assert made() is None
