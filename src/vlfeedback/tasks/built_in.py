"""Our own tasks: Meta-World's 50, CartPoleBalance, RL-VLM-F's variants, ropes, cloth, ManiSkill."""

from __future__ import annotations

from vlfeedback.tasks.maniskill import MANISKILL_SPECS
from vlfeedback.tasks.spec import CollectionDefaults, TaskSpec

__all__ = [
    "METAWORLD_TASKS",
    "ML45_TEST_TASKS",
    "OUR_TASKS",
    "RLVLMF_TASKS",
    "VLP_TEST_TASKS",
]

# Instructions are ours, after the task descriptions of Meta-World's appendix.
_METAWORLD = {
    "assembly": "put the ring onto the peg",
    "basketball": "dunk the basketball into the hoop",
    "bin-picking": "move the block from one bin into the other bin",
    "box-close": "put the lid on the box",
    "button-press": "press the button",
    "button-press-topdown": "press the button from the top",
    "button-press-topdown-wall": "reach over the wall and press the button from the top",
    "button-press-wall": "reach around the wall and press the button",
    "coffee-button": "push the button on the coffee machine",
    "coffee-pull": "pull the mug away from the coffee machine",
    "coffee-push": "push the mug under the coffee machine",
    "dial-turn": "turn the dial",
    "disassemble": "take the ring off the peg",
    "door-close": "close the door",
    "door-lock": "lock the door",
    "door-open": "open the door",
    "door-unlock": "unlock the door",
    "drawer-close": "close the drawer",
    "drawer-open": "open the drawer",
    "faucet-close": "close the faucet",
    "faucet-open": "open the faucet",
    "hammer": "hammer the nail into the board",
    "hand-insert": "put the hand into the hole",
    "handle-press": "press the handle down",
    "handle-press-side": "press the handle down from the side",
    "handle-pull": "pull the handle up",
    "handle-pull-side": "pull the handle up from the side",
    "lever-pull": "pull the lever up",
    "peg-insert-side": "insert the peg into the hole in the side of the box",
    "peg-unplug-side": "unplug the peg from the box",
    "pick-out-of-hole": "pick the puck out of the hole",
    "pick-place": "pick up the puck and place it at the goal",
    "pick-place-wall": "pick up the puck and place it behind the wall",
    "plate-slide": "slide the plate into the cabinet",
    "plate-slide-back": "slide the plate back out of the cabinet",
    "plate-slide-back-side": "slide the plate sideways out of the cabinet",
    "plate-slide-side": "slide the plate sideways into the cabinet",
    "push": "push the puck to the goal",
    "push-back": "push the puck back to the goal",
    "push-wall": "push the puck around the wall to the goal",
    "reach": "reach the goal",
    "reach-wall": "reach over the wall to the goal",
    "shelf-place": "place the block on the shelf",
    "soccer": "kick the ball into the goal",
    "stick-pull": "pull the box with the stick",
    "stick-push": "push the box with the stick",
    "sweep": "sweep the block off the table",
    "sweep-into": "sweep the block into the hole",
    "window-close": "close the window",
    "window-open": "open the window",
}

METAWORLD_TASKS = tuple(_METAWORLD)
"""The 50 tasks of Meta-World v3, sorted: all that `vlp` was trained on."""

VLP_TEST_TASKS = ("button-press", "door-close", "drawer-close", "faucet-close", "window-open")
"""The tasks the VLP paper never trains on (its appendix C)."""

ML45_TEST_TASKS = ("bin-picking", "box-close", "door-lock", "door-unlock", "hand-insert")
"""Meta-World's own test split; the VLP paper trains another model for it (its Table 18)."""

RLVLMF_TASKS = ("rlvlmf-drawer-open", "rlvlmf-soccer", "rlvlmf-sweep-into")
"""Drawer-open, soccer and sweep-into as RL-VLM-F has them; `vlfeedback_envs.rlvlmf` says how."""

# VLP paper, Table 17.
_SCENE = (
    "The tasks are from Meta-World benchmark and the image of the task is rendered in a 3D "
    "simulation environment. In the environment, there is a wooden table and a robotic arm. The "
    "robotic arm is placed above the table. The robotic arm needs to manipulate the object(s) on "
    "the table to complete tasks."
)
_SCENE_OF_RLVLMF = f"{_SCENE} The robotic arm is not shown in the image."
_EPISODES_OF_METAWORLD = CollectionDefaults(
    episodes=32,
    horizon=150,
    longest=500,
    random_actions="u01",
    frame_stride=7,
    least_stride=1,
    frame_size=112,
)
# 100,000 transitions a level (our choice, untested: Offline RL-VLM-F states no sizes), and no
# pictures, which `vlfeedback_envs.cartpole_data.with_pictures` draws from the observations.
_EPISODES_OF_CART_POLE = CollectionDefaults(
    episodes=1000, horizon=100, longest=100, random_actions="box", frame_stride=0, frame_size=200
)
# 100,000 transitions of random actions (our choice: Offline RL-VLM-F states no sizes), no pictures.
_EPISODES_OF_RLVLMF = CollectionDefaults(
    episodes=200, horizon=500, longest=500, random_actions="box", frame_stride=0, frame_size=200
)
# 20,000 transitions a level (our choice: Offline RL-VLM-F states no sizes), at RL-VLM-F's size.
_EPISODES_OF_ROPE = CollectionDefaults(
    episodes=500, horizon=40, longest=40, random_actions="box", frame_stride=5, frame_size=240
)
# As many as in the dressing study of Offline RL-VLM-F. A picture every 10 steps, since frames that
# are nearer in time are not to be compared there.
_EPISODES_OF_DRESSING = CollectionDefaults(
    episodes=485, horizon=60, longest=60, random_actions="box", frame_stride=10, frame_size=240
)
# 15,000, 500 and 5,000 transitions a level, our choices: the last are simulated slowest.
_EPISODES_OF_FREE_ROPE = CollectionDefaults(
    episodes=200, horizon=75, longest=75, random_actions="box", frame_stride=5, frame_size=240
)
_EPISODES_OF_DIAGONAL_FOLDS = CollectionDefaults(
    episodes=500, horizon=1, longest=1, random_actions="box", frame_stride=1, frame_size=240
)
_EPISODES_OF_HALF_FOLDS = CollectionDefaults(
    episodes=50, horizon=100, longest=100, random_actions="box", frame_stride=5, frame_size=240
)

