"""Losses of preference learning: pure torch, no state.

Scores are (N,), one a segment; `prefer_second` is (N,) in [0, 1]: 0 first, 1 second, 0.5 tie.
P(second preferred) = sigmoid(score_second - score_first) (Bradley and Terry 1952).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["bradley_terry"]


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
