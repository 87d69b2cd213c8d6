"""Progress that reads the instruction: what the motion of hand and object is worth to this task.

How far one task is done by a motion that is alike in all tasks is `vlfeedback.models.vlp.progress`.
Tasks that are trained on have habits beyond it: their rewards favour some heights, some grips. A
network that reads them by the text knows them, and knows nothing of other tasks: for unseen ones it
is left out. It reads motion since the reset; of clips whose reset is unknown it says nothing.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vlfeedback.models.vlp.progress import FEATURES

__all__ = ["InstructedProgress"]


class InstructedProgress(nn.Module):
    """Motion of a segment and a text to a correction of its progress: 0 before training."""

    def __init__(self, n_frames: int, word_dim: int, width: int) -> None:
        super().__init__()
        self.picture = _network(2 * FEATURES + word_dim, width)
        self.order = _network(n_frames * FEATURES + word_dim, width)

    def forward(
        self, x: Float[Tensor, "N F 10"], meaning: Float[Tensor, "N E"]
    ) -> Float[Tensor, " N"]:
        """A sum over pictures, as a return is, and a term for their order.

        Args:
            x: standardised motion.
            meaning: of the text, a unit vector.
        """
        scaled = meaning * meaning.shape[-1] ** 0.5  # deviation 1, as motion has
        of_each = scaled.unsqueeze(1).expand(-1, x.shape[1], -1)
        change = torch.cat([x, x - x[:, :1], of_each], dim=-1)
        total: Tensor = 2.0 * self.picture(change).squeeze(-1).mean(dim=1)
        order: Tensor = self.order(torch.cat([x.flatten(1), scaled], dim=-1)).squeeze(-1)
        return total + order


def _network(inputs: int, width: int) -> nn.Sequential:
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.GELU(),
        nn.Dropout(0.1),
        nn.Linear(width, width),
        nn.GELU(),
        last,
    )
