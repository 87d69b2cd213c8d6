"""An encoder labels, a person settles its doubts, and adapters on it learn: in about 30 seconds.

A point on a line shall reach its goal, and its picture is the brighter the nearer it is. The
encoder of this example knows the words "bright" and "dark" alone, so that it takes "reach the goal"
for something grey and is wrong about every other pair. A teacher is the person, and compares by the
environment's own reward. With an encoder and people of yours:

    vlfeedback.make_preference_source("liv", checkpoint="model.pt"), person="human"
"""

from argparse import ArgumentParser
from pathlib import Path

import gymnasium as gym
import numpy as np

import vlfeedback
from vlfeedback import online, tasks, testing
from vlfeedback.preferences import PreferenceFromReward, accuracy

ABLATIONS = {
    "none": {},
    "filter": {"label_filter": None},
    "adapters": {"adapters": False},
    "inverse-dynamics": {"inverse_dynamics": False},
    "encoder": {"human_only": True},
}
parser = ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1_500, help="of the environment")
parser.add_argument("--budget", type=int, default=40, help="pairs that the person is asked about")
parser.add_argument("--without", choices=ABLATIONS, default="none", help="a part of the method")
parser.add_argument("--begin-with", help="adapters.safetensors of another run")
parser.add_argument("--out", type=Path, default=Path("outputs/prefvlm"))
args = parser.parse_args()

gym.register("Reach-v0", "vlfeedback.testing:PointReachEnv", kwargs={"random_start": True})
goal = "reach the goal"
encoder = PreferenceFromReward(testing.ShadeEncoder())
STEPS = 10  # of a segment

result = online.train_online(
    tasks.own_task("Reach-v0", goal, success_key=""),
    encoder,
    person="teacher",
    prefvlm=online.PrefVLMConfig(
        human_budget=args.budget,
        human_share=0.25,
        adapter_training=online.AdapterTraining(learning_rate=1e-2),
        begin_with=args.begin_with,
        **ABLATIONS[args.without],
    ),
    n_steps=args.steps,
    config=online.FeedbackConfig(
        max_labels=160,
        labels_per_session=40,
        steps_between_sessions=args.steps // 5,
        segment_length=STEPS,
        random_steps=args.steps // 5,
        exploration_steps=0,
    ),
    horizon=25,
    env_options={"steps": 50},
    eval_episodes=0,
    algorithm_settings={"policy_kwargs": {"net_arch": [32, 32]}},
    out=args.out,
)

print(f"{'session':>8} {'labels':>7} {'trusted':>8} {'turned round':>13} {'told right':>11}")
for number, session in enumerate(result.sessions, start=1):
    print(
        f"{number:8} {session.n_labels:7} {session.trusted:8.0%} {session.flipped:13.0%} "
        f"{session.train_accuracy:11.0%}"
    )
print(f"The person was asked about {result.feedback.n_human} of {result.n_asked} pairs.")

episodes = list(result.feedback.episodes)
rng = np.random.default_rng(0)
pairs = vlfeedback.sample_segment_pairs(episodes, 200, length=STEPS, rng=rng)
truth = vlfeedback.label_pairs(pairs, "teacher").labels
for name, labeller in (("frozen", encoder), ("trained", result.feedback.labeller)):
    labels = vlfeedback.label_pairs(pairs, labeller, instruction=goal).labels
    print(f"Right about new pairs, {name}: {accuracy.label_accuracy(labels, truth):.0%}")
if result.feedback.adapters is not None:
    print(f"{args.out}/adapters.safetensors can begin another training: --begin-with.")
