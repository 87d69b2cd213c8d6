"""One copy of a frozen network for all sources that use it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar, cast
from weakref import WeakValueDictionary

from torch import nn

__all__ = ["file_key", "shared"]

Network = TypeVar("Network", bound=nn.Module)

_LIVE: WeakValueDictionary[Hashable, nn.Module] = WeakValueDictionary()


def shared(key: Hashable, load: Callable[[], Network]) -> Network:
    """The network of this key, loaded if nobody holds it.

    Networks are frozen, so that it makes no difference to a source who else holds it; one that
    nobody holds any more is forgotten.

    Args:
        key: all that the network depends on, its device included.
        load: makes it.
    """
    network = _LIVE.get(key)
    if network is None:
        network = load()
        _LIVE[key] = network
    return cast("Network", network)


def file_key(path: Path) -> Hashable:
    """Stands for a file's content as long as nobody writes to it."""
    status = path.stat()
    return str(path.resolve()), status.st_mtime_ns, status.st_size
