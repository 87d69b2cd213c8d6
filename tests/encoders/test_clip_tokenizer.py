import json
import shutil
import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import open_clip
import pytest
from open_clip.tokenizer import canonicalize_text

from vlfeedback.encoders.clip_tokenizer import load_tokenizer
from vlfeedback.errors import FileFormatError, InvalidValueError

TINY = Path(__file__).parent / "tiny_tokenizer"  # 71 tokens in the layout of Gemma's 256,000


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parent / "tiny_clip")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("The network was asked for.")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(TINY, folder))


@pytest.mark.parametrize("text", ["&nbsp;", "\x00\x07", "&amp;nbsp;"])
def test_a_text_that_clips_cleaning_takes_away_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"Nothing is left of the text .* it becomes ''"):
        load_tokenizer("tiny")([text])


def test_one_empty_text_among_others_is_named() -> None:
    tokenize = load_tokenizer("tiny-siglip2", TINY)
    with pytest.raises(InvalidValueError, match=r"text '\?!'"):
        tokenize(["open drawer", "?!"])


def test_siglip_reads_lower_case_without_punctuation_padded_on_the_right() -> None:
    tokens = load_tokenizer("tiny-siglip2", TINY)(["Open, drawer!"])
    expected = np.zeros((1, 64), np.int64)
    expected[0, :4] = [65, 5, 70, 1]  # open, space, drawer, end; no token before them
    np.testing.assert_array_equal(tokens.numpy(), expected)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Open the Drawer.", "open the drawer"),
        ("  pick_up   the\tred block!? ", "pick up the red block"),
        ("robot's left-hand gripper (closed)", "robots lefthand gripper closed"),
    ],
)
def test_open_clip_cleans_texts_as_siglip_was_trained(text: str, cleaned: str) -> None:
    assert canonicalize_text(text) == cleaned
    config = open_clip.get_model_config("ViT-B-16-SigLIP2")
    assert config["text_cfg"]["tokenizer_kwargs"] == {"clean": "canonicalize"}


def test_a_folder_is_read_without_the_network(no_network: None) -> None:
    assert load_tokenizer("tiny-siglip2", TINY)(["open"])[0, :2].tolist() == [65, 1]


def test_a_tokenizer_is_read_from_the_hub_cache_and_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: None
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        FileNotFoundError,
        match=r"`hf download someone/tiny-siglip2 tokenizer.json tokenizer_config.json`, or copy",
    ):
        load_tokenizer("tiny-siglip2")
    repository = tmp_path / "models--someone--tiny-siglip2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    copied(repository / "snapshots" / "abc")
    assert load_tokenizer("tiny-siglip2")(["open"])[0, :2].tolist() == [65, 1]


def test_a_folder_without_its_vocabulary_is_refused(tmp_path: Path) -> None:
    # The library would make a tokenizer for which every word is unknown.
    (copied(tmp_path / "tokenizer") / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"No vocabulary, such as tokenizer\.json"):
        load_tokenizer("tiny-siglip2", tmp_path / "tokenizer")


def test_a_truncated_vocabulary_is_refused(tmp_path: Path) -> None:
    path = copied(tmp_path / "tokenizer") / "tokenizer.json"
    path.write_text(path.read_text()[:1000])
    with pytest.raises(FileFormatError, match=r"is no readable tokenizer: .* Fetch it again with"):
        load_tokenizer("tiny-siglip2", tmp_path / "tokenizer")


def test_the_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    path = copied(tmp_path / "tokenizer") / "tokenizer.json"
    vocabulary = json.loads(path.read_text())
    words = vocabulary["model"]["vocab"]
    words |= {f"word{n}": len(words) + n for n in range(20)}
    path.write_text(json.dumps(vocabulary))
    with pytest.raises(FileFormatError, match=r"knows 91 tokens and 'tiny-siglip2' reads 71"):
        load_tokenizer("tiny-siglip2", tmp_path / "tokenizer")


def test_clip_needs_no_folder() -> None:
    with pytest.raises(InvalidValueError, match="leave it out"):
        load_tokenizer("tiny", TINY)
