"""One random episode of one task under four reward sources, swapped by name: four lines, 10 s."""

from argparse import ArgumentParser

import gymnasium as gym

import vlfeedback  # noqa: F401  registers the ids

parser = ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=60)
args = parser.parse_args()

for source in ("VLP", "PictureEnergy", "Random", "Env"):
    env = gym.make(f"{source}Reward-DrawerClose-v0")
    env.action_space.seed(0)
    observation, info = env.reset(seed=0)
    total = 0.0
    for _ in range(args.steps):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        total += reward
    print(
        f"{env.spec.id:32} {total:10.2f}   (the environment's own last: {info['env_reward']:.3f})"
    )
    env.close()
