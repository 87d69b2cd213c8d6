"""The learners by name, and how each gets from data to something that can be trained.

Nothing of d3rlpy or torch is imported before a learner is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.offline.training_loop import D3rlpyTraining, DiffusionTraining, Training
from vlfeedback.optional import import_d3rlpy
from vlfeedback.registry import suggest
from vlfeedback.types import Report, Trajectory

__all__ = ["LEARNERS", "Learner", "Task", "get_learner", "list_learners"]

_OFFLINE = "vlfeedback.offline"
_SCALERS = {"standard": "StandardObservationScaler", "min-max": "MinMaxObservationScaler"}
_OF_TRANSITIONS = ("standardise", "trust_terminals")  # settings of TransitionBuffer


@dataclass(frozen=True, slots=True)
class Task:
    """What is learnt from, and how."""

    trajectories: Sequence[Trajectory] | None
    preferences: PreferenceDataset | None
    settings: Mapping[str, Any]  # of the learner's config, and of its buffer
    seed: int
    device: str = "cpu"
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Learner:
    """One name: what stands behind it, what it reads, and how it is made ready."""

    summary: str
    reads: tuple[str, ...]  # of Task
    recipe: Callable[[Task], Training]

    def prepare(self, task: Task) -> Training:
        """Bring the data into the form that is learnt from, and make the learner.

        Raises:
            NeedsError: data that it reads are not given.
            UnknownNameError: it has no such setting.
        """
        for name in self.reads:
            if getattr(task, name) is None:
                raise NeedsError(f"This learner reads {name} and got none; pass {name}=...")
        return self.recipe(task)


def _iql(task: Task) -> Training:
    settings, options = _split(task.settings, _OF_TRANSITIONS)
    return _fit(
        _config("iql:IQLConfig", settings, task.seed),
        _load("transition_buffer:TransitionBuffer")(task.trajectories, seed=task.seed, **options),
        task,
    )


def _iql_average(task: Task) -> Training:
    """Every transition gets the mean of all the environment's rewards."""
    trajectories = task.trajectories or ()
    env_rewards = [t.env_rewards for t in trajectories if t.env_rewards is not None]
    if not env_rewards or len(env_rewards) < len(trajectories):
        raise NeedsError(
            f"{len(trajectories) - len(env_rewards)} of {len(trajectories)} trajectories have no "
            "env_rewards, whose mean this baseline learns from; record them."
        )
    mean = np.concatenate(env_rewards).mean(dtype=np.float64)
    flat = [replace(t, rewards=np.full(len(t), mean, dtype=np.float32)) for t in trajectories]
    return _iql(replace(task, trajectories=flat))


def _iql_d3rlpy(task: Task) -> Training:
    """d3rlpy's own, with our names of settings."""
    settings, options = _split(task.settings, _OF_TRANSITIONS)
    ours = asdict(_config("iql:IQLConfig", settings, task.seed))
    if ours["deterministic"]:
        raise InvalidValueError(
            "d3rlpy's IQL has a Gaussian policy; pass deterministic=False, or use 'iql'."
        )
    d3rlpy = import_d3rlpy(needed_by="learner 'iql-d3rlpy'")
    encoder = partial(d3rlpy.models.VectorEncoderFactory, hidden_units=ours["hidden"])
    cosine = None
    if ours["cosine_steps"]:
        cosine = d3rlpy.optimizers.CosineAnnealingLRFactory(T_max=ours["cosine_steps"])
    shared = (
        *("batch_size", "gamma", "tau", "n_critics", "expectile", "weight_temp", "max_weight"),
        *("actor_learning_rate", "critic_learning_rate"),
    )
    config = d3rlpy.algos.IQLConfig(
        **{name: ours[name] for name in shared},
        actor_encoder_factory=encoder(dropout_rate=ours["dropout"] or None),
        actor_optim_factory=d3rlpy.optimizers.AdamFactory(lr_scheduler_factory=cosine),
        critic_encoder_factory=encoder(),
        value_encoder_factory=encoder(),
    )
    buffer = _load("transition_buffer:TransitionBuffer")
    return _fit(config, buffer(task.trajectories, seed=task.seed, **options), task)


def _p_iql(task: Task) -> Training:
    """A reward model from the preferences, its rewards on the trajectories, then IQL."""
    from vlfeedback.models.reward.fit import RewardTraining, fit_reward_model
    from vlfeedback.models.reward.networks import RewardModelConfig
    from vlfeedback.rewards.learned import LearnedReward
    from vlfeedback.scoring.relabel import relabel

    assert task.preferences is not None and task.trajectories is not None  # `Learner.prepare`
    settings, options = _split(task.settings, ("reward_model", "reward_training"))
    model, found = fit_reward_model(
        task.preferences,
        config=RewardModelConfig(**options.get("reward_model", {})),
        training=RewardTraining(**options.get("reward_training", {})),
        rng=np.random.default_rng(task.seed),
        device=task.device,
        report=task.report,
    )
    relabelled = list(relabel(task.trajectories, LearnedReward(model), report=task.report))
    training = _iql(replace(task, trajectories=relabelled, settings=settings))
    # JSON has no NaN, which stands for what could not be measured.
    training.notes["reward_model"] = {
        name: None if value != value else value for name, value in asdict(found).items()
    }
    training.files["reward.safetensors"] = model.save
    return training


