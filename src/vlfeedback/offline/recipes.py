"""The library's own learners: how each gets from data to a training.

Nothing of d3rlpy or torch is imported before a learner is prepared.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from vlfeedback.data.cut_off import as_trajectory
from vlfeedback.data.learning_checks import check_action_range
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.offline.learners import Learner, LearnerInputs
from vlfeedback.offline.scalers import make_action_scaler, make_observation_scaler
from vlfeedback.offline.settings import configured
from vlfeedback.offline.training_loop import D3rlpyTraining, DiffusionTraining, Training
from vlfeedback.offline.untrained import UniformActions, UntrainedTraining
from vlfeedback.optional import import_d3rlpy
from vlfeedback.setting_types import checked_settings
from vlfeedback.types import Trajectory

if TYPE_CHECKING:
    from vlfeedback.models.reward.model import RewardModel

__all__ = [
    "BC",
    "CPL",
    "CPL_BC",
    "CPL_KL",
    "DIFFUSION",
    "IPL",
    "IQL",
    "IQL_AVERAGE",
    "IQL_D3RLPY",
    "NOTHING",
    "P_IQL",
    "RANDOM",
    "SFT",
]

_OFFLINE = "vlfeedback.offline"
_TRANSITIONS = "transition_buffer:TransitionBuffer"
_REWARD_SCALES = {"standardised": True, "raw": False}  # whether `LearnedReward` normalises
_LEARNS_FROM = ("trajectories", "segments")
_OF_TRANSITIONS = ("standardise", "differences", "terminals", "trust_terminals")  # its settings
_OF_REWARDS = (*_OF_TRANSITIONS, "rewards")  # where the learner may choose whose rewards it reads
_PAIRS = "preference_buffer:PreferenceBuffer"


def _iql(inputs: LearnerInputs, own: Sequence[str] = _OF_TRANSITIONS) -> Training:
    """With an ``encoder`` it is d3rlpy's, whose networks can have one."""
    if inputs.settings.get("encoder") is not None:
        return _iql_d3rlpy(inputs, own)
    settings, options = _split(inputs.settings, own, _TRANSITIONS)
    return _fit(
        _config("iql:IQLConfig", settings, inputs),
        _load(_TRANSITIONS)(inputs.trajectories, seed=inputs.seed, **options),
        inputs,
    )


def _iql_average(inputs: LearnerInputs) -> Training:
    """Every transition gets the mean of all the environment's rewards."""
    trajectories = inputs.trajectories or ()
    env_rewards = [t.env_rewards for t in trajectories if t.env_rewards is not None]
    if not env_rewards or len(env_rewards) < len(trajectories):
        raise NeedsError(
            f"{len(trajectories) - len(env_rewards)} of {len(trajectories)} trajectories have no "
            "env_rewards, whose mean this baseline learns from; record them."
        )
    mean = np.concatenate(env_rewards).mean(dtype=np.float64)
    flat = [replace(t, rewards=np.full(len(t), mean, dtype=np.float32)) for t in trajectories]
    return _iql(replace(inputs, trajectories=flat))


