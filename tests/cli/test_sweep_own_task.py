"""`vlfeedback sweep` on a task of one's own."""

from pathlib import Path

import pytest
from tests.cli.test_sweep import row
from tests.warm_python import command_line

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories

MODULE = """
import gymnasium as gym
from vlfeedback.testing import PointReachEnv

gym.register("GreyWalk-v0", PointReachEnv, max_episode_steps=9)

def go_on(observation):
    return [1.0]
"""

OWN_SWEEP = """
claim = "it runs"
tasks = ["grey-walk"]
levels = ["expert", "random"]
seeds = [0]
steps = 10
pairs = { count = 8, length = 3, sampler = "uniform" }
evaluation = { every = 10, episodes = 2 }
[labels.teacher]
[learners.cpl]
settings = { bc_steps = 5 }
"""

OWN_TASK = """
[own_tasks.grey-walk]
env_id = "my_walk:GreyWalk-v0"
instruction = "make it white"
"""


@pytest.mark.slow
def test_a_task_of_ones_own_is_compared_by_its_data_or_by_the_sweeps_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("d3rlpy")
    (tmp_path / "my_walk.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    own = ["--env-id", "my_walk:GreyWalk-v0", "--instruction", "make it white"]
    own += ["--policy", "my_walk:go_on", "--episodes", "4", "--workers", "2"]
    collected = command_line("collect", "--out", "data", *own)
    assert collected.returncode == 0, collected.stderr
    write_trajectories(Path("all.h5"), Collection.open(Path("data")).load("grey-walk"))
    for name, text, data in (("folder", "", "data"), ("file", OWN_TASK, "all.h5")):
        Path(f"{name}.toml").write_text(OWN_SWEEP + text)
        done = command_line("sweep", f"{name}.toml", "--out", name, "--data", data)
        assert done.returncode == 0, done.stdout + done.stderr
        said = row(tmp_path / name, "grey-walk_teacher_cpl_0")
        assert said["settings"]["env_id"] == "my_walk:GreyWalk-v0"
        assert said["settings"]["source"]["instruction"] == "make it white"
        assert len(said["returns"][0]) == 2
        assert command_line("report", name).returncode == 0
