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

    def labels(folder: Path) -> PreferenceDataset:
        episodes = list(open_dataset(folder / "cartpole").read())
        return PreferenceDataset.load(folder / "labels.parquet", episodes)

    assert len(labels(broken)) == 300 and labels(broken).digest() == labels(unbroken).digest()
    digests = {RewardModel.load(f / "reward.safetensors").digest() for f in (broken, unbroken)}
    assert len(digests) == 1
    for one, other in zip(
        open_dataset(broken / "relabelled").read(),
        open_dataset(unbroken / "relabelled").read(),
        strict=True,
    ):
        assert one.rewards is not None and one.env_rewards is not None
        np.testing.assert_array_equal(one.rewards, other.rewards)
        np.testing.assert_array_equal(one.observations, other.observations)
    killed, whole = (TrainedPolicy.load(folder / "policy") for folder in (broken, unbroken))
    assert killed.curve.to_json() == whole.curve.to_json() and len(whole.curve) == 30
    states = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.testing.assert_array_equal(killed.algo.predict(states), whole.algo.predict(states))