def _iql_d3rlpy(inputs: LearnerInputs, own: Sequence[str] = _OF_REWARDS) -> Training:
    """d3rlpy's own, with our names of settings."""
    settings, options = _split(inputs.settings, own, _TRANSITIONS)
    settings, networks = _split(settings, ("encoder",))
    config_of_ours = _config("iql:IQLConfig", settings, inputs)
    scalers = ("observation_scaler", "action_scaler", "reward_scaler")
    ours = asdict(config_of_ours)
    if ours["deterministic"]:
        raise InvalidValueError(
            "d3rlpy's IQL has a Gaussian policy; pass deterministic=False, or use 'iql'."
        )
    if ours["step_order"] != "d3rlpy":
        raise InvalidValueError(
            f"d3rlpy's IQL has an order of its own within a step; leave step_order="
            f"{ours['step_order']!r} out, or use 'iql'."
        )
    d3rlpy = import_d3rlpy(needed_by="learner 'iql-d3rlpy'")
    encoder = _encoder_maker(networks.get("encoder"), ours["hidden"])
    cosine = None
    if ours["cosine_steps"]:
        cosine = d3rlpy.optimizers.CosineAnnealingLRFactory(T_max=ours["cosine_steps"])
    shared = (
        *("batch_size", "gamma", "tau", "n_critics", "expectile", "weight_temp", "max_weight"),
        *("actor_learning_rate", "critic_learning_rate"),
    )
    config = d3rlpy.algos.IQLConfig(
        **{name: ours[name] for name in shared},
        **{name: getattr(config_of_ours, name) for name in scalers},
        actor_encoder_factory=encoder(dropout_rate=ours["dropout"] or None),
        actor_optim_factory=d3rlpy.optimizers.AdamFactory(lr_scheduler_factory=cosine),
        critic_encoder_factory=encoder(),
        value_encoder_factory=encoder(),
    )
    buffer = _load(_TRANSITIONS)
    return _fit(config, buffer(inputs.trajectories, seed=inputs.seed, **options), inputs)


def _p_iql(inputs: LearnerInputs) -> Training:
    """A reward model from the preferences, its rewards on the trajectories, then IQL."""
    from vlfeedback.rewards.learned import LearnedReward
    from vlfeedback.scoring.relabel import relabel

    assert inputs.trajectories is not None  # `Learner.prepare`
    own = ("reward_model", "reward_training", "reward_scale", "learns_from")
    settings, options = _split(inputs.settings, own)
    learns_from = options.get("learns_from", "trajectories")
    if learns_from not in _LEARNS_FROM:
        raise InvalidValueError(
            f"learns_from={learns_from!r}; expected 'trajectories' (all of them) or 'segments' "
            "(those of the answered pairs alone, as CPL's code has it)."
        )
    scale = options.get("reward_scale", "standardised")
    if scale not in _REWARD_SCALES:
        raise InvalidValueError(
            f"reward_scale={scale!r}; expected 'standardised' (mean 0 and deviation 1 over the "
            "steps of the pairs, cut at 5) or 'raw' (as the reward model gives them)."
        )
    model, outcome = _reward_model(inputs, options)
    episodes = inputs.trajectories if learns_from == "trajectories" else _segments(inputs)
    relabelled = list(
        relabel(
            episodes,
            LearnedReward(model, normalise=_REWARD_SCALES[scale]),
            resume=None if inputs.folder is None else inputs.folder / "rewards",
            report=inputs.report,
        )
    )
    training = _iql(replace(inputs, trajectories=relabelled, settings=settings))
    training.notes["reward_model"] = outcome
    training.files["reward.safetensors"] = model.save
    return training


def _segments(inputs: LearnerInputs) -> list[Trajectory]:
    """Every segment of the answered pairs, as an episode that was cut off."""
    assert inputs.preferences is not None  # `Learner.prepare`
    sides = chain.from_iterable(inputs.preferences.answered().pairs)
    return [
        as_trajectory(segment, id=f"{segment.trajectory.id}/segment-{k}")
        for k, segment in enumerate(sides)
    ]


def _reward_model(
    inputs: LearnerInputs, options: Mapping[str, Any]
) -> tuple[RewardModel, dict[str, Any]]:
    """A model fitted to the preferences, or the one fitted before a stop, and how the fit went."""
    from vlfeedback.models.reward.fit import RewardTraining, fit_reward_model
    from vlfeedback.models.reward.model import RewardModel
    from vlfeedback.models.reward.networks import RewardModelConfig

    assert inputs.preferences is not None  # `Learner.prepare`
    file, folder = "reward.safetensors", inputs.folder
    if folder is not None and (folder / "reward.json").is_file():  # written last
        outcome = read_json(folder / "reward.json", advice=f"Delete {folder} and start again.")
        return RewardModel.load(folder / file, device=inputs.device), outcome
    model, fit_report = fit_reward_model(
        inputs.preferences,
        config=configured(RewardModelConfig, options.get("reward_model", {})),
        training=configured(RewardTraining, options.get("reward_training", {})),
        rng=np.random.default_rng(inputs.seed),
        device=inputs.device,
        report=inputs.report,
        save_to=None if folder is None else folder / file,
    )
    # JSON has no NaN, which stands for what could not be measured.
    outcome = {
        name: None if value != value else value for name, value in asdict(fit_report).items()
    } | {"pairs": fit_report.pairs}
    if folder is not None:
        write_json(folder / "reward.json", outcome)
    return model, outcome


