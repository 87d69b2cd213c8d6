"""You compare 8 pairs of clips in your browser, a minute of work; with --scripted, in 5 seconds."""

import http.cookiejar
import io
import json
import tempfile
import threading
import time
import urllib.request
from argparse import ArgumentParser

import numpy as np
from PIL import Image

import vlfeedback
from vlfeedback import labelling_page
from vlfeedback.preferences import accuracy
from vlfeedback.types import ArrayFrames

parser = ArgumentParser(description=__doc__)
parser.add_argument("--pairs", type=int, default=8)
parser.add_argument("--queue", default="", help="Folder that keeps pairs and answers.")
parser.add_argument("--scripted", action="store_true", help="A program answers in your place.")
args = parser.parse_args()
queue = args.queue or tempfile.mkdtemp()
rng = np.random.default_rng(0)
STEPS, STRIDE = 50, 7  # of an episode, and from one picture to the next


def episode(number):
    """A lamp that is turned up at a speed of its own, and flickers."""
    turns = rng.normal(rng.uniform(-0.005, 0.02), 0.02, STEPS)
    light = np.clip(np.cumsum(np.r_[0.3, turns]), 0, 1).astype(np.float32)
    times = np.arange(1, STEPS + 1, STRIDE)
    pictures = np.full((len(times), 120, 160, 3), 30, np.uint8)
    pictures[:, 30:90, 50:110] = (255 * light[times]).astype(np.uint8)[:, None, None, None]
    return vlfeedback.Trajectory(
        observations=light[:, None],
        actions=turns[:, None].astype(np.float32),
        env_rewards=np.diff(light),
        truncated=True,
        frames=ArrayFrames(times, pictures),
        id=f"lamp-{number}",
    )


def answer_all(address):
    """Ask for pair after pair, as the page does, and prefer the clip that ends brighter."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(jar)
    opener.open(address.url).close()
    site = address.url.partition("?")[0]

    def ask(question, **content):
        headers = {"Content-Type": "application/json"}
        body = json.dumps(content).encode()
        with opener.open(urllib.request.Request(f"{site}api/{question}", body, headers)) as reply:
            return json.load(reply)["pair"]

    def brightness(clip):
        with opener.open(site + clip["sheet"]) as reply:
            sheet = np.asarray(Image.open(io.BytesIO(reply.read())))
        row, column = divmod(clip["pictures"] - 1, clip["columns"])
        return sheet[row * clip["height"] :, column * clip["width"] :][60, 80, 0]

    while True:
        if (pair := ask("next")) is None:
            time.sleep(0.1)
            continue
        side = max(("left", "right"), key=lambda side: brightness(pair[side]))
        ask("answer", pair=pair["number"], said=side)


def announce(address):
    """What happens once the page can be opened."""
    print(f"Open {address.url}\nand say in which clip the lamp gets brighter.")
    if args.scripted:
        threading.Thread(target=answer_all, args=[address], daemon=True).start()
    is_open.set()


is_open = threading.Event()
page = {"target": labelling_page.serve, "args": [queue]}
threading.Thread(**page, kwargs={"port": 0, "announce": announce}, daemon=True).start()
is_open.wait(60)

clips = [episode(number).segment(0, STEPS) for number in range(2 * args.pairs)]
pairs = list(zip(clips[::2], clips[1::2], strict=True))
people = vlfeedback.make_preference_source("human", queue=queue, frame_stride=STRIDE, undo_s=2.0)
labels = vlfeedback.label_pairs(pairs, people, instruction="turn the lamp up").labels

truth = vlfeedback.label_pairs(pairs, vlfeedback.make_preference_source("teacher")).labels
print(f"\n{labels}, {labels.seconds.sum():.0f} s of your time")
print(f"right by how much light was gained: {accuracy.label_accuracy(labels, truth):.0%}")
again = vlfeedback.label_pairs(pairs, people, instruction="turn the lamp up").labels
print(f"asked again: the same {int(again.answered.sum())} answers, and nobody was asked.")
