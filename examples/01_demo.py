"""Three policies try to close a drawer, three sources reward them: demo/ shows it in 40 seconds."""

import warnings
from argparse import ArgumentParser
from dataclasses import dataclass, fields
from pathlib import Path

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch
from rich import print
from rich.progress import Progress
from rich.table import Table

from vlfeedback.data import video  # whatever is imported of vlfeedback, the ids get registered
from vlfeedback_envs.scripted import scripted_actions


@dataclass
class Args:
    steps: int = 150  # of each episode
    seed: int = 0  # of the task's layout and of the random policy
    out: str = "demo"  # folder of the picture and the video
    weights: str = "mt50"  # of VLP: a bundled name, or the path of a file
    clip: str = "ViT-B-32"  # architecture, any of open_clip's


parser = ArgumentParser(description=__doc__)
for field in fields(Args):
    parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
args = Args(**vars(parser.parse_args()))

clip = {"architecture": args.clip, "random_weights_seed": 0, "frame_stride": 10}
SOURCES = {
    "VLP": ({"weights": args.weights}, "reads the sentence and the pictures"),
    "CLIP": (clip, "swapped in by name; random weights, which know nothing"),
    "Env": ({}, "what the author of the simulation wrote by hand"),
}
# Colours that colour-blind people tell apart.
POLICIES = {"expert": ("#0072B2", "-"), "half-way stop": ("#D55E00", "--"), "random": ("#555", ":")}
FILMED = 2  # steps from one picture of the video to the next
(out := Path(args.out)).mkdir(parents=True, exist_ok=True)
rewards = {source: {policy: [] for policy in POLICIES} for source in SOURCES}
actions = {policy: [] for policy in POLICIES}
states = {policy: [] for policy in POLICIES}
halfway = args.steps // 2
torch.set_num_threads(1)  # on a busy machine, threads that wait for each other take far longer
warnings.filterwarnings("ignore", "Constant")  # Meta-World's scripts ask for more than the arm can

