"""Labels from a vision-language model, without a key: three labellers in about 20 seconds.

A server on this machine stands in for the model: it reads the gauge at the top of each picture,
with an error, and likes what it is shown first a little better. `--base-url http://localhost:8000/v1
--model NAME` asks a model of yours instead. What the model is shown lands in `--out`.
"""

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from PIL import Image

import vlfeedback
from vlfeedback import testing
from vlfeedback.data import sampling
from vlfeedback.evaluation import labels as evaluation
from vlfeedback.preferences import accuracy
from vlfeedback.types import ArrayFrames
from vlfeedback.vlms import judging

parser = ArgumentParser(description=__doc__)
parser.add_argument("--pairs", type=int, default=30)
parser.add_argument("--base-url", default="", help="root of a server's API; default: stand-in")
parser.add_argument("--model", default="stand-in")
parser.add_argument("--out", type=Path, default=Path("outputs/labels_from_a_vlm"))
args = parser.parse_args()
rng = np.random.default_rng(0)
STEPS, STRIDE = 50, 7


def picture(position):
    """A dark block on a table, on its way to a white goal, and a gauge of how far it is."""
    drawn = np.full((96, 96, 3), (140, 120, 100), dtype=np.uint8)
    drawn[48:60, 82:94] = 255
    left = 2 + round(80 * position)
    drawn[48:60, left : left + 12] = 40
    drawn[4:12] = (0, 255, 0)
    drawn[4:12, : round(96 * position)] = (255, 0, 0)
    return drawn


def episode(number):
    """A block that is pushed at a speed of its own, and slips."""
    pushes = rng.normal(rng.uniform(-0.005, 0.025), 0.02, STEPS)
    positions = np.clip(np.cumsum(np.r_[0.3, pushes]), 0, 1).astype(np.float32)
    times = np.arange(1, STEPS + 1, STRIDE)
    return vlfeedback.Trajectory(
        observations=positions[:, None],
        actions=pushes[:, None].astype(np.float32),
        env_rewards=positions[1:],
        truncated=True,
        frames=ArrayFrames(times, np.stack([picture(positions[time]) for time in times])),
        id=f"push-{number}",
    )


recorded = [episode(number) for number in range(40)]
pairs = vlfeedback.sample_segment_pairs(recorded, args.pairs, length=STEPS, rng=rng)
truth = vlfeedback.label_pairs(pairs, "teacher").labels
goal = "push the dark block onto the white goal"

labellers = {
    "rl-vlm-f": {},
    "plare": {},
    "plare, both orders": {"both_orders": True},
    "verifier": {"criteria": ["How near is the block to the goal?"], "reason": False},
}

judge = testing.SimulatedJudge(noise=0.05, position_bias=0.1)
with testing.ChatServer(otherwise=judge) as server:
    at = {"model": args.model, "base_url": args.base_url or server.url, "frame_stride": STRIDE}
    print("labeller             questions   tokens   undecided   right")
    for name, settings in labellers.items():
        source = name.partition(",")[0]
        labeller = vlfeedback.make_preference_source(source, **at, **settings, store="none")
        before = len(server.requests)
        labelled = vlfeedback.label_pairs(pairs, labeller, instruction=goal).labels
        questions = "?" if args.base_url else len(server.requests) - before
        undecided = np.mean(~labelled.answered | (labelled.prefer_second == 0.5))
        right = accuracy.label_accuracy(labelled, truth)
        print(f"{name:20} {questions:>9} {labelled.tokens.sum():8,} {undecided:11.0%} {right:7.0%}")
        if name == "plare":
            swapped = [(second, first) for first, second in pairs]
            backwards = vlfeedback.label_pairs(swapped, labeller, instruction=goal).labels
            bias = evaluation.order_bias(labelled, backwards)

print(f"\nplare names what it is shown first in {0.5 + bias.bias.mean:.0%} of its answers,")
print(f"and the same segment in both orders in {bias.consistency.mean:.0%} of the pairs.")

shown = sampling.gather_pairs(pairs[:1], goal, needs=labeller.needs)
args.out.mkdir(parents=True, exist_ok=True)
for place in ("first", "second"):
    (strip,) = judging.strips_of(getattr(shown, place), 3)
    Image.fromarray(strip).save(args.out / f"{place}.png")
print(f"What it is shown of the first pair: {args.out}/first.png and second.png.")
