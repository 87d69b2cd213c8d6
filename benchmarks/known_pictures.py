"""Serve a scripted judge that knows the true reward of every picture of a collection.

It stands in for a vision-language model where systems that ask one are run end to end from
pictures: it is sent PNG files and words, and answers in words. What it does not know is an error.

    python benchmarks/known_pictures.py outputs/cartpole-pictures/cart-pole-balance/random.h5 \
        --flip 0.25 --port 8765
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import threading
from pathlib import Path

from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import NeedsError
from vlfeedback.testing.chat_server import ChatServer
from vlfeedback.testing.simulated_judge import SimulatedJudge
from vlfeedback.vlms.questions import encode_picture


def values_of_pictures(data: Path) -> dict[str, float]:
    """The reward after which each picture was taken, scaled to [0, 1], by the file's digest.

    Raises:
        NeedsError: a trajectory has no pictures, or no rewards.
    """
    rewards: dict[str, float] = {}
    for trajectory in read_trajectories(data):
        frames, env_rewards = trajectory.frames, trajectory.env_rewards
        if frames is None or env_rewards is None:
            raise NeedsError(f"{trajectory.id} has no pictures or no rewards; collect with both.")
        for time in frames.times:
            if time:  # none is taken after action -1
                (picture,) = frames.read([int(time)])
                digest = hashlib.sha256(encode_picture(picture).data).hexdigest()
                rewards[digest] = float(env_rewards[time - 1])
    low, high = min(rewards.values()), max(rewards.values())
    return {digest: (reward - low) / (high - low or 1.0) for digest, reward in rewards.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="trajectories with pictures and rewards, *.h5")
    parser.add_argument("--flip", type=float, default=0.0, help="share of pairs answered wrongly")
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    values = values_of_pictures(options.data)
    judge = SimulatedJudge(
        flip=options.flip, read=lambda file: values[hashlib.sha256(file).hexdigest()]
    )
    ended = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: ended.set())
    with ChatServer(otherwise=judge, port=options.port) as server:
        print(f"{len(values):,} pictures are known; ask at {server.url}", flush=True)
        ended.wait()
        print(f"{len(server.requests):,} questions were asked")


if __name__ == "__main__":
    main()
