"""Training of a policy while its reward is learned: one call, and a folder to come back to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from vlfeedback.arguments import preference_source
from vlfeedback.data.locks import locked
from vlfeedback.errors import InvalidValueError
from vlfeedback.models.reward.networks import RewardModelConfig, config_values
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.evaluation import PolicyEvaluator
from vlfeedback.online.algorithms import ON_POLICY, algorithm_class, make_algorithm
from vlfeedback.online.checkpoint import latest_checkpoint, restore_checkpoint
from vlfeedback.online.environments import make_environments
from vlfeedback.online.feedback import FeedbackCallback
from vlfeedback.online.milestones import Milestones
from vlfeedback.online.paying_environments import PayingEnvironments
from vlfeedback.online.pebble import PEBBLE
from vlfeedback.online.prefppo import PrefPPO
from vlfeedback.online.prefvlm import PrefVLM, PrefVLMConfig
from vlfeedback.online.reward_learner import SessionReport
from vlfeedback.online.rime import RIMEConfig, RIMEFilter
from vlfeedback.online.run_folder import RunFolder
from vlfeedback.online.rune import RUNEConfig
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.online.surf import SURFConfig
from vlfeedback.tasks import TaskSpec, get_task
from vlfeedback.types import (
    EmbeddingSource,
    PreferenceSource,
    Report,
    SourceNeeds,
    class_and_settings,
)

__all__ = ["OnlineResult", "train_online"]


@dataclass(frozen=True, slots=True)
class OnlineResult:
    """What a training gave.

    Attributes:
        curve: evaluations on the environment's own reward; `steps` are of the environment.
        sessions: what each session of labels brought.
        n_asked: pairs asked about.
        seconds: of the training, all runs of it together.
        out: its folder; None where nothing was written.
        model: the algorithm, trained.
        feedback: its callback, which holds the reward model; None where none was learned.
    """

    curve: EvaluationCurve
    sessions: tuple[SessionReport, ...]
    n_asked: int
    seconds: float
    out: Path | None
    model: Any
    feedback: FeedbackCallback | None


def train_online(
    task: str | TaskSpec,
    labeller: str | PreferenceSource | None,
    *,
    n_steps: int,
    seed: int = 0,
    config: FeedbackConfig | None = None,
    reward: RewardModelConfig | None = None,
    encoder: EmbeddingSource | None = None,
    training: RewardTraining | None = None,
    label_filter: RIMEConfig | None = None,
    rune: RUNEConfig | None = None,
    surf: SURFConfig | None = None,
    person: str | PreferenceSource | None = None,
    prefvlm: PrefVLMConfig | None = None,
    instruction: str | None = None,
    algorithm: str = "sac",
    algorithm_settings: Mapping[str, Any] | None = None,
    n_envs: int = 1,
    horizon: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    eval_every: int = 10_000,
    eval_episodes: int = 10,
    checkpoint_every: int = 10_000,
    device: str = "cpu",
    out: str | Path | None = None,
    report: Report | None = None,
    on_session: Callable[[SessionReport, float], None] | None = None,
) -> OnlineResult:
    """Train a policy while its reward is learned from a labeller's preferences.

    Algorithms with a replay buffer learn as PEBBLE does, those without as PrefPPO.

    The same call goes on with a training that was killed, and ends with the weights of one that
    was not, bit for bit on the same machine. (Not with ``asynchronous=True``: then it depends on
    when answers come.)

    Args:
        task: a name of `vlfeedback.list_tasks`, or a task; of your own environment
            ``vlfeedback.tasks.own_task(env_id, instruction)``.
        labeller: a preference source or the id of one, such as ``"teacher"``, ``"vlp"``,
            ``"human"``; None: no reward is learned, and the environment's own is paid, to compare
            with.
        n_steps: of the environments together; algorithms without a replay buffer end with the
            rollout in which they are reached.
        seed: of weights, actions, episodes and what is asked.
        config: when to ask, and about what.
        reward: networks of the reward model.
        encoder: what embeds pictures, for a reward model of embeddings.
        training: of the reward model, of one session.
        label_filter: RIME's, for labels that may be wrong; None: all labels are trusted.
        rune: what the reward model's disagreement with itself is worth to the agent; None: nothing.
        surf: SURF's, for few labels: pairs without labels, and crops; None: neither.
        person: a preference source or the id of one, such as ``"human"``, that is asked about what
            the labeller leaves uncertain: PrefVLM, see `vlfeedback.online.PrefVLM`.
        prefvlm: how much that person is asked, and what is learnt from it; it has a filter of its
            own in place of `label_filter`.
        instruction: default: the task's.
        algorithm: a name of `vlfeedback.online.algorithms.ALGORITHMS`.
        algorithm_settings: arguments of it, such as ``{"batch_size": 512, "policy_kwargs":
            {"net_arch": [256, 256, 256]}}``, which B-Pref has; default: its library's.
        n_envs: environments that act together; with more than one, as many updates as steps.
        horizon: steps of an episode; None: the environment's own limit.
        env_options: keyword arguments of the environment.
        eval_every: steps between evaluations on the environment's own reward (B-Pref).
        eval_episodes: of each, with fixed seeds; 0: none.
        checkpoint_every: steps between two checkpoints, beside those after each session.
        device: where policy and reward model are trained; the policy of sbx is where JAX
            computes, see its ``JAX_PLATFORMS``.
        out: folder for ``policy.zip``, ``reward_model.safetensors``, ``result.json``, PrefVLM's
            ``adapters.safetensors``, under ``labels/`` the answers of each session with the
            episodes they are about, and under ``log/`` what was told to the logger.
        report: called with ("acting", steps, n_steps, nan) every few steps.
        on_session: called after each session of labels with what it brought, and the correlation of
            learned and own rewards in the buffer; NaN where either never changes.

    Raises:
        UnknownNameError: there is no such task, labeller or algorithm.
        MissingExtraError: the algorithm's library is not installed.
        InvalidValueError: the training is too short for a first session, or `prefvlm` is given
            without a `person`, or a `person` without a labeller, with a `label_filter` or with an
            algorithm without a replay buffer, or `surf` with what it does not go with.
        NeedsError: observations are a dict, actions no Box, an episode has no end, or adapters
            cannot sit on the labeller.
        FileFormatError: `out` holds a training with other settings.
        BusyError: another process trains into `out`.
        WriteError: `out` cannot be written.

    Example:
        >>> train_online("cart-pole-balance", "teacher", n_steps=20_000)  # doctest: +SKIP
    """
    spec, config = get_task(task), config or FeedbackConfig()
    algorithm_class(algorithm)  # before anything is made
    if labeller is not None and n_steps <= config.first_session:
        raise InvalidValueError(
            f"n_steps={n_steps}, and the first pairs are asked about after {config.first_session} "
            "steps; train for longer, or lower random_steps and exploration_steps."
        )
    source = None if labeller is None else preference_source(labeller)
    person = None if person is None else preference_source(person)
    _check_person(source, person, prefvlm, label_filter, algorithm)
    reward, training = reward or RewardModelConfig(), training or RewardTraining()
    if surf is not None:
        _check_surf(surf, source, person)
        surf.check(config, reward, is_filtered=label_filter is not None)
    folder = None
    if out is not None:
        settings = {
            "task": spec.name,
            "labeller": None if source is None else class_and_settings(source),
            "n_steps": n_steps,
            "seed": seed,
            "config": asdict(config),
            "reward": config_values(reward),
            "encoder": None if encoder is None else class_and_settings(encoder),
            "training": asdict(training),
            "label_filter": None if label_filter is None else asdict(label_filter),
            **({} if rune is None else {"rune": asdict(rune)}),
            **({} if surf is None else {"surf": asdict(surf)}),
            "person": None if person is None else class_and_settings(person),
            "prefvlm": None if person is None else asdict(prefvlm or PrefVLMConfig()),
            "instruction": instruction,
            "algorithm": [algorithm, dict(algorithm_settings or {})],
            "environments": [n_envs, horizon, dict(env_options or {})],
            "evaluation": [eval_every, eval_episodes],
        }
        folder = RunFolder(Path(out), settings)
    with nullcontext() if folder is None else locked(folder.root, what="trains into"):
        feedback: FeedbackCallback | None = None
        if source is not None:
            given: dict[str, Any] = {
                "instruction": spec.instruction if instruction is None else instruction,
                "reward": reward,
                "encoder": encoder,
                "training": training,
                "rune": rune,
                "seed": seed,
            }
            if person is None:
                trusts = None if label_filter is None else RIMEFilter(label_filter)
                kind = PrefPPO if algorithm in ON_POLICY else PEBBLE
                feedback = kind(source, config, label_filter=trusts, surf=surf, **given)
            else:
                feedback = PrefVLM(source, person, config, prefvlm=prefvlm, **given)
            feedback.on_session = on_session
        env: VecEnv = make_environments(
            spec,
            SourceNeeds() if feedback is None else feedback.needs,
            seed=seed,
            n_envs=n_envs,
            horizon=horizon,
            env_options=env_options,
        )
        if feedback is not None and algorithm in ON_POLICY:
            env = PayingEnvironments(env)
        model = make_algorithm(
            algorithm,
            env,
            learns_reward=feedback is not None,
            random_steps=config.random_steps,
            seed=seed,
            device=device,
            settings=algorithm_settings or {},
        )
        evaluator = None
        if eval_episodes:
            evaluator = PolicyEvaluator(
                spec.env_id,
                seeds=range(eval_episodes),
                horizon=horizon,
                success_key=spec.success_key or "success",
                env_options=env_options,
            )
        milestones = Milestones(
            feedback,
            evaluator,
            eval_every=eval_every,
            checkpoint_every=checkpoint_every,
            n_steps=n_steps,
            folder=folder,
            report=report,
        )
        return _run(model, feedback, milestones, n_steps, folder)


def _check_person(
    labeller: PreferenceSource | None,
    person: PreferenceSource | None,
    prefvlm: PrefVLMConfig | None,
    label_filter: RIMEConfig | None,
    algorithm: str,
) -> None:
    """Refuse settings that would have no effect."""
    if person is None and prefvlm is not None:
        raise InvalidValueError(
            "prefvlm=... and nobody to ask; pass person='human', or leave prefvlm out."
        )
    if person is not None and labeller is None:
        raise InvalidValueError(
            "person=... and no labeller to have doubts; pass one, or have the person asked about "
            "all pairs: labeller=person."
        )
    if person is not None and label_filter is not None:
        raise InvalidValueError(
            "label_filter=... beside person=...; pass prefvlm=PrefVLMConfig(label_filter=...)."
        )
    if person is not None and algorithm in ON_POLICY:
        raise InvalidValueError(
            f"person=... beside algorithm={algorithm!r}; PrefVLM learns with an algorithm that "
            "keeps a replay buffer, such as 'sac'."
        )


def _check_surf(
    surf: SURFConfig, labeller: PreferenceSource | None, person: PreferenceSource | None
) -> None:
    if labeller is None:
        raise InvalidValueError(
            f"surf={surf} and no labeller, so that no reward is learned; pass one, or leave surf "
            "out."
        )
    if person is not None:
        raise InvalidValueError(
            "surf=... beside person=...; PrefVLM filters labels and SURF adds some, and nobody has "
            "tried them together. Leave one out."
        )


def _run(
    model: Any,
    feedback: FeedbackCallback | None,
    milestones: Milestones,
    n_steps: int,
    folder: RunFolder | None,
) -> OnlineResult:
    """Train from wherever it was, and write what came of it."""
    callbacks: list[BaseCallback] = [milestones]
    if feedback is not None:
        callbacks.insert(0, feedback)
        if folder is not None:
            keep = folder.keep_labels
            feedback.on_labels = lambda answers: keep(answers, model.num_timesteps)
            newest = latest_checkpoint(folder.checkpoints)
            if newest is not None:
                feedback.init_callback(model)
                milestones.restore(restore_checkpoint(newest, feedback), model.num_timesteps)
    nowhere = Logger(None, [])
    model.set_logger(nowhere if folder is None else folder.logger(model.num_timesteps))
    try:
        left = n_steps - model.num_timesteps
        model.learn(left, CallbackList(callbacks), log_interval=4, reset_num_timesteps=False)
        milestones.finish()
        model.logger.dump(model.num_timesteps)
    finally:
        model.get_env().close()
        model.logger.close()
        model.set_logger(nowhere)  # for whoever trains on
    result = OnlineResult(
        curve=milestones.curve,
        sessions=() if feedback is None else tuple(feedback.sessions),
        n_asked=0 if feedback is None else feedback.n_asked,
        seconds=milestones.seconds,
        out=None if folder is None else folder.root,
        model=model,
        feedback=feedback,
    )
    if folder is not None:
        of_person = {}
        if isinstance(feedback, PrefVLM):
            of_person = {"n_human": feedback.n_human}
            if feedback.adapters is not None:
                feedback.adapters.save(folder.root / "adapters.safetensors")
        folder.finish(
            model,
            None if feedback is None else feedback.learner.model,
            {
                "curve": result.curve.to_json(),
                "sessions": [session.to_json() for session in result.sessions],
                "n_asked": result.n_asked,
                **of_person,
                "seconds": round(result.seconds, 1),
            },
        )
    return result
