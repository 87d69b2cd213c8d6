"""Training of a reward model on preferences, with the Bradley-Terry loss.

Papers:   Lee et al. 2021, "B-Pref"; Wang et al. 2024, "RL-VLM-F" and "Offline RL-VLM-F"
Code read: rll-research/BPref and yufeiwang63/RL-VLM-F, reward_model.py
Recipe:   1 each member shuffles the pairs for itself; 2 its score of a segment is the sum of its
          rewards; 3 the members' losses are *summed*, so that one learns as if it were alone;
          4 one step of Adam; 5 stop when the labels are predicted
Ours:     pairs held out by trajectory, for an accuracy and a calibration that can be believed
Left out: B-Pref's accuracy counts ties as "first"; here they are trained on and not counted
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binom

from vlfeedback.arguments import check_rng
from vlfeedback.data.calibration import (
    brier_score,
    expected_calibration_error,
    preference_probability,
    reliability_bins,
)
from vlfeedback.data.contents import CONTENTS, digest_of_pairs, digests_of_source
from vlfeedback.data.locks import locked_output
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import InvalidValueError
from vlfeedback.models.reward.inputs import SegmentSteps, with_discrete, with_encoder
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig, config_values
from vlfeedback.models.reward.training import (
    PairRows,
    PassCurves,
    RewardTrainer,
    RewardTraining,
    label_agreement,
)
from vlfeedback.models.training_state import TrainingState, state_path
from vlfeedback.types import EmbeddingSource, Report, Segment

__all__ = ["FitReport", "RewardTraining", "fit_reward_model"]

_AT_CHANCE = 0.05  # one-sided level of the warning that validation pairs may be guessed; ours


@dataclass(frozen=True, slots=True)
class FitReport:
    """How a training went; figures are NaN where there are no pairs to measure them on."""

    train_accuracy: float  # of the last pass, before each update, mean over members; ties excluded
    validation_accuracy: float  # of the ensemble on the pairs held out; ties excluded
    calibration_error: float  # expected, of the same, in [0, 0.5]; 0 is best
    brier_score: float  # of the same; 0.25 is what always saying 0.5 gets
    train_losses: tuple[float, ...]  # one a pass, mean over members and pairs
    validation_losses: tuple[float, ...]
    n_pairs: int  # trained on
    n_validation: int
    n_unanswered: int  # of the dataset, never read
    n_straddling: int  # lost: one segment's trajectory is trained on, the other's held out
    epochs: int
    seconds: float
    stopped: str  # "accuracy", "validation" or "epochs" (which `RewardTraining.steps` are too)
    warnings: tuple[str, ...]

    @property
    def pairs(self) -> str:
        """How many of the answered pairs were trained on, and what became of the others."""
        n_answered = self.n_pairs + self.n_validation + self.n_straddling
        if self.n_pairs == n_answered:
            return f"All {n_answered:,} answered pairs are trained on."
        return (
            f"{self.n_pairs:,} of {n_answered:,} answered pairs are trained on, "
            f"{self.n_validation:,} are held out for validation, and {self.n_straddling:,} are "
            "lost, since they compare a trajectory that is trained on with one that is held out. "
            "With validation=0 all are trained on."
        )


def fit_reward_model(
    dataset: PreferenceDataset,
    *,
    config: RewardModelConfig | None = None,
    training: RewardTraining | None = None,
    rng: np.random.Generator,
    encoder: EmbeddingSource | None = None,
    device: str = "cpu",
    report: Report | None = None,
    save_to: str | Path | None = None,
) -> tuple[RewardModel, FitReport]:
    """Train an ensemble on the answered pairs of a dataset; ties are trained to 0.5.

    The same `rng`, pairs and labels give the same weights on the same machine, whoever gave the
    labels. Pictures are read from disk as they are needed.

    Args:
        dataset: pairs of segments of equal length, 1 to T steps.
        config: what is read, and by which networks.
        training: how.
        rng: what splits, initialises and shuffles.
        encoder: what embeds pictures, such as ``make_reward_source("clip")``, once each; for
            ``inputs="embeddings"``. The model remembers its class and settings.
        device: where it is trained and left.
        report: called with (stage, done, in all, loss) while it runs.
        save_to: weights file, ``*.safetensors``, to write at the end. The training is kept beside
            it after each pass: one that was cut off goes on when it is called again, and ends with
            the same weights, bit for bit.

    Returns:
        The model, in evaluation mode, and how the training went.

    Raises:
        ValueError: no pair is answered, or all that are tie; a number is NaN or infinite; the
            training diverged.
        NeedsError: a trajectory lacks what is read; or an encoder is missing, or not used.
        ShapeError: segments show steps of different shapes.
        FileFormatError: a training that was cut off was begun with other settings, labels or
            trajectories.
        BusyError: another process trains into `save_to`.
        WriteError: `save_to` cannot be written; nothing was trained then.
        TypeError: `rng` is no generator.

    Source: B-Pref, reward_model.py, train_reward and train_soft_reward.
    """
    check_rng(rng)
    out = None if save_to is None else Path(save_to)
    claim = nullcontext() if out is None else locked_output(out, what="trains into")
    with claim:
        return _fit(dataset, config, training, rng, encoder, device, report, out)


def _fit(
    dataset: PreferenceDataset,
    config: RewardModelConfig | None,
    training: RewardTraining | None,
    rng: np.random.Generator,
    encoder: EmbeddingSource | None,
    device: str,
    report: Report | None,
    save_to: Path | None,
) -> tuple[RewardModel, FitReport]:
    begin = time.monotonic()
    config, training = config or RewardModelConfig(), training or RewardTraining()
    config = with_encoder(config, encoder)
    dataset.check_trainable()
    root = int(rng.integers(2**63))
    state = _state(save_to, config, training, dataset, root, encoder)
    answered_pairs = dataset.answered()
    config = with_discrete(config, (segment for pair in answered_pairs.pairs for segment in pair))
    training_pairs, validation_pairs, warnings = _split(
        answered_pairs, training, np.random.default_rng([root, 0])
    )
    segments: dict[tuple[int, int], tuple[int, Segment]] = {}
    training_rows, validation_rows = (
        _index(training_pairs, segments),
        _index(validation_pairs, segments),
    )
    steps = SegmentSteps([s for _, s in segments.values()], config, encoder=encoder, report=report)

    shape = steps.shape[-1:] if config.inputs == "points" else steps.shape
    model = RewardModel(config, shape, seed=root).to(device)
    trainer = RewardTrainer(model, training, steps, dataset.length, root)
    try:
        curves = trainer.fit(training_rows, validation_rows, report, state)
    except InvalidValueError:
        state.remove()  # it would diverge again
        raise
    gaps, prefer_second = trainer.gaps(validation_rows), validation_rows.prefer_second
    agreement = label_agreement(gaps.mean(axis=0), prefer_second)
    warnings += _doubts(agreement, curves)
    if not trainer.measure_rewards(np.unique([training_rows.first, training_rows.second])):
        warnings.append("Every step gets the same reward: nothing was learnt from these labels.")
    probability = preference_probability(gaps.mean(axis=0), 1.0)
    outcome = FitReport(
        train_accuracy=curves.accuracy,
        validation_accuracy=float(agreement.mean()) if len(agreement) else math.nan,
        calibration_error=expected_calibration_error(reliability_bins(probability, prefer_second)),
        brier_score=brier_score(probability, prefer_second),
        train_losses=tuple(curves.train),
        validation_losses=tuple(curves.validation),
        n_pairs=len(training_pairs),
        n_validation=len(validation_pairs),
        n_unanswered=len(dataset) - len(answered_pairs),
        n_straddling=len(answered_pairs) - len(training_pairs) - len(validation_pairs),
        epochs=len(curves.train),
        seconds=time.monotonic() - begin,
        stopped=curves.stopped,
        warnings=tuple(warnings),
    )
    model.training = {**asdict(training), "pairs": dataset.digest(), "length": dataset.length}
    if save_to is not None:
        model.save(save_to)
        state.remove()
    return model, outcome


def _state(
    save_to: Path | None,
    config: RewardModelConfig,
    training: RewardTraining,
    dataset: PreferenceDataset,
    seed: int,
    encoder: EmbeddingSource | None,
) -> TrainingState:
    """State of the training on disk; refuses one that was begun with other settings."""
    if save_to is None:
        return TrainingState()
    settings = {
        "config": config_values(config),
        "training": asdict(training),
        "pairs": dataset.digest(),
        "seed": seed,
        CONTENTS: {
            "trajectories": digest_of_pairs(
                dataset.pairs, pictures=config.inputs in ("frames", "embeddings")
            ),
            **({} if encoder is None else digests_of_source(encoder)),
        },
    }
    state = TrainingState(state_path(save_to), settings, every=1)
    state.seconds()  # refuses what was begun otherwise, before anything is read
    return state


def _split(
    dataset: PreferenceDataset, training: RewardTraining, rng: np.random.Generator
) -> tuple[PreferenceDataset, PreferenceDataset, list[str]]:
    """Pairs to train on, pairs held out, and warnings."""
    if training.validation == 0:
        return dataset, dataset.take(slice(0)), []
    try:
        training_pairs, validation_pairs = dataset.split(training.validation, rng=rng)
        training_pairs.check_trainable()
    except ValueError as error:
        return dataset, dataset.take(slice(0)), [f"Trained without validation: {error}"]
    n_lost = len(dataset) - len(training_pairs) - len(validation_pairs)
    if n_lost <= 0.2 * len(dataset):
        return training_pairs, validation_pairs, []
    warning = (
        f"{n_lost} of {len(dataset)} pairs were left out, because they compare a trajectory that "
        "is trained on with one that is held out. Train on all with validation=0.0, or compare "
        "segments of more trajectories."
    )
    return training_pairs, validation_pairs, [warning]


def _index(
    dataset: PreferenceDataset, segments: dict[tuple[int, int], tuple[int, Segment]]
) -> PairRows:
    """Positions of the pairs' segments; those not seen before are added."""
    sides = [
        [
            segments.setdefault((id(s.trajectory), s.start), (len(segments), s))[0]
            for s in (pair[side] for pair in dataset.pairs)
        ]
        for side in (0, 1)
    ]
    first, second = (np.array(side, dtype=np.int64) for side in sides)
    return PairRows(first, second, dataset.labels.prefer_second)


def _doubts(agreement: np.ndarray, curves: PassCurves) -> list[str]:
    """Warnings where accuracy may be chance, or where more passes may raise it."""
    doubts = []
    n = len(agreement)
    if n and binom.sf(math.ceil(agreement.sum()) - 1, n, 0.5) > _AT_CHANCE:
        doubts.append(
            f"{agreement.sum():g} of {n} validation pairs are told right, which guessing may "
            "reach too. Label more pairs, and look at what the labels say."
        )
    if curves.stopped == "epochs" and curves.accuracy < 0.6:
        doubts.append(
            f"After {len(curves.train)} passes {curves.accuracy:.0%} of the training pairs are "
            "told right: more of them may help, unless the inputs do not show what was compared."
        )
    return doubts