def _bc(inputs: LearnerInputs) -> Training:
    """With an ``encoder`` it is d3rlpy's, whose policy can have one."""
    settings, options = _split(inputs.settings, _OF_TRANSITIONS, _TRANSITIONS)
    settings, networks = _split(settings, ("encoder",))
    config = _config("bc:BCConfig", settings, inputs)
    if networks.get("encoder") is not None:
        if config.gaussian:
            raise InvalidValueError(
                "d3rlpy's BC, which has encoders, clones a sampled action where its policy is "
                "Gaussian; pass gaussian=False."
            )
        encoder = _encoder_maker(networks["encoder"], config.hidden)
        config = import_d3rlpy(needed_by="an encoder").algos.BCConfig(
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            observation_scaler=config.observation_scaler,
            action_scaler=config.action_scaler,
            encoder_factory=encoder(dropout_rate=config.dropout or None),
        )
    buffer = _load(_TRANSITIONS)(inputs.trajectories, rewards="none", seed=inputs.seed, **options)
    return _fit(config, buffer, inputs)


def _on_pairs(config: str, inputs: LearnerInputs) -> Training:
    settings, options = _split(inputs.settings, ("length",), _PAIRS)
    is_scaled = settings.get("action_scaler") is not None
    buffer = _load(_PAIRS)(inputs.preferences, scaled=is_scaled, seed=inputs.seed, **options)
    return _fit(_config(config, settings, inputs), buffer, inputs)


def _ipl(inputs: LearnerInputs) -> Training:
    """With ``replay=True`` also transitions of the trajectories, which no pair need show."""
    settings, options = _split(inputs.settings, ("replay",))
    options = checked_settings(_replaying, options, of="IPL")
    settings, ends = _split(settings, ("terminals", "trust_terminals"), _TRANSITIONS)
    training = _on_pairs("ipl:IPLConfig", replace(inputs, settings=settings))
    if options.get("replay"):
        if inputs.trajectories is None:
            raise NeedsError("replay=True reads trajectories and got none; pass trajectories=...")
        check_action_range(inputs.actions(["trajectories"]))
        training.policy.replay = _load(_TRANSITIONS)(
            inputs.trajectories, rewards="none", seed=inputs.seed, **ends
        )
    return training


def _replaying(*, replay: bool = False) -> None:
    """The setting of IPL that its config does not have."""


def _diffusion(inputs: LearnerInputs) -> Training:
    config = _config("diffusion_config:DiffusionPolicyConfig", inputs.settings, inputs)
    policy = _load("diffusion_policy:DiffusionPolicy")(config, device=inputs.device)
    return DiffusionTraining(policy, inputs.trajectories or ())


def _nothing(inputs: LearnerInputs) -> Training:
    checked_settings(_no_settings, inputs.settings, of="learner 'nothing'")
    return _untrained(inputs, low=0.0, high=0.0)


def _random(inputs: LearnerInputs) -> Training:
    bounds = checked_settings(_bounds, inputs.settings, of="learner 'random'")
    return _untrained(inputs, **bounds)


def _untrained(inputs: LearnerInputs, **bounds: Any) -> Training:
    size = inputs.actions(["trajectories"])[0].shape[1]
    return UntrainedTraining(UniformActions(size, **bounds, seed=inputs.seed))


def _no_settings() -> None:
    """What doing nothing is told."""


