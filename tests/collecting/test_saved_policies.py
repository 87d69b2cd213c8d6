"""Policies from files act as they did, and a collection says which file it was."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.collecting import collect, roll_out
from vlfeedback.data.collection import Collection
from vlfeedback.data.contents import file_digest
from vlfeedback.errors import CheckpointError, FileFormatError, UnknownNameError
from vlfeedback.tasks import TaskSpec, get_task, own_task
from vlfeedback.types import Trajectory

SETTINGS: dict[str, Any] = {"horizon": 5, "frame_stride": 0, "frame_size": 8}
SMALL = {"episodes": 2, "horizon": 5}
CART_POLE = get_task("cart-pole-balance")


def act(task: TaskSpec, policy: Path, seeds: list[int]) -> list[Trajectory]:
    return list(roll_out(task, "expert", seeds, SETTINGS, policy=str(policy)))


@pytest.fixture
def pendulum() -> TaskSpec:
    return own_task("Pendulum-v1", "swing the rod up")


@pytest.fixture
def sac(tmp_path: Path) -> Path:
    sb3 = pytest.importorskip("stable_baselines3")
    sb3.SAC("MlpPolicy", "Pendulum-v1", seed=0, device="cpu").save(tmp_path / "sac.zip")
    return tmp_path / "sac.zip"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The folder of a training of a few steps."""
    pytest.importorskip("d3rlpy")
    from vlfeedback.offline import train_policy

    recorded = list(roll_out(CART_POLE, "random", [0, 1], SETTINGS))
    train_policy(
        "bc", trajectories=recorded, preset="smoke", n_steps=5, seed=0, out=tmp_path / "bc"
    )
    return tmp_path / "bc"


def test_a_policy_of_stable_baselines3_draws_its_actions_by_the_episodes_seed(
    pendulum: TaskSpec, sac: Path
) -> None:
    import torch

    before = torch.get_rng_state()
    first, second = act(pendulum, sac, [3, 4])
    (again,) = act(pendulum, sac, [4])
    np.testing.assert_array_equal(second.actions, again.actions)
    assert not np.array_equal(first.actions, second.actions)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.abs(first.actions).max() <= 2 and first.actions.dtype == np.float32


def test_its_draws_scatter_about_its_best_action(pendulum: TaskSpec, sac: Path) -> None:
    from vlfeedback.adapters.sb3 import load_policy

    env: gym.Env[Any, Any] = gym.make("Pendulum-v1")
    best = load_policy(sac, env.observation_space, env.action_space)
    (shown,) = act(pendulum, sac, [0])
    means, _ = best.predict(shown.observations[:-1], deterministic=True)
    assert 0 < np.abs(shown.actions - means).max() < 4


@pytest.mark.parametrize("as_file", [False, True])
def test_a_policy_of_this_library_takes_its_best_actions(trained: Path, as_file: bool) -> None:
    from vlfeedback.offline.trained_policy import TrainedPolicy

    (shown,) = act(CART_POLE, trained / "policy.d3" if as_file else trained, [2])
    best = TrainedPolicy.load(trained).algo.predict(shown.observations[:-1])
    np.testing.assert_allclose(shown.actions, np.clip(best, -1, 1), atol=1e-5)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_collection_of_a_files_policy_says_which_file_it_was(
    trained: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / f"out{workers}"
    policies = {"medium": str(trained)}
    made = collect(
        out, [CART_POLE], settings=SMALL, levels=["medium"], policies=policies, workers=workers
    )
    assert made == 2
    name = f"bc {file_digest(trained / 'policy.d3')}"
    noted = json.loads((out / "cart-pole-balance" / "task.json").read_text())
    assert noted["policies"] == {"medium": name}
    episodes = Collection.open(out).load("cart-pole-balance", ["medium"])
    assert {t.info["policy"] for t in episodes} == {name}


def test_a_collection_does_not_go_on_with_another_policy_of_the_same_name(
    trained: Path, tmp_path: Path
) -> None:
    def go_on() -> int:
        return collect(
            tmp_path / "out",
            [CART_POLE],
            settings=SMALL,
            levels=["expert"],
            policies={"expert": str(trained)},
            workers=0,
        )

    assert go_on() == 2 and go_on() == 0
    path = trained / "policy.d3"
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(FileFormatError, match="Use the same to go on, or another folder"):
        go_on()


def test_files_that_are_not_there_or_of_no_kind_are_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    def collect_with(policy: str) -> None:
        collect(tmp_path / "out", [CART_POLE], settings=SMALL, policies={"expert": policy})

    (tmp_path / "empty").mkdir()
    (tmp_path / "policy.pt").touch()
    with pytest.raises(FileNotFoundError, match=r"No policy sac\.zip; expected the folder of a"):
        collect_with("sac.zip")
    with pytest.raises(FileNotFoundError, match=r"No policy .*empty"):
        collect_with(str(tmp_path / "empty"))
    with pytest.raises(UnknownNameError, match=r"policy\.pt'; expected the folder of a training"):
        collect_with(str(tmp_path / "policy.pt"))
    assert not (tmp_path / "out").exists()


def test_a_policy_of_another_environment_is_refused(sac: Path) -> None:
    with pytest.raises(CheckpointError, match="no readable policy for this environment"):
        act(CART_POLE, sac, [0])
