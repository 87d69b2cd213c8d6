"""`vlfeedback weights`: what files sources read, and what a file is."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from typer.testing import CliRunner

import vlfeedback
from vlfeedback.cli.app import app
from vlfeedback.encoders.clip import load_clip
from vlfeedback.encoders.resnet import ResNet
from vlfeedback.errors import CheckpointError, UnknownNameError
from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.registry import Entry, imported
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.rewards.released import released_for

WEIGHTS = Path(vlfeedback.__file__).parent / "weights"


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["weights", *arguments], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def checked(path: Path, exit_code: int = 0) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(run("check", str(path), "--json", exit_code=exit_code))
    return said


def test_every_source_that_is_listed_exists_and_every_setting_is_its_own() -> None:
    for row in json.loads(run("list", "--json")):
        config = REWARD_SOURCES.load(row["source"]).config_type  # type: ignore[attr-defined]
        for file in row["files"]:
            named = {file["setting"], *(one.split("=")[0] for one in file["choose"].split())}
            assert named <= set(config.__dataclass_fields__), (row["source"], named)


def test_every_source_of_ours_that_takes_weights_of_others_is_listed() -> None:
    listed = {row["source"] for row in json.loads(run("list", "--json"))}
    for name in REWARD_SOURCES.names():
        config = getattr(REWARD_SOURCES.load(name), "config_type", None)
        if config is not None and "checkpoint" in config.__dataclass_fields__:
            assert name in listed


def test_every_recogniser_and_loader_that_an_entry_names_is_there() -> None:
    for entry in REWARD_SOURCES.entries():
        for target in filter(None, (entry.recogniser, entry.loader)):
            assert callable(imported(entry, "reward source", target))


def test_the_sources_that_read_a_file_are_those_whose_entries_recognise_it(
    tmp_path: Path,
) -> None:
    torch.save({"vip": ResNet(18, 1024).state_dict()}, tmp_path / "vip.pt")
    loads = checked(tmp_path / "vip.pt", exit_code=1)["loads"]  # the released one is a ResNet-50
    assert list(loads) == ["vip-distance", "vip-potential"]


def test_a_plugin_that_cannot_be_asked_is_named_beside_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = Entry("bad", "no_such_module:Bad", distribution="flaky-rewards")
    monkeypatch.setitem(REWARD_SOURCES._entries, "bad", entry)
    said = checked(WEIGHTS / "vlp.mt50.safetensors")
    assert said["loads"]["vlp"] == "" and "'flaky-rewards' is broken" in said["loads"]["bad"]
    assert "'flaky-rewards' is broken" in run("list")


def test_a_licence_that_forbids_commerce_is_said() -> None:
    said = run("list", "--source", "vip-distance")
    assert "CC BY-NC" in said and "not for commercial use" in said
    assert released_for("vip-potential").non_commercial
    assert not released_for("dino-goal").non_commercial


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="No released weights are known for 'r3'"):
        run("list", "--source", "r3")


def test_the_bundled_weights_are_told_and_load() -> None:
    path = WEIGHTS / "vlp.mt50.safetensors"
    said = checked(path)
    assert said["loads"] == {"vlp": ""}
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    network, _ = load_vlp("mt50")
    assert said["n_tensors"] == len(network.state_dict())


def test_a_clip_is_told_with_its_architecture(tmp_path: Path) -> None:
    tensors = load_clip("tiny-deep", random_weights_seed=0).model.state_dict()
    torch.save(tensors, tmp_path / "clip.pt")
    said = checked(tmp_path / "clip.pt")
    assert said["settings"] == {"architecture": "tiny-deep"}
    assert said["loads"] == {"clip": "", "vlm_rm": ""}
    assert said["n_parameters"] == sum(t.numel() for t in tensors.values())
    assert said["dtypes"] == ["float32"] and said["known_as"] == ""


def test_a_file_with_a_published_hash_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.pt"
    torch.save(load_clip("tiny-deep", random_weights_seed=0).model.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = released_for("clip")
    known = replace(weights, files=(replace(weights.files[0], name="ours.pt", sha256=digest[:8]),))
    entry = replace(REWARD_SOURCES.entry("clip"), weights=known)
    monkeypatch.setitem(REWARD_SOURCES._entries, "clip", entry)
    assert checked(path)["known_as"] == "ours.pt"
    assert f"sha256 {digest} = ours.pt" in run("check", str(path))


def test_an_r3m_without_its_language_head_serves_goals_alone(tmp_path: Path) -> None:
    tensors = {f"module.{k}": t for k, t in ResNet(18, None).state_dict().items()}
    torch.save({"r3m": tensors}, tmp_path / "r3m.pt")
    said = checked(tmp_path / "r3m.pt")
    assert said["settings"] == {"size": 18} and said["loads"] == {"r3m-goal": ""}
    assert "without its language head" in said["what"]


def test_a_damaged_file_of_a_known_kind_says_what_is_missing(tmp_path: Path) -> None:
    tensors = dict(ResNet(18, None).state_dict())
    del tensors["convnet.layer3.0.conv1.weight"]
    torch.save({"r3m": tensors}, tmp_path / "r3m.pt")
    said = checked(tmp_path / "r3m.pt", exit_code=1)
    assert "layer3.0.conv1.weight" in said["loads"]["r3m-goal"]
    assert "r3m-goal: does not load" in run("check", str(tmp_path / "r3m.pt"), exit_code=1)


def test_a_file_that_no_source_reads_ends_with_an_exit_status(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pt")
    said = run("check", str(tmp_path / "a.pt"), exit_code=1)
    assert "none of the known kinds" in said and "No source reads it" in said


def test_a_truncated_file_and_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "half.pt").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(CheckpointError, match="no readable weights file"):
        run("check", str(tmp_path / "half.pt"))
    with pytest.raises(FileNotFoundError, match="No weights file"):
        run("check", str(tmp_path / "nowhere.pt"))
