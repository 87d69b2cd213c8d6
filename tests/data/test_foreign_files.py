"""Files of others: one sentence for whatever breaks, bounded sizes, paths that stay inside."""

import errno
import zlib
from pathlib import Path

import pytest

from vlfeedback.data.foreign_files import check_size, path_inside, reading
from vlfeedback.errors import CheckpointError, FileFormatError, InvalidValueError, ShapeError


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (zlib.error("Error -3 while decompressing"), "Error -3 while decompressing (error)"),
        (KeyError("steps"), "'steps' (KeyError)"),
        (AssertionError(), "AssertionError"),
        (RecursionError("maximum depth"), "it is nested too deep"),
        (MemoryError(), "it asks for more memory than there is"),
        (OSError("no superblock\nmore"), "no superblock (OSError)"),
        (OSError(errno.EINVAL, "Invalid argument"), "[Errno 22] Invalid argument (OSError)"),
    ],
)
def test_whatever_a_reader_raises_becomes_one_sentence_about_the_file(
    raised: BaseException, reason: str
) -> None:
    with pytest.raises(FileFormatError) as caught, reading("a.h5", "log", advice="Copy it again."):
        raise raised
    assert str(caught.value) == f"a.h5 is no readable log: {reason}. Copy it again."
    assert caught.value.__cause__ is raised


def test_the_type_of_the_error_is_the_readers_choice() -> None:
    with pytest.raises(CheckpointError), reading("a.pt", "weights file", error=CheckpointError):
        raise ValueError("bad magic")


@pytest.mark.parametrize(
    "raised",
    [
        ShapeError("our own sentence"),
        FileNotFoundError(errno.ENOENT, "not there"),
        PermissionError(errno.EACCES, "may not be read"),
        OSError(errno.EMFILE, "too many open files"),
        KeyboardInterrupt(),
    ],
)
def test_errors_that_say_nothing_about_the_contents_pass(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, reading("a.h5", "log"):
        raise raised
    assert caught.value is raised


def test_a_size_that_no_compression_makes_is_refused_and_others_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(bytes(1000))
    check_size(path, 64 * 2**20, "the array")
    check_size(path, 64 * 2**20 + 1100 * 1000, "the array")
    with pytest.raises(FileFormatError, match=r"has 1,000 bytes and says that the array has 10,0"):
        check_size(path, 10_000_000_000, "the array")
    with pytest.raises(FileFormatError):
        check_size(path, -1, "the array")


@pytest.mark.parametrize("name", ["a.mp4", "deep/er/a.mp4", "deep/../a.mp4", "..a/b", "."])
def test_a_path_inside_is_given_as_it_is(tmp_path: Path, name: str) -> None:
    assert path_inside(tmp_path, name, where="info.json") == tmp_path / name


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/etc/passwd", "", "  ", "a\0b", "../root-2/x"]
)
def test_a_path_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(InvalidValueError, match=r"info.json names the path .* lies outside of"):
        path_inside(root, name, where="info.json")


def test_links_are_followed_and_may_not_lead_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "in").symlink_to("elsewhere-inside")
    (root / "out").symlink_to(tmp_path)
    assert path_inside(root, "in", where="info.json") == root / "in"
    with pytest.raises(InvalidValueError):
        path_inside(root, "out/x", where="info.json")


def test_the_links_of_the_hubs_cache_lead_to_its_blobs(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (snapshot / "data.parquet").symlink_to("../../blobs/feed")
    (snapshot / "refs").symlink_to("../../refs/main")
    assert path_inside(snapshot, "data.parquet", where="x") == snapshot / "data.parquet"
    with pytest.raises(InvalidValueError):
        path_inside(snapshot, "refs", where="x")


def test_a_root_that_is_relative_is_a_root_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_inside(Path("data"), "x", where="x") == Path("data/x")
    with pytest.raises(InvalidValueError):
        path_inside(Path("data"), "../x", where="x")
