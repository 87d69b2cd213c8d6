"""What an outcome depends on is known by content: files that settings name, sources, pictures."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.contents import (
    DigestedFrames,
    digest_of_source,
    digests_of_files,
    digests_of_source,
    file_digest,
    trajectory_digest,
)
from vlfeedback.data.cut_off import cut_off
from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.scoring.cached_embeddings import CachedEmbeddings
from vlfeedback.testing import BrightnessEmbedder, BrightnessReward, KnownLabeller
from vlfeedback.types import ArrayFrames, SourceNeeds, Trajectory


def test_a_file_that_is_replaced_under_its_name_has_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    before = file_digest(path)
    assert before == "7692c3ad3540bb80"  # sha256 of "one"
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 0))  # of the same size, and its time set back
    assert file_digest(path) != before


def test_a_file_is_read_once_while_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(b"one")
    digest = file_digest(tmp_path / "weights.bin")

    def unread(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(Path, "open", unread)
    assert file_digest(tmp_path / "x" / ".." / "weights.bin") == digest


def test_every_setting_that_names_a_file_counts_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    a = str(tmp_path / "a.png")
    settings = {"goal": [a, "none.png"], "inner": {"path": Path(a)}, "n": 3, "text": "x" * 5000}
    assert digests_of_files(settings) == {
        "goal.0": "7692c3ad3540bb80",
        "inner.path": "7692c3ad3540bb80",
    }


@dataclasses.dataclass(frozen=True)
class PathConfig:
    path: str


class Plugin:
    """A source that says of itself what it can."""

    needs = SourceNeeds(observations=True)

    def __init__(self, path: str, content_id: str = "") -> None:
        self.config, self.content_id = PathConfig(path), content_id


def test_a_source_is_its_files_and_what_else_it_says_of_itself(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"one")
    assert digests_of_source(Plugin(str(tmp_path / "w"))) == {"path": "7692c3ad3540bb80"}
    assert digest_of_source(Plugin("no file")) == ""
    first, second = Plugin("", content_id="1"), Plugin("", content_id="2")
    assert digests_of_source(first) != digests_of_source(second)
    assert digest_of_source(KnownLabeller()) == ""


def test_a_wrapped_source_and_a_labeller_made_of_one_speak_of_the_source_within() -> None:
    inner = BrightnessEmbedder()
    assert digests_of_source(CachedEmbeddings(inner)) == digests_of_source(inner)

    class Named(BrightnessReward):
        content_id = "1"

    class Other(BrightnessReward):
        content_id = "2"

    labels = [digest_of_source(PreferenceFromReward(source())) for source in (Named, Other)]
    assert labels[0] != labels[1] and "" not in labels
    assert digest_of_source(PreferenceFromReward(BrightnessReward())) == ""


def episode(fill: int) -> Trajectory:
    pictures = np.full((6, 16, 16, 3), fill, np.uint8)
    pictures[0] = 9
    return Trajectory(
        observations=np.zeros((6, 2), np.float32),
        actions=np.zeros((5, 1), np.float32),
        env_rewards=np.zeros(5, np.float32),
        frames=ArrayFrames(np.arange(6), pictures),
        id="e",
    )


@pytest.mark.parametrize("name", ["observations", "actions", "env_rewards"])
def test_every_array_that_a_source_may_read_tells_trajectories_apart(name: str) -> None:
    one = episode(1)
    other = dataclasses.replace(one, **{name: getattr(one, name) + 1})
    assert trajectory_digest(one) != trajectory_digest(other)


def test_pictures_count_where_they_are_read_and_only_those() -> None:
    one, other = episode(1), episode(2)
    assert trajectory_digest(one) == trajectory_digest(other)
    assert trajectory_digest(one, np.array([0])) == trajectory_digest(other, np.array([0]))
    assert trajectory_digest(one, np.array([0, 3])) != trajectory_digest(other, np.array([0, 3]))


@pytest.mark.parametrize("pictures", ["lzf", "video"])
def test_pictures_in_a_file_are_told_apart_without_being_decoded(
    tmp_path: Path, pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pictures == "video":
        pytest.importorskip("av")
    for name, fill in (("a", 1), ("c", 2)):
        path = tmp_path / f"{name}.h5"
        write_trajectories(path, [episode(fill)], pictures=pictures)  # type: ignore[arg-type]
    shutil.copy(tmp_path / "a.h5", tmp_path / "b.h5")
    files = [read_trajectories(tmp_path / f"{name}.h5")[0] for name in "abc"]

    def undecoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(type(files[0].frames), "read", undecoded)
    for change in (lambda t: t, lambda t: cut_off(t, 3)):
        a, b, c = (trajectory_digest(change(t), np.arange(4)) for t in files)
        assert a == b != c
    assert isinstance(files[0].frames, DigestedFrames)
