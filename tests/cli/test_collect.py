"""`vlfeedback collect`, from the command line to the files."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.warm_python import command_line

from vlfeedback.cli import main
from vlfeedback.collecting import complete_settings
from vlfeedback.collecting.episodes import collect_level
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import InvalidTypeError
from vlfeedback.tasks import get_task
from vlfeedback.types import Trajectory

SMALL = ["--tasks", "reach", "--episodes", "1", "--horizon", "20", "--workers", "1"]
SMALL += ["--frame-size", "16"]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return command_line("collect", *arguments, cwd=cwd)


def run_here(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit code and message of a command that starts no worker."""
    monkeypatch.setattr(sys, "argv", ["vlfeedback", "collect", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


def contents(root: Path) -> dict[str, dict[str, Any]]:
    return {t.id: elements(t) for t in Collection.open(root).load("reach")}


def elements(trajectory: Trajectory) -> dict[str, Any]:
    assert trajectory.frames is not None
    return {
        "pictures": trajectory.frames.read(trajectory.frames.times).tolist(),
        "times": trajectory.frames.times.tolist(),
        "observations": trajectory.observations.tolist(),
        "actions": trajectory.actions.tolist(),
        "rewards": np.asarray(trajectory.env_rewards).tolist(),
        "successes": np.asarray(trajectory.successes).tolist(),
        "info": trajectory.facts(),
    }


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("metaworld")
    out = tmp_path_factory.mktemp("collected") / "mtvlp"
    done = run("--out", str(out), *SMALL)
    assert done.returncode == 0, done.stderr
    assert "4 trajectories collected" in done.stdout
    assert "vlfeedback label --data" in done.stdout
    return out


def test_a_task_is_collected_in_three_levels(collected: Path) -> None:
    trajectories = Collection.open(collected).load("reach", ["expert", "medium", "random"])
    assert [t.level for t in trajectories] == ["expert", "medium", "random"]
    for trajectory in trajectories:
        assert len(trajectory) == 20 and trajectory.observations.shape == (21, 39)
        assert trajectory.frames is not None
        assert trajectory.frames.times.tolist() == [0, 1, 8, 15]
        assert trajectory.frames.read([15]).shape == (1, 16, 16, 3)
    names = {path.name for path in (collected / "reach").iterdir()}
    assert names == {"expert.h5", "medium.h5", "random.h5", "scattered.h5"}
    assert {path.name for path in collected.iterdir()} == {"collection.json", "reach"}


def test_scattered_scenes_come_with_it(collected: Path) -> None:
    (scenes,) = Collection.open(collected).load("reach", ["scattered"])
    assert scenes.level == "scattered" and scenes.env_rewards is scenes.successes is None
    assert scenes.frames is not None
    assert scenes.frames.times.tolist() == list(range(23))
    assert scenes.frames.read([0]).shape == (1, 16, 16, 3)


@pytest.mark.slow
def test_flawed_and_idle_episodes_come_where_they_are_asked_for(
    tmp_path: Path, collected: Path
) -> None:
    """And, as all others, the same from one worker or two, in any look."""
    made = []
    for name, options in (
        ("one", ("--workers", "1")),
        ("two", ("--workers", "2")),
        ("varied", ("--workers", "1", "--env-option", "looks=varied")),
    ):
        done = run("--out", str(tmp_path / name), *SMALL, *options, "--levels", "flawed,idle")
        assert done.returncode == 0, done.stderr
        made.append(Collection.open(tmp_path / name).load("reach"))
    one, two, varied = made
    assert [t.level for t in one] == ["flawed", "idle"]
    assert one[0].info.keys() == {"flaw", "since"}
    assert [t.env_options for t in varied] == [{"looks": "varied"}] * 2
    for plain, same, other in zip(one, two, varied, strict=True):
        np.testing.assert_array_equal(plain.actions, same.actions)
        np.testing.assert_array_equal(plain.observations, other.observations)
        frames = [t.frames.read([0, 8]) for t in (plain, same, other) if t.frames is not None]
        np.testing.assert_array_equal(frames[0], frames[1])
        assert np.any(frames[0] != frames[2])


def test_seeds_belong_to_names_so_that_a_subset_repeats_the_whole(collected: Path) -> None:
    """The forty-first task of the alphabet; three levels a task, a thousand seeds a level.

    Scattered scenes came later, and their seeds follow those of all the levels of 50 tasks.
    """
    seeds = {t.level: t.seed for t in Collection.open(collected).load("reach")}
    assert seeds == {
        "expert": 40 * 3000,
        "medium": 40 * 3000 + 1000,
        "random": 40 * 3000 + 2000,
        "scattered": 50 * 3000 + 40 * 1000,
    }


def test_the_same_command_collects_only_what_is_missing_and_the_same_again(
    collected: Path,
) -> None:
    before = contents(collected)
    kept = {level: collected / "reach" / f"{level}.h5" for level in ("expert", "random")}
    times = {level: path.stat().st_mtime_ns for level, path in kept.items()}
    (collected / "reach" / "medium.h5").unlink()
    done = run("--out", str(collected), *SMALL)
    assert done.returncode == 0, done.stderr
    assert "1 trajectories collected" in done.stdout
    assert {level: path.stat().st_mtime_ns for level, path in kept.items()} == times
    assert contents(collected) == before


def test_a_finished_collection_starts_no_worker(
    collected: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vlfeedback", "collect", "--out", str(collected), *SMALL])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "0 trajectories collected" in capsys.readouterr().out


def test_other_settings_are_refused_in_one_sentence(
    collected: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(collected), *SMALL, "--seed", "1"]
    code, message = run_here(arguments, monkeypatch, capsys)
    assert code == 1
    assert message.startswith("FileFormatError: ") and len(message.splitlines()) == 1
    assert "seed was 0 and is 1" in message


def test_a_misspelt_task_is_refused_in_one_sentence_and_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path / "new"), "--tasks", "reach,drawer-clos"]
    code, message = run_here(arguments, monkeypatch, capsys)
    assert code == 1
    assert message == (
        "UnknownNameError: No task 'drawer-clos'. Did you mean 'drawer-close'? "
        "`vlfeedback list tasks` shows all 71.\n"
    )
    assert not (tmp_path / "new").exists()


def test_the_two_simulators_do_not_share_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path / "new"), "--tasks", "reach,cart-pole-balance"]
    code, message = run_here(arguments, monkeypatch, capsys)
    assert code == 2
    assert "--tasks" in message and "settings of its own" in message
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--episodes", "0"),
        ("--episodes", "1001"),  # the seeds of the next level begin there
        ("--horizon", "501"),  # Meta-World ends its episodes before
        ("--frame-stride", "0"),
        ("--random-actions", "u02"),
        ("--seed", "-1"),
    ],
)
def test_a_setting_out_of_range_leaves_no_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
) -> None:
    arguments = ["--out", str(tmp_path / "new"), *SMALL, option, value]
    code, message = run_here(arguments, monkeypatch, capsys)
    assert code == 2 and option in message
    assert not (tmp_path / "new").exists()


