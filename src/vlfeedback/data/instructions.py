"""Many ways to say each task's instruction, to train and test models that read language.

The scheme is that of the VLP paper (appendix C, table 17), there filled in by a language model:
verb structures times synonym nouns. Every phrase means its own task and no other, so whatever
sets two tasks apart (open or closed, in or out, from the top or from the side, over a wall) is in
every phrase of the task that has it. Nouns name what can be seen, without colours; turning
directions are left out too, since a picture from the corner shows them mirrored.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from itertools import product, zip_longest
from string import Formatter
from types import MappingProxyType

from vlfeedback.errors import BrokenPluginError, UnknownNameError
from vlfeedback.tasks import TASKS, TaskSpec, get_task

__all__ = ["instruction_corpus", "other_instructions"]


def instruction_corpus(task: str | TaskSpec) -> tuple[str, ...]:
    """All phrases of a task: at least 40, no two alike, none shared with another task.

    The first is the task's own instruction. The others run through the verb structures before
    they change a noun, so that even a short prefix has varied verbs. A task that is not written
    up here has its own instruction and its `TaskSpec.wordings` alone.

    Args:
        task: a task, or its name, such as ``"drawer-close"``.

    Raises:
        UnknownNameError: there is no such task.

    >>> instruction_corpus("drawer-close")[:3]
    ('close the drawer', 'shut the drawer', 'push the drawer closed')
    """
    spec = get_task(task)
    return tuple(dict.fromkeys([spec.instruction, *spec.wordings, *_written_up(spec.name)]))


def other_instructions(task: str | TaskSpec) -> list[str]:
    """What a task could be taken for: the instructions of the others of its suite.

    Of one that is alone in its suite, those of all of our own tasks.

    Args:
        task: a task, or its name.

    Raises:
        UnknownNameError: there is no such task.

    >>> other_instructions("drawer-close")[:2]
    ['put the ring onto the peg', 'dunk the basketball into the hoop']
    """
    spec = get_task(task)
    own = [TASKS[name] for name in TASKS.own]
    # Plugins add nothing to our own tasks: figures of them would depend on what is installed.
    candidates = own if spec.name in TASKS.own else [*own, *_others()]
    others = [other for other in candidates if other.name != spec.name]
    suite = [other for other in others if spec.suite and other.suite == spec.suite]
    texts = dict.fromkeys(other.instruction for other in suite or own)  # variants say the same
    return [text for text in texts if text != spec.instruction]


def _others() -> list[TaskSpec]:
    """All tasks but ours, without those that are broken."""
    specs = []
    for name in TASKS:
        if name not in TASKS.own:
            with suppress(BrokenPluginError, UnknownNameError):
                specs.append(TASKS[name])
    return specs


@cache
def _written_up(task: str) -> tuple[str, ...]:
    """All phrases of the structures that a task has, if it has any."""
    if task not in _STRUCTURES:
        return ()
    rounds = zip_longest(*map(_phrases, _alternatives(_STRUCTURES[task])))
    return tuple(phrase for phrases in rounds for phrase in phrases if phrase is not None)


def _phrases(structure: str) -> list[str]:
    names = [name for _, name, _, _ in Formatter().parse(structure) if name]
    choices = product(*(_alternatives(_NOUNS[name]) for name in names))
    return [structure.format_map(dict(zip(names, words, strict=True))) for words in choices]


def _alternatives(text: str) -> list[str]:
    return [" ".join(alternative.split()) for alternative in text.split("|")]


# Synonyms, the plainest first.
_NOUNS: Mapping[str, str] = MappingProxyType(
    {
        "puck": "the puck | the disc | the cylinder | the round block",
        "block": "the block | the cube | the brick | the wooden block",
        "pushed": "the puck | the block | the cube | the object",
        "goal": "the goal | the target | the goal position | the target spot",
        "wall": "the wall | the barrier | the obstacle",
        "button": "the button | the push button | the round button | the button on the box",
        "handle": "the handle | the handle bar | the handle on the box | the bar on the box",
        "lever": "the lever | the lever arm | the long lever | the lever on the stand",
        "door": "the door | the hinged door | the cabinet door | the safe door",
        "drawer": "the drawer | the desk drawer | the sliding drawer | the cabinet drawer",
        "faucet": "the faucet | the tap | the spigot | the water faucet",
        "window": "the window | the sliding window | the window pane | the glass pane",
        "dial": "the dial | the knob | the round dial | the control knob",
        "ring": "the ring | the nut | the wrench | the ring wrench",
        "post": "the peg | the post | the pin",
        "peg": "the peg | the rod | the long peg",
        "plate": "the plate | the dish | the platter",
        "cabinet": "the cabinet | the cupboard | the rack",
        "mug": "the mug | the cup | the coffee cup | the coffee mug",
        "machine": "the coffee machine | the coffee maker | the espresso machine",
        "switch": "the button | the switch | the start button",
        "container": "the box | the container | the thermos",
        "stick": "the stick | the rod | the pole",
        "hand": "the hand | the gripper | the robot hand | the fingers",
        "basketball": "the basketball | the ball",
        "hoop": "the hoop | the basket | the net of the hoop",
        "first_bin": "one bin | the first bin",
        "second_bin": "the other bin | the second bin",
        "lid": "the lid | the cover | the box lid",
        "box": "the box | the carton | the open box",
        "above": "the top | above | overhead",
        "aside": "from the side | sideways | from one side",
        "nail": "the nail | the spike | the metal nail",
        "board": "the board | the plank | the wood | the wooden block",
        "hole": "the hole | the pit | the hole in the table",
        "opening": "the hole | the hole in the table | the gap | the opening",
        "side_hole": """the hole in the side of the box | the hole in the side of the block
            | the opening in the side of the box""",
        "socket": "the box | the hole in the side of the box | the socket | the side of the block",
        "sideways": "sideways | to the side",
        "shelf": "the shelf | the rack | the ledge | the wooden shelf",
        "football": "the ball | the soccer ball | the football",
        "net": "the goal | the soccer goal | the goal net",
        "table": "the table | the tabletop | the desk",
    }
)

# Verb structures of each task; {name} stands for any of the nouns above.
_STRUCTURES: Mapping[str, str] = MappingProxyType(
    {
        "assembly": """put {ring} onto {post} | place {ring} on {post} | slip {ring} over {post}
            | thread {ring} onto {post} | pick up {ring} and fit it onto {post}
            | lower {ring} onto {post} | assemble {ring} with {post}
            | lift {ring} and drop it over {post} | attach {ring} to {post}
            | mount {ring} on {post}""",
        "basketball": """dunk {basketball} into {hoop} | put {basketball} through {hoop}
            | drop {basketball} into {hoop} | shoot {basketball} into {hoop}
            | pick up {basketball} and drop it through {hoop}
            | score by dropping {basketball} into {hoop} | lift {basketball} and dunk it into {hoop}
            | carry {basketball} to {hoop} and let it fall in""",
        "bin-picking": """move {block} from {first_bin} into {second_bin}
            | transfer {block} from {first_bin} to {second_bin}
            | carry {block} from {first_bin} to {second_bin}
            | take {block} out of {first_bin} and put it in {second_bin}
            | grab {block} in {first_bin} and drop it in {second_bin}
            | pick {block} from {first_bin} and place it into {second_bin}
            | relocate {block} from {first_bin} into {second_bin}
            | lift {block} out of {first_bin} and lower it into {second_bin}""",
        "box-close": """put {lid} on {box} | close {box} with {lid} | cover {box} with {lid}
            | place {lid} onto {box} | pick up {lid} and close {box} | shut {box} with {lid}
            | seal {box} with {lid} | lower {lid} onto {box} | lift {lid} and set it over {box}
            | cap {box} with {lid}""",
        "button-press": """press {button} | push {button} in | press {button} inward | hit {button}
            | depress {button} | push against {button} | move the gripper to {button} and press it
            | reach for {button} and push it in | poke {button} | press {button} from the front
            | push {button} straight in | press on {button} until it clicks
            | activate {button} by pressing it | extend the arm and press {button}""",
        "button-press-topdown": """press {button} from {above} | push {button} down from {above}
            | depress {button} from {above} | press down on {button} from {above}
            | come down from {above} and press {button}
            | move over {button} and push it down from {above}
            | lower the gripper onto {button} from {above} | hit {button} from {above}""",
        "button-press-topdown-wall": """reach over {wall} and press {button} from {above}
            | go over {wall} and push {button} down from {above}
            | move past {wall} and press {button} from {above}
            | bypass {wall} and depress {button} from {above}
            | avoid {wall} and press down on {button} from {above}
            | pass over {wall} and press {button} from {above}
            | press {button} behind {wall} from {above}
            | press {button} from {above} without touching {wall}""",
        "button-press-wall": """reach around {wall} and press {button}
            | go around {wall} and push {button} in | bypass {wall} and press {button}
            | press {button} behind {wall} | avoid {wall} and push {button} in
            | move past {wall} and press {button} | get around {wall} and depress {button}
            | press {button} without touching {wall}
            | push in {button} on the other side of {wall}""",
        "coffee-button": """push {switch} on {machine} | press {switch} on {machine}
            | hit {switch} of {machine} | push in {switch} of {machine}
            | start {machine} by pressing {switch} | turn on {machine} with {switch}
            | press {switch} to start {machine} | reach for {switch} of {machine} and push it
            | press {switch} of {machine} to make coffee""",
        "coffee-pull": """pull {mug} away from {machine} | pull {mug} out from under {machine}
            | drag {mug} away from {machine} | take {mug} away from {machine}
            | withdraw {mug} from {machine} | move {mug} away from {machine}
            | slide {mug} out from under {machine} | grab {mug} and pull it away from {machine}
            | remove {mug} from {machine} | draw {mug} away from {machine}""",
        "coffee-push": """push {mug} under {machine} | slide {mug} under {machine}
            | move {mug} under {machine} | place {mug} under {machine} | put {mug} beneath {machine}
            | shove {mug} under {machine} | bring {mug} to {machine} | push {mug} toward {machine}
            | grab {mug} and push it under {machine} | push {mug} up to {machine} for filling""",
        "dial-turn": """turn {dial} | rotate {dial} | twist {dial} | spin {dial} around
            | give {dial} a turn | turn {dial} around | move the gripper to {dial} and turn it
            | reach for {dial} and rotate it | adjust {dial} | push {dial} around
            | rotate {dial} with the gripper | set {dial} by turning it""",
        "disassemble": """take {ring} off {post} | remove {ring} from {post}
            | lift {ring} off {post} | pull {ring} off {post} | slip {ring} off {post}
            | detach {ring} from {post} | raise {ring} away from {post}
            | grab {ring} and lift it off {post} | disassemble {ring} from {post}
            | unhook {ring} from {post}""",
        "door-close": """close {door} | shut {door} | push {door} closed | push {door} shut
            | swing {door} shut | swing {door} closed | seal {door} | push {door} until it is closed
            | press {door} shut | move the gripper to the open side of {door} and push it shut
            | bring {door} to a close | close {door} completely
            | reach for the edge of {door} and close it""",
        "door-lock": """lock {door} | bolt {door} | latch {door} | turn the lock to secure {door}
            | fasten the lock of {door} | turn the latch until {door} is locked
            | rotate the lock to lock {door} | secure {door} with the lock | set the lock on {door}
            | move the lock of {door} into the locked position
            | keep {door} from opening by locking it | reach for the latch and lock {door}""",
        "door-open": """open {door} | pull {door} open | swing {door} open
            | pull the handle to open {door} | open {door} wide | grab the handle and open {door}
            | draw {door} open | drag {door} open | hook the handle of {door} and pull it open
            | open up {door} | open {door} completely
            | reach for the handle of {door} and open it""",
        "door-unlock": """unlock {door} | unbolt {door} | unlatch {door}
            | turn the lock to release {door} | undo the lock of {door}
            | turn the latch until {door} is unlocked | rotate the lock to unlock {door}
            | release the lock of {door} | unfasten the lock on {door}
            | move the lock of {door} into the unlocked position | free {door} by unlocking it
            | reach for the latch and unlock {door}""",
        "drawer-close": """close {drawer} | shut {drawer} | push {drawer} closed
            | push {drawer} shut | push {drawer} in | slide {drawer} shut | slide {drawer} closed
            | slide {drawer} back in | shove {drawer} shut | seal {drawer} | secure {drawer} shut
            | move closer and push {drawer} shut | bring {drawer} to a close
            | close {drawer} completely
            | move the gripper to the front of {drawer} and push it in""",
        "drawer-open": """open {drawer} | pull {drawer} open | pull {drawer} out
            | slide {drawer} open | slide {drawer} out | draw {drawer} open | draw {drawer} out
            | drag {drawer} open | grab the handle and open {drawer}
            | pull the handle to open {drawer} | open up {drawer} | open {drawer} completely
            | hook the handle of {drawer} and pull it out""",
        "faucet-close": """close {faucet} | shut {faucet} | turn off {faucet} | turn {faucet} off
            | shut off {faucet} | switch off {faucet} | rotate the handle to close {faucet}
            | turn the handle of {faucet} to shut it | push the handle to close {faucet}
            | stop the water at {faucet} | close {faucet} completely
            | move the gripper to the handle of {faucet} and turn it off | twist {faucet} shut
            | bring {faucet} to a close""",
        "faucet-open": """open {faucet} | turn on {faucet} | turn {faucet} on | open up {faucet}
            | switch on {faucet} | rotate the handle to open {faucet}
            | turn the handle of {faucet} to open it | push the handle to open {faucet}
            | let water run from {faucet} | open {faucet} completely
            | move the gripper to the handle of {faucet} and turn it on | twist {faucet} open""",
        "hammer": """hammer {nail} into {board} | drive {nail} into {board} with the hammer
            | knock {nail} into {board} | hit {nail} into {board} with the hammer
            | pound {nail} into {board} | use the hammer to drive {nail} into {board}
            | pick up the hammer and drive {nail} into {board}
            | strike {nail} in {board} with the hammer
            | grab the hammer and pound {nail} into {board}""",
        "hand-insert": """put {hand} into {opening} | insert {hand} into {opening}
            | lower {hand} into {opening} | slide {hand} into {opening}
            | stick {hand} into {opening} | move {hand} down into {opening}
            | place {hand} inside {opening} | dip {hand} into {opening}""",
        "handle-press": """press {handle} down | push {handle} down | press down on {handle}
            | push {handle} downward | lower {handle} | force {handle} down | depress {handle}
            | press {handle} downward | push down {handle} | reach over {handle} and press it down
            | move the gripper onto {handle} and push it down""",
        "handle-press-side": """press {handle} down {aside} | push {handle} down {aside}
            | press down on {handle} {aside} | push {handle} downward {aside}
            | lower {handle} {aside} | force {handle} down {aside} | depress {handle} {aside}
            | press {handle} downward {aside}""",
        "handle-pull": """pull {handle} up | lift {handle} up | raise {handle}
            | pull {handle} upward | pull up on {handle} | lift {handle} | hoist {handle} up
            | tug {handle} up | draw {handle} upward | reach under {handle} and lift it
            | move the gripper under {handle} and pull it up""",
        "handle-pull-side": """pull {handle} up {aside} | lift {handle} up {aside}
            | raise {handle} {aside} | pull {handle} upward {aside} | pull up on {handle} {aside}
            | hoist {handle} up {aside} | tug {handle} up {aside} | draw {handle} upward {aside}""",
        "lever-pull": """pull {lever} up | lift {lever} up | raise {lever} | pull {lever} upward
            | pull up on {lever} | swing {lever} up | tug {lever} up | rotate {lever} upward
            | flip {lever} up | move {lever} upward
            | move the gripper under {lever} and raise it""",
        "peg-insert-side": """insert {peg} into {side_hole} | push {peg} into {side_hole}
            | plug {peg} into {side_hole} | slide {peg} into {side_hole}
            | pick up {peg} and insert it into {side_hole} | fit {peg} into {side_hole}
            | stick {peg} into {side_hole} | grasp {peg} and slot it into {side_hole}
            | put {peg} into {side_hole}""",
        "peg-unplug-side": """unplug {peg} from {socket} | pull {peg} out of {socket}
            | remove {peg} from {socket} | extract {peg} from {socket}
            | withdraw {peg} from {socket} | take {peg} out of {socket} | draw {peg} out of {socket}
            | grab {peg} and pull it out of {socket} | slide {peg} out of {socket}""",
        "pick-out-of-hole": """pick {puck} out of {hole} | take {puck} out of {hole}
            | lift {puck} out of {hole} | pull {puck} out of {hole} | remove {puck} from {hole}
            | grab {puck} in {hole} and lift it out | get {puck} out of {hole}
            | raise {puck} from {hole} | extract {puck} from {hole}""",
        "pick-place": """pick up {puck} and place it at {goal} | pick up {puck} and put it at {goal}
            | grasp {puck} and carry it to {goal} | lift {puck} and move it to {goal}
            | grab {puck} and bring it to {goal} | pick {puck} and place it on {goal}
            | lift {puck} to {goal} | hold {puck} in the air at {goal}""",
        "pick-place-wall": """pick up {puck} and place it behind {wall}
            | lift {puck} over {wall} and put it down | grasp {puck} and carry it over {wall}
            | pick up {puck} and put it on the other side of {wall}
            | grab {puck} and bring it over {wall} to the goal
            | carry {puck} past {wall} and place it at the goal
            | lift {puck} over {wall} to the target
            | pick up {puck} and bypass {wall} to place it""",
        "plate-slide": """slide {plate} into {cabinet} | push {plate} into {cabinet}
            | push {plate} forward into {cabinet} | shove {plate} into {cabinet}
            | slide {plate} straight into {cabinet} | move {plate} into {cabinet}
            | glide {plate} into {cabinet} | put {plate} into {cabinet} by sliding it""",
        "plate-slide-back": """slide {plate} back out of {cabinet}
            | pull {plate} back out of {cabinet} | drag {plate} out of {cabinet}
            | pull {plate} straight out of {cabinet} | slide {plate} backward out of {cabinet}
            | bring {plate} back from {cabinet} | get {plate} out of {cabinet}
            | draw {plate} back out of {cabinet}""",
        "plate-slide-back-side": """slide {plate} {sideways} out of {cabinet}
            | pull {plate} {sideways} out of {cabinet} | drag {plate} {sideways} out of {cabinet}
            | move {plate} {sideways} out of {cabinet} | get {plate} out of {cabinet} {sideways}
            | draw {plate} {sideways} out of {cabinet}
            | remove {plate} {sideways} from {cabinet}""",
        "plate-slide-side": """slide {plate} {sideways} into {cabinet}
            | push {plate} {sideways} into {cabinet} | shove {plate} {sideways} into {cabinet}
            | move {plate} {sideways} into {cabinet} | glide {plate} {sideways} into {cabinet}
            | bring {plate} {sideways} into {cabinet}
            | put {plate} into {cabinet} by sliding it {sideways}""",
        "push": """push {puck} to {goal} | push {puck} forward to {goal} | slide {puck} to {goal}
            | shove {puck} to {goal} | nudge {puck} to {goal}
            | push {puck} along the table to {goal} | slide {puck} across the table to {goal}
            | push {puck} until it reaches {goal}""",
        "push-back": """push {pushed} back to {goal} | push {pushed} backward to {goal}
            | slide {pushed} back to {goal} | drag {pushed} back to {goal}
            | move {pushed} back to {goal} | bring {pushed} back to {goal}
            | slide {pushed} backward to {goal} | push {pushed} back toward the robot to {goal}""",
        "push-wall": """push {puck} around {wall} to {goal} | slide {puck} around {wall} to {goal}
            | shove {puck} past {wall} to {goal} | bypass {wall} and push {puck} to {goal}
            | nudge {puck} around {wall} to {goal} | push {puck} to {goal} and avoid {wall}
            | push {puck} to {goal} behind {wall}""",
        "reach": """reach {goal} | reach for {goal} | move to {goal} | go to {goal}
            | move the gripper to {goal} | bring the hand to {goal} | extend the arm to {goal}
            | touch {goal} with the gripper | move the arm until it reaches {goal}
            | guide the gripper to {goal} | hover at {goal}""",
        "reach-wall": """reach over {wall} to {goal} | move the gripper over {wall} to {goal}
            | bypass {wall} and reach {goal} | reach around {wall} to {goal}
            | reach {goal} behind {wall} | avoid {wall} and move to {goal}
            | bring the hand past {wall} to {goal} | reach {goal} without touching {wall}""",
        "shelf-place": """place {block} on {shelf} | put {block} on {shelf}
            | set {block} onto {shelf} | lift {block} onto {shelf}
            | pick up {block} and place it on {shelf} | grab {block} and put it on {shelf}
            | carry {block} up to {shelf} | pick {block} and lay it on {shelf}
            | store {block} on {shelf}""",
        "soccer": """kick {football} into {net} | push {football} into {net}
            | roll {football} into {net} | shoot {football} into {net}
            | score with {football} in {net} | knock {football} into {net}
            | hit {football} into {net} | send {football} into {net}""",
        "stick-pull": """pull {container} with {stick} | drag {container} with {stick}
            | use {stick} to pull {container} | draw {container} closer with {stick}
            | pick up {stick} and pull {container} with it
            | hook {container} with {stick} and pull it | grab {stick} and drag {container}
            | tug {container} toward the goal with {stick}
            | pull {container} by its handle with {stick}""",
        "stick-push": """push {container} with {stick} | shove {container} with {stick}
            | use {stick} to push {container} | nudge {container} with {stick}
            | pick up {stick} and push {container} with it | grab {stick} and push {container}
            | press {stick} against {container} and push it | push {container} forward with {stick}
            | poke {container} away with {stick}""",
        "sweep": """sweep {block} off {table} | push {block} off {table} | brush {block} off {table}
            | wipe {block} off {table} | knock {block} off {table}
            | slide {block} off the edge of {table} | shove {block} off {table}
            | clear {block} from {table}""",
        "sweep-into": """sweep {block} into {hole} | push {block} into {hole}
            | brush {block} into {hole} | slide {block} into {hole} | shove {block} into {hole}
            | drop {block} into {hole} by sweeping it | nudge {block} into {hole}
            | swipe {block} into {hole}""",
        "window-close": """close {window} | shut {window} | push {window} closed
            | push {window} shut | slide {window} shut | slide {window} closed | seal {window}
            | shove {window} shut | secure {window} shut | bring {window} to a close
            | close {window} completely
            | move the gripper to the handle of {window} and slide it shut""",
        "window-open": """open {window} | slide {window} open | push {window} open
            | open up {window} | shove {window} open | slide {window} to the side to open it
            | push the handle to open {window} | slide open {window} | open {window} completely
            | move the gripper to the handle of {window} and slide it open
            | reach for the handle of {window} and open it""",
    }
)
