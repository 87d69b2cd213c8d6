"""One copy of each frozen network for all sources, with its hash and its bfloat16 weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

import torch
from torch import Tensor, nn

from vlfeedback.encoders.weights_files import tensors_digest

__all__ = ["Derived", "derived", "file_key", "shared"]

Network = TypeVar("Network", bound=nn.Module)


class Derived:
    """Hash and bfloat16 weights of a frozen network, computed once for all who hold it.

    Attributes:
        lock: held while the network computes, since it does so in bfloat16 with other tensors in
            the place of its own, which a second thread must not see.
        settled: whether bfloat16 is used, by the settings of an encoder.
    """

    def __init__(self, network: nn.Module) -> None:
        self.settled: dict[Hashable, bool] = {}
        self._network = ref(network)  # this lives as long as the network, and must not prolong it
        self.lock = threading.Lock()

    @cached_property
    def digest(self) -> str:
        """Of its weights, see `tensors_digest`."""
        return tensors_digest(self._alive())

    @cached_property
    def bfloat16(self) -> dict[str, Tensor]:
        """Its floating tensors by name, in bfloat16.

        Those with four axes, of convolutions, hold the channels last: a ResNet-50 is 1.3 times as
        fast so on a CPU, and a ViT no slower.
        """
        tensors: dict[str, Tensor] = {}
        halves: dict[int, Tensor] = {}  # by the tensor's id: some stand in several modules
        for path, module in self._alive().named_modules():
            members = [
                *module.named_parameters(recurse=False),
                *module.named_buffers(recurse=False),
            ]
            for name, tensor in members:
                if tensor.is_floating_point():
                    half = halves.setdefault(id(tensor), _in_bfloat16(tensor))
                    tensors[f"{path}.{name}" if path else name] = half
        return tensors

    def _alive(self) -> nn.Module:
        return cast("nn.Module", self._network())


def _in_bfloat16(tensor: Tensor) -> Tensor:
    layout = torch.channels_last if tensor.dim() == 4 else torch.preserve_format
    return tensor.detach().to(torch.bfloat16, memory_format=layout)


_LIVE: WeakValueDictionary[Hashable, nn.Module] = WeakValueDictionary()
_DERIVED: WeakKeyDictionary[nn.Module, Derived] = WeakKeyDictionary()
_LOCK = threading.RLock()  # loading may share another network inside


def shared(key: Hashable, load: Callable[[], Network]) -> Network:
    """The network of this key, loaded if nobody holds it.

    Networks are frozen, so that it makes no difference to a source who else holds it; one that
    nobody holds any more is forgotten.

    Args:
        key: all that the network depends on, its device included.
        load: makes it.
    """
    with _LOCK:
        network = _LIVE.get(key)
        if network is None:
            network = load()
            _LIVE[key] = network
        return cast("Network", network)


def derived(network: nn.Module) -> Derived:
    """The `Derived` of this network; its weights may not change from now on."""
    with _LOCK:
        shared_state = _DERIVED.get(network)
        if shared_state is None:
            shared_state = _DERIVED[network] = Derived(network)
        return shared_state


def file_key(path: str | Path) -> Hashable:
    """Key of a file's content, valid as long as the file is not written to."""
    path = Path(path)
    status = path.stat()
    return str(path.resolve()), status.st_mtime_ns, status.st_size
