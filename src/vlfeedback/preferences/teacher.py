"""Scripted teachers: labels from the environment's own reward, with the ways people err.

Paper:    Lee et al. 2021 (B-Pref, and its code); flips: Offline RL-VLM-F, Table II
Needs:    the environment's rewards; observations and actions, which seed the chance (an entry of
          the observations may stand for progress as well)
Returns:  prefer_second in {0, 0.5, 1}; the outcome of a skipped pair is SKIPPED
Recipe:   1 skip the pair where neither return exceeds a threshold; 2 mark it equal where the
          returns differ by less than another; 3 discount what lies further back; 4 prefer the
          larger return, or draw from sigmoid(beta gap); 5 err with a constant probability, and
          with one that grows the nearer the segments are; 6 call marked pairs a tie.

Our deviations (see `TeacherConfig.bpref_compat`): equal returns tie, where B-Pref says "first";
thresholds keep the share they are given, where B-Pref's code squares it after its first session.

Chance is drawn from the pair's own numbers, hashed with the seed: a pair gets the same answer in
any batch, in any order and after a resume, and two pairs draw independently unless they are the
same, number by number. Teachers of equal seeds err on the same pairs: those that a mistake of
0.1 inverts are among those that one of 0.25 inverts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import ClassVar, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64

from vlfeedback.data.calibration import preference_probability
from vlfeedback.data.sampling import SegmentPairList, gather_pairs
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.registry import suggest
from vlfeedback.types import Outcome, PreferenceLabels, SegmentBatch, SegmentPairs, SourceNeeds

__all__ = ["PRESETS", "ScriptedTeacher", "TeacherConfig"]

Proximity = Literal["exponential", "linear"]

PRESETS: dict[str, dict[str, float]] = {
    "oracle": {},
    "mistake": {"mistake": 0.1},
    "noisy": {"beta": 1.0},
    "skip": {"skip": 0.1},
    "myopic": {"gamma": 0.9},
    "equal": {"equal": 0.1},
}
"""B-Pref's six teachers, named as the folders of its scripts: what each changes of the oracle."""


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """How a scripted teacher errs; by default it never does.

    Attributes:
        preset: of `PRESETS`; sets what is left at its default below.
        seed: another seed, other errors.
        beta: of sigmoid(beta * gap of returns); 0 or less: the larger return always.
        gamma: (0, 1]; weight of each step relative to the next one: 1 the plain sum.
        mistake: probability of the wrong answer.
        skip: share of `margin` that one of the two returns has to exceed.
        equal: share of `margin` below which a gap of returns is a tie.
        margin: a typical return of a segment; None: the mean of those asked.
        flip: probability that the label is inverted; Table II: 0.25, 0.5, 0.75.
        proximity_flip: that probability for segments at one place; our reading.
        proximity: exp(-distance / scale), or linear: 1 - distance / scale.
        proximity_scale: None: the median distance of those asked; linear: the largest.
        progress: entry of the last observation, as place; None: the last reward.
        bpref_compat: equal returns are "first", thresholds margin * share squared.

    Raises:
        UnknownNameError: there is no such preset.
        ValueError: a number outside its range.
    """

    variant_field: ClassVar[str] = "preset"

    preset: str = "oracle"
    seed: int = 0
    beta: float = -1.0
    gamma: float = 1.0
    mistake: float = 0.0
    skip: float = 0.0
    equal: float = 0.0
    margin: float | None = None
    flip: float = 0.0
    proximity_flip: float = 0.0
    proximity: Proximity = "exponential"
    proximity_scale: float | None = None
    progress: int | None = None
    bpref_compat: bool = False

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UnknownNameError(
                f"No teacher {self.preset!r}. {suggest(self.preset, PRESETS)}"
                f"Expected one of {', '.join(PRESETS)}."
            )
        defaults = {field.name: field.default for field in fields(self)}
        for name, value in PRESETS[self.preset].items():
            if getattr(self, name) == defaults[name]:
                object.__setattr__(self, name, value)
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value))
                if not (least <= value <= most and math.isfinite(value)):
                    raise InvalidValueError(
                        f"{name}={value}; expected a finite number in [{least}, {most}]."
                    )
        if self.proximity not in get_args(Proximity):
            raise InvalidValueError(
                f"proximity={self.proximity!r}; expected 'exponential' or 'linear'."
            )

    def threshold(self, share: float) -> float:
        """A share of the margin, in reward units; 0 where nothing is asked of it."""
        margin = 0.0 if self.margin is None else self.margin
        return margin * share * (share if self.bpref_compat else 1.0)


