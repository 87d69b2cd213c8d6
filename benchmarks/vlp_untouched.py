"""Claim: how much the bundled model pays an arm that goes to a place and waits, touching nothing.

What a policy that learns from the score may find in place of the task. The hand is sent to each of
18 places of the table and rests there; where the object has not moved, the score at the end is set
between that of doing nothing (0) and of the scripted expert (1). Beside it, how far from its place
the model's frame encoder sees the object then, hidden by the arm or not.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from jaxtyping import Float
from measurement import publish
from rich.console import Console

from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.tasks import VLP_TEST_TASKS, get_task
from vlfeedback_envs.scripted import quiet_scripts, scripted_actions

TRAINED = ("handle-press", "window-close", "faucet-open", "button-press-topdown", "plate-slide")
GROUPS = {"mt45": VLP_TEST_TASKS, "mt50": TRAINED}
PLACES = tuple(itertools.product((-0.5, 0.0, 0.5), (0.4, 0.65, 0.9), (0.07, 0.4)))  # m
STEPS, LAST = 100, 20
UNTOUCHED = 0.01  # m
_HAND, _OBJECT = slice(0, 3), slice(4, 7)  # entries of an observation

Acts = Callable[[Float[np.ndarray, "39"]], Float[np.ndarray, "4"]]


def going_to(place: tuple[float, float, float]) -> Acts:
    """Straight there, and no further."""

    def act(observation: np.ndarray) -> np.ndarray:
        move = np.clip(10 * (np.array(place) - observation[_HAND]), -1, 1)
        return np.append(move, 0.0).astype(np.float32)

    return act


def episode(env: gym.Env[Any, Any], act: Acts, seed: int) -> dict[str, Any]:
    """The score at its end, how far the object went, and the end itself."""
    observation, _ = env.reset(seed=seed)
    begin, scores, moved = observation[_OBJECT].copy(), [], 0.0
    for _ in range(STEPS):
        observation, _, _, _, info = env.step(act(observation))
        scores.append(info["source_score"])
        moved = max(moved, float(np.linalg.norm(observation[_OBJECT] - begin)))
    return {"score": float(np.mean(scores[-LAST:])), "moved": moved, "end": observation}


def measure_task(task: str, weights: str, seed: int) -> dict[str, Any]:
    """Scores of doing nothing, of the expert and of each place, and what is seen there."""
    network, _ = load_vlp(weights)
    network.eval()
    name = get_task(task).gym_name
    env = gym.make(
        f"VLPReward-{name}-v0",
        source_config={"weights": weights},
        disable_env_checker=True,
    )
    script = scripted_actions(env.unwrapped)  # type: ignore[arg-type]
    with quiet_scripts():
        expert = episode(env, lambda o: np.clip(script.get_action(o), -1, 1).astype("f4"), seed)
    idle = episode(env, lambda _: np.zeros(4, np.float32), seed)
    places: list[dict[str, Any]] = []
    for place in PLACES:
        found = episode(env, going_to(place), seed)
        picture = torch.as_tensor(np.asarray(env.render())[None].copy())
        with torch.inference_mode():
            seen = network.positions(network.encoder(picture))[0].numpy()
        error = float(np.linalg.norm(seen[_OBJECT] - found["end"][_OBJECT]))
        places.append(
            {
                "place": place,
                "moved_m": found["moved"] - idle["moved"],  # doors swing by themselves
                "seen_off_m": error,
                "share": (found["score"] - idle["score"]) / (expert["score"] - idle["score"]),
            }
        )
    env.close()
    return {"task": task, "idle": idle["score"], "expert": expert["score"], "places": places}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="mt45,mt50", help="with the groups of tasks above")
    parser.add_argument("--seed", type=int, default=3, help="of the episodes")
    parser.add_argument("--result", default="vlp_untouched", help="name of the result file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, list[dict[str, Any]]] = {}
    for weights, tasks in zip(args.weights.split(","), GROUPS.values(), strict=True):
        figures[weights] = []
        for task in tasks:
            row = measure_task(task, weights, args.seed)
            figures[weights].append(row)
            shares = [p["share"] for p in row["places"] if p["moved_m"] < UNTOUCHED]
            Console().print(
                f"{task}: idle {row['idle']:.2f}, expert {row['expert']:.2f}; {len(shares)} places "
                f"untouched, at most {max(shares, default=0):.2f} of the way"
            )
    publish(
        args.result,
        claim="how much the bundled model pays an arm that goes to a place and touches nothing",
        seed=args.seed,
        figures=figures,
        printed=False,
    )


if __name__ == "__main__":
    main()
