"""Beginning a critic anew: values that were learnt for another reward are worth nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from vlfeedback.errors import NeedsError

__all__ = ["reset_critic"]


def reset_critic(algorithm: Any) -> None:
    """Give an actor-critic a fresh critic, its target and its optimiser.

    The actor, and what sets the temperature, stay. First weights are drawn by torch's own
    generator, or by the key of an algorithm of sbx.

    Args:
        algorithm: DDPG, SAC or TD3 of stable-baselines3, TQC of sb3-contrib, or CrossQ, DDPG,
            SAC, TD3 or TQC of sbx.

    Raises:
        NeedsError: its policy has no such critic.

    Source: B-Pref, agent/sac.py, reset_critic.
    """
    policy = algorithm.policy
    if hasattr(policy, "actor_state"):  # of sbx
        from vlfeedback.online.sbx_state import reset_sbx_critic

        reset_sbx_critic(algorithm)
        return
    if not (hasattr(policy, "critic") and hasattr(policy.critic, "optimizer")):
        raise NeedsError(
            f"{type(algorithm).__name__} has no critic that could begin anew; pass "
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
