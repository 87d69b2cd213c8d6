"""Unseen words: accuracies and losses of three kinds of preference under five kinds of text.

Paper:    Liu et al. 2025, VLP, section 5.4 and Table 6; equation 4 for the three kinds
ITP:      two segments of a task under its instruction; right is what the returns say
IVP:      a segment of the task against one of another task, under the task's instruction; the own
          segment is right. Both segments of each ITP pair take part, as in equation 4
ILP:      two segments of the task under another task's instruction; neither is preferred. Its
          loss is the cross-entropy with 0.5: ln 2 = 0.693 at best
Average:  (ITP loss + ILP loss + IVP loss) / 3. The paper does not say how it averages
Beyond:   right instruction: the segments of ITP under their own against the other task's text;
          ITP on pairs drawn at random, which are harder than the paper's
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Float, Float64

from vlfeedback.data.pairings import RankedPairs, ShownSegment
from vlfeedback.data.sampling import sample_segments
from vlfeedback.data.unseen_instructions import LanguageKind, unseen_instructions
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.labels.pairings import picture_stride
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.types import Segment, Trajectory

__all__ = ["KINDS", "bradley_terry_loss", "evaluate_language"]

KINDS: tuple[LanguageKind, ...] = get_args(LanguageKind)
"""Kinds of instruction, in the order of the paper's Table 6."""


