import zlib
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.encoders.s3d_words import WordList, hashed_words
from vlfeedback.errors import FileFormatError, InvalidValueError

WORDS = ["the", "open", "drawer", "don't", "café", "2"]


@pytest.fixture
def words(tmp_path: Path) -> WordList:
    return WordList(saved(np.array(WORDS), tmp_path))


def saved(array: np.ndarray, folder: Path) -> Path:
    np.save(folder / "s3d_dict.npy", array)
    return folder / "s3d_dict.npy"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("open drawer", [2, 3]),
        ("Open the DRAWER!", [2, 1, 3]),
        ("don't", [4]),
        ("café-2", [5, 6]),
        ("the " * 20, [1] * 16),
    ],
)
def test_a_row_is_the_place_in_the_list_and_one_more(
    words: WordList, text: str, rows: list[int]
) -> None:
    expected = np.zeros(16, np.int64)
    expected[: len(rows)] = rows
    np.testing.assert_array_equal(words(text), expected)
    assert words(text).dtype == np.int64


def test_unknown_words_are_left_out_and_named(words: WordList) -> None:
    with pytest.warns(UserWarning, match=r"'gripper', 'slowly' and reads 'open the gripper"):
        rows = words("open the gripper slowly drawer")
    np.testing.assert_array_equal(rows[:4], [2, 1, 3, 0])


@pytest.mark.parametrize("text", ["gripper", "Drawers, opened", "", "?!"])
def test_a_text_without_a_known_word_is_refused(words: WordList, text: str) -> None:
    with pytest.raises(InvalidValueError, match="knows no word"):
        words(text)


def test_a_word_that_is_listed_twice_has_the_last_row(tmp_path: Path) -> None:
    words = WordList(saved(np.array(["open", "the", "open"]), tmp_path))
    assert words("open")[0] == 3


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array(WORDS, dtype=object), "Python objects"),
        (np.array(WORDS[:3], dtype="S"), r"\|S6"),
        (np.arange(3), "int64"),
        (np.array([WORDS]), r"shape \(1, 6\)"),
        (np.array("open"), r"shape \(\)"),
        (np.array([], dtype="U3"), r"shape \(0,\)"),
        (np.array(["a"] * 66250), r"shape \(66250,\); expected 1 to 66249 words"),
    ],
)
def test_what_is_no_word_list_is_refused(tmp_path: Path, array: np.ndarray, said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        WordList(saved(array, tmp_path))


def test_as_many_words_as_the_table_has_rows_for_are_taken(tmp_path: Path) -> None:
    words = WordList(saved(np.array(["a"] * 66248 + ["last"]), tmp_path))
    assert words("last")[0] == 66249


def test_files_that_numpy_cannot_read_are_refused(tmp_path: Path) -> None:
    path = saved(np.array(WORDS), tmp_path)
    whole = path.read_bytes()
    for content in (whole[:-4], b"", b"open\nclose\n", whole[:20] + b"(" * 99 + whole[119:]):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"is no readable array: .*Expected words"):
            WordList(path)
    with path.open("wb") as file:
        np.savez(file, np.array(WORDS))
    for content in (path.read_bytes(), b"PK\x03\x04broken"):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="several arrays"):
            WordList(path)


def test_a_header_that_asks_for_more_than_the_file_has_is_refused_at_once(tmp_path: Path) -> None:
    path = saved(np.array(WORDS), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"(6,), }", b"(9999999999999,), }"))
    assert b"9999999999999" in path.read_bytes()
    with pytest.raises(FileFormatError, match=r"is no readable array: .*Expected words"):
        WordList(path)


def test_a_missing_file_is_refused_and_the_message_says_where_it_is_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"released beside S3D's weights as s3d_dict\.npy"):
        WordList(tmp_path / "s3d_dict.npy")


def test_without_a_list_rows_are_hashes() -> None:
    rows = hashed_words("Open the drawer")
    expected = [1 + zlib.crc32(word) % 66249 for word in (b"open", b"the", b"drawer")]
    np.testing.assert_array_equal(rows, expected + [0] * 13)
    assert rows[0] == 1 + 2758837156 % 66249  # the same everywhere and always
    with pytest.raises(InvalidValueError, match="there is none in"):
        hashed_words("...")
