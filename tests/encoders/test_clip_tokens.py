from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from vlfeedback.encoders.clip_tokens import CLIPTokens, load_clip_tokens
from vlfeedback.errors import InvalidValueError

TINY = "tiny-quickgelu"


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parent / "tiny_clip")


@pytest.fixture(scope="module")
def tiny(tiny_architectures: None) -> CLIPTokens:
    return load_clip_tokens(TINY, random_weights_seed=0)


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 40, 48, 3), dtype=np.uint8)


def test_a_picture_has_one_token_a_patch_and_the_class_token_comes_first(tiny: CLIPTokens) -> None:
    tokens = tiny.read_pictures(pictures(3))
    assert tokens.shape == (3, 4, 32)  # 32 px in patches of 16
    with_class = tiny.read_pictures(pictures(3), class_token=True)
    assert with_class.shape == (3, 5, 32)
    assert torch.equal(with_class[:, 1:], tokens)


def test_the_features_of_clip_are_its_class_token_normed_and_projected(tiny: CLIPTokens) -> None:
    visual = tiny.encoder.model.visual
    assert isinstance(visual, open_clip.transformer.VisionTransformer)
    first = tiny.read_pictures(pictures(2), class_token=True)[:, 0]
    features = torch.nn.functional.normalize(visual.ln_post(first) @ visual.proj, dim=-1)
    expected = tiny.encoder.embed_pictures(pictures(2))
    np.testing.assert_allclose(features.detach().numpy(), expected, atol=1e-6)


def test_the_features_of_a_text_are_its_end_mark_projected(tiny: CLIPTokens) -> None:
    projection = tiny.encoder.model.text_projection
    assert isinstance(projection, torch.Tensor)
    tokens, mask = tiny.read_texts(["open drawer", "shut the window now"])
    assert mask.sum(dim=1).tolist() == [4, 6]  # start, words, end
    for row, text in enumerate(("open drawer", "shut the window now")):
        end = tokens[row, int(mask[row].sum()) - 1]
        features = torch.nn.functional.normalize(end @ projection, dim=-1)
        np.testing.assert_allclose(
            features.detach().numpy(), tiny.encoder.embed_text(text), atol=1e-6
        )


def test_padding_of_texts_is_zero_and_changes_nothing(tiny: CLIPTokens) -> None:
    tokens, mask = tiny.read_texts(["open drawer", "a much longer text about a drawer"])
    alone, _ = tiny.read_texts(["open drawer"])
    assert torch.allclose(tokens[0, :4], alone[0], atol=1e-6)
    assert not tokens[~mask].any()


def test_texts_beyond_the_context_are_cut_off(tiny: CLIPTokens) -> None:
    tokens, mask = tiny.read_texts(["drawer " * 200])
    assert tokens.shape == (1, 77, 32)
    assert mask.all()


def test_pictures_are_read_alike_alone_and_among_others(tiny: CLIPTokens) -> None:
    frames = pictures(11)
    alone = torch.cat([tiny.read_pictures(frame[None]) for frame in frames])
    assert torch.allclose(tiny.read_pictures(frames), alone, atol=1e-5)


def test_one_identity_stands_for_equal_weights_whatever_the_file(
    tiny: CLIPTokens, tmp_path: Path
) -> None:
    state = {key: tensor.clone() for key, tensor in tiny.encoder.model.state_dict().items()}
    torch.save(state, tmp_path / "weights.pt")
    save_file(state, tmp_path / "weights.safetensors")
    for name in ("weights.pt", "weights.safetensors"):
        copy = load_clip_tokens(TINY, checkpoint=tmp_path / name)
        assert copy.identity == tiny.identity
    other = load_clip_tokens(TINY, random_weights_seed=1)
    assert other.identity.sha256 != tiny.identity.sha256


def test_a_resnet_which_has_no_patches_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"'tiny-resnet' is no CLIP of two transformers"):
        load_clip_tokens("tiny-resnet", random_weights_seed=0)


@pytest.mark.slow
def test_the_papers_clip_gives_196_tokens_of_768_and_words_of_512() -> None:
    clip = load_clip_tokens("ViT-B/16-quickgelu", random_weights_seed=0)
    assert (clip.picture_width, clip.text_width) == (768, 512)
    assert clip.read_pictures(pictures(1)).shape == (1, 196, 768)
