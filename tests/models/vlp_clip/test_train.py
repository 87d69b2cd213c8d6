from pathlib import Path

import open_clip
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.encoders.clip_tokens import CLIPTokens, load_clip_tokens
from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp_clip import VLPClipArchitecture, train_vlp_clip


@pytest.fixture(scope="module")
def clip() -> CLIPTokens:
    open_clip.add_model_config(Path(__file__).parents[2] / "encoders" / "tiny_clip")
    return load_clip_tokens("tiny-quickgelu", random_weights_seed=0)


def test_an_architecture_for_another_clip_is_refused(clip: CLIPTokens, tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "data", {})
    told = r"tokens of 768 and 512 numbers, .* have 32 and 32"
    with pytest.raises(NeedsError, match=told):
        train_vlp_clip(collection, tmp_path / "x", clip, architecture=VLPClipArchitecture())


def test_a_collection_of_too_few_tasks_is_refused(clip: CLIPTokens, tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "data", {})
    with pytest.raises(NeedsError, match="0 tasks that are not excluded"):
        train_vlp_clip(collection, tmp_path / "x", clip)
