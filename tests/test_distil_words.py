"""What makes the bundled word vectors before a release; it is in no wheel."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import InvalidValueError

_SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "build" / "distil_words.py"))
distil_words, select_tokens = _SCRIPT["distil_words"], _SCRIPT["select_tokens"]
write_words = _SCRIPT["write_words"]


def test_a_written_table_reads_back_within_half_a_step(tmp_path: Path) -> None:
    vectors = np.array([[1.0, -2.0], [0.5, 0.25]], dtype=np.float32)
    write_words(tmp_path / "t.safetensors", ["up", "##on"], vectors)
    table = WordVectors.load(tmp_path / "t.safetensors")
    assert table.vocabulary == ("up", "##on")
    np.testing.assert_allclose(table.vectors, vectors, atol=2.0 / 127 / 2)


def test_select_tokens_keeps_words_pieces_and_single_digits() -> None:
    vocabulary = ["[PAD]", "the", "##ing", "1984", "7", "##7", "é", "The", "!", "the"]
    assert select_tokens(vocabulary) == ["the", "##ing", "7", "##7"]


def one_hot(texts: list[str]) -> np.ndarray:
    """Tells a, b and c apart in every context; lengths differ, directions are orthogonal."""
    letters = [next(word for word in text.split() if len(word) == 1) for text in texts]
    return np.stack([np.eye(4, dtype=np.float32)["abcd".index(x)] * ord(x) for x in letters])


def test_distilled_rows_have_unit_rms_and_repeat_exactly() -> None:
    vectors = distil_words(one_hot, ["a", "b", "c"], dim=2)
    np.testing.assert_allclose(np.sqrt((vectors**2).mean(axis=1)), 1, rtol=1e-6)
    np.testing.assert_array_equal(vectors, distil_words(one_hot, ["a", "b", "c"], dim=2))


def test_three_orthogonal_words_come_out_at_equal_angles() -> None:
    # Centred, three orthogonal unit vectors form an equilateral triangle: cosine -1/2.
    a, b, c = distil_words(one_hot, ["a", "b", "c"], dim=2)
    for first, second in ((a, b), (b, c), (a, c)):
        np.testing.assert_allclose(first @ second / 2, -0.5, atol=1e-6)


def test_more_components_than_tokens_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="at most 3 components"):
        distil_words(one_hot, ["a", "b", "c"], dim=4)
