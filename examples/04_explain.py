"""Where does the model look, and when is it pleased? Heat maps and curves of an episode, 20 s.

The same pictures come from the command line, for every episode that you have collected:
  vlfeedback explain --data mtvlp --task drawer-close --out explained
"""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

from PIL import Image

import vlfeedback
from vlfeedback.data import video
from vlfeedback.figures import explain, reward_curve
from vlfeedback.models import vlp
from vlfeedback.scoring import steps as steps_of
from vlfeedback.scoring import timing, windows
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.scripted import rollout_level

parser = ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=150)
parser.add_argument("--weights", default="mt50")
parser.add_argument("--out", type=Path, default=Path("explained"))
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

# Any trajectory with pictures will do; here an expert closes a drawer.
view = MetaWorldView("drawer-close", render_mode="rgb_array", size=224)
trajectory = rollout_level(view, "expert", seed=0, horizon=args.steps, frame_size=224)
view.close()

# The reward of every window, under what was asked for and under something else.
source = vlfeedback.make_reward_source("vlp", weights=args.weights)
sentences = ["close the drawer", "open the drawer", "open the window"]
steps = timing.steps_with_pictures(trajectory)
rewards = steps_of.score_along(source, trajectory, sentences, steps)
curves = dict(zip(sentences, rewards, strict=True))
title = "An expert closes the drawer"
figure = reward_curve.draw_reward_curve(trajectory, steps, curves, title=title, unit="VLP's reward")
figure.savefig(args.out / "rewards.png", dpi=150)

# What the model looks at in the window that it likes best.
end = int(steps[rewards[0].argmax()])
clip = replace(
    windows.window_ending_at(trajectory, end, needs=source.needs), instructions=sentences[:1]
)
attention = vlp.read_attention(args.weights, clip)
captions = [f"picture {i}" for i in range(len(clip.frames[0]))]
shown = (clip.frames[0], attention, captions)
sheet = explain.explanation_sheet(*shown, title=sentences[0], word="drawer")
Image.fromarray(sheet).save(args.out / "attention.png")
film = explain.explanation_film(*shown, title=sentences[0], word="drawer")
video.write_video(args.out / "attention.mp4", film, fps=2)

for sentence, curve in curves.items():
    print(f"{sentence:20} {curve[0]:6.2f} at first, {curve[-1]:6.2f} at last")
print(f"Look at rewards.png, attention.png and attention.mp4 in {args.out}.")
