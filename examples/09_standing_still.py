"""Why a policy may stand still: what its data show, and what it imitates; about 60 seconds.

Scripts open a faucet, half open it, or twitch at random, and rest once they have stopped. The
first table says how the episodes begin and end; the second what a policy makes of them with that
rest and without it, beside doing nothing: its success and return, how many steps its weights
amount to, and the share of them that the experts have. docs/standing_still.md explains each.
"""

from argparse import ArgumentParser

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import vlfeedback
from vlfeedback import collecting, offline
from vlfeedback_envs.metaworld_data import roll_out

parser = ArgumentParser(description=__doc__)
parser.add_argument("--task", default="faucet-open")
parser.add_argument("--episodes", type=int, default=8, help="of each level")
parser.add_argument("--steps", type=int, default=3000, help="gradient steps of each policy")
args = parser.parse_args()

task = vlfeedback.get_task(args.task)
levels = ("expert", "medium", "random")
settings = collecting.complete_settings([task], {"episodes": args.episodes, "frame_stride": 150})
recorded = [
    trajectory
    for level in track(levels, description="acting out scripts")
    for trajectory in roll_out(task, level, range(args.episodes), settings)
]
recorded = list(vlfeedback.relabel(recorded, "env"))
ended = [vlfeedback.without_rest(trajectory) for trajectory in recorded]

table = Table("level", "steps", "of them rest", "hand starts within", "reach the goal", "reward")
for level in levels:
    whole = [t for t in recorded if t.level == level]
    short = [t for t in ended if t.level == level]
    n_steps, n_kept = sum(map(len, whole)), sum(map(len, short))
    hands = np.stack([t.observations[0, :3] for t in whole])
    rewards = np.concatenate([t.env_rewards for t in whole])
    table.add_row(
        level,
        f"{n_steps:,}",
        f"{1 - n_kept / n_steps:.0%}",
        f"{100 * np.ptp(hands, axis=0).max():.1f} cm",
        f"{sum(t.first_success is not None for t in whole)} of {len(whole)}",
        f"{rewards.mean():.2f} ± {rewards.std():.2f}",
    )
Console().print(table)

evaluator = offline.PolicyEvaluator(task.env_id, seeds=range(5), horizon=150)
table = Table("policy", "success", "return", "steps its weights amount to", "of experts")
for name, learner, data in (
    ("does nothing", "nothing", recorded),
    ("cloning, without rest", "bc", ended),
    ("IQL, with rest", "iql", recorded),
    ("IQL, without rest", "iql", ended),
):
    trained = offline.train_policy(
        learner,
        trajectories=data,
        n_steps=args.steps,
        eval_every=args.steps,
        seed=0,
        evaluator=evaluator,
    )
    weights = trained.notes.get("weights")
    of_weights = ("", "")
    if weights is not None:
        share = weights["effective_share"], weights["weight_by_level"]["expert"]
        of_weights = tuple(f"{part:.0%}" for part in share)
    table.add_row(
        name, f"{trained.curve.last():.0%}", f"{trained.curve.last('return'):.0f}", *of_weights
    )
Console().print(table)