def _bounds(*, low: float | list[float] = -1.0, high: float | list[float] = 1.0) -> None:
    """What random actions are told."""


def _split(
    settings: Mapping[str, Any], names: Sequence[str], taker: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings without these, and these, checked where their taker, ``"module:Class"``, is told."""
    own = {name: settings[name] for name in names if name in settings}
    if own and taker:
        own = checked_settings(_load(taker), own, of=taker.rpartition(":")[2], names=names)
    return {name: value for name, value in settings.items() if name not in names}, own


def _encoder_maker(setting: Any, hidden: Sequence[int]) -> Any:
    """A function that makes an encoder of d3rlpy, given its dropout."""
    if setting is None:
        d3rlpy = import_d3rlpy(needed_by="an encoder")
        return partial(d3rlpy.models.VectorEncoderFactory, hidden_units=hidden)
    return _load("point_encoder:encoder_maker")(setting, hidden)


def _config(target: str, settings: Mapping[str, Any], inputs: LearnerInputs) -> Any:
    values = {"seed": inputs.seed, **settings}
    if isinstance(values.get("observation_scaler"), str | Mapping | int | float):
        values["observation_scaler"] = make_observation_scaler(values["observation_scaler"])
    if isinstance(values.get("action_scaler"), str | Mapping | int | float):
        actions = inputs.actions(["trajectories"]) or inputs.actions(["preferences"])
        values["action_scaler"] = make_action_scaler(values["action_scaler"], actions)
    if not values.get("hidden", True):
        raise InvalidValueError("hidden=[]; expected the units of at least one layer.")
    return configured(_load(target), values)


def _fit(config: Any, buffer: Any, inputs: LearnerInputs) -> Training:
    return D3rlpyTraining(config.create(device=inputs.device), buffer)


def _load(target: str) -> Any:
    """A class of this package, given as ``"module:Class"``."""
    module, _, name = target.partition(":")
    if module != "diffusion_policy":
        import_d3rlpy(needed_by=f"vlfeedback.offline.{name}")
    return getattr(importlib.import_module(f"{_OFFLINE}.{module}"), name)


_learner = partial(Learner, continuous=True, together=True)

IQL = _learner(
    "IQL on the trajectories' rewards",
    ("trajectories", "rewards"),
    partial(_iql, own=_OF_REWARDS),
)
IQL_AVERAGE = _learner(
    "IQL where every step gets the mean reward of the environment",
    ("trajectories",),
    _iql_average,
)
IQL_D3RLPY = Learner("d3rlpy's own IQL", ("trajectories", "rewards"), _iql_d3rlpy, continuous=True)
P_IQL = _learner(
    "IQL on the rewards of a model that is fitted to the preferences first",
    ("trajectories", "preferences"),
    _p_iql,
)
IPL = _learner("Inverse Preference Learning", ("preferences",), _ipl)
CPL = _learner(
    "Contrastive Preference Learning", ("preferences",), partial(_on_pairs, "cpl:CPLConfig")
)
CPL_KL = _learner(
    "CPL that measures against the cloned policy",
    ("preferences",),
    partial(_on_pairs, "cpl:CPLConfig"),
)
CPL_BC = _learner("CPL that goes on cloning", ("preferences",), partial(_on_pairs, "cpl:CPLConfig"))
SFT = _learner(
    "cloning of the preferred segments", ("preferences",), partial(_on_pairs, "sft:SFTConfig")
)
BC = _learner("behaviour cloning of all trajectories", ("trajectories",), _bc)
DIFFUSION = Learner(
    "Diffusion Policy", ("trajectories",), _diffusion, continuous=True, any_actions=True
)
NOTHING = Learner(
    "actions of zero, or the nearest that the environment takes; learns nothing",
    ("trajectories",),
    _nothing,
    continuous=True,
    any_actions=True,
)
RANDOM = Learner(
    "uniform actions in [-1, 1], or between the settings low and high; learns nothing",
    ("trajectories",),
    _random,
    continuous=True,
    any_actions=True,
)
