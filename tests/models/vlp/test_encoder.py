import pytest
import torch

from vlfeedback.models.vlp.encoder import POSITIONS, FrameEncoder, Positions
from vlfeedback.models.vlp.network import VLPArchitecture


def pictures(n: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("size", "side"), [(64, 1), (100, 2), (112, 2), (128, 2), (224, 4)])
def test_a_picture_becomes_a_grid_of_tokens(size: int, side: int) -> None:
    assert FrameEncoder(size, width=32)(pictures(1, size)).shape == (1, side * side, 32)
    assert VLPArchitecture(picture_size=size).grid == side


def test_a_picture_twice_as_large_is_box_filtered_first() -> None:
    encoder = FrameEncoder(64, width=32).eval()
    small = pictures(1, 64)
    large = small.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    torch.testing.assert_close(encoder(small), encoder(large), atol=1e-5, rtol=1e-4)


def test_a_picture_is_encoded_alike_alone_and_in_a_batch() -> None:
    encoder = FrameEncoder(64, width=32).eval()
    batch = pictures(3, 64)
    torch.testing.assert_close(encoder(batch[1:2]), encoder(batch)[1:2], atol=1e-5, rtol=1e-4)


def test_positions_are_scaled_to_metres_around_their_mean() -> None:
    read = Positions(tokens=4, width=32)
    last = read.readout[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 2.0)
    read.mean.copy_(torch.arange(10.0))
    found = read(torch.randn(2, 3, 4, 32))
    assert found.shape == (2, 3, POSITIONS)
    expected = [0.2, 1.2, 2.2, 3.6, 4.2, 5.2, 6.2, 7.2, 8.2, 9.2]  # two decimetres; 0.6 of opening
    torch.testing.assert_close(found[1, 2], torch.tensor(expected))
    torch.testing.assert_close(read.standardised(torch.randn(1, 4, 32)), torch.full((1, 10), 2.0))
