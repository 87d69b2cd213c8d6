"""Losses of preference learning: pure torch, no state.

Scores are (N,), one a segment; `prefer_second` is (N,) in [0, 1]: 0 first, 1 second, 0.5 tie.
P(second preferred) = sigmoid(score_second - score_first) (Bradley and Terry 1952). CPL's
`contrastive` scores a segment by the policy, and `ipl` by the reward that a Q-function implies.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = [
    "bradley_terry",
    "contrastive",
    "contrastive_ranking",
    "expectile",
    "ipl",
    "language_preferences",
]


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
    """VLP's loss of N pairs of segments of one task: ITP + lambda 1 * ILP + lambda 2 * IVP.

    ITP compares the two segments under their own instruction. ILP holds that under another task's
    instruction neither is preferred. IVP holds that each is preferred to another task's segment.

    Args:
        own_first: score of each pair's first segment under the pair's own instruction, unbounded.
        own_second: likewise for the second.
        foreign: score of a segment of another task under the pair's own instruction; with a leading
            axis for several of them, over which the mean is taken.
        other_first: score of the first segment under an instruction of another task; several as
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


def contrastive(
    advantage_first: Float[Tensor, "*R N"],
    advantage_second: Float[Tensor, "*R N"],
    prefer_second: Float[Tensor, "*R N"],
    bias: float = 0.5,
    *,
    weight: Float[Tensor, "*R N"] | None = None,
    mean_over_all: bool = False,
) -> Float[Tensor, "*R"]:
    """CPL's loss: the preferred segment's actions must be likelier than the other's.

    With a bias below 1 it costs to make all actions less likely together, so the policy stays
    with the actions of the data; at 1 adding a constant to both advantages changes nothing.

    Args:
        advantage_first: alpha * sum over steps of log pi(action | state), of each pair's first
            segment, unbounded.
        advantage_second: likewise for the second.
        prefer_second: labels in [0, 1]; 0.5 averages both orders.
        bias: lambda in (0, 1], how much the other segment's advantage counts.
        weight: >= 0, of each pair; 0 leaves it out.
        mean_over_all: divide by all N pairs, also by those of weight 0, as PLARE's code does:
            then many unsure pairs shrink the step. By default only weights above 0 count.

    Returns:
        A scalar >= 0, or one for each of R policies side by side; ln 2 where both advantages are 0.

    Source: CPL (Hejna et al. 2024) and its code; bias from VLP paper, table 9. Weights: PLARE's
    code (``ignore_unsure``).

    >>> import torch
    >>> contrastive(torch.tensor([0.0]), torch.tensor([2.0]), torch.tensor([1.0]))
    tensor(0.1269)
    """
    first_wins = functional.softplus(bias * advantage_second - advantage_first)
    second_wins = functional.softplus(bias * advantage_first - advantage_second)
    loss = prefer_second * second_wins + (1 - prefer_second) * first_wins
    if weight is None:
        return loss.mean(dim=-1)
    n_pairs = weight.shape[-1] if mean_over_all else (weight > 0).sum(dim=-1).clamp(min=1)
    return (weight * loss).sum(dim=-1) / n_pairs


def contrastive_ranking(
    advantages: Float[Tensor, " N"], scores: Float[Tensor, " N"], bias: float = 0.5
) -> Float[Tensor, ""]:
    """CPL's loss of N scored segments: `contrastive` over all N (N - 1) / 2 pairs of them.

    Args:
        advantages: as in `contrastive`, of at least two segments.
        scores: what orders them, such as returns; the higher is preferred, equal ones tie.
        bias: as in `contrastive`.

    Source: CPL's code (score mode); that equal scores tie is our choice.
    """
    first, second = torch.triu_indices(len(scores), len(scores), offset=1, device=scores.device)
    gap = scores[second] - scores[first]
    prefer_second = 0.5 * (1 + torch.sign(gap)).to(advantages.dtype)
    return contrastive(advantages[first], advantages[second], prefer_second, bias)


def expectile(difference: Float[Tensor, "*N"], tau: float = 0.7) -> Float[Tensor, ""]:
    """Mean of |tau - 1[u < 0]| u^2: least squares with weight tau on positive differences.

    Args:
        difference: u, target minus prediction.
        tau: in (0, 1); 0.5 is half the mean square.

    Source: IQL (Kostrikov et al. 2022); tau from VLP paper, table 8.

    >>> import torch
    >>> expectile(torch.tensor([1.0, -1.0]), tau=0.75)
    tensor(0.5000)
    """
    weight = torch.where(difference < 0, 1 - tau, tau)
    return (weight * difference.square()).mean()


def ipl(
    implied_first: Float[Tensor, "*R K N S"],
    implied_second: Float[Tensor, "*R K N S"],
    prefer_second: Float[Tensor, "*R N"],
    *,
    regularisation: float = 0.5,
    weight: Float[Tensor, "*R N"] | None = None,
    replay: Float[Tensor, "*R K M"] | None = None,
    replay_weight: float = 0.5,
) -> Float[Tensor, "*R"]:
    """IPL's loss: Bradley-Terry on the rewards that Q-functions imply, kept small.

    Args:
        implied_first: Q(s, a) - gamma * V(s') of K Q-functions at each pair's first segment.
            Each term needs the next state, so a segment of T steps has S = T - 1. The caller
            detaches V.
        implied_second: likewise for the second.
        prefer_second: labels in [0, 1].
        regularisation: c, the weight of the mean square of all implied rewards (chi-square).
        weight: >= 0, of each pair in the means over them; 0 leaves it out.
        replay: implied rewards of M transitions of no pair, which share the regularisation.
        replay_weight: in [0, 1], their share of it.

    Returns:
        A scalar >= 0, the mean over the K, or one for each of R learners side by side; ln 2 where
        all implied rewards are 0.

    Source: IPL (Hejna and Sadigh 2023) and its code; c = 0.5 from VLP paper, table 10.

    >>> import torch
    >>> ipl(torch.zeros(2, 1, 3), torch.ones(2, 1, 3), torch.tensor([1.0]))
    tensor(0.2986)
    """
    logits = implied_second.sum(dim=-1) - implied_first.sum(dim=-1)
    surprises = functional.binary_cross_entropy_with_logits(
        logits, prefer_second[..., None, :].expand_as(logits), reduction="none"
    )
    squares = 0.5 * (implied_first.square().mean(dim=-1) + implied_second.square().mean(dim=-1))
    if weight is None:
        weight = torch.ones_like(prefer_second)
    shares = (weight / weight.sum(dim=-1, keepdim=True))[..., None, :]
    preference, mean_square = (
        (shares * of_pairs).sum(dim=-1).mean(dim=-1) for of_pairs in (surprises, squares)
    )
    if replay is not None:
        of_replay = replay.square().mean(dim=(-2, -1))
        mean_square = (1 - replay_weight) * mean_square + replay_weight * of_replay
    return preference + regularisation * mean_square