def _bc(task: Task) -> Training:
    settings, options = _split(task.settings, _OF_TRANSITIONS)
    buffer = _load("transition_buffer:TransitionBuffer")(
        task.trajectories, rewards="none", seed=task.seed, **options
    )
    return _fit(_config("bc:BCConfig", settings, task.seed), buffer, task)


def _on_pairs(config: str, task: Task) -> Training:
    settings, options = _split(task.settings, ("length",))
    buffer = _load("preference_buffer:PreferenceBuffer")(
        task.preferences, seed=task.seed, **options
    )
    return _fit(_config(config, settings, task.seed), buffer, task)


def _ipl(task: Task) -> Training:
    """With ``replay=True`` also transitions of the trajectories, which no pair need show."""
    settings, options = _split(task.settings, ("replay",))
    training = _on_pairs("ipl:IPLConfig", replace(task, settings=settings))
    if options.get("replay"):
        if task.trajectories is None:
            raise NeedsError("replay=True reads trajectories and got none; pass trajectories=...")
        training.policy.replay = _load("transition_buffer:TransitionBuffer")(
            task.trajectories, rewards="none", seed=task.seed
        )
    return training


def _diffusion(task: Task) -> Training:
    config = _config("diffusion_policy:DiffusionPolicyConfig", task.settings, task.seed)
    policy = _load("diffusion_policy:DiffusionPolicy")(config, device=task.device)
    return DiffusionTraining(policy, task.trajectories or ())


LEARNERS: Mapping[str, Learner] = MappingProxyType(
    {
        "iql": Learner("IQL on the trajectories' rewards", ("trajectories",), _iql),
        "iql-average": Learner(
            "IQL where every step gets the mean reward of the environment",
            ("trajectories",),
            _iql_average,
        ),
        "iql-d3rlpy": Learner("d3rlpy's own IQL", ("trajectories",), _iql_d3rlpy),
        "p-iql": Learner(
            "IQL on the rewards of a model that is fitted to the preferences first",
            ("trajectories", "preferences"),
            _p_iql,
        ),
        "ipl": Learner("Inverse Preference Learning", ("preferences",), _ipl),
        "cpl": Learner(
            "Contrastive Preference Learning", ("preferences",), partial(_on_pairs, "cpl:CPLConfig")
        ),
        "cpl-kl": Learner(
            "CPL that measures against the cloned policy",
            ("preferences",),
            partial(_on_pairs, "cpl:CPLConfig"),
        ),
        "cpl-bc": Learner(
            "CPL that goes on cloning", ("preferences",), partial(_on_pairs, "cpl:CPLConfig")
        ),
        "sft": Learner(
            "cloning of the preferred segments",
            ("preferences",),
            partial(_on_pairs, "sft:SFTConfig"),
        ),
        "bc": Learner("behaviour cloning of all trajectories", ("trajectories",), _bc),
        "diffusion": Learner("Diffusion Policy", ("trajectories",), _diffusion),
    }
)
"""All learners by name; read-only."""


def list_learners() -> list[str]:
    """Names of all learners, sorted.

    >>> "p-iql" in list_learners()
    True
    """
    return sorted(LEARNERS)


def get_learner(name: str) -> Learner:
    """The learner of this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest.
    """
    if name not in LEARNERS:
        raise UnknownNameError(
            f"No learner {name!r}. {suggest(name, LEARNERS)}There are: {', '.join(LEARNERS)}."
        )
    return LEARNERS[name]


def _split(
    settings: Mapping[str, Any], names: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings without these, and these."""
    return (
        {name: value for name, value in settings.items() if name not in names},
        {name: settings[name] for name in names if name in settings},
    )


def _config(target: str, settings: Mapping[str, Any], seed: int) -> Any:
    config_type = _load(target)
    known = config_type.__dataclass_fields__
    for name in settings:
        if name not in known:
            raise UnknownNameError(
                f"{config_type.__name__} has no setting {name!r}. {suggest(name, known)}It has: "
                f"{', '.join(known)}."
            )
    values = {"seed": seed, **settings}
    if isinstance(values.get("observation_scaler"), str):
        values["observation_scaler"] = _observation_scaler(values["observation_scaler"])
    return config_type(**values)


def _observation_scaler(name: str) -> Any:
    """d3rlpy's scaler of this name, so that a file of settings can ask for one."""
    if name not in _SCALERS:
        raise UnknownNameError(
            f"No observation_scaler {name!r}. {suggest(name, _SCALERS)}There are: "
            f"{', '.join(_SCALERS)}; or pass a scaler of d3rlpy's."
        )
    d3rlpy = import_d3rlpy(needed_by="observation_scaler")
    return getattr(d3rlpy.preprocessing, _SCALERS[name])()


def _fit(config: Any, buffer: Any, task: Task) -> Training:
    return D3rlpyTraining(config.create(device=task.device), buffer)


def _load(target: str) -> Any:
    """A class of this package, given as ``"module:Class"``."""
    module, _, name = target.partition(":")
    if module != "diffusion_policy":
        import_d3rlpy(needed_by=f"vlfeedback.offline.{name}")
    return getattr(importlib.import_module(f"{_OFFLINE}.{module}"), name)
