"""From data to a judged policy: one call for every learner."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import InvalidValueError
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.evaluation import Policy, PolicyEvaluation
from vlfeedback.offline.learners import Task, get_learner
from vlfeedback.offline.presets import get_preset
from vlfeedback.offline.trained_policy import TrainedPolicy, read_trained, save_trained
from vlfeedback.types import Report, Trajectory

__all__ = ["Evaluator", "train_policy"]


@runtime_checkable
class Evaluator(Protocol):
    """What judges a policy: a `PolicyEvaluator`."""

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
    out: Path | None = None,
    report: Report | None = None,
    **overrides: Any,
) -> TrainedPolicy:
    """Train one policy, and judge it on the way.

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
        evaluator: judges the policy every `eval_every` steps and at the end.
        eval_every: gradient steps (CPL's protocol, and the VLP paper's).
        n_threads: threads of torch; with networks this small, more are slower.
        device: where the policy is trained.
        out: folder for the policy and ``result.json``. Where the same training is finished there,
            it is read instead of run again.
        report: called with (stage, done, in all, loss) while it runs.
        **overrides: settings of the learner's config in place of the preset's, taken as they are,
            and ``observation_scaler="standard"`` or ``"min-max"`` for d3rlpy's;
            for ``"p-iql"`` also ``reward_model`` and ``reward_training``, the settings of
            `RewardModelConfig` and `RewardTraining`; for learners of trajectories also
            ``standardise`` and ``trust_terminals``, see `TransitionBuffer`.

    Raises:
        UnknownNameError: there is no such learner, preset or setting.
        NeedsError: the learner reads data that are not given.
        ValueError: a number is NaN, no label is answered, or all tie; see `TransitionBuffer`,
            `PreferenceBuffer` and `fit_reward_model`.
        FileFormatError: `out` holds another training.

    Source: the protocol is that of the VLP paper, section 5.1, after CPL.
    """
    if n_steps < 1 or eval_every < 1:
        raise InvalidValueError(
            f"n_steps={n_steps}, eval_every={eval_every}; expected at least 1 each."
        )
    chosen = get_learner(learner)
    settings = get_preset(preset).settings(learner, n_steps) | overrides
    read = None if trajectories is None else list(trajectories)
    task = Task(read, preferences, settings, seed, device, report)
    config = _jsonable(
        {
            "learner": learner,
            "preset": preset,
            "settings": settings,
            "n_steps": n_steps,
            "seed": seed,
            "eval_every": eval_every,
            "trajectories": None if read is None else _digest(read),
            "preferences": None if preferences is None else preferences.digest(),
        }
    )
    if out is not None and (finished := read_trained(out, config, device=device)) is not None:
        return finished
    begun = time.monotonic()
    evaluations: list[tuple[int, PolicyEvaluation]] = []
    with _reproducible(seed, n_threads):
        training = chosen.prepare(task)

        def judge(step: int) -> None:
            if evaluator is not None:
                evaluations.append((step, evaluator.evaluate(training.policy)))

        training.run(n_steps, eval_every, judge, report)
    trained = TrainedPolicy(
        training.policy,
        EvaluationCurve.from_evaluations(evaluations),
        time.monotonic() - begun,
        config,
        _jsonable(training.notes),
    )
    if out is not None:
        save_trained(trained, training.files, out)
    return trained


@contextmanager
def _reproducible(seed: int, n_threads: int) -> Iterator[None]:
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
    said = sha256()
    for trajectory in trajectories:
        said.update(json.dumps([trajectory.id, len(trajectory), trajectory.terminated]).encode())
        for name in ("observations", "actions", "rewards", "env_rewards"):
            array = getattr(trajectory, name)
            if array is not None:
                said.update(name.encode())
                said.update(np.ascontiguousarray(array).data)
    return said.hexdigest()


def _jsonable(values: dict[str, Any]) -> dict[str, Any]:
    """The same as it comes back from JSON: tuples are lists."""
    back: dict[str, Any] = json.loads(json.dumps(values))
    return back
