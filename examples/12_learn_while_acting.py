"""An agent learns while its reward is learned from labels: PEBBLE, in about 60 seconds.

The teacher compares segments by the environment's own reward, which the agent never sees. Instead:

    --labeller vlp --task drawer-close      the bundled model compares pictures: no person, no key
    --labeller human --queue questions      you do, on the page of: vlfeedback serve questions

A real training takes 100,000 steps or more, and longer stretches of each kind.
"""

from argparse import ArgumentParser
from pathlib import Path

from vlfeedback import make_preference_source
from vlfeedback.online import FeedbackConfig, train_online

parser = ArgumentParser(description=__doc__)
parser.add_argument("--task", default="cart-pole-balance")
parser.add_argument("--labeller", default="teacher")
parser.add_argument("--queue", default="questions", help="folder of the labeller 'human'")
parser.add_argument("--steps", type=int, default=3_000, help="of the environment")
parser.add_argument("--labels", type=int, default=100)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path("online"))
args = parser.parse_args()

settings = {"queue": args.queue} if args.labeller == "human" else {}
labeller = make_preference_source(args.labeller, **settings)
stretch = max(100, args.steps // 10)
config = FeedbackConfig(
    max_labels=args.labels,
    labels_per_session=max(1, args.labels // 8),
    steps_between_sessions=stretch,
    segment_length=25,
    random_steps=stretch,
    exploration_steps=stretch,
    asynchronous=args.labeller == "human",
)
result = train_online(
    args.task,
    labeller,
    n_steps=args.steps,
    seed=args.seed,
    config=config,
    eval_every=max(1, args.steps // 3),
    eval_episodes=5,
    out=args.out,
)

print(f"{'steps':>8} {'success':>8} {'true return':>12}")
curve = result.curve
for step, success, gain in zip(curve.steps, curve.means(), curve.means("return"), strict=True):
    print(f"{step:8,} {success:8.0%} {gain:12.1f}")
for number, session in enumerate(result.sessions, start=1):
    print(
        f"session {number}: {session.n_labels} labels, "
        f"{session.train_accuracy:.0%} of them told right after {session.passes} passes"
    )
print(f"{args.out}: policy, reward model and labels. The same command goes on after a stop.")
