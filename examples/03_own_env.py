"""An environment of your own, rewarded for a sentence: ten rewards in a few seconds.

All a source needs is pictures: `render_mode` is "rgb_array", and `render` gives (H, W, 3) uint8.
The bundled model has only ever seen one robot arm at one table, so on flat drawings like these it
is out of its depth; fit one to your own pictures with `vlfeedback fit vlp`.
"""

from argparse import ArgumentParser

import gymnasium as gym
import numpy as np

import vlfeedback


class SlideBlock(gym.Env):
    """A block on a table, to be slid to a green goal: the environment that you already have."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    render_mode = "rgb_array"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = 0.2 * self.np_random.random()
        return np.float32([self.position]), {}

    def step(self, action):
        self.position = float(np.clip(self.position + 0.02 * action[0], 0, 1))
        reached = self.position > 0.95
        return np.float32([self.position]), -abs(1 - self.position), reached, False, {}

    def render(self):
        picture = np.full((112, 112, 3), (140, 110, 90), dtype=np.uint8)
        picture[50:62, 96:108] = (60, 200, 80)
        left = 4 + round(92 * self.position)
        picture[50:62, left : left + 12] = (200, 40, 40)
        return picture


parser = ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=40)
parser.add_argument("--weights", default="mt50")
args = parser.parse_args()

env = vlfeedback.RewardFromSource(
    SlideBlock(),
    "vlp",
    instruction="slide the block to the goal",
    source_config={"weights": args.weights},
)
env.reset(seed=0)
print("step   reward for the sentence   reward of the environment")
for step in range(args.steps):
    _, reward, terminated, truncated, info = env.step(np.ones(1, np.float32))
    if step % max(1, args.steps // 10) == 0:
        print(f"{step:4} {reward:25.3f} {info['env_reward']:27.3f}")
    if terminated or truncated:
        break
