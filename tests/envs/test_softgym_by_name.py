"""SoftGym's environments by their names, one in a process: on a stand-in, not on FleX."""

import functools
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from tests.envs import softgym_standin

from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.errors import BusyError, InvalidValueError, MissingExtraError, UnknownNameError
from vlfeedback.tasks import own_task
from vlfeedback_envs.softgym import SoftGymAdapter, make_softgym

ENV_ID = "vlfeedback_envs:vlfeedback/SoftGym-v0"
SIDE = softgym_standin.SIDE
APART = np.array([-1, 0, 0, 0, 1, 0, 0, 0], np.float32)  # both ends, as far as they go
STILL = np.zeros(8, np.float32)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *, first: str = "") -> None:
    """Leave a package `softgym` there, whose first line is this, and have it found."""
    (folder / "softgym" / "utils").mkdir(parents=True)
    registered = folder / "softgym" / "registered_env.py"
    shutil.copy(softgym_standin.__file__, registered)
    registered.write_text(first + registered.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "softgym" / "utils" / "normalized_env.py").write_text(
        "from softgym.registered_env import normalize\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(folder))


def forget_softgym() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "softgym"]:
        del sys.modules[name]


@pytest.fixture
def softgym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in, where SoftGym would be installed; its module `registered_env`."""
    install(tmp_path / "site", monkeypatch)
    yield importlib.import_module("softgym.registered_env")
    forget_softgym()


# By name -----------------------------------------------------------------------------------------


def test_an_environment_is_made_by_its_name_with_softgyms_settings(softgym: Any) -> None:
    with closing(make_softgym("RopeFlatten")) as env:
        assert env.action_space == gym.spaces.Box(-1, 1, (8,), np.float32)
        assert env.spec is not None and env.spec.max_episode_steps == 75
    overrides = {"horizon": 20, "render_mode": "particle"}
    with closing(make_softgym("RopeFlatten", normalize=False, overrides=overrides)) as env:
        assert env.action_space != gym.spaces.Box(-1, 1, (8,), np.float32)
        assert env.spec is not None and env.spec.max_episode_steps == 20
        assert env.softgym_env.render_mode == "particle" and env.render_mode is None
    assert softgym.env_arg_dict["RopeFlatten"]["horizon"] == 75


def test_the_fork_does_not_record_unless_it_is_asked_to(softgym: Any) -> None:
    for overrides, n_frames in [({}, 0), ({"recording": True}, 1)]:
        with closing(make_softgym("RopeFlattenEasy", overrides=overrides)) as env:
            env.reset(seed=0)
            env.step(STILL)
            assert len(env.softgym_env.video_frames) == n_frames
    assert softgym.env_arg_dict["RopeFlattenEasy"]["recording"] is True


def test_the_original_is_not_told_of_recording(softgym: Any) -> None:
    with closing(make_softgym("RopeFlatten")) as env:
        assert env.softgym_env.settings == {}


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("RopeFlaten", r"no environment 'RopeFlaten'. Did you mean 'RopeFlatten' or"),
        ("PassWaterGoal", r"It has RopeFlatten, RopeFlattenEasy\."),
    ],
)
def test_a_name_that_softgym_does_not_have_is_refused(softgym: Any, name: str, match: str) -> None:
    with pytest.raises(UnknownNameError, match=match):
        make_softgym(name)
    assert softgym.Flex.n_started == 0


@pytest.mark.parametrize(
    ("name", "look_alike"),
    [
        ("RopeFlattenEasy", "StraightenRope-v0"),
        ("RopeFlatten", "StraightenRopeFree-v0"),
        ("ClothFoldDiagonal", "FoldClothDiagonal-v0"),
        ("ClothFold", "FoldClothHalf-v0"),
    ],
)
def test_without_softgym_the_error_says_so_and_names_the_look_alike(
    name: str, look_alike: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "softgym", None)
    with pytest.raises(MissingExtraError, match=f"'{name}' needs softgym and pyflex") as caught:
        gym.make(ENV_ID, name=name)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    named = f"gymnasium.make('vlfeedback_envs:vlfeedback/{look_alike}')"
    assert str(caught.value).endswith(f"or take the look-alike on MuJoCo: {named}.")
    assert f"vlfeedback/{look_alike}" in gym.registry


def test_without_softgym_the_error_says_so_where_nothing_looks_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "softgym", None)
    with pytest.raises(MissingExtraError, match=r"of RopeFlattenEasy, .*ClothFold\.$"):
        gym.make(ENV_ID, name="PassWater")


@pytest.mark.parametrize(
    "first",
    [
        "import pyflex\n",
        # gym.error.DependencyNotInstalled, which SoftGym raises, is no ImportError
        "raise Exception('no pyflex (You need to first compile the python binding)')\n",
    ],
)
def test_without_pyflex_too(first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyflex", None)
    install(tmp_path, monkeypatch, first=first)
    with pytest.raises(MissingExtraError, match=r"failed \(.*pyflex.*StraightenRope") as caught:
        make_softgym("RopeFlatten")
    assert caught.value.__cause__ is not None
    forget_softgym()


def test_importing_the_adapter_imports_nothing_of_softgyms() -> None:
    code = (
        "import sys, vlfeedback_envs.softgym; "
        "print({'gym', 'pyflex', 'softgym', 'mujoco', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# One in a process --------------------------------------------------------------------------------


def test_a_second_one_is_refused_until_the_first_is_closed(softgym: Any) -> None:
    first = make_softgym("RopeFlatten")
    for make in (make_softgym, functools.partial(gym.make, ENV_ID)):
        with pytest.raises(BusyError, match=r"SoftGym.* is open, and FleX runs one .*env\.close"):
            make(name="RopeFlatten")
    with pytest.raises(BusyError, match=r"AsyncVectorEnv\(\.\.\., context='spawn'\)"):
        SoftGymAdapter(first.softgym_env)
    assert softgym.Flex.n_started == 1  # FleX was not started a second time
    first.close()
    second = make_softgym("RopeFlatten")
    first.close()  # again, which is not the second's business
    with pytest.raises(BusyError):
        make_softgym("RopeFlatten")
    second.close()


def test_closing_closes_flex(softgym: Any) -> None:
    env = make_softgym("RopeFlatten")
    assert softgym.Flex.is_running
    env.close()
    assert not softgym.Flex.is_running


def test_one_that_cannot_be_made_leaves_flex_closed_and_the_place_free(softgym: Any) -> None:
    with pytest.raises(InvalidValueError, match="size=0"):
        make_softgym("RopeFlatten", size=0)
    assert softgym.Flex.n_started == 1 and not softgym.Flex.is_running
    make_softgym("RopeFlatten").close()


@pytest.mark.slow  # spawns three processes
def test_several_run_in_spawned_processes(softgym: Any) -> None:
    make = functools.partial(gym.make, ENV_ID, name="RopeFlatten", disable_env_checker=True)
    with closing(gym.vector.AsyncVectorEnv([make, make], context="spawn")) as envs:
        observations, _ = envs.reset(seed=[4, 5])
        after, *_ = envs.step(np.stack([APART, STILL]))
    with closing(make()) as env:
        for row, seed in enumerate((4, 5)):
            np.testing.assert_array_equal(observations[row], env.reset(seed=seed)[0])
        np.testing.assert_array_equal(after[1], env.step(STILL)[0])


# In the library ----------------------------------------------------------------------------------


def test_an_id_makes_it_and_its_json_makes_it_again(softgym: Any) -> None:
    env = gym.make(ENV_ID, name="RopeFlattenEasy", render_mode="rgb_array", size=6)
    spec = env.spec
    assert spec is not None and spec.max_episode_steps == 40
    first, _ = env.reset(seed=3)
    env.close()
    with closing(gym.make(EnvSpec.from_json(spec.to_json()))) as again:
        np.testing.assert_array_equal(again.reset(seed=3)[0], first)
        picture: Any = again.render()
        assert picture.shape == (6, 6, 3)


def test_its_episodes_are_collected_as_a_task_of_ones_own(softgym: Any, tmp_path: Path) -> None:
    task = own_task(ENV_ID, "straighten the rope", name="rope-flatten")
    settings = {
        "episodes": 2,
        "horizon": 5,
        "frame_stride": 2,
        "frame_size": SIDE,
        "env_options": {"name": "RopeFlatten", "success_at": 0.95},
    }
    assert collect(tmp_path / "ropes", [task], settings=settings, workers=0) == 2
    episodes = Collection.open(tmp_path / "ropes").load("rope-flatten")
    assert [len(episode) for episode in episodes] == [5, 5]
    for found in episodes:
        assert found.truncated and not found.terminated
        assert found.successes is not None and found.env_rewards is not None
        # Normalised performance is 1 - |d - 0.5| / 0.5, and the reward -|d - 0.5|.
        np.testing.assert_array_equal(found.successes, 1 + found.env_rewards / 0.5 >= 0.95)
