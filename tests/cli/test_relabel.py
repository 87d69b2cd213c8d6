"""`vlfeedback relabel`, from the command line to the files."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.adapters import hdf5, npz
from vlfeedback.cli import main
from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.rewards import make_reward_source
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.scoring.relabel import relabel
from vlfeedback.types import ArrayFrames, Trajectory

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "relabel"]


def episode(seed: int, length: int = 20) -> Trajectory:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (length + 1, 8, 8, 3), dtype=np.uint8)
    return Trajectory(
        observations=rng.normal(size=(length + 1, 3)).astype(np.float32),
        actions=rng.normal(size=(length, 2)).astype(np.float32),
        env_rewards=rng.normal(size=length).astype(np.float32),
        frames=ArrayFrames(np.arange(length + 1), pictures),
        truncated=True,
        id=f"data/{seed:06d}",
    )


EPISODES = [episode(seed, 20 + seed) for seed in range(3)]


def run_here(
    *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Exit code, what was said, and the message."""
    monkeypatch.setattr(sys, "argv", ["vlfeedback", "relabel", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_a_file_of_ours_is_relabelled_with_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data.h5", tmp_path / "out.h5"
    write_trajectories(data, EPISODES)
    arguments = ["--data", str(data), "--source", "picture-energy", "--out", str(out)]
    code, said, _ = run_here(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "3 episodes, 63 steps, rewards from" in said
    assert f"vlfeedback train --learner iql --data {out} --out policy" in said
    expected = relabel(EPISODES, make_reward_source("picture-energy"))
    for read, written in zip(read_trajectories(out), expected, strict=True):
        np.testing.assert_array_equal(read.rewards, written.rewards)
        np.testing.assert_array_equal(read.env_rewards, written.env_rewards)
        assert read.frames is not None and written.frames is not None
        np.testing.assert_array_equal(read.frames.read([3]), written.frames.read([3]))
    assert {path.name for path in tmp_path.iterdir()} == {"data.h5", "out.h5"}


@pytest.mark.parametrize(("adapter", "suffix"), [(hdf5, ".hdf5"), (npz, ".npz")])
def test_a_flat_file_is_relabelled_in_its_own_layout(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    adapter: object,
    suffix: str,
) -> None:
    data, out = tmp_path / f"data{suffix}", tmp_path / f"out{suffix}"
    adapter.write(data, EPISODES)  # type: ignore[attr-defined]
    arguments = ["--data", str(data), "--source", "random", "--out", str(out)]
    settings = ["--source-config", '{"seed": 3}']
    code, _, _ = run_here(*arguments, *settings, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    expected = relabel(EPISODES, make_reward_source("random", seed=3))
    for read, written in zip(adapter.read(out), expected, strict=True):  # type: ignore[attr-defined]
        np.testing.assert_array_equal(read.rewards, written.rewards)
        np.testing.assert_array_equal(read.env_rewards, written.env_rewards)


def test_a_minari_dataset_is_relabelled_into_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    minari = pytest.importorskip("minari")
    import warnings

    import gymnasium as gym
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.chdir(tmp_path)
    buffers = [
        EpisodeBuffer(
            observations=t.observations,
            actions=t.actions,
            rewards=t.env_rewards,
            terminations=[False] * len(t),
            truncations=[False] * (len(t) - 1) + [True],
            infos={},
        )
        for t in EPISODES
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minari.create_dataset_from_buffers(
            "point/test-v0",
            buffers,
            observation_space=gym.spaces.Box(-9, 9, (3,)),
            action_space=gym.spaces.Box(-9, 9, (2,)),
        )
    arguments = ["--data", "minari:point/test-v0", "--source", "random"]
    arguments += ["--out", "minari:point/random-v0", "--instruction", "go"]
    code, _, message = run_here(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, message
    copy = minari.load_dataset("point/random-v0")
    assert copy.storage.metadata["vlfeedback"] == {
        "origin": "point/test-v0",
        "source": {"type": "random", "params": {"seed": 0}, "version": 1},
        "instruction": "go",
    }
    expected = next(relabel(EPISODES, make_reward_source("random"))).rewards
    np.testing.assert_array_equal(copy[0].rewards, expected)
    assert {path.name for path in tmp_path.iterdir()} == {"minari"}


def test_another_instruction_encodes_no_picture_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encoded = []

    def counting(source: VLPReward, frames: np.ndarray) -> torch.Tensor:
        encoded.append(len(frames))
        return read(source, frames)

    read = VLPReward._read
    monkeypatch.setattr(VLPReward, "_read", counting)
    data, cache = tmp_path / "data.h5", tmp_path / "embeddings.sqlite"
    write_trajectories(data, EPISODES)
    for text in ("close the drawer", "open the window"):
        out = tmp_path / f"{text}.h5"
        arguments = ["--data", str(data), "--source", "vlp", "--instruction", text]
        arguments += ["--cache", str(cache), "--out", str(out)]
        code, _, _ = run_here(*arguments, monkeypatch=monkeypatch, capsys=capsys)
        assert code == 0
        expected = relabel(EPISODES, make_reward_source("vlp"), instruction=text)
        for got, wanted in zip(read_trajectories(out), expected, strict=True):
            np.testing.assert_allclose(got.rewards, wanted.rewards, atol=1e-5)  # type: ignore[arg-type]
    # Resets, the steps 0, 7, 14 ... and the last: 5 pictures of each episode, by the first command
    # and by each comparison.
    assert sum(encoded) == 3 * 5 + 2 * 3 * 5


def test_a_cache_for_a_source_without_embeddings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.h5"
    write_trajectories(data, EPISODES)
    arguments = ["--data", str(data), "--source", "random", "--out", str(tmp_path / "out.h5")]
    cache = ["--cache", str(tmp_path / "embeddings.sqlite")]
    code, _, said = run_here(*arguments, *cache, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert "--cache keeps embeddings of pictures, and 'random' has none; leave it." in said


def test_pictures_that_are_lacking_name_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = EPISODES[0]
    assert first.frames is not None
    times = np.arange(1, 21, 7)
    sparse = replace(first, frames=ArrayFrames(times, first.frames.read(times)))
    write_trajectories(tmp_path / "data.h5", [sparse])
    arguments = ["--data", str(tmp_path / "data.h5"), "--source", "picture-energy"]
    arguments += ["--out", str(tmp_path / "out.h5")]
    code, _, message = run_here(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1 and message.startswith("NeedsError: PictureEnergyReward reads the picture")
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("data", "out", "message"),
    [
        ("d.h5", "minari:a/b-v0", "differ in format"),
        ("d.h5", "d.npz", "end in the same one of .h5, .hdf5, .npz"),
        ("d.h5", "there.h5", "there already; choose another name"),
        ("no.h5", "o.h5", "no such file"),
        ("empty", "o", "is a folder without episodes (*.h5)"),
        ("folder", "o", "folder/expert.h5 is no readable"),
        ("collected", "o.h5", "is a folder and so is its copy; o.h5 names a file"),
        ("collected", "collected/o", "lies in collected, of which it is to be a copy"),
        ("hub:folder", "o.h5", "of no known format"),
        ("lerobot:folder", "lerobot:other", "has no meta/info.json"),
        ("text.h5", "o.h5", "is no readable"),
    ],
)
def test_what_cannot_be_relabelled_is_said_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    data: str,
    out: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_trajectories(Path("d.h5"), EPISODES[:1])
    Path("empty").mkdir()
    write_trajectories(Path("collected/task/expert.h5"), EPISODES[:1])
    for name in ("there.h5", "text.h5", "folder/expert.h5"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("")
    code, _, error = run_here(
        "--data", data, "--source", "random", "--out", out, monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 1 and message in error
    assert Path("there.h5").read_text() == ""


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--reading", "{"], "--reading is '{'; expected a JSON object"),
        (["--reading", '{"camera": "top"}'], "has nothing to choose"),
        (["--source-config", "[1]"], "--source-config is '[1]'; expected a JSON object"),
    ],
)
def test_settings_that_are_none_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
    message: str,
) -> None:
    write_trajectories(tmp_path / "d.h5", EPISODES[:1])
    arguments = ["--data", str(tmp_path / "d.h5"), "--out", str(tmp_path / "o.h5")]
    code, _, error = run_here(
        *arguments, "--source", "random", *option, monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 1 and message in error


def test_an_unknown_setting_of_an_adapter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.write(tmp_path / "d.npz", EPISODES)
    arguments = ["--data", str(tmp_path / "d.npz"), "--out", str(tmp_path / "o.npz")]
    settings = ["--source", "random", "--reading", '{"camera": "top"}']
    code, _, error = run_here(*arguments, *settings, monkeypatch=monkeypatch, capsys=capsys)
    assert (
        code == 1 and "has no setting 'camera'. It has: trust_terminals, episode_length." in error
    )


@pytest.mark.slow
def test_a_killed_command_goes_on_where_it_was(tmp_path: Path) -> None:
    many = [replace(episode(0, 50), id=str(seed), frames=None) for seed in range(200)]
    data, out = tmp_path / "data.h5", tmp_path / "out.h5"
    write_trajectories(data, many)
    arguments = ["--data", str(data), "--source", "random", "--out", str(out)]
    command = [*COMMAND, *arguments, "--batch-size", "50"]
    finished = tmp_path / "out.h5.rewards"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        for _ in range(600):
            if len(list(finished.glob("*.safetensors"))) > 2 or process.poll() is not None:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert 0 < len(list(finished.glob("*.safetensors"))) < 200
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(read_trajectories(out)) == 200
    assert {path.name for path in tmp_path.iterdir()} == {"data.h5", "out.h5"}
    expected = next(relabel(many, make_reward_source("random"))).rewards
    assert all(np.array_equal(t.rewards, expected) for t in read_trajectories(out))  # type: ignore[arg-type]
