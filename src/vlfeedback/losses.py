"""Losses of preference learning: pure torch, no state.

Scores are (N,), one a segment; `prefer_second` is (N,) in [0, 1]: 0 first, 1 second, 0.5 tie.
P(second preferred) = sigmoid(score_second - score_first) (Bradley and Terry 1952).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["bradley_terry", "language_preferences"]


def bradley_terry(
    score_first: Float[Tensor, "*N"],
    score_second: Float[Tensor, "*N"],
    prefer_second: Float[Tensor, "*N"],
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the labels under the Bradley-Terry model.

    Args:
        score_first: score of each pair's first segment, unbounded.
        score_second: likewise for the second.
        prefer_second: labels in [0, 1].

    Returns:
        A scalar >= 0; ln 2 = 0.693 where the scores are equal.

    Source: VLP paper, equations 1 and 2.

    >>> import torch
    >>> bradley_terry(torch.zeros(3), torch.zeros(3), torch.tensor([0.0, 0.5, 1.0]))
    tensor(0.6931)
    """
    return functional.binary_cross_entropy_with_logits(score_second - score_first, prefer_second)


def language_preferences(
    own_first: Float[Tensor, " N"],
    own_second: Float[Tensor, " N"],
    foreign: Float[Tensor, "*K N"],
    other_first: Float[Tensor, "*J N"],
    other_second: Float[Tensor, "*J N"],
    prefer_second: Float[Tensor, " N"],
    *,
    ilp_weight: float = 0.1,
    ivp_weight: float = 0.5,
) -> Float[Tensor, ""]:
    """VLP's loss of N pairs of clips of one task: ITP + lambda 1 * ILP + lambda 2 * IVP.

    ITP compares the two clips under their own instruction. ILP holds that under another task's
    instruction neither is preferred. IVP holds that each is preferred to another task's clip.

    Args:
        own_first: score of each pair's first clip under the pair's own instruction, unbounded.
        own_second: likewise for the second.
        foreign: score of a clip of another task under the pair's own instruction; with a leading
            axis for several of them, over which the mean is taken.
        other_first: score of the first clip under an instruction of another task; several as
            for `foreign`.
        other_second: likewise for the second.
        prefer_second: ITP's labels in [0, 1]: 0 first, 1 second, 0.5 tie.
        ilp_weight: lambda 1.
        ivp_weight: lambda 2.

    Returns:
        A scalar >= 0, the mean over pairs where the paper takes the sum. Where all scores are
        equal it is (1 + lambda 1 + 2 lambda 2) ln 2.

    Source: VLP paper, equation 4; weights from table 7.

    >>> import torch
    >>> language_preferences(*[torch.zeros(3)] * 5, torch.tensor([0.0, 0.5, 1.0]))
    tensor(1.4556)
    """
    own_wins, tie = torch.zeros_like(foreign), torch.full_like(other_first, 0.5)
    itp = bradley_terry(own_first, own_second, prefer_second)
    ilp = bradley_terry(other_first, other_second, tie)
    ivp = bradley_terry(own_first.expand_as(foreign), foreign, own_wins) + bradley_terry(
        own_second.expand_as(foreign), foreign, own_wins
    )
    return itp + ilp_weight * ilp + ivp_weight * ivp
