"""Arguments that many public functions take, understood or refused alike by all of them.

A source may be named by its id wherever one is taken. The functions that make sources are in
rooms above the functions that take them; they are named here, as environments are, and imported
when an id is given.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from vlfeedback.errors import InvalidTypeError, InvalidValueError, VLFeedbackError
from vlfeedback.registry import load_target
from vlfeedback.types.sources import PreferenceSource, RewardSource

__all__ = [
    "check_instruction",
    "check_rng",
    "on_device",
    "preference_source",
    "reward_source",
]

_MAKE_REWARDS = "vlfeedback.rewards:make_reward_source"
_MAKE_LABELLER = "vlfeedback.preferences:make_preference_source"
_DEVICE = re.compile(r"(cpu|cuda|mps|xpu|hpu|mtia|meta|privateuseone)(:\d+)?")  # torch's names


def reward_source(source: str | RewardSource) -> RewardSource:
    """The source, made if it is an id.

    Raises:
        UnknownNameError: no source has this id.
        InvalidTypeError: it is neither an id nor a source.
    """
    if isinstance(source, str):
        source = load_target(_MAKE_REWARDS, what="What makes reward sources")(source)
    if isinstance(source, type) or not isinstance(source, RewardSource):
        raise InvalidTypeError(
            f"source={source!r} is no reward source; expected an id such as 'vlp', or an object "
            "with `needs` and `rewards`."
        )
    return source


def preference_source(source: str | PreferenceSource, **settings: Any) -> PreferenceSource:
    """The labeller, made if it is an id, also that of a reward source.

    Args:
        source: a labeller, or the id of one.
        **settings: of one that is made, such as its `device`.

    Raises:
        UnknownNameError: no source has this id, or it has no such setting.
        InvalidTypeError: it is neither an id nor a preference source.
    """
    if isinstance(source, str):
        source = load_target(_MAKE_LABELLER, what="What makes labellers")(source, **settings)
    if isinstance(source, type) or not isinstance(source, PreferenceSource):
        rewards = isinstance(source, RewardSource)
        advice = " It gives rewards: pass PreferenceFromReward(source)." if rewards else ""
        raise InvalidTypeError(
            f"labeller={source!r} is no preference source; expected an id such as 'teacher', or "
            f"an object with `needs` and `label`.{advice}"
        )
    return source


def check_instruction(instruction: object) -> None:
    """Refuse what is no single text, nor None.

    Raises:
        InvalidTypeError: it is something else, such as a list.
    """
    if not (instruction is None or isinstance(instruction, str)):
        raise InvalidTypeError(
            f"instruction={instruction!r}; expected one text, such as 'close the drawer'."
        )


def check_rng(rng: object) -> None:
    """Refuse what is no generator of numpy's.

    Raises:
        InvalidTypeError: it is something else, such as a seed.
    """
    if not isinstance(rng, np.random.Generator):
        seed = rng if isinstance(rng, int) else 0
        raise InvalidTypeError(
            f"rng={rng!r}; expected a numpy.random.Generator: rng=np.random.default_rng({seed})."
        )


@contextmanager
def on_device(device: Any) -> Iterator[None]:
    """Refuse a device that nobody has; what fails for lack of one in the block is said so.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or another of torch's.

    Raises:
        InvalidValueError: it is no device, or torch finds none such on this machine.
    """
    name = str(device)
    if not _DEVICE.fullmatch(name):
        raise InvalidValueError(
            f"device={device!r} is none; expected 'cpu', 'cuda', or one of several: 'cuda:0'."
        )
    try:
        yield
    except VLFeedbackError:
        raise
    except Exception as error:  # torch raises whatever its back end does
        reason = _why_absent(name)
        if not reason:
            raise
        raise InvalidValueError(
            f"device={name!r}, and {reason}. Pass device='cpu', or see `vlfeedback doctor`."
        ) from error


def _why_absent(name: str) -> str:
    kind, _, number = name.partition(":")
    torch = sys.modules.get("torch")
    if kind != "cuda" or torch is None:
        return ""
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n_devices == 0:
        return "torch finds no CUDA device on this machine"
    return f"torch finds {n_devices} here, from 0 on" if int(number or 0) >= n_devices else ""
