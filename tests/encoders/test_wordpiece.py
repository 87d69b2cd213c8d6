from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from vlfeedback.encoders.wordpiece import (
    WordPiece,
    any_vocabulary,
    find_vocabulary,
    read_vocabulary,
)
from vlfeedback.errors import FileFormatError, InvalidValueError

# Lines of the released vocab.txt; the others are filled with tokens that occur in no sentence.
RELEASED = {
    0: "[PAD]",
    100: "[UNK]",
    101: "[CLS]",
    102: "[SEP]",
    103: "[MASK]",
    1996: "the",
    2330: "open",
    13065: "drawer",
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    lines = [RELEASED.get(line, f"[unused{line}]") for line in range(30522)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def save(folder: Path, *tokens: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vocab.txt"
    path.write_text("\n".join(["[UNK]", "[CLS]", "[SEP]", *tokens]) + "\n", encoding="utf-8")
    return path


def tokens(path: Path, text: str) -> list[str]:
    vocabulary = read_vocabulary(path)
    return [vocabulary[index] for index in WordPiece(vocabulary, source="r3m")(text)]


def test_open_the_drawer_has_the_tokens_of_bert(released: Path) -> None:
    tokenize = WordPiece(read_vocabulary(released), source="r3m")
    assert tokenize("open the drawer") == [101, 2330, 1996, 13065, 102]
    assert tokenize.n_tokens == 30522


def test_case_and_accents_make_no_difference(released: Path) -> None:
    tokenize = WordPiece(read_vocabulary(released), source="r3m")
    assert tokenize("  Opén the\tDRAWER ") == tokenize("open the drawer")


def test_a_word_is_read_by_its_longest_pieces_and_marks_stand_alone(tmp_path: Path) -> None:
    path = save(tmp_path, "open", "##ing", "##in", "draw", "##er", "##ers", ".")
    assert tokens(path, "Opening drawers.") == [
        "[CLS]",
        "open",
        "##ing",
        "draw",
        "##ers",
        ".",
        "[SEP]",
    ]


def test_an_unknown_word_is_one_unknown_token(tmp_path: Path) -> None:
    assert tokens(save(tmp_path, "open"), "open sesame") == ["[CLS]", "open", "[UNK]", "[SEP]"]


@pytest.mark.parametrize("text", ["sesame", "​", "\x00", "[SEP]"])
def test_a_text_without_a_known_word_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="'r3m' knows no word of the instruction"):
        tokens(save(tmp_path, "open"), text)


def test_a_token_that_ends_lines_elsewhere_is_one_token(tmp_path: Path) -> None:
    assert read_vocabulary(save(tmp_path, "a\u2028b", "c"))[3:] == ["a\u2028b", "c"]


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"[UNK]\r\n[CLS]\r\n[SEP]\r\nopen\r\n")
    assert read_vocabulary(tmp_path / "vocab.txt") == ["[UNK]", "[CLS]", "[SEP]", "open"]


def test_files_that_are_no_vocabulary_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("open\nclose\n")
    with pytest.raises(FileFormatError, match=r"holds 2 lines and not \[UNK\], \[CLS\], \[SEP\]"):
        read_vocabulary(tmp_path / "words.txt")
    (tmp_path / "model.pt").write_bytes(b"\x80\x81")
    with pytest.raises(FileFormatError, match="one token a line"):
        read_vocabulary(tmp_path / "model.pt")


def test_the_vocabulary_is_the_given_one_else_beside_the_checkpoint_else_in_the_hub_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    checkpoint = tmp_path / "r3m_50" / "model.pt"
    with pytest.raises(
        FileNotFoundError, match=r"hf download distilbert/distilbert-base-uncased vocab\.txt"
    ):
        find_vocabulary(None, checkpoint=checkpoint)

    repository = tmp_path / "hub" / "models--distilbert--distilbert-base-uncased"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    cached = save(repository / "snapshots" / "abc")
    assert find_vocabulary(None, checkpoint=checkpoint) == cached

    beside = save(checkpoint.parent)
    assert find_vocabulary(None, checkpoint=checkpoint) == beside

    given = save(tmp_path / "mine")
    assert find_vocabulary(str(given), checkpoint=checkpoint) == given
    assert find_vocabulary(given.parent, checkpoint=checkpoint) == given
    with pytest.raises(FileNotFoundError, match=r"No vocabulary '.*nowhere'; pass tokenizer="):
        find_vocabulary(tmp_path / "nowhere", checkpoint=checkpoint)


def test_random_weights_need_no_file() -> None:
    vocabulary = any_vocabulary()
    ids = WordPiece(vocabulary, source="r3m")("open the drawer")
    assert [vocabulary[index] for index in ids] == ["[CLS]", "open", "the", "drawer", "[SEP]"]
    assert len(vocabulary) <= 30522