with Progress() as progress:
    bars = {s: progress.add_task(f"Reward from {s}", total=3 * args.steps) for s in SOURCES}
    drawing = progress.add_task("Picture and video", total=-(-args.steps // FILMED))

    # One task, three rewards. The sentence is the task's own; instruction=... takes any other.
    envs = {s: gym.make(f"{s}Reward-DrawerClose-v0", source_config=SOURCES[s][0]) for s in SOURCES}
    # Act under the reward of VLP.
    env = envs["VLP"]
    sentence = env.unwrapped.task.instruction
    script = scripted_actions(env.unwrapped)
    for policy in POLICIES:
        rng = np.random.default_rng(args.seed)
        observation, info = env.reset(seed=args.seed)
        for step in range(args.steps):
            action = np.clip(script.get_action(observation), -1, 1)
            if policy == "random":
                action = rng.uniform(-1, 1, 4)
            elif info["success"] or (policy == "half-way stop" and step >= halfway):
                action = np.zeros(4)  # rest
            if step % FILMED == 0:
                states[policy].append(env.unwrapped.capture_state())
            actions[policy].append(action.astype(np.float32))
            observation, reward, _, _, info = env.step(actions[policy][-1])
            rewards["VLP"][policy].append(reward)
            if info["success"]:
                halfway = min(halfway, step // 2)  # half the time that the expert needs
            progress.advance(bars["VLP"])

    # Replay the same episodes under the others.
    for source in ("CLIP", "Env"):
        for policy in POLICIES:
            envs[source].reset(seed=args.seed)
            for action in actions[policy]:
                rewards[source][policy].append(envs[source].step(action)[1])
                progress.advance(bars[source])

    # Larger pictures, for people: any view of the task renders a saved state, at any time.
    view = gym.make("vlfeedback/mw-drawer-close-v0", render_mode="rgb_array", size=448).unwrapped
    frames = {p: view.render_states(states[p])[:, 50:350, 120:420] for p in POLICIES}

    plt.switch_backend("agg")
    plt.rcParams.update({"font.size": 13, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(12, 14))
    figure.suptitle(f"“{sentence}”", fontsize=34, fontweight="bold", y=0.99)
    above, below = figure.subfigures(2, height_ratios=[8, 7])
    above.text(0.54, 0.87, "Three policies try. A camera watches ...", ha="center", fontsize=18)
    below.text(0.54, 0.95, "... and each source rewards every step:", ha="center", fontsize=18)
    shown = ((np.arange(6) + 0.5) * args.steps / 6).astype(int)
    for ax, policy in zip(above.subplots(3), POLICIES, strict=True):
        strip = np.concatenate(frames[policy][shown // FILMED], axis=1)
        ax.imshow(strip, extent=(0, args.steps, 0, 1), aspect="auto")
        ax.vlines(np.linspace(0, args.steps, 7), 0, 1, color="white", linewidth=5)
        ax.set(xticks=shown, xticklabels=[f"step {t}" for t in shown], yticks=[])
        ax.set_ylabel(policy, color=POLICIES[policy][0], fontsize=17, fontweight="bold")
        ax.spines[:].set_visible(False)
    for ax, (source, (_, about)) in zip(below.subplots(3), SOURCES.items(), strict=True):
        for policy, (colour, dashes) in POLICIES.items():
            ax.plot(rewards[source][policy], dashes, color=colour, lw=3, label=policy)
        ax.set_title(f"{source}Reward-DrawerClose-v0", loc="left", fontweight="bold")
        ax.set_title(about, loc="right")
        ax.set(xlim=(0, args.steps), xlabel="step of the episode")
        ax.label_outer()
    ax.legend()
    above.subplots_adjust(left=0.08, right=0.98, top=0.85, bottom=0.03, hspace=0.15)
    below.subplots_adjust(left=0.08, right=0.98, top=0.85, bottom=0.1, hspace=0.45)
    figure.savefig(out / "rewards.png", dpi=140)

    figure, axes = plt.subplots(2, 3, sharey="row", figsize=(9.6, 5.4), height_ratios=[5, 2])
    figure.suptitle(f"“{sentence}”, and the reward from VLP", fontweight="bold")
    figure.subplots_adjust(left=0.08, right=0.99, top=0.86, bottom=0.11, wspace=0.05, hspace=0.05)
    pictures, lines = {}, {}
    for (top, bottom), (policy, (colour, _)) in zip(axes.T, POLICIES.items(), strict=True):
        top.set_axis_off()
        top.set_title(policy, color=colour, fontweight="bold")
        pictures[policy] = top.imshow(frames[policy][0])
        (lines[policy],) = bottom.plot(rewards["VLP"][policy], color=colour, lw=3)
        bottom.set(xlim=(0, 1.1 * args.steps), xlabel="step")
    film = []
    for i, seen in enumerate(range(1, args.steps + 1, FILMED)):
        for policy in POLICIES:
            pictures[policy].set_data(frames[policy][i])
            lines[policy].set_data(range(seen), rewards["VLP"][policy][:seen])
        figure.canvas.draw()
        film.append(np.array(figure.canvas.buffer_rgba())[..., :3])
        progress.advance(drawing)
    video.write_video(out / "rewards.mp4", np.stack(film), fps=15)

returns = {s: {p: sum(rewards[s][p]) for p in POLICIES} for s in SOURCES}
table = Table("policy", *SOURCES, title=f"“{sentence}”: return of {args.steps} steps")
for policy in POLICIES:
    table.add_row(policy, *(f"{returns[source][policy]:.1f}" for source in SOURCES))
table.add_section()
table.add_row("ranked first", *(max(POLICIES, key=returns[s].get) for s in SOURCES))
print(table)
print(f"""CLIP has random weights here and knows nothing: see how a name swaps the source.
Look at {out / "rewards.png"} and {out / "rewards.mp4"}. Then run:
  .venv/bin/python examples/02_swap_the_source.py   # the lines behind this
  .venv/bin/python examples/03_own_env.py           # around your environment
  .venv/bin/vlfeedback list rewards                 # all sources""")
