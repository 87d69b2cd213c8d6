"""Facts of released files, as far as they follow from the networks."""

from typing import Any

import open_clip
import pytest
import torch
from torch import nn

from vlfeedback.registry import OWN
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.rewards.released import released_for, released_weights

# OpenAI's `convert_weights` halves these, and leaves embeddings, norms and their statistics alone.
HALVED = (nn.Conv2d, nn.Linear, nn.MultiheadAttention)


def bytes_of_openais(architecture: str) -> int:
    with torch.device("meta"):  # takes no memory
        model: Any = open_clip.create_model(architecture, device="meta")
    halved = {p for m in model.modules() if isinstance(m, HALVED) for p in m.parameters()}
    halved |= {model.text_projection} | {getattr(model.visual, "proj", model.text_projection)}
    tensors = [*model.parameters(), *model.buffers()]
    return sum(t.numel() * (2 if t in halved else t.itemsize) for t in tensors)


@pytest.mark.parametrize("file", [f for f in released_for("clip").files if f.name.endswith(".pt")])
def test_sizes_of_openais_archives_are_those_of_their_tensors(file: Any) -> None:
    n_bytes = bytes_of_openais(file.choose.removeprefix("architecture="))
    assert file.megabytes == pytest.approx(n_bytes / 1e6, rel=0.01)


def test_r3m_is_fetched_from_its_authors_and_a_copy_is_called_one() -> None:
    for source in ("r3m", "r3m-goal"):
        (file, *_) = released_for(source).files
        assert file.where.startswith("https://drive.google.com/uc?id=1Xu0ssuG0N1zjZS54wmWzJ7-nb0")
        assert "(a copy, of TorchRL)" in file.where


def test_what_needs_no_file_of_others_is_what_the_page_says() -> None:
    with_files = {source for source, card in released_weights()[0].items() if card.files}
    own = {entry.name for entry in REWARD_SOURCES.entries() if entry.distribution == OWN}
    trained_here = {"vlp", "learned"}
    without = {"env", "picture-energy", "random", "success", "gvl", "topreward"}
    assert own - with_files == trained_here | without