# CartPole --------------------------------------------------------------------------------------

CARTPOLE = ["--tasks", "cart-pole-balance", "--episodes", "2", "--workers", "1"]


def test_cartpole_is_collected_without_pictures_in_episodes_of_a_hundred_steps(
    tmp_path: Path,
) -> None:
    done = run("--out", str(tmp_path / "out"), *CARTPOLE)
    assert done.returncode == 0, done.stderr
    assert "6 trajectories collected" in done.stdout and "fit vlp" not in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "collection.json",
        "cart-pole-balance",
    }
    trajectories = Collection.open(tmp_path / "out").load("cart-pole-balance")
    assert [t.level for t in trajectories] == ["expert"] * 2 + ["medium"] * 2 + ["random"] * 2
    assert {len(t) for t in trajectories} == {100}
    assert all(t.frames is None for t in trajectories)
    assert trajectories[4].actions.min() < -0.9 and trajectories[4].actions.max() > 0.9
    # The seeds after those of Meta-World's four levels of 50 tasks.
    assert [t.seed for t in trajectories[::2]] == [200_000, 201_000, 202_000]


def test_cartpole_has_pictures_where_they_are_asked_for(tmp_path: Path) -> None:
    task = get_task("cart-pole-balance")
    settings = {"episodes": 1, "frame_stride": 50, "frame_size": 32, "seed": 3}
    settings = complete_settings([task], settings)
    collect_level(task, "medium", tmp_path / "medium.h5", settings)
    (trajectory,) = read_trajectories(tmp_path / "medium.h5")
    assert trajectory.frames is not None
    assert trajectory.frames.times.tolist() == [0, 1, 51]
    assert trajectory.frames.read([51]).shape == (1, 32, 32, 3)


