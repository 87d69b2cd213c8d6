import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import nn

from vlfeedback.encoders.sharing import derived, file_key, shared
from vlfeedback.encoders.weights_files import tensors_digest


def test_one_network_is_loaded_for_all_who_hold_it() -> None:
    loaded = []

    def load() -> nn.Module:
        loaded.append(nn.Linear(1, 1))
        return loaded[-1]

    first, again = shared(("a", 1), load), shared(("a", 1), load)
    assert first is again
    assert shared(("a", 2), load) is not first
    assert len(loaded) == 2


def test_a_network_that_nobody_holds_is_forgotten() -> None:
    held = shared("forgotten", lambda: nn.Linear(1, 1))
    del held
    gc.collect()
    loaded = []
    shared("forgotten", lambda: loaded.append(1) or nn.Linear(1, 1))  # type: ignore[func-returns-value]
    assert loaded == [1]


def test_a_network_that_shares_another_can_be_loaded() -> None:
    inner = shared("inner", lambda: nn.Linear(1, 1))
    outer = shared("outer", lambda: nn.Sequential(shared("inner", lambda: nn.Linear(1, 1))))
    assert outer[0] is inner


def test_threads_load_a_network_once() -> None:
    loaded = []

    def load() -> nn.Module:
        time.sleep(0.05)
        loaded.append(1)
        return nn.Linear(1, 1)

    start = threading.Barrier(4)

    def work(_: int) -> nn.Module:
        start.wait(timeout=60)
        return shared("by threads", load)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(4)))) == 1
    assert loaded == [1]


def test_a_failed_load_leaves_nothing_behind() -> None:
    def fail() -> nn.Module:
        raise OSError("no file")

    try:
        shared("failed", fail)
    except OSError:
        network = nn.Linear(1, 1)
        assert shared("failed", lambda: network) is network


def test_a_file_that_is_written_again_has_another_key(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"12")
    first = file_key(path)
    assert file_key(tmp_path / "." / "weights.pt") == first
    path.write_bytes(b"123")
    assert file_key(path) != first


def test_what_is_made_of_a_network_is_made_once() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4))
    made = derived(network)
    assert derived(network) is made
    assert derived(nn.Linear(1, 1)) is not made
    assert made.digest == tensors_digest(network)
    assert made.bfloat16 is made.bfloat16


def test_floating_tensors_alone_are_converted_and_kernels_hold_channels_last() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4))
    halves = derived(network).bfloat16
    assert sorted(halves) == [
        "0.bias",
        "0.weight",
        "1.bias",
        "1.running_mean",
        "1.running_var",
        "1.weight",
    ]
    assert {half.dtype for half in halves.values()} == {torch.bfloat16}
    assert halves["0.weight"].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        halves["0.weight"].float(), network.state_dict()["0.weight"], rtol=2**-8, atol=0
    )
