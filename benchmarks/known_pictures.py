"""Serve a scripted judge that knows the true reward of every picture of a collection.

It stands in for a vision-language model where systems that ask one are run end to end from
pictures: it is sent PNG files and words, and answers in words. A strip of key frames, as `plare`
draws them, is worth their mean. What it does not know is an error.

    python benchmarks/known_pictures.py outputs/cartpole-pictures/cart-pole-balance/random.h5 \
        --flip 0.25 --port 8765
"""

from __future__ import annotations

import argparse
import hashlib
import io
import signal
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import NeedsError
from vlfeedback.testing.chat_server import ChatServer
from vlfeedback.testing.simulated_judge import SimulatedJudge
from vlfeedback.vlms.judging.strips import draw_strip


class KnownPictures:
    """The reward after which each picture was taken, scaled to [0, 1].

    Args:
        files: trajectories with pictures of one size, and rewards.

    Raises:
        NeedsError: a trajectory has no pictures, or no rewards.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        rewards: dict[bytes, float] = {}
        for file in files:
            for trajectory in read_trajectories(file):
                frames, env_rewards = trajectory.frames, trajectory.env_rewards
                if frames is None or env_rewards is None:
                    raise NeedsError(
                        f"{trajectory.id} has no pictures or no rewards; collect with both."
                    )
                times = frames.times[frames.times > 0]  # none is taken after action -1
                for time, picture in zip(times.tolist(), frames.read(times), strict=True):
                    rewards[_digest(picture)] = float(env_rewards[time - 1])
                    self.size = picture.shape[:2]
        low, high = min(rewards.values()), max(rewards.values())
        self.values = {key: (reward - low) / (high - low or 1.0) for key, reward in rewards.items()}

    def value(self, file: bytes) -> float:
        """What a picture file shows; a `KeyError` where it is none of these."""
        image = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        pictures = [image] if image.shape[:2] == self.size else self._frames_of(image)
        return float(np.mean([self.values[_digest(picture)] for picture in pictures]))

    def _frames_of(self, strip: np.ndarray) -> list[np.ndarray]:
        """The frames of a strip: where `draw_strip` puts one, it puts all."""
        height, width = self.size
        grey = np.full((1, height, width, 3), 128, np.uint8)
        one, two = (draw_strip(np.repeat(grey, n, axis=0), range(n)) for n in (1, 2))
        rows, columns = np.nonzero((one == 128).all(axis=2))
        top, step = rows.min(), two.shape[1] - one.shape[1]
        lefts = range(columns[rows == top].min(), strip.shape[1] - width, step)
        return [strip[top : top + height, left : left + width] for left in lefts]


def _digest(picture: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(picture)).digest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, nargs="+", help="trajectories with pictures and rewards, *.h5"
    )
    parser.add_argument("--flip", type=float, default=0.0, help="share of pairs answered wrongly")
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    known = KnownPictures(options.data)
    judge = SimulatedJudge(flip=options.flip, read=known.value)
    ended = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: ended.set())
    with ChatServer(otherwise=judge, port=options.port) as server:
        print(f"{len(known.values):,} pictures are known; ask at {server.url}", flush=True)
        ended.wait()
        print(f"{len(server.requests):,} questions were asked")


if __name__ == "__main__":
    main()
