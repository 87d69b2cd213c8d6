"""Training and evaluation of a policy: one call for every learner."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from vlfeedback.arguments import on_device
from vlfeedback.data.contents import CONTENTS, digest_of_pairs
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.store import as_json
from vlfeedback.errors import InvalidTypeError, InvalidValueError
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.evaluation import Policy, PolicyEvaluation
from vlfeedback.offline.learners import LEARNERS, Learner, LearnerInputs, get_learner
from vlfeedback.offline.presets import get_preset
from vlfeedback.offline.trained_policy import Files, TrainedPolicy
from vlfeedback.offline.training_folder import Stopwatch, TrainingFolder, TrainingProgress
from vlfeedback.offline.training_loop import Training
from vlfeedback.types import Report, Trajectory

__all__ = [
    "Evaluator",
    "describe_policy",
    "describe_training",
    "reproducible",
    "settings_of",
    "train_policy",
]


@runtime_checkable
class Evaluator(Protocol):
    """Evaluates a policy, as `PolicyEvaluator` does.

    One with a method ``settings()``, JSON values that its figures depend on, is held to them where
    a training goes on.
    """

    def evaluate(self, policy: Policy) -> PolicyEvaluation:
        """Run it on a fixed set of episodes."""


def train_policy(
    learner: str,
    *,
    trajectories: Iterable[Trajectory] | None = None,
    preferences: PreferenceDataset | None = None,
    preset: str = "vlp",
    n_steps: int,
    seed: int,
    evaluator: Evaluator | None = None,
    eval_every: int = 5000,
    n_threads: int = 1,
    device: str = "cpu",
    out: str | Path | None = None,
    report: Report | None = None,
    **overrides: Any,
) -> TrainedPolicy:
    """Train one policy, and evaluate it on the way.

    Equal data, settings and seed give the same curve bit for bit on the same machine, whoever
    gave the labels or rewards.

    Args:
        learner: a name of `list_learners`.
        trajectories: what IQL and BC learn from; with ``rewards`` for ``"iql"`` (see
            `vlfeedback.relabel`).
        preferences: labelled pairs, what CPL, IPL, SFT and P-IQL learn from.
        preset: paper whose numbers are taken, a name of `PRESETS`. Numbers of steps in it become
            fewer where `n_steps` is less than the paper's.
        n_steps: gradient steps of the policy.
        seed: of weights, batches and dropout.
        evaluator: evaluates the policy every `eval_every` steps and at the end.
        eval_every: gradient steps (CPL's protocol, and the VLP paper's).
        n_threads: threads of torch; with networks this small, more are slower.
        device: where the policy is trained.
        out: folder for the policy and ``result.json``. After a stop, however sudden, the same
            call goes on from the last evaluation, and ends with the policy and the curve of a
            training that never stopped, bit for bit on the same machine. Where it is finished, it
            is read. What is kept until then is in ``training/`` there.
        report: called with (stage, done, in all, loss) while it runs.
        **overrides: settings of the learner's config in place of the preset's, taken as they are,
            with scalers of d3rlpy's by name or by their numbers:
            ``observation_scaler="standard"`` or ``"min-max"``, and for actions outside [-1, 1]
            ``action_scaler="min-max"`` or ``{"minimum": [...], "maximum": [...]}``;
            for ``"p-iql"`` also ``reward_model`` and ``reward_training``, the settings of
            `RewardModelConfig` and `RewardTraining` (what is left out stays the preset's), and
            ``reward_scale``: ``"standardised"``, or ``"raw"`` as the reward model gives them, and
            ``learns_from``: ``"trajectories"``, or the answered pairs' own ``"segments"``; for
            learners of trajectories also ``standardise``, ``differences``, ``terminals`` and
            ``trust_terminals``, and for ``"iql"`` ``rewards="env"``, see `TransitionBuffer`.

    Raises:
        UnknownNameError: there is no such learner, preset or setting.
        NeedsError: the learner reads data that are not given.
        InvalidTypeError: a setting is no JSON value.
        ValueError: actions lie outside [-1, 1] and are not scaled; a number is NaN, no label is
            answered, or all tie; see `TransitionBuffer`,
            `PreferenceBuffer` and `fit_reward_model`.
        FileFormatError: `out` holds another training, or one with another evaluation.
        BusyError: another process trains into `out`.
        WriteError: `out` cannot be written; nothing was trained then.

    Source: the protocol is that of the VLP paper, section 5.1, after CPL.
    """
    if n_steps < 1 or eval_every < 1:
        raise InvalidValueError(
            f"n_steps={n_steps}, eval_every={eval_every}; expected at least 1 each."
        )
    implementation, learner = get_learner(learner), LEARNERS.entry(learner).name
    settings = get_preset(preset).settings(learner, n_steps, overrides)
    episodes = None if trajectories is None else list(trajectories)
    inputs = LearnerInputs(episodes, preferences, settings, seed, device, report)
    config = describe_training(learner, preset, n_steps, eval_every, inputs)
    if out is None:
        with reproducible(seed, n_threads), on_device(device):
            return _run(implementation, inputs, config, evaluator, None)[0]
    machine = {"n_threads": n_threads, "device": device}
    folder = TrainingFolder(Path(out), config, settings_of(evaluator), machine)
    if (finished := folder.finished()) is not None:
        return finished
    implementation.check(inputs)  # before there is a folder
    with folder.locked():
        if (finished := folder.finished()) is not None:
            return finished  # by the process that was waited for
        folder.begin()
        with reproducible(seed, n_threads), on_device(device):
            inputs = replace(inputs, folder=folder.parts)
            policy, files = _run(implementation, inputs, config, evaluator, folder)
        folder.finish(policy, files)
    return policy


def describe_training(
    learner: str, preset: str, n_steps: int, eval_every: int, inputs: LearnerInputs
) -> dict[str, Any]:
    """All that a training depends on, as JSON values.

    Raises:
        InvalidTypeError: a setting is none.
    """
    episodes, preferences = inputs.trajectories, inputs.preferences
    values = {
        "learner": learner,
        "preset": preset,
        "settings": inputs.settings,
        "n_steps": n_steps,
        "seed": inputs.seed,
        "eval_every": eval_every,
        "trajectories": None if episodes is None else _digest(episodes),
        "preferences": None if preferences is None else preferences.digest(),
    }
    try:
        config = as_json(values)
    except TypeError as error:
        raise InvalidTypeError(
            f"A setting is no JSON value ({error}); give numbers, texts, lists and dictionaries, "
            'such as observation_scaler="standard".'
        ) from error
    if preferences is not None:
        config[CONTENTS] = {"pairs": digest_of_pairs(preferences.pairs, pictures=False)}
    return config


def _run(
    learner: Learner,
    inputs: LearnerInputs,
    config: dict[str, Any],
    evaluator: Evaluator | None,
    folder: TrainingFolder | None,
) -> tuple[TrainedPolicy, Files]:
    """Train from the beginning, or from the saved state of the same training."""
    watch = Stopwatch()
    training = learner.prepare(inputs)
    progress = TrainingProgress() if folder is None else folder.resume(training)
    n_steps, evaluations = config["n_steps"], progress.evaluations

    def judge(step: int) -> None:
        if evaluator is not None:
            evaluations.append((step, evaluator.evaluate(training.policy)))
        if folder is not None and step < n_steps:
            folder.keep(training, watch.added_to(replace(progress, steps=step)))

    training.run(n_steps, config["eval_every"], judge, inputs.report)
    trained = describe_policy(training, watch.added_to(progress), config)
    return trained, training.files


def describe_policy(
    training: Training, progress: TrainingProgress, config: dict[str, Any]
) -> TrainedPolicy:
    """What a finished training has come to."""
    return TrainedPolicy(
        training.policy,
        EvaluationCurve.from_evaluations(progress.evaluations),
        progress.seconds,
        progress.cpu_seconds,
        config,
        as_json(training.notes),
    )


def settings_of(evaluator: Evaluator | None) -> dict[str, Any] | None:
    """Settings that an evaluator's figures depend on; None where it has none."""
    settings = getattr(evaluator, "settings", None)
    return None if settings is None else as_json(settings())


@contextmanager
def reproducible(seed: int, n_threads: int) -> Iterator[None]:
    """So many threads, and torch's global generator from `seed`; both as they were afterwards.

    d3rlpy draws the weights of its own learners from that generator; ours have their own.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _digest(trajectories: Sequence[Trajectory]) -> str:
    """SHA-256 over what learners read of trajectories, hexadecimal."""
    digest = sha256()
    for trajectory in trajectories:
        digest.update(json.dumps([trajectory.id, len(trajectory), trajectory.terminated]).encode())
        for name in ("observations", "actions", "rewards", "env_rewards"):
            array = getattr(trajectory, name)
            if array is not None:
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
