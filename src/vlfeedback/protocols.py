"""What the papers' experiments were made on: starts, ends, data, pairs and evaluations, by name.

A learner's own numbers are in `vlfeedback.offline.PRESETS`. Here is what decides as much and is
easier to overlook: where the arm starts, when an episode ends, what a medium script is, what is
observed. Each value says where it comes from; what a paper leaves open is marked as our choice,
and was made on other tasks than those that are reported (docs/offline.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vlfeedback.errors import UnknownNameError
from vlfeedback.registry import suggest

__all__ = ["PROTOCOLS", "Protocol", "get_protocol"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A paper's experiment, but for its learners.

    Attributes:
        paper: where it is described.
        collecting: settings of `vlfeedback.collecting.collect`, which a sweep of this protocol
            asks of its data.
        sweep: what a sweep file would say: its keys and tables.
    """

    paper: str
    collecting: Mapping[str, Any]
    sweep: Mapping[str, Any]


_VLP = Protocol(
    paper="VLP, section 5.1 and appendices A.1, A.2 and C; for what it leaves open, CPL's code",
    collecting={
        "episodes": 32,  # appendix C, of each level
        "medium": "near-object",  # appendix C
        "random_actions": "u01",  # appendix C
        "ends": "rest",  # for pairs alone: `rest` below
        "horizon": 150,  # our choice
        "env_options": {
            # Appendix A.1: "the initial position of the arm is randomly sampled"; how far, CPL's
            # code says, on which the paper's learners are based.
            "hand_starts": "jittered",
            "previous_hand": False,  # CPL's code: 35 entries
            "goal_observable": True,  # CPL's code
        },
    },
    sweep={
        "levels": ["expert", "medium", "random"],  # appendix C
        "steps": 100_000,  # table 8
        "rest": False,  # appendix C terminates medium episodes and knows no rest
        "pairs": {
            "count": 100,  # table 8
            "length": 50,  # table 8
            "sampler": "clustered",  # appendix A.2
        },
        "evaluation": {
            "every": 5000,  # section 5.1
            "episodes": 25,  # section 5.1
            "horizon": 250,  # CPL's code
        },
    },
)

_CPL = Protocol(
    paper="CPL, state observations; code: jhejna/cpl at b333667",
    collecting={
        # Its data are 2,500 episodes of noisy SAC policies, published as files; a policy of yours
        # (`collect --policy`) comes nearest.
        "horizon": 250,
        "random_actions": "box",  # our choice: it has no random level
        "env_options": {
            "hand_starts": "jittered",
            "previous_hand": False,
            "goal_observable": True,
        },
    },
    sweep={
        "steps": 500_000,
        "pairs": {"count": 10_000, "length": 64, "sampler": "uniform"},  # "sparse"
        "evaluation": {"every": 5000, "episodes": 25, "horizon": 250},
    },
)

_IPL = Protocol(
    paper="IPL, Meta-World; code: jhejna/inverse-preference-learning at 8037b84",
    collecting={
        # Its data are experts, experts of other goals and tasks, and random episodes, with noise
        # of deviation 1, that end 25 steps after success; ours have levels.
        "episodes": 100,
        "horizon": 500,
        "random_actions": "box",  # our choice
        "env_options": {"goal_observable": False},
    },
    sweep={
        "steps": 200_000,
        "pairs": {"count": 500, "length": 25, "sampler": "uniform"},  # to 4,000 pairs
        "evaluation": {"every": 2500, "episodes": 20, "horizon": 500},
    },
)

_PLARE = Protocol(
    paper="PLARE; code: tunglm2203/plare at 8be59b6, a fork of CPL's, on CPL's files",
    collecting=_CPL.collecting,
    # It pairs segments i and i + 10,000 of 20,000; shows pictures of every 9th step.
    sweep=_CPL.sweep,
)

_OFFLINE_RL_VLM_F = Protocol(
    paper="Offline RL-VLM-F, tables I and II, on the tasks of RL-VLM-F's code",
    collecting={
        "episodes": 200,  # our choice, 100,000 transitions: the paper states no sizes
        "horizon": 500,  # RL-VLM-F's code
        "random_actions": "box",  # "a policy that just performs random actions"
    },
    sweep={
        "levels": ["random"],
        "steps": 1_000_000,  # "the D4RL defaults" of IQL
        "pairs": {
            "count": 4000,  # of its dressing study; in simulation not stated
            "length": 1,  # pictures are compared
            "sampler": "uniform",
        },
        "evaluation": {"every": 5000, "episodes": 25, "horizon": 500},  # our choice: not stated
    },
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "vlp": _VLP,
        "cpl": _CPL,
        "ipl": _IPL,
        "plare": _PLARE,
        "offline-rl-vlm-f": _OFFLINE_RL_VLM_F,
    }
)
"""All protocols by name; read-only."""


def get_protocol(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError(
            f"No protocol {name!r}. {suggest(name, PROTOCOLS)}There are: {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[name]
