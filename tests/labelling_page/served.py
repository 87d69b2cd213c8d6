"""A labelling page served by a process of its own, and people who use it by HTTP or a browser."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from vlfeedback.types import SegmentBatch, SegmentPairs

GOAL = "make it bright"
KEYS = {
    "left": Keys.ARROW_LEFT,
    "right": Keys.ARROW_RIGHT,
    "equal": Keys.ARROW_DOWN,
    "unsure": Keys.SPACE,
    "undo": "u",
}
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--window-size=1280,800"),
)
_PATIENCE_S = 60  # of a machine that is busy; nothing is measured


def pairs(values: Sequence[tuple[float, float]], *, goal: str = GOAL) -> SegmentPairs:
    """Pairs of grey clips of three pictures; the value, 0 to 1, is how bright they get."""

    def side(place: int) -> SegmentBatch:
        ends = 255 * np.array([pair[place] for pair in values])
        frames = np.zeros((len(values), 3, 16, 16, 3), np.uint8)
        for n in range(3):
            frames[:, n] = (ends * (n + 1) / 3).round()[:, None, None, None]
        return SegmentBatch(
            frames=frames,
            frame_steps=np.array([0, 7, 14]),
            length=15,
            instructions=[goal] * len(values),
        )

    return SegmentPairs(side(0), side(1))


def pairs_in_order(n: int) -> SegmentPairs:
    """Pairs of which the second is brighter in every other one; no two are the same."""
    steps = [(k + 1) / (n + 2) for k in range(n)]
    return pairs([(v, v + 0.5 / n) if k % 2 else (v + 0.5 / n, v) for k, v in enumerate(steps)])


class Server:
    """``vlfeedback serve`` in a process of its own."""

    def __init__(self, queue: Path, *options: str, port: int = 0) -> None:
        command = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "serve"]
        self._process = subprocess.Popen(
            [*command, str(queue), "--port", str(port), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        match = re.fullmatch(r"Open (http://\S+:(\d+)/\S*)\n", first)
        assert match is not None, first + self._process.stdout.read()
        self.url, self.port = match[1], int(match[2])

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()


class Person:
    """Somebody who asks the server what the page asks it."""

    def __init__(self, url: str) -> None:
        self.site = url.partition("?")[0]
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self.get(url)

    def get(self, url: str) -> bytes:
        with self._opener.open(url, timeout=_PATIENCE_S) as response:
            content: bytes = response.read()
            return content

    def ask(self, question: str, **content: Any) -> Any:
        request = urllib.request.Request(
            f"{self.site}api/{question}",
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=_PATIENCE_S) as response:
            return json.load(response)


class Browser:
    """Headless Chromium with the page open."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        driver.get(url)

    @property
    def state(self) -> str:
        return self._of_body("state")

    @property
    def pair(self) -> str:
        """Number of the pair on the screen, "" for none."""
        return self._of_body("pair")

    def text(self, id: str) -> str:
        return self.driver.find_element(By.ID, id).text

    def script(self, code: str) -> Any:
        return self.driver.execute_script(code)

    def wait(self, *states: str, other_than: str = "") -> str:
        """Until the page is in one of these states with another pair; the pair's number."""

        def is_there(driver: webdriver.Chrome) -> bool:
            return self.state in states and (not self.pair or self.pair != other_than)

        WebDriverWait(self.driver, _PATIENCE_S, poll_frequency=0.02).until(is_there)
        return self.pair

    def wait_for_text(self, id: str, text: str) -> None:
        WebDriverWait(self.driver, _PATIENCE_S, poll_frequency=0.05).until(
            lambda driver: text in self.text(id)
        )

    def wait_until(self, code: str) -> None:
        """Until a script returns true."""
        WebDriverWait(self.driver, _PATIENCE_S, poll_frequency=0.02).until(
            lambda driver: bool(self.script(code))
        )

    def press(self, key: str) -> None:
        self.driver.find_element(By.TAG_NAME, "body").send_keys(KEYS.get(key, key))

    def brightness(self) -> tuple[int, int]:
        """How bright the newest picture is on the left and on the right, 0 to 255."""
        values = self.script(
            "played = pictureTimes().whole - 1; pause(true); draw();"
            "return ['left', 'right'].map("
            "(id) => document.getElementById(id).getContext('2d').getImageData(3, 3, 1, 1).data[0])"
        )
        left, right = values
        return int(left), int(right)

    def say_which_is_brighter(self) -> str:
        """Press the key of the brighter side, and wait for the next pair; what was pressed."""
        before = self.pair
        left, right = self.brightness()
        said = "left" if left > right else "right"
        self.press(said)
        self.wait("ready", "waiting", other_than=before)
        return said

    def _of_body(self, name: str) -> str:
        return str(self.script(f"return document.body.dataset.{name} || ''"))


@contextlib.contextmanager
def chromium(profile: Path, *options: str) -> Iterator[webdriver.Chrome]:
    """A browser whose profile is this new folder; Debian's, so that nothing is downloaded."""
    settings = webdriver.ChromeOptions()
    settings.binary_location = "/usr/bin/chromium"
    for option in (*_OPTIONS, *options, f"--user-data-dir={profile}"):
        settings.add_argument(option)
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=settings, service=service)
    try:
        yield driver
    finally:
        driver.quit()
