"""What a network says of tasks that it did not train on: the figures of `vlp_trials.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from vlfeedback.data.calibration import expected_calibration_error, reliability_bins
from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.network import VLPNetwork
from vlfeedback.models.vlp.texts import Texts

__all__ = ["FIGURES", "accuracy", "judge", "judge_task", "pairs"]

FIGURES = {
    "random_pairs": "accuracy on pairs of windows drawn at random, by the simulator's return",
    "expert_pairs": "the same of two experts' windows",
    "level_pairs": "the same of two levels",
    "value_order": "Spearman's correlation of score and time along experts, up to success",
    "idling": "what the reset's picture held earns, from random actions (0) to experts (1)",
    "half_way": "what the last window of a medium episode earns, on the same scale",
    "reversed": "how often a rising clip of an expert beats its reversal, no reset shown",
    "own_text": "how often an expert's window scores higher under its own text than another's",
    "success_by_score": "area under the ROC curve: task done at the window's end, by score",
    "success_by_head": "the same, by the network that tells success",
    "success_error": "its calibration error: mean gap of confidence and accuracy",
}
_PAIRS = 2000
_RANDOM, _MEDIUM, _EXPERT = range(3)
Score = Float32[np.ndarray, "C F"]


def judge(
    network: VLPNetwork, episodes: EpisodeSet, tokens: Tensor, tasks: Sequence[str]
) -> dict[str, dict[str, float]]:
    """All figures of each held-out task."""
    network.eval()
    texts = Texts(tasks, max_words=network.architecture.max_words)
    score, success = scores(network, episodes, tokens, texts, shift=0)
    under_other, _ = scores(network, episodes, tokens, texts, shift=3)
    margin = forward_margins(network, episodes, tokens)
    rng = np.random.default_rng(0)
    return {
        task: {
            **judge_task(k, score, success, under_other, episodes, rng),
            "reversed": float((margin[episodes.task == k] > 0).sum())
            / max(1, int(np.isfinite(margin[episodes.task == k]).sum())),
        }
        for k, task in enumerate(tasks)
    }


def judge_task(
    k: int,
    score: Score,
    success: Score,
    under_other: Score,
    episodes: EpisodeSet,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Figures of task `k`, from what windows score that end at each picture."""
    of_task = episodes.task == k
    level, ends = episodes.level, slice(1, None)
    random, medium, expert = (np.flatnonzero(of_task & (level == x)) for x in range(3))
    rows = np.flatnonzero(of_task)
    returned = episodes.window_return
    done = episodes.progress[rows][:, ends].ravel() >= 1
    low, high = score[random][:, ends].mean(), score[expert][:, ends].mean()

    def share(earned: float) -> float:
        return float((earned - low) / (high - low))

    return {
        "random_pairs": accuracy(score, returned, pairs(rows, rows, score, rng)),
        "expert_pairs": accuracy(score, returned, pairs(expert, expert, score, rng)),
        "level_pairs": accuracy(
            score, returned, pairs(rows, rows, score, rng, lambda a, b: level[a] != level[b])
        ),
        "value_order": _value_order(score[expert], episodes.progress[expert]),
        "idling": share(score[rows, 0].mean()),
        "half_way": share(score[medium, -1].mean()),
        "own_text": float((score[expert][:, ends] > under_other[expert][:, ends]).mean()),
        "success_by_score": float(roc_auc_score(done, score[rows][:, ends].ravel())),
        "success_by_head": float(roc_auc_score(done, success[rows][:, ends].ravel())),
        "success_error": expected_calibration_error(
            reliability_bins(success[rows][:, ends].ravel(), done.astype(np.float32))
        ),
    }


def pairs(
    a: np.ndarray,
    b: np.ndarray,
    score: Score,
    rng: np.random.Generator,
    is_wanted: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda a, _: np.full(len(a), True),
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Windows of episodes drawn from `a` and `b`: episode and end of each."""
    first, second = rng.choice(a, _PAIRS), rng.choice(b, _PAIRS)
    ends = rng.integers(1, score.shape[1], (2, _PAIRS))
    wanted = is_wanted(first, second)
    return first[wanted], ends[0][wanted], second[wanted], ends[1][wanted]


def accuracy(score: Score, returned: Score, drawn: tuple[np.ndarray, ...]) -> float:
    """How often the window of the higher return scores higher."""
    a, i, b, j = drawn
    differs = returned[a, i] != returned[b, j]
    agrees = (score[a, i] > score[b, j]) == (returned[a, i] > returned[b, j])
    return float(agrees[differs].mean())


def _value_order(score: Score, progress: Score) -> float:
    orders = []
    for along, done in zip(score, progress >= 1, strict=True):
        end = int(np.argmax(done)) if done.any() else len(done) - 1
        if end >= 3:
            orders.append(float(spearmanr(along[: end + 1], np.arange(end + 1)).statistic))
    return float(np.nanmean(orders))


@torch.inference_mode()
def scores(
    network: VLPNetwork, episodes: EpisodeSet, tokens: Tensor, texts: Texts, *, shift: int
) -> tuple[Score, Score]:
    """Score and probability of success of the window that ends at each picture.

    All episodes of a task are judged under one text of it.

    Args:
        network: trained.
        episodes: of the held-out tasks.
        tokens: of their pictures.
        texts: of the same tasks.
        shift: texts are those of the task so many places further.
    """
    count, length = tokens.shape[:2]
    n_tasks = int(episodes.task.max()) + 1
    windows = torch.from_numpy(episodes.window(np.arange(length), network.architecture.n_frames))
    has_reset = torch.ones(length, dtype=torch.bool)
    score, success = (np.zeros((count, length), np.float32) for _ in range(2))
    for row, task in enumerate(episodes.task.tolist()):
        phrase = texts.draw(np.array([(task + shift) % n_tasks]), np.random.default_rng(task))
        text = network.read_text(*(torch.from_numpy(x[phrase]) for x in (texts.words, texts.mask)))
        first = tokens[row, :1].float().expand(length, -1, -1)
        segment = network.read_segment(tokens[row][windows].float(), first, has_reset)
        text = text.take(torch.zeros(length, dtype=torch.long))
        score[row] = network.score(segment, text).numpy()
        success[row] = network.score_success(segment, text).numpy()
    return score, success


@torch.inference_mode()
def forward_margins(network: VLPNetwork, episodes: EpisodeSet, tokens: Tensor) -> Score:
    """How much more progress experts' clips show than their reversals; NaN where none rises."""
    length, frames = tokens.shape[1], network.architecture.n_frames
    margins = np.full(tokens.shape[:2], np.nan, np.float32)
    ends = np.arange(frames - 1, length)
    windows = torch.from_numpy(episodes.window(ends, frames))
    has_reset = torch.zeros(len(ends), dtype=torch.bool)
    for row in np.flatnonzero(episodes.level == _EXPERT).tolist():
        places = network.positions(tokens[row].float())[windows]
        both = [network.read_motion(x, x[:, 0]) for x in (places, places.flip(1))]
        forward, backward = (network.progress(x, has_reset).mean(dim=0) for x in both)
        rises = episodes.reward[row, ends] - episodes.reward[row, ends - frames + 1] > 0.2
        margins[row, ends] = np.where(rises, (forward - backward).numpy(), np.nan)
    return margins
