"""Progress of a segment, from the positions of hand and object alone, whatever the instruction.

Where the hand is to the object, how far the object is from where the episode began, and how fast
either moves mean the same in every task. A network that reads only these generalises to
unseen tasks, where one that reads pictures overfits its own.

Segments whose episode is known from its reset are judged by one set of networks, clips cut out of
an episode by another. The second learns on top that what gains ground is better than its reversal,
which without a reset nothing else tells; asked of the first as well it costs accuracy.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

__all__ = ["FEATURES", "ProgressHead", "SuccessHead", "describe_motion"]

FEATURES = 10
_FARTHEST = 5.0  # deviations; positions of things never seen before may be anywhere
_NEAR = 0.02  # m, keeps ratios finite where the hand begins at the object


def describe_motion(
    positions: Float[Tensor, "N F 10"], first: Float[Tensor, "N 10"]
) -> Float[Tensor, "N F 10"]:
    """Task-independent features of each picture of a segment: distances and speeds.

    Args:
        positions: of the pictures, in metres (see `vlfeedback.models.vlp.encoder.POSITIONS`).
        first: of the picture of the reset.

    Returns:
        Distance of hand and object, and its share of that at the reset; displacement of the
        object since the reset, the same finer and capped at 6 cm, and its height; displacement
        of the hand; speeds of hand and object; gripper opening; height of the hand.
    """
    begin = first.unsqueeze(1)
    hand, gripper, thing, gap = positions.split([3, 1, 3, 3], dim=-1)
    hand_0, _, thing_0, gap_0 = begin.split([3, 1, 3, 3], dim=-1)
    distance, displacement = _length(gap), _length(thing - thing_0)
    return torch.cat(
        [
            5.0 * distance,
            distance / (_length(gap_0) + _NEAR),
            10.0 * displacement,
            (50.0 * displacement).clamp(max=3.0),
            5.0 * _length(hand - hand_0),
            10.0 * (thing - thing_0)[..., 2:],
            20.0 * _speed(hand),
            30.0 * _speed(thing),
            gripper,
            5.0 * hand[..., 2:],
        ],
        dim=-1,
    )


class ProgressHead(nn.Module):
    """Motion of a segment to one number; the mean of several small networks."""

    def __init__(self, n_frames: int, members: int, hidden: int) -> None:
        super().__init__()
        self.since_reset = _judges(n_frames, members, hidden)
        self.cut_out = _judges(n_frames, members, hidden)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))

    def forward(
        self, x: Float[Tensor, "N F 10"], has_reset: Bool[Tensor, " N"]
    ) -> Float[Tensor, "K N"]:
        """Progress by each of K members.

        Args:
            x: standardised motion.
            has_reset: whether the motion is since the reset, or since a clip's own first picture.
        """
        return torch.where(has_reset, self.judge(x, self.since_reset), self.judge(x, self.cut_out))

    def judge(self, x: Float[Tensor, "N F 10"], members: nn.ModuleList) -> Float[Tensor, "K N"]:
        """Progress by each of these members."""
        return torch.stack([member(x) for member in members])

    def standardise(self, motion: Float[Tensor, "N F 10"]) -> Float[Tensor, "N F 10"]:
        """Features with mean 0 and deviation 1 over the training's windows, cut at 5."""
        return ((motion - self.mean) / self.std).clamp(-_FARTHEST, _FARTHEST)


class SuccessHead(nn.Module):
    """Motion of a segment to the log-odds, after each picture, that the task is done."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.body = _of_each_picture(hidden)

    def forward(self, x: Float[Tensor, "N F 10"]) -> Float[Tensor, "N F"]:
        """Log-odds, from standardised features."""
        change = torch.cat([x, x - x[:, :1]], dim=-1)
        log_odds: Tensor = self.body(change).squeeze(-1)
        return log_odds


def _judges(n_frames: int, members: int, hidden: int) -> nn.ModuleList:
    return nn.ModuleList(_Member(n_frames, hidden) for _ in range(members))


class _Member(nn.Module):
    """A sum over pictures, as a return is, and a term for their order."""

    def __init__(self, n_frames: int, hidden: int) -> None:
        super().__init__()
        self.picture = _of_each_picture(hidden)
        self.order = nn.Sequential(
            nn.Linear(n_frames * FEATURES, hidden), nn.GELU(), nn.Dropout(0.3), nn.Linear(hidden, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        change = torch.cat([x, x - x[:, :1]], dim=-1)
        total: Tensor = 2.0 * self.picture(change).squeeze(-1).mean(dim=1)
        order: Tensor = self.order(x.flatten(1)).squeeze(-1)
        return total + order


def _of_each_picture(hidden: int) -> nn.Sequential:
    """A number for each picture, from its features and how they differ from the first one's."""
    return nn.Sequential(
        nn.Linear(2 * FEATURES, hidden),
        nn.GELU(),
        nn.Dropout(0.2),
        nn.Linear(hidden, hidden),
        nn.GELU(),
        nn.Linear(hidden, 1),
    )


def _length(x: Tensor) -> Tensor:
    return x.square().sum(dim=-1, keepdim=True).add(1e-8).sqrt()


def _speed(x: Tensor) -> Tensor:
    steps = _length(x[:, 1:] - x[:, :-1])
    return torch.cat([torch.zeros_like(steps[:, :1]), steps], dim=1)
