"""The machine that a network is trained on, for the notes in its weights file."""

from __future__ import annotations

from typing import Any

import torch

from vlfeedback.data.provenance import describe_machine

__all__ = ["describe_training_machine"]


def describe_training_machine(device: str) -> dict[str, Any]:
    """Entries of `describe_machine`, with ``"device"`` and, where it is one, the ``"gpu"``."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {**describe_machine(), "device": device, "gpu": name}