_TINY = float(np.finfo(np.float64).tiny)
_INF = float("inf")
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("beta", -_INF, _INF),
    ("gamma", _TINY, 1.0),
    ("mistake", 0.0, 1.0),
    ("skip", 0.0, _INF),
    ("equal", 0.0, _INF),
    ("margin", -_INF, _INF),
    ("flip", 0.0, 1.0),
    ("proximity_flip", 0.0, 1.0),
    ("proximity_scale", _TINY, _INF),
)


class ScriptedTeacher:
    """Labels pairs by the environment's own reward, and errs as its settings say."""

    config_type = TeacherConfig
    needs = SourceNeeds(env_rewards=True, observations=True, actions=True)

    def __init__(self, config: TeacherConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or TeacherConfig()

    def measured_on(self, pairs: SegmentPairList) -> ScriptedTeacher:
        """This teacher with `margin` and `proximity_scale` known, where they are used.

        What was left open is measured on all pairs that will be asked, once, so that no label
        depends on its batch. `label_pairs` calls this. To add pairs to a file of labels later,
        give both, or they are measured on more pairs than before.

        B-Pref's margin is the mean return of its latest episodes times S / T_max, the mean return
        of a segment of S steps; offline it is that of the segments at hand.

        Raises:
            NeedsError: a trajectory has no rewards of its own.
            ValueError: the mean return is not positive, so no share of it is a threshold; or the
                pairs do not differ in progress.
        """
        config = self.config
        if pairs and (config.skip or config.equal) and config.margin is None:
            margin = float(np.mean(np.concatenate([_returns(part) for part in _parts(pairs)], 1)))
            if margin <= 0:
                raise InvalidValueError(
                    f"The mean return of the segments is {margin:.4g}, and shares of it (skip="
                    f"{config.skip}, equal={config.equal}) mark nothing. Give a positive margin, "
                    "in reward units of a segment."
                )
            config = replace(config, margin=margin)
        if pairs and config.proximity_flip and config.proximity_scale is None:
            distance = np.concatenate([self._distances(part) for part in _parts(pairs)])
            linear = config.proximity == "linear"
            scale = float(distance.max() if linear else np.median(distance))
            if scale == 0:
                raise InvalidValueError(
                    f"{np.mean(distance == 0):.0%} of the pairs do not differ in progress, so "
                    "proximity_flip has no scale. Give proximity_scale, or another `progress`."
                )
            config = replace(config, proximity_scale=scale)
        return ScriptedTeacher(config)

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Compare each pair, in the order of steps that the module's header gives.

        Raises:
            NeedsError: a batch lacks the environment's rewards, or a threshold or scale is not
                known yet.
            ValueError: a reward is not finite.

        Source: B-Pref, reward_model.py, ``get_label``.
        """
        prefer_second, tied, skipped = self._without_errors(pairs)
        wrong = self._inverted(pairs)
        prefer_second = np.where(wrong, 1 - prefer_second, prefer_second)
        prefer_second = np.where(tied, 0.5, prefer_second)
        outcome = np.where(skipped, Outcome.SKIPPED, Outcome.ANSWERED).astype(np.uint8)
        return PreferenceLabels(prefer_second.astype(np.float32), outcome)

    def flip_rate(self, pairs: SegmentPairs) -> float:
        """Share of the labels of these pairs that mistakes and flips inverted, in [0, 1].

        Ties and skipped pairs do not count; NaN where nothing else is there. To be reported
        beside results.
        """
        prefer_second, tied, skipped = self._without_errors(pairs)
        counts = ~tied & ~skipped & (prefer_second != 0.5)
        return float(np.mean(self._inverted(pairs)[counts])) if counts.any() else float("nan")

    def _without_errors(self, pairs: SegmentPairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels by return, rational or noisy; which pairs are marked equal, which skipped."""
        config = self.config
        if (config.skip or config.equal) and config.margin is None:
            raise NeedsError(
                f"A teacher with skip={config.skip} and equal={config.equal} needs a margin. "
                "Give margin (reward units of a segment), or ask teacher.measured_on(all pairs)."
            )
        returns = _returns(pairs)
        least = config.threshold(config.skip)
        skipped = (returns.max(axis=0) <= least) & (least > 0)
        tied = np.abs(returns[1] - returns[0]) < config.threshold(config.equal)
        first, second = (_discounted(side, config.gamma) for side in _sides(pairs))
        gap = second - first
        if config.beta > 0:
            chance = _chances(pairs, config.seed)[:, 0]
            return chance < preference_probability(gap, config.beta), tied, skipped
        even = 0.0 if config.bpref_compat else 0.5
        return np.where(gap == 0, even, gap > 0), tied, skipped

    def _inverted(self, pairs: SegmentPairs) -> Bool[np.ndarray, " N"]:
        """Which labels are the opposite of what they should be; two inversions cancel."""
        config = self.config
        _, mistake, flip, near = _chances(pairs, config.seed).T
        wrong = (mistake < config.mistake) ^ (flip < config.flip)
        if config.proximity_flip:
            if config.proximity_scale is None:
                raise NeedsError(
                    f"A teacher with proximity_flip={config.proximity_flip} needs to know what is "
                    "near. Give proximity_scale, or ask teacher.measured_on(all pairs)."
                )
            distance = self._distances(pairs) / config.proximity_scale
            linear = config.proximity == "linear"
            nearness = np.maximum(0, 1 - distance) if linear else np.exp(-distance)
            wrong ^= near < config.proximity_flip * nearness
        return np.asarray(wrong)

    def _distances(self, pairs: SegmentPairs) -> Float64[np.ndarray, " N"]:
        """How far apart the two segments of each pair end."""
        first, second = (self._progress(side) for side in _sides(pairs))
        return np.asarray(np.abs(second - first))

    def _progress(self, batch: SegmentBatch) -> np.ndarray:
        rows, last = np.arange(len(batch)), batch.last_steps
        if self.config.progress is None:
            return np.asarray(_rewards(batch)[rows, last])
        if batch.observations is None:
            raise NeedsError(
                f"A teacher with progress={self.config.progress} reads observations and this "
                "batch has none; gather with needs=teacher.needs."
            )
        return np.asarray(batch.observations[rows, last, self.config.progress], dtype=np.float64)


def _sides(pairs: SegmentPairs) -> tuple[SegmentBatch, SegmentBatch]:
    return pairs.first, pairs.second


def _parts(pairs: SegmentPairList) -> Iterator[SegmentPairs]:
    """All pairs with what a teacher reads, some hundreds at a time."""
    for start in range(0, len(pairs), 512):
        yield gather_pairs(pairs[start : start + 512], None, needs=ScriptedTeacher.needs)


def _returns(pairs: SegmentPairs) -> Float64[np.ndarray, "2 N"]:
    return np.stack([_rewards(side).sum(axis=1) for side in _sides(pairs)])


def _rewards(batch: SegmentBatch) -> Float64[np.ndarray, "N T"]:
    """The environment's rewards, zero on padding."""
    if batch.env_rewards is None:
        raise NeedsError(
            "A scripted teacher compares the environment's own rewards and this batch has none; "
            "record them, and gather with needs=teacher.needs."
        )
    rewards = batch.env_rewards.astype(np.float64)
    if batch.mask is not None:
        rewards = np.where(batch.mask, rewards, 0.0)
    positions = np.argwhere(~np.isfinite(rewards))
    if len(positions):
        row, step = positions[0]
        raise InvalidValueError(
            f"The environment's reward of segment {row} at step {step} is {rewards[row, step]}; "
            "expected finite numbers. Leave that trajectory out, or repair its env_rewards."
        )
    return rewards


def _discounted(batch: SegmentBatch, gamma: float) -> Float64[np.ndarray, " N"]:
    """Sum of rewards weighted by gamma^(S - 1 - t): the last step counts in full."""
    before_end = batch.last_steps[:, None] - np.arange(batch.n_steps)
    return np.asarray((_rewards(batch) * gamma ** np.maximum(before_end, 0)).sum(axis=1))


def _chances(pairs: SegmentPairs, seed: int) -> Float64[np.ndarray, "N 4"]:
    """Four numbers in [0, 1) for each pair, drawn from the pair alone."""
    digests = [blake2b(key=str(seed).encode(), digest_size=32) for _ in range(len(pairs))]
    for batch in _sides(pairs):
        lengths = batch.last_steps + 1
        for name in ("observations", "actions", "env_rewards"):
            array = getattr(batch, name)
            if array is None:
                continue
            # float32, as datasets store them; adding 0 makes -0.0 and 0.0 the same bytes.
            rows = np.ascontiguousarray(array, dtype=np.float32) + np.float32(0)
            for digest, row, length in zip(digests, rows, lengths, strict=True):
                digest.update(row[:length].tobytes())
    integers = np.frombuffer(b"".join(digest.digest() for digest in digests), dtype="<u8")
    return np.asarray((integers >> np.uint64(11)) / np.float64(2**53)).reshape(-1, 4)
