"""Preference labels become policies, with a reward model and without: about 90 seconds on a CPU.

A scripted teacher compares segments of recorded CartPole episodes. P-IQL fits a reward model to
its labels, relabels the data with it and learns from that; CPL learns from the labels themselves
(and needs more steps). `--labeller teacher.mistake` is wrong in one of ten answers.
"""

from argparse import ArgumentParser

import numpy as np
from rich.progress import track

import vlfeedback
from vlfeedback import offline
from vlfeedback_envs.cartpole_data import rollout_cart_pole

parser = ArgumentParser(description=__doc__)
parser.add_argument("--labeller", default="teacher")
parser.add_argument("--pairs", type=int, default=500)
parser.add_argument("--steps", type=int, default=3000, help="gradient steps of each policy")
args = parser.parse_args()
rng = np.random.default_rng(0)

task = vlfeedback.get_task("cart-pole-balance")
recorded = [
    rollout_cart_pole(level, seed=seed)
    for level in ("random", "medium")
    for seed in track(range(100), description=f"recording {level}")
]

labeller = vlfeedback.make_preference_source(args.labeller)
pairs = vlfeedback.sample_segment_pairs(recorded, args.pairs, length=10, rng=rng)
preferences = vlfeedback.label_pairs(pairs, labeller, instruction=task.instruction)
print(preferences)

model, report = vlfeedback.fit_reward_model(
    preferences, training=vlfeedback.RewardTraining(epochs=20), rng=rng
)
relabelled = list(vlfeedback.relabel(recorded, vlfeedback.LearnedReward(model)))
learnt, true = (
    np.concatenate([getattr(t, k) for t in relabelled]) for k in ("rewards", "env_rewards")
)
print(f"labels told right: {report.validation_accuracy:.0%} of those held out")
print(f"correlation of the learnt with the true reward: {np.corrcoef(learnt, true)[0, 1]:.2f}\n")

evaluator = offline.PolicyEvaluator(task.env_id, seeds=range(10))
for learner, preset in (("p-iql", "offline-rl-vlm-f"), ("cpl", "vlp")):
    trained = offline.train_policy(
        learner,
        trajectories=recorded,
        preferences=preferences,
        preset=preset,
        n_steps=args.steps,
        seed=0,
        evaluator=evaluator,
        eval_every=args.steps,
    )
    print(f"{learner:6} return {trained.curve.last('return'):8.1f} of 0 at best")
