from pathlib import Path

import pytest

from vlfeedback.data.whole_files import delete_partials, new_file, new_folder, read_json, write_json
from vlfeedback.errors import FileFormatError


def test_a_file_is_there_when_the_block_ends_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.npz"
    with new_file(path) as partial:
        partial.write_text("whole", encoding="utf-8")
        assert partial.suffix == ".partial" and not path.exists()
    assert path.read_text(encoding="utf-8") == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_after_an_error_the_file_is_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(RuntimeError, match="halfway"), new_file(path) as partial:
        partial.write_text("hal", encoding="utf-8")
        raise RuntimeError("halfway")
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "table.npz"):
        pass


def test_two_writers_of_one_file_never_share_the_name_they_write_to(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    with new_file(path) as one, new_file(path) as other:
        assert one != other
        one.write_text("one", encoding="utf-8")
        other.write_text("other", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "one"  # the outer block ends last
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_there_when_the_block_ends_and_not_after_an_error(tmp_path: Path) -> None:
    with new_folder(tmp_path / "copy") as partial:
        (partial / "a").write_text("a", encoding="utf-8")
        assert not (tmp_path / "copy").exists()
    with pytest.raises(RuntimeError, match="halfway"), new_folder(tmp_path / "other"):
        raise RuntimeError("halfway")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_folder_may_be_hidden_while_it_is_filled(tmp_path: Path) -> None:
    with new_folder(tmp_path / "copy", hidden=True) as partial:
        assert partial.name.startswith(".copy.")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_what_killed_writers_left_of_a_file_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    gone = f"{2**22 + 1}-ab.partial"  # no process has so high a number
    mine = ["a[1].h5.backup.partial", "a[1].h5.17-thesis.partial", f"a1.h5.{gone}", "a[1].h5"]
    for name in (f"a[1].h5.{gone}", f".a[1].h5.{gone}", *mine):
        (tmp_path / name).touch()
    (tmp_path / f"a[1].h5.{2**22 + 2}-cd.partial").mkdir()
    delete_partials(tmp_path / "a[1].h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(mine)


def test_what_a_live_process_is_writing_is_not_deleted(tmp_path: Path) -> None:
    with new_file(tmp_path / "a.h5") as partial:
        partial.write_text("half", encoding="utf-8")
        delete_partials(tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_text(encoding="utf-8") == "half"


def test_a_damaged_json_file_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    assert read_json(path, advice="") == {"a": 1}
    for text, reason in (("{", "is no JSON"), ("[]", "holds no JSON object")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(FileFormatError, match=rf"{reason}.* Delete it\."):
            read_json(path, advice="Delete it.")
