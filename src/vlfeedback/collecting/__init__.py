"""Episodes of scripts and policies into a collection: seeds, worker processes, resuming.

A task's script is the function that `vlfeedback.tasks.TaskSpec.rollout` names, ``roll_out(task,
level, seeds, settings)``, which gives one `vlfeedback.types.Trajectory` a seed. It is imported in
the worker process; ``settings`` has what `complete_settings` describes.
"""

from vlfeedback.collecting.episodes import collect, levels_of
from vlfeedback.collecting.rollout import Policy, roll_out
from vlfeedback.collecting.scenes import picture_task, retake_episodes
from vlfeedback.collecting.seeds import MAX_EPISODES, first_seed
from vlfeedback.collecting.settings import complete_settings, unusable_settings

__all__ = [
    "MAX_EPISODES",
    "Policy",
    "collect",
    "complete_settings",
    "first_seed",
    "levels_of",
    "picture_task",
    "retake_episodes",
    "roll_out",
    "unusable_settings",
]