OUR_TASKS = (
    *(
        TaskSpec(
            name,
            text,
            f"vlfeedback_envs:vlfeedback/mw-{name}-v0",
            camera="corner4",  # the near corner view of the visual Meta-World literature
            scene=_SCENE,
            source="vlp",  # whose models were trained on these tasks alone
            suite="metaworld",
            levels=("expert", "medium", "random", "scattered"),
            more_levels=("flawed", "idle"),
            rollout="vlfeedback_envs.metaworld_data:roll_out",
            collecting=_EPISODES_OF_METAWORLD,
            retake="vlfeedback_envs.replay:retake_all",
            picture="vlfeedback_envs.metaworld_data:picture_of",
        )
        for name, text in _METAWORLD.items()
    ),
    TaskSpec(
        "cart-pole-balance",
        "balance the brown pole on the black cart to be upright",  # RL-VLM-F, Appendix
        "vlfeedback_envs:vlfeedback/CartPoleBalance-v0",
        levels=("expert", "medium", "random"),
        rollout="vlfeedback_envs.cartpole_data:roll_out",
        collecting=_EPISODES_OF_CART_POLE,
    ),
    *(
        TaskSpec(
            name,
            _METAWORLD[name.removeprefix("rlvlmf-")],
            f"vlfeedback_envs:vlfeedback/{name}-v0",
            camera="corner4",  # where RL-VLM-F's own camera is put
            scene=_SCENE_OF_RLVLMF,
            suite="metaworld",
            levels=("random",),  # others are acted out by policies
            collecting=_EPISODES_OF_RLVLMF,
        )
        for name in RLVLMF_TASKS
    ),
    TaskSpec(
        "straighten-rope",
        "straighten the blue rope",  # RL-VLM-F, Appendix
        "vlfeedback_envs:vlfeedback/StraightenRope-v0",
        camera="top",
        scene="A blue rope lies on a white table, seen straight from above.",
        levels=("expert", "medium", "random"),
        rollout="vlfeedback_envs.deformables.data:roll_out",
        collecting=_EPISODES_OF_ROPE,
    ),
    TaskSpec(
        "dress-sleeve",
        "pull the green sleeve over the hand and up the arm to the shoulder",
        "vlfeedback_envs:vlfeedback/DressSleeve-v0",
        camera="side",
        scene=(
            "An arm is stretched out from a body, which stands at its right end. A green sleeve is "
            "pulled over the hand, at the left end, and along the arm."
        ),
        levels=("expert", "medium", "random", "suboptimal"),
        rollout="vlfeedback_envs.deformables.data:roll_out",
        collecting=_EPISODES_OF_DRESSING,
    ),
    TaskSpec(
        "straighten-rope-free",
        "straighten the blue rope",  # as the rope whose ends are held
        "vlfeedback_envs:vlfeedback/StraightenRopeFree-v0",
        camera="top",
        scene="A blue rope lies on a white table, seen straight from above.",
        levels=("expert", "medium", "random"),
        rollout="vlfeedback_envs.deformables.data:roll_out",
        collecting=_EPISODES_OF_FREE_ROPE,
    ),
    TaskSpec(
        "fold-cloth-diagonal",
        "fold the cloth diagonally from top left corner to bottom right corner",  # RL-VLM-F's code
        "vlfeedback_envs:vlfeedback/FoldClothDiagonal-v0",
        camera="top",
        scene="A red cloth lies on a white table, seen straight from above.",
        levels=("expert", "medium", "random"),
        rollout="vlfeedback_envs.deformables.data:roll_out",
        collecting=_EPISODES_OF_DIAGONAL_FOLDS,
    ),
    TaskSpec(
        "fold-cloth-half",
        "fold the red cloth in half, its left side onto its right side",
        "vlfeedback_envs:vlfeedback/FoldClothHalf-v0",
        camera="front",
        scene="A red cloth lies on a white table, seen from the front and above.",
        levels=("expert", "medium", "random"),
        rollout="vlfeedback_envs.deformables.data:roll_out",
        collecting=_EPISODES_OF_HALF_FOLDS,
    ),
    *MANISKILL_SPECS,
)
"""All of them. New ones come last: seeds are counted by a task's place."""
