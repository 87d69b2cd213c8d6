from pathlib import Path

import pytest

from vlfeedback.data.whole_files import new_file


def test_a_file_is_there_when_the_block_ends_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.npz"
    with new_file(path) as partial:
        partial.write_text("whole", encoding="utf-8")
        assert partial.suffix == ".npz" and not path.exists()
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
