from pathlib import Path
from typing import Any

import pytest

from vlfeedback.data.store import ResumableFolder, check_same_settings
from vlfeedback.data.writable import check_writable
from vlfeedback.errors import FileFormatError


def begin(root: Path, **settings: object) -> ResumableFolder:
    return ResumableFolder.begin(root, settings, manifest="rewards.json", holds="rewards")


def test_a_folder_goes_on_with_the_settings_it_was_begun_with(tmp_path: Path) -> None:
    begin(tmp_path / "new", seed=1, levels=("a", "b")).write("0.bin", b"part")
    again = begin(tmp_path / "new", seed=1, levels=["a", "b"])
    assert again.has("0.bin") and not again.has("1.bin")
    assert again.settings == {"seed": 1, "levels": ["a", "b"]}


def test_other_settings_are_refused_and_every_difference_is_named(tmp_path: Path) -> None:
    begin(tmp_path, seed=1, source={"id": "vlp", "config": {"weights": "mt45"}})
    with pytest.raises(
        FileFormatError,
        match=r"seed was 1 and is 2, source config weights was 'mt45' and is 'mt50'\. Use the same",
    ):
        begin(tmp_path, seed=2, source={"id": "vlp", "config": {"weights": "mt50"}})


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileFormatError, match="is not empty and holds no rewards"):
        begin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_process_that_tries_whether_it_may_write_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []

    def write_and_begin(path: Path, contents: bytes) -> int:
        size = write(path, contents)
        monkeypatch.undo()  # what is begun here writes as ever
        begun.append(begin(tmp_path, seed=1).settings)
        return size

    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", write_and_begin)
    check_writable(tmp_path, folder=True)
    assert begun == [{"seed": 1}]


def test_what_a_killed_process_left_does_not_keep_a_folder_from_being_begun(tmp_path: Path) -> None:
    (tmp_path / "rewards.json.17-ab.partial").touch()
    assert begin(tmp_path, seed=1).settings == {"seed": 1}


def test_a_damaged_manifest_is_refused_with_what_to_do(tmp_path: Path) -> None:
    begin(tmp_path)
    (tmp_path / "rewards.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"Delete .* and start again"):
        begin(tmp_path)


def test_equal_settings_pass_whatever_their_sequences_are_called() -> None:
    check_same_settings({"a": (1, 2)}, {"a": [1, 2]}, where="it", advice="")
