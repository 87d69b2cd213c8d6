"""Zip files of torch: equal to what torch itself reads, and nothing of a hostile one happens."""

import io
import pickle
import signal
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vlfeedback.data.inert_pickles import Inert
from vlfeedback.encoders.torch_archives import read_archive
from vlfeedback.encoders.weights_files import read_weights
from vlfeedback.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*")


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError("it did not end within 30 seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Net(nn.Module):
    """Parameters, buffers and plain tensors, of several types, some of them shared."""

    resolution: Tensor
    shared: Tensor
    empty: Tensor
    flags: Tensor

    def __init__(self) -> None:
        super().__init__()
        first, last = nn.Linear(3, 4), nn.Linear(4, 3, bias=False)
        self.layers = nn.Sequential(first, nn.ReLU(), last)
        self.tied = first
        self.attention = nn.MultiheadAttention(4, 2)
        self.halves = nn.Parameter(torch.randn(4, 6).half().T[1:4])  # neither whole nor contiguous
        self.register_buffer("resolution", torch.tensor(224))
        self.register_buffer("shared", last.weight.detach()[1:])
        self.register_buffer("empty", torch.zeros(0, 3))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.mask = torch.full((2, 2), -torch.inf)  # neither a parameter nor a buffer
        self.nothing = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x) + self.tied(x).sum() + self.halves.sum() + self.mask[0, 0]
        return y + self.resolution + self.shared.sum() + self.empty.sum() + self.flags.sum()


def state_dict_of_torch(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = torch.jit.load(path, map_location="cpu").state_dict()
    return tensors


def assert_the_same(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(tensors) == list(expected)
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].stride() == tensor.stride()
        assert torch.equal(tensors[name], tensor)


# Equal to torch --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["script", "trace"])
def test_an_archive_gives_the_parameters_and_buffers_that_torch_gives(
    how: str, tmp_path: Path
) -> None:
    net = Net().eval()
    archive = torch.jit.script(net) if how == "script" else torch.jit.trace(net, torch.ones(2, 3))
    archive.save(tmp_path / "net.pt")
    tensors, is_torchscript = read_archive(tmp_path / "net.pt")
    assert is_torchscript
    assert "mask" not in tensors and "tied.weight" in tensors
    assert_the_same(tensors, state_dict_of_torch(tmp_path / "net.pt"))


@pytest.mark.parametrize("parameters", [False, True])
def test_a_state_dict_comes_back_as_torch_reads_it(parameters: bool, tmp_path: Path) -> None:
    content: Any = Net().state_dict(keep_vars=parameters)
    content |= {"bf16": torch.randn(3).bfloat16(), "uint16": torch.tensor([65535]).to(torch.uint16)}
    torch.save(content, tmp_path / "net.pt")
    tensors, is_torchscript = read_archive(tmp_path / "net.pt")
    assert not is_torchscript
    expected = torch.load(tmp_path / "net.pt", weights_only=True)
    assert_the_same(tensors, {name: tensor.detach() for name, tensor in expected.items()})


def test_plain_values_come_back_and_all_else_is_only_named(tmp_path: Path) -> None:
    content = {"lr": 0.1, "steps": (3, -4, 2**40), "on": [True, None], 7: "text", "net": nn.ReLU()}
    torch.save(content, tmp_path / "state.pt")
    read, _ = read_archive(tmp_path / "state.pt")
    net = read.pop("net")
    assert read == {k: v for k, v in content.items() if k != "net"}
    assert isinstance(net, Inert) and net.name == "torch.nn.modules.activation.ReLU"
    assert net.state["training"] is True


# Nothing of it happens -------------------------------------------------------------------------


class Writes(nn.Module):
    """Its `__setstate__` makes a file, with an operator that TorchScript has."""

    weight: Tensor

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.register_parameter("weight", nn.Parameter(torch.ones(2)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight

    @torch.jit.export
    def __getstate__(self) -> tuple[str, Tensor, bool]:
        return (self.path, self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, Tensor, bool]) -> None:
        self.path = state[0]
        self.weight = torch.from_file(state[0], True, 4)
        self.training = state[2]


class Loops(nn.Module):
    """Its `__setstate__` never returns."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("weight", nn.Parameter(torch.ones(2)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return (self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        while state[0].numel() > 0:
            self.training = state[1]
        self.weight = state[0]


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors", "net.bin"])
def test_an_archive_that_writes_a_file_as_it_is_loaded_writes_none(
    name: str, tmp_path: Path
) -> None:
    victim, path = tmp_path / "victim", tmp_path / name
    torch.jit.script(Writes(str(victim))).save(path)
    with pytest.raises(CheckpointError, match=r"code of its own, which is not run|is named as"):
        read_weights(path)
    assert not victim.exists()
    torch.jit.load(path)  # so that it would have
    assert victim.exists()


def test_an_archive_that_never_ends_loading_is_refused_at_once(tmp_path: Path) -> None:
    torch.jit.script(Loops()).save(tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"Loops can only be restored by code of its own"):
        read_weights(tmp_path / "net.pt")


class Shell:
    """A pickle that runs a command as it is read."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch {self.victim}",)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_that_runs_a_command_runs_none(is_zip: bool, tmp_path: Path) -> None:
    content = {"a": torch.ones(1), "b": Shell(tmp_path / "victim")}
    torch.save(content, tmp_path / "net.pt", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(CheckpointError, match=r"net\.pt (holds a dict|is no readable weights)"):
        read_weights(tmp_path / "net.pt")
    assert not (tmp_path / "victim").exists()


# Made by hand ----------------------------------------------------------------------------------

TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ%s\x89}tR"
)
"""A call for a tensor of storage 0, which has four numbers; what follows is its place and shape."""


