"""Word vectors: defined answers for odd texts, refusals of bad files, and sane meanings."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from vlfeedback.encoders.words import BUNDLED_WORDS, WORDS_FORMAT, WordVectors
from vlfeedback.errors import CheckpointError, InvalidTypeError, InvalidValueError


@pytest.fixture(scope="module")
def words() -> WordVectors:
    return WordVectors.load()


@pytest.fixture
def small() -> WordVectors:
    """Four tokens whose vectors are rows of the identity."""
    return WordVectors(["close", "drawer", "##s", "the"], np.eye(4, dtype=np.float32))


def cosine(words: WordVectors, first: str, second: str) -> float:
    vectors, _ = words.encode([first, second])
    a, b = vectors[:, 0]
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_a_text_becomes_the_rows_of_its_longest_known_pieces(small: WordVectors) -> None:
    assert small.tokenize("Close the DRAWERS!") == ["close", "the", "drawer", "##s"]
    vectors, mask = small.encode(["Close the DRAWERS!"])
    np.testing.assert_array_equal(vectors[0], np.eye(4, dtype=np.float32)[[0, 3, 1, 2]])
    assert mask.tolist() == [[True] * 4]


def test_a_piece_inside_a_word_does_not_begin_one(small: WordVectors) -> None:
    assert small.tokenize("s drawer") == ["drawer"]


def test_accents_are_stripped_and_unknown_letters_skipped(words: WordVectors) -> None:
    assert words.tokenize("Clôse the dráwer") == ["close", "the", "drawer"]
    assert words.tokenize("close 门 the drawer") == ["close", "the", "drawer"]


def test_padding_is_zero_masked_and_changes_nothing(words: WordVectors) -> None:
    alone, _ = words.encode(["close the drawer"])
    vectors, mask = words.encode(["close the drawer", "put the lid on the box"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, 6, words.dim)
    assert mask.sum(axis=1).tolist() == [3, 6]
    np.testing.assert_array_equal(vectors[0, :3], alone[0])
    assert not vectors[0, 3:].any()


def test_a_long_text_is_cut_to_its_first_tokens(words: WordVectors) -> None:
    vectors, mask = words.encode(["close the drawer " * 50], max_tokens=5)
    first, _ = words.encode(["close the drawer close the"])
    assert mask.shape == (1, 5)
    np.testing.assert_array_equal(vectors, first)


def test_no_texts_give_an_empty_batch(words: WordVectors) -> None:
    vectors, mask = words.encode([])
    assert vectors.shape == (0, 0, words.dim)
    assert mask.shape == (0, 0)


@pytest.mark.parametrize("text", ["", "  \t\n", "?!...", "关上抽屉"])
def test_a_text_without_a_known_word_is_refused(words: WordVectors, text: str) -> None:
    with pytest.raises(InvalidValueError, match="Pass a phrase in English"):
        words.encode(["close the drawer", text])


def test_one_string_in_place_of_a_list_is_refused(words: WordVectors) -> None:
    with pytest.raises(InvalidTypeError, match=r"pass a list: \['close'\]"):
        words.encode("close")


def test_room_for_no_token_is_refused(words: WordVectors) -> None:
    with pytest.raises(InvalidValueError, match="max_tokens is 0"):
        words.encode(["close"], max_tokens=0)


def test_meanings_are_sane(words: WordVectors) -> None:
    assert cosine(words, "close", "shut") > cosine(words, "close", "banana") + 0.3
    assert cosine(words, "faucet", "spigot") > cosine(words, "faucet", "drawer") + 0.3
    assert cosine(words, "drawer", "cupboard") > cosine(words, "drawer", "ball") + 0.3


@pytest.mark.parametrize(
    "pair", [("open", "close"), ("push", "pull"), ("left", "right"), ("lock", "unlock")]
)
def test_opposites_differ(words: WordVectors, pair: tuple[str, str]) -> None:
    assert cosine(words, *pair) < 0.8


def test_the_bundled_table_is_small_and_loaded_once(words: WordVectors) -> None:
    assert BUNDLED_WORDS.stat().st_size < 2_500_000
    assert WordVectors.load() is words
    assert words.dim == 64
    assert len(words.vocabulary) == len(set(words.vocabulary)) == len(words.vectors)


def test_a_truncated_table_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(BUNDLED_WORDS.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors"):
        WordVectors.load(path)


def test_a_table_with_a_row_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.safetensors"
    tensors: dict[str, np.ndarray] = {
        "vectors": np.ones((2, 4), np.int8),
        "scales": np.ones(2, np.float32),
        "vocabulary": np.frombuffer(b"close\ndrawer\nfaucet", np.uint8),
    }
    save_file(tensors, path, metadata={"format": WORDS_FORMAT})
    with pytest.raises(CheckpointError, match=r"short\.safetensors.*one row for each token"):
        WordVectors.load(path)


def test_a_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3, dtype=np.float32)}, path)
    with pytest.raises(CheckpointError, match=r"other\.safetensors has format None"):
        WordVectors.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.safetensors"):
        WordVectors.load(tmp_path / "absent.safetensors")