def test_by_default_cartpole_has_a_hundred_thousand_steps_a_level() -> None:
    settings = complete_settings([get_task("cart-pole-balance")], {})
    assert settings["episodes"] * settings["horizon"] == 100_000


def test_cartpole_goes_on_no_longer_than_its_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path / "new"), *CARTPOLE, "--horizon", "101"]
    code, message = run_here(arguments, monkeypatch, capsys)
    assert code == 2 and "--horizon" in message and "cart-pole-balance ends at 100" in message
    assert not (tmp_path / "new").exists()


# An environment of one's own ------------------------------------------------------------------

MODULE = """
import gymnasium as gym
from vlfeedback.testing import PointReachEnv

gym.register("GreyWalk-v0", PointReachEnv, max_episode_steps=9)

def go_on(observation):
    return [1.0]
"""


def test_any_environment_is_collected_by_a_policy_and_at_random(tmp_path: Path) -> None:
    (tmp_path / "my_walk.py").write_text(MODULE)
    own = ["--env-id", "my_walk:GreyWalk-v0", "--instruction", "make it white"]
    arguments = [
        "--out",
        "out",
        *own,
        "--policy",
        "my_walk:go_on",
        "--policy",
        "slow=my_walk:go_on",
    ]
    # Modules of one's own are found in the folder that it runs in.
    done = run(*arguments, "--episodes", "2", "--workers", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 trajectories collected" in done.stdout
    assert "vlfeedback label --data out --labeller teacher" in done.stdout
    collection = Collection.open(tmp_path / "out")
    assert collection.task("grey-walk").instruction == "make it white"
    levels = {t.level: t for t in collection.load("grey-walk")}
    assert set(levels) == {"expert", "slow", "random"}
    assert levels["expert"].first_success == 4 and levels["expert"].frames is not None


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--env-id", "A-v0"], "--instruction"),
        (["--env-id", "A-v0", "--instruction", "x", "--tasks", "reach"], "--env-id"),
        (["--tasks", "reach", "--instruction", "x"], "--instruction"),
        (["--tasks", "reach", "--instruction-key", "x"], "--instruction-key"),
        (["--name", "x"], "--name"),
    ],
)
def test_an_environment_comes_with_its_instruction_and_a_task_without(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    option: str,
) -> None:
    code, message = run_here(["--out", str(tmp_path / "new"), *arguments], monkeypatch, capsys)
    assert code == 2 and option in message
    assert not (tmp_path / "new").exists()


def test_help_imports_neither_torch_nor_a_simulator() -> None:
    code = (
        "import sys; from vlfeedback.cli import main; sys.argv = ['vlfeedback', '--help']\n"
        "try:\n    main()\n"
        "finally:\n    print({'torch', 'mujoco', 'metaworld', 'h5py'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "collect" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": "a"}, "Setting 'seed' of a collection is 'a', a str; expected int."),
        ({"frame_stride": 2.5}, "is 2.5, a float; expected int."),
        ({"episodes": True}, "is True, a bool; expected int."),
        ({"random_actions": 1}, "is 1, a int; expected str."),
    ],
)
def test_settings_of_a_collection_are_of_their_types(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidTypeError) as refusal:
        complete_settings([get_task("cart-pole-balance")], settings)
    assert message in str(refusal.value)


def test_a_policys_path_may_hold_an_equals_sign_behind_its_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for prefix in ("", "medium="):
        policy = f"{tmp_path}/lr=3/sac.zip"
        arguments = ["--out", str(tmp_path / "out"), *CARTPOLE, "--policy", prefix + policy]
        code, message = run_here(arguments, monkeypatch, capsys)
        assert code != 0 and f"No policy {policy}; expected" in message.replace("\n", "")
    assert not (tmp_path / "out").exists()
