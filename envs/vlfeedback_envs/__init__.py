"""Environments and views of third-party tasks; importing registers their Gymnasium ids.

Only strings are registered: no simulator is imported before `gym.make`, which also takes
``"vlfeedback_envs:vlfeedback/mw-drawer-close-v0"`` where nothing has imported this package yet.

Example:
    >>> import gymnasium as gym, vlfeedback_envs
    >>> gym.spec("vlfeedback/mw-drawer-close-v0").kwargs
    {'task': 'drawer-close'}
"""

import gymnasium as gym

from vlfeedback.tasks import MANISKILL_TASKS, METAWORLD_TASKS, RLVLMF_TASKS, get_task

METAWORLD_STEPS = 500  # max_path_length of every Meta-World v3 task
CARTPOLE_STEPS = 100  # RL-VLM-F's horizon
ROPE_STEPS = 40  # RL-VLM-F's horizon
DRESSING_STEPS = 60  # Offline RL-VLM-F, section V-B
FREE_ROPE_STEPS = 75  # SoftGym's horizon
DIAGONAL_FOLD_STEPS = 1  # RL-VLM-F's horizon: a step is a whole fold
HALF_FOLD_STEPS = 100  # SoftGym's horizon

for _name in METAWORLD_TASKS:
    gym.register(
        id=f"vlfeedback/mw-{_name}-v0",
        entry_point="vlfeedback_envs.metaworld:MetaWorldView",
        kwargs={"task": _name},
        max_episode_steps=METAWORLD_STEPS,
    )

for _name in RLVLMF_TASKS:
    gym.register(
        id=f"vlfeedback/{_name}-v0",
        entry_point="vlfeedback_envs.rlvlmf:RLVLMFView",
        kwargs={"task": _name},
        max_episode_steps=METAWORLD_STEPS,
    )

gym.register(
    id="vlfeedback/CartPoleBalance-v0",
    entry_point="vlfeedback_envs.cartpole:CartPoleBalance",
    max_episode_steps=CARTPOLE_STEPS,
)

gym.register(
    id="vlfeedback/StraightenRope-v0",
    entry_point="vlfeedback_envs.deformables.rope:StraightenRope",
    max_episode_steps=ROPE_STEPS,
)

gym.register(
    id="vlfeedback/DressSleeve-v0",
    entry_point="vlfeedback_envs.deformables.sleeve:DressSleeve",
    max_episode_steps=DRESSING_STEPS,
)

gym.register(
    id="vlfeedback/SoftGym-v0",  # name="RopeFlatten", or another of SoftGym's; on FleX
    entry_point="vlfeedback_envs.softgym:make_softgym",
)

gym.register(
    id="vlfeedback/StraightenRopeFree-v0",
    entry_point="vlfeedback_envs.deformables.free_rope:StraightenRopeFree",
    max_episode_steps=FREE_ROPE_STEPS,
)

gym.register(
    id="vlfeedback/FoldClothDiagonal-v0",
    entry_point="vlfeedback_envs.deformables.fold_diagonal:FoldClothDiagonal",
    max_episode_steps=DIAGONAL_FOLD_STEPS,
)

gym.register(
    id="vlfeedback/FoldClothHalf-v0",
    entry_point="vlfeedback_envs.deformables.fold_half:FoldClothHalf",
    max_episode_steps=HALF_FOLD_STEPS,
)

for _name in MANISKILL_TASKS:
    gym.register(
        id=f"vlfeedback/ms-{_name}-v0",
        entry_point="vlfeedback_envs.maniskill.environment:ManiSkillView",
        kwargs={"task": _name},
        max_episode_steps=get_task(_name).collecting.horizon,  # ManiSkill's own
    )
