"""From nothing to a policy in a shell: five commands, each of which names the next one.

Each is killed outright once and typed again; what comes out is what an unbroken chain gives.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.adapters.formats import open_dataset
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.offline import TrainedPolicy

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()"]

COLLECT = "collect --tasks cart-pole-balance --episodes 60 --horizon 60 --workers 1 --out cartpole"
LABEL = (
    "label --data cartpole --labeller teacher.mistake --pairs 300 --length 20 --batch-size 1 "
    "--out labels.parquet"
)
FIT = (
    "fit reward --data cartpole --labels labels.parquet --members 1 --epochs 200 "
    "--target-accuracy 1 --out reward.safetensors"
)
RELABEL = (
    'relabel --data cartpole --source learned --source-config \'{"path": "reward.safetensors"}\' '
    "--batch-size 60 --out relabelled"
)
TRAIN = (
    "train --learner iql --data relabelled --preset smoke --steps 600 --eval-every 20 "
    "--episodes 2 --horizon 20 --out policy"
)

SECOND = ("BusyError: Another process ", "FileExistsError: ")

CHAIN: list[tuple[str, str, Callable[[Path], bool], str]] = [
    # what is typed, what it writes, when it is killed, and the command that it names next
    (COLLECT, "cartpole", lambda at: bool(list(at.glob("cartpole/*/*.h5"))), "vlfeedback label"),
    (
        LABEL,
        "labels.parquet",
        lambda at: len(list(at.glob("labels.parquet.parts/*.parquet"))) > 20,
        "vlfeedback fit reward --data cartpole --labels labels.parquet",
    ),
    (
        FIT,
        "reward.safetensors",
        lambda at: (at / "reward.training.safetensors").is_file(),
        "vlfeedback relabel --data cartpole --source learned --source-config "
        '\'{"path": "reward.safetensors"}\'',
    ),
    (
        RELABEL,
        "relabelled",
        lambda at: len(list(at.glob("relabelled.rewards/*.safetensors"))) > 5,
        "vlfeedback train --learner iql --data relabelled",
    ),
    (TRAIN, "policy", lambda at: (at / "policy/training/state.safetensors").is_file(), ""),
]


def type_in(folder: Path, line: str) -> str:
    done = subprocess.run(
        [*COMMAND, *shlex.split(line)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\n", " ")


def kill(folder: Path, line: str, when: Callable[[Path], bool]) -> None:
    """Type a command and kill it, its workers left alone, once it has begun to write."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*COMMAND, *shlex.split(line)], cwd=folder, **silent) as process:  # type: ignore[call-overload]
        for _ in range(60_000):
            if when(folder) or process.poll() is not None:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, f"{line} ended before it was killed"


def assert_same(first: Path, second: Path) -> None:
    """The same labels, model, rewards and policy came out in both folders."""

    def labels(folder: Path) -> PreferenceDataset:
        episodes = list(open_dataset(folder / "cartpole").read())
        return PreferenceDataset.load(folder / "labels.parquet", episodes)

    assert len(labels(first)) == 300 and labels(first).digest() == labels(second).digest()
    digests = {RewardModel.load(f / "reward.safetensors").digest() for f in (first, second)}
    assert len(digests) == 1
    for one, other in zip(
        open_dataset(first / "relabelled").read(),
        open_dataset(second / "relabelled").read(),
        strict=True,
    ):
        assert one.rewards is not None and one.env_rewards is not None
        np.testing.assert_array_equal(one.rewards, other.rewards)
        np.testing.assert_array_equal(one.observations, other.observations)
    one_policy, other_policy = (TrainedPolicy.load(folder / "policy") for folder in (first, second))
    assert one_policy.curve.to_json() == other_policy.curve.to_json()
    assert len(other_policy.curve) == 30
    states = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        one_policy.algo.predict(states), other_policy.algo.predict(states)
    )


@pytest.mark.slow
def test_each_command_names_the_next_and_goes_on_after_it_was_killed(tmp_path: Path) -> None:
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    for folder in (broken, unbroken):
        folder.mkdir()
    for line, out, when, following in CHAIN:
        kill(broken, line, when)
        assert following in type_in(broken, line)
        assert following in type_in(unbroken, line)
        assert (broken / out).exists()
        left = [path.name for path in broken.rglob("*") if "training" in path.parts]
        assert (
            left == [] and not list(broken.glob("*.rewards")) and not list(broken.glob("*.parts"))
        )
    assert_same(broken, unbroken)


def type_twice(folder: Path, line: str) -> list[tuple[int, str]]:
    """Type a command in two shells at once: how each ended, and what it said of errors."""
    processes = [
        subprocess.Popen(
            [*COMMAND, *shlex.split(line)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def check_done_once(folder: Path, line: str) -> None:
    """Of two equal commands at once one works; the other is refused, or finds the work done."""
    ended = type_twice(folder, line)
    assert 0 in [code for code, _ in ended], ended
    for code, said in ended:
        assert "Traceback" not in said
        assert code == 0 or (code == 1 and said.splitlines()[-1].startswith(SECOND)), said


@pytest.mark.slow
def test_each_command_typed_twice_at_once_is_done_once(tmp_path: Path) -> None:
    """The one that comes second is refused in a sentence, or finds the work done."""
    twice, once = tmp_path / "twice", tmp_path / "once"
    for folder in (twice, once):
        folder.mkdir()
    for line, *_ in CHAIN:
        check_done_once(twice, line)
        type_in(once, line)
    assert_same(twice, once)