def long(value: int) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]


def tensor(offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    sizes, steps = (b"(" + b"".join(map(long, numbers)) + b"t" for numbers in (shape, stride))
    return TENSOR % (long(offset) + sizes + steps)


def state_dict(value: bytes) -> bytes:
    return b"\x80\x02}X\x01\x00\x00\x00a" + value + b"s."


def write(
    path: Path, data: bytes, *, code: str = "", compress: bool = False, storage: int = 16
) -> Path:
    """A zip file as torch lays it out, with one storage."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else 0) as file:
        file.writestr("net/data.pkl", data)
        file.writestr("net/data/0", bytes(storage))
        if code:
            file.writestr("net/constants.pkl", b"\x80\x02).")
            file.writestr("net/code/__torch__/m.py", code)
    return path


def test_a_file_made_by_hand_is_read_as_torch_would(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pt", state_dict(tensor(1, (1, 3), (3, 1))))
    assert torch.equal(read_weights(path).tensors["a"], torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (tensor(0, (5,), (1,)), "larger than its storage"),
        (tensor(2, (2, 2), (2, 1)), "larger than its storage"),
        (tensor(-1, (2,), (1,)), "larger than its storage"),
        (tensor(3, (2,), (-1,)), "larger than its storage"),
        (tensor(0, (-2, -2), (1, 1)), "larger than its storage"),
        (tensor(0, (2**70,), (1,)), "larger than its storage"),
        (tensor(0, (10**12,), (0,)), "says that its tensor 'a' has 4,000,000,000,000"),
        (tensor(0, (2,), (1,)).replace(b"K\x04tQ", b"K\x05tQ"), "has 16 bytes and not 5 numbers"),
        (tensor(0, (2,), (1,)).replace(b"\x000X", b"\x001X"), "net/data/1"),
        (tensor(0, (2,), (1,)).replace(b"Float", b"Fluid"), "Fluid"),
        (b"cposix\nsystem\nX\x02\x00\x00\x00ls\x85R", "expected named tensors"),
        (b"cbuiltins\neval\nX\x02\x00\x00\x001/\x85R", "expected named tensors"),
        (b"i", "truncated or of another format"),
        (b"2", "the instruction DUP is not read"),
        (b"tttt", "truncated or of another format"),
        (b"h\x09", "truncated or of another format"),
        (b"(" * 10_000 + b"t" * 10_000, "expected named tensors"),
        (b"X\xff\xff\xff\xffabc", "truncated or of another format"),
    ],
)
def test_a_damaged_or_hostile_pickle_is_refused_with_a_reason(
    value: bytes, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "net.pt", state_dict(value))
    with pytest.raises(CheckpointError, match=reason):
        read_weights(path)


MODULE = 'class Net(Module):\n  __parameters__ = ["a", ]\n  __buffers__ = []\n'
OBJECT = b"\x80\x02c__torch__.m\nNet\n)\x81"


def test_an_archive_that_holds_itself_is_refused(tmp_path: Path) -> None:
    data = OBJECT + b"q\x00}(X\x01\x00\x00\x00bh\x00X\x01\x00\x00\x00ch\x00ub."
    path = write(tmp_path / "net.pt", data, code=MODULE)
    with pytest.raises(CheckpointError, match=r"more than 100,000 names, or longer ones"):
        read_weights(path)


def test_only_what_the_code_declares_is_a_weight(tmp_path: Path) -> None:
    named = b"".join(
        b"X\x01\x00\x00\x00" + name + tensor(0, (2,), (1,)) for name in (b"a", b"b", b"c")
    )
    path = write(tmp_path / "net.pt", OBJECT + b"}(" + named + b"ub.", code=MODULE)
    assert list(read_weights(path).tensors) == ["a"]


def test_an_archive_without_the_code_of_a_module_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pt", OBJECT + b"}b.", code="class Other(Module):\n  pass\n")
    with pytest.raises(CheckpointError, match=r"'Net' \(KeyError\)"):
        read_weights(path)


def test_no_compression_makes_more_of_a_file_than_it_has(tmp_path: Path) -> None:
    bomb = write(tmp_path / "net.pt", state_dict(b"N"), compress=True, storage=2**20)
    bomb = write(
        tmp_path / "net.pt", state_dict(tensor(0, (1,), (1,))), compress=True, storage=2**20
    )
    with pytest.raises(CheckpointError, match=r"storage 0 is compressed, as torch never does"):
        read_weights(bomb)
    bomb = write(tmp_path / "net.pt", b"\x80\x02" + b"N" * 2**25 + b".", compress=True)
    with pytest.raises(CheckpointError, match=r"data\.pkl is to have 33,554,435 bytes"):
        read_weights(bomb)


def test_a_flipped_bit_of_a_number_is_noticed(tmp_path: Path) -> None:
    numbers = torch.arange(1000.0)
    torch.save({"a": numbers}, tmp_path / "net.pt")
    contents = bytearray((tmp_path / "net.pt").read_bytes())
    contents[contents.index(numbers.numpy().tobytes()) + 500] ^= 1
    (tmp_path / "net.pt").write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"Bad CRC-32"):
        read_weights(tmp_path / "net.pt")


def test_a_legacy_file_whose_tensor_is_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save({"a": torch.zeros(7)}, file, _use_new_zipfile_serialization=False)
    contents = file.getvalue()
    assert contents.count(b"K\x07\x85") == 1  # the shape (7,)
    path = tmp_path / "net.pt"
    path.write_bytes(contents.replace(b"K\x07\x85", b"J\x00\x00\x00\x10\x85"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError, match=r"net\.pt (is no readable|has .* bytes and)"):
            read_weights(path)