def evaluate_language(
    scorer: SegmentScorer,
    pairs: RankedPairs,
    task: str,
    pools: Mapping[str, Mapping[str, Sequence[Trajectory]]],
    *,
    random_pairs: RankedPairs | None = None,
    kinds: Sequence[LanguageKind] = KINDS,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Table 6 for one task. Kinds differ in their words alone: all segments are the same.

    Args:
        scorer: of a source that reads instructions.
        pairs: ITP pairs of this task with their true order; their instructions are replaced.
        task: name of the task.
        pools: by name, the other tasks that IVP and ILP draw from, with their trajectories.
        random_pairs: of this task as well; None leaves their figure out.
        kinds: of text, see `vlfeedback.data.unseen_instructions.LanguageKind`.
        seed: of texts and of other segments.

    Returns:
        By kind: ``itp_accuracy``, ``itp_loss``, with `random_pairs` also
        ``itp_accuracy_random_pairs``, and by pool ``ivp_accuracy``, ``ivp_loss``,
        ``ilp_loss``, ``average_loss`` and ``right_instruction_accuracy``. Accuracies in [0, 1];
        losses in nats, NaN where the scorer has no `log_odds_scale`.

    Raises:
        NeedsError: a pool has no other task.
        UnknownNameError: there is no such task or kind.
    """
    for name, pool in pools.items():
        if not pool or task in pool:
            raise NeedsError(
                f"The pool {name!r} has the tasks {sorted(pool)}; expected at least one, and not "
                f"{task!r} itself. Evaluate two tasks or more."
            )
    rng = np.random.default_rng(seed)
    length = pairs.first[0].segment.length
    share = rng.random(len(pairs))  # one draw a pair, whatever the number of texts
    others = {name: _draw_others(pool, len(pairs), length, rng) for name, pool in pools.items()}
    random_share = rng.random(0 if random_pairs is None else len(random_pairs))
    figures: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        figures[kind] = _one_kind(scorer, pairs, task, kind, share, others)
        if random_pairs is not None:
            own = [_pick(task, kind, draw) for draw in random_share]
            first = _read(scorer, random_pairs.first, own)
            second = _read(scorer, random_pairs.second, own)
            accuracy = _itp_accuracy(first, second, random_pairs)
            figures[kind]["itp_accuracy_random_pairs"] = accuracy
    return figures


def bradley_terry_loss(
    gap: Float[np.ndarray, " N"],
    prefer_second: Float[np.ndarray, " N"] | float,
    scale: float | None,
) -> float:
    """Mean cross-entropy of labels under P[second] = sigmoid(scale * gap), in nats.

    NaN where there is no scale, and so no probability.

    Source: VLP paper, equations 2 and 3.

    >>> import numpy as np
    >>> round(bradley_terry_loss(np.zeros(3), 0.5, 1.0), 4)
    0.6931
    """
    if scale is None:
        return float("nan")
    logits = scale * gap
    return float(np.mean(np.logaddexp(0.0, logits) - prefer_second * logits))


# Other segments of a pool, one a pair, with the task each is of.
_Others = list[tuple[str, Segment]]


def _draw_others(
    pool: Mapping[str, Sequence[Trajectory]], n: int, length: int, rng: np.random.Generator
) -> _Others:
    names = sorted(pool)
    draws = []
    for index in rng.integers(len(names), size=n):
        episodes = pool[names[index]]
        stride = picture_stride(episodes)
        (segment,) = sample_segments(episodes, 1, length, rng=rng, start_multiple=stride)
        draws.append((names[index], segment))
    return draws


def _one_kind(
    scorer: SegmentScorer,
    pairs: RankedPairs,
    task: str,
    kind: LanguageKind,
    share: Float64[np.ndarray, " N"],
    others: Mapping[str, _Others],
) -> dict[str, Any]:
    def score(segments: Sequence[ShownSegment], texts: Sequence[str]) -> Float64[np.ndarray, " N"]:
        return _read(scorer, segments, texts)

    own = [_pick(task, kind, draw) for draw in share]
    first, second = score(pairs.first, own), score(pairs.second, own)
    itp = bradley_terry_loss(second - first, pairs.prefer_second, scorer.log_odds_scale)
    figures: dict[str, Any] = {
        "itp_accuracy": _itp_accuracy(first, second, pairs),
        "itp_loss": itp,
    }
    for pool, draws in others.items():
        other_texts = [
            _pick(name, kind, draw) for (name, _), draw in zip(draws, share, strict=True)
        ]
        # With its reset only if the pair it is compared with is shown with it.
        shown = [
            ShownSegment(segment, "", with_reset=own_segment.with_reset)
            for (_, segment), own_segment in zip(draws, pairs.first, strict=True)
        ]
        other = score(shown, own)
        first_under_other, second_under_other = (
            score(pairs.first, other_texts),
            score(pairs.second, other_texts),
        )
        lead = np.r_[first - other, second - other]
        ivp = bradley_terry_loss(lead, 1.0, scorer.log_odds_scale)
        ilp = bradley_terry_loss(second_under_other - first_under_other, 0.5, scorer.log_odds_scale)
        figures[pool] = {
            "ivp_accuracy": _share_above_zero(lead),
            "ivp_loss": ivp,
            "ilp_loss": ilp,
            "average_loss": (itp + ilp + ivp) / 3,
            "right_instruction_accuracy": _share_above_zero(
                np.r_[first - first_under_other, second - second_under_other]
            ),
        }
    return figures


def _pick(task: str, kind: LanguageKind, draw: float) -> str:
    """The text of the task that a draw of [0, 1) falls on."""
    texts = unseen_instructions(task, kind)
    return texts[int(draw * len(texts))]


def _read(
    scorer: SegmentScorer, segments: Sequence[ShownSegment], texts: Sequence[str]
) -> Float64[np.ndarray, " N"]:
    """Scores of the segments under these texts in place of their own."""
    return scorer.scores(
        [replace(segment, instruction=text) for segment, text in zip(segments, texts, strict=True)]
    )


def _itp_accuracy(
    first: Float64[np.ndarray, " N"], second: Float64[np.ndarray, " N"], pairs: RankedPairs
) -> float:
    ordered = pairs.prefer_second != 0.5
    right = np.sign(second - first)[ordered] * (2 * pairs.prefer_second[ordered] - 1)
    return _share_above_zero(right)


def _share_above_zero(lead: Float[np.ndarray, " N"]) -> float:
    """Share of positive leads, ties half; NaN where there are none."""
    return float(np.mean(0.5 + 0.5 * np.sign(lead))) if len(lead) else float("nan")
