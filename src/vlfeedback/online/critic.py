"""Beginning a critic anew: values that were learnt for another reward are worth nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from vlfeedback.errors import NeedsError

__all__ = ["reset_critic"]


def reset_critic(algorithm: Any) -> None:
    """Give an actor-critic of stable-baselines3 a fresh critic, its target and its optimiser.

    The actor, and what sets the temperature, stay. First weights are drawn by torch's own
    generator.

    Args:
        algorithm: DDPG, SAC, TD3, or TQC of sb3-contrib.

    Raises:
        NeedsError: its policy has no critic and target of torch, as those of sbx have not.

    Source: B-Pref, agent/sac.py, reset_critic.
    """
    policy = algorithm.policy
    if not (hasattr(policy, "critic") and hasattr(policy.critic, "optimizer")):
        raise NeedsError(
            f"{type(algorithm).__name__} has no critic of stable-baselines3 to begin anew; pass "
            "FeedbackConfig(reset_critic=False)."
        )
    fresh = type(policy)(
        algorithm.observation_space,
        algorithm.action_space,
        algorithm.lr_schedule,
        **algorithm.policy_kwargs,
    )
    # In place: the algorithm holds networks and parameters under names of its own.
    policy.critic.load_state_dict(fresh.critic.state_dict())
    policy.critic_target.load_state_dict(fresh.critic.state_dict())
    policy.critic.optimizer.state = defaultdict(dict)
