"""Five sources on two frozen encoders, each picture encoded once: about 30 seconds.

CLIP's cosine, VLM-RM at two strengths, another sentence, and the distance to a picture of the goal
by DINO score one recorded episode. The weights are random here, so that the numbers mean nothing:
`--clip FILE` and `--dino FILE` take real ones (`vlfeedback weights list` says where they are).
"""

from argparse import ArgumentParser
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter

import gymnasium as gym
from PIL import Image
from scipy.stats import spearmanr

import vlfeedback
from vlfeedback_envs.scripted import rollout_level

parser = ArgumentParser(description=__doc__)
parser.add_argument("--clip", help="weights file of CLIP; random weights if left out")
parser.add_argument("--architecture", default="ViT-B-32-quickgelu", help="of that file")
parser.add_argument("--dino", help="weights file of DINO; random weights if left out")
parser.add_argument("--dino-architecture", default="vit_small_patch14_dinov2.lvd142m")
parser.add_argument("--steps", type=int, default=150, help="of the episode")
args = parser.parse_args()

# An episode whose script succeeds, with a picture after every seventh step; its last one is the
# goal. To judge a source, take the goal from another episode.
view = gym.make("vlfeedback_envs:vlfeedback/mw-drawer-close-v0", render_mode="rgb_array").unwrapped
episode = rollout_level(view, "expert", seed=0, horizon=args.steps)
goal = Path(mkdtemp()) / "goal.png"
Image.fromarray(episode.frames.read(episode.frames.times[-1:])[0]).save(goal)

clip = {"checkpoint": args.clip} if args.clip else {"random_weights_seed": 0}
clip |= {"architecture": args.architecture, "frame_stride": 7, "precision": "auto"}
dino = {"checkpoint": args.dino} if args.dino else {"random_weights_seed": 0}
dino |= {"architecture": args.dino_architecture, "frame_stride": 7, "goal": str(goal)}
vlm_rm = {
    **clip,
    "baseline": "drawer",
    "preprocess": "openclip",
}  # so that it shares CLIP's features
asked = (
    ("clip", "close the drawer", clip),
    ("clip", "open the drawer", clip),
    ("vlm_rm", "close the drawer", {**vlm_rm, "alpha": 0.5}),
    ("vlm_rm", "close the drawer", {**vlm_rm, "alpha": 1.0}),
    ("dino-goal", "", dino),
)
print("source     told               seconds  first reward  last reward  rises with time")
for name, instruction, settings in asked:
    source = vlfeedback.make_reward_source(name, **settings)
    # Pictures are looked up by their content: only the first source of an encoder has any to do.
    cached = vlfeedback.CachedEmbeddings(source)
    begun = perf_counter()
    (scored,) = vlfeedback.relabel(
        [episode], cached, instruction=instruction or None, between="hold"
    )
    seconds = perf_counter() - begun
    order = spearmanr(range(len(scored)), scored.rewards).statistic
    print(
        f"{name:10} {instruction or '(a picture)':18} {seconds:7.2f} {scored.rewards[0]:13.4f} "
        f"{scored.rewards[-1]:12.4f} {order:16.2f}"
    )
print(f"\nThe goal: {goal}. Is a source any good? vlfeedback eval source --help")
