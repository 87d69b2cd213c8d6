"""Layouts of CLIP are tested in test_clip; here are those of any network, and addresses."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor, nn

from vlfeedback.encoders.weights_files import (
    Weights,
    check_one_choice,
    config_beside,
    fill,
    locate,
    read_weights,
    tensors_digest,
)
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError

REVISION = "0123456789abcdef0123456789abcdef01234567"
PUBLISHED = b"what was published"


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def tensors(seed: int = 0) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network(seed).state_dict().items()}


def weights(named: dict[str, Tensor], path: Path = Path("weights.pt")) -> Weights:
    return Weights(path, named, is_openai_archive=False, config={})


# Addresses -------------------------------------------------------------------------------------


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does about one repository, and writes down what it was asked."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        if self.path != f"/someone/weights/resolve/{REVISION}/sub/model.pt":
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(PUBLISHED)))
        self.send_header("ETag", f'"{hashlib.sha256(PUBLISHED).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if body:
            self.wfile.write(PUBLISHED)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server in the hub's place, and an empty cache; gives what the server was asked."""
    asked: list[str] = []
    Hub.asked = asked
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


ADDRESS = f"hf://someone/weights/sub/model.pt@{REVISION}"


def test_an_address_is_fetched_once_and_then_read_from_the_cache(hub: list[str]) -> None:
    path = locate(ADDRESS)
    assert path.read_bytes() == PUBLISHED
    assert path.name == "model.pt"
    n_asked = len(hub)
    assert n_asked > 0
    assert locate(ADDRESS) == path
    assert len(hub) == n_asked  # a commit never changes, so nobody is asked again


def test_a_file_that_the_hub_has_not_is_named_with_what_the_hub_said(hub: list[str]) -> None:
    with pytest.raises(FileNotFoundError, match=r"'hf://.*other\.pt@.*hub said: .*404"):
        locate(f"hf://someone/weights/other.pt@{REVISION}")
    assert hub


def test_without_a_network_the_cache_is_read_and_what_it_lacks_is_named(
    hub: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=r"neither in the hub's cache nor .* pass its path"):
        locate(ADDRESS)
    assert hub == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = locate(ADDRESS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert locate(ADDRESS) == path


@pytest.mark.parametrize(
    "address",
    [
        "hf://someone/weights/model.pt",
        "hf://someone/weights/model.pt@",
        f"hf://someone/weights@{REVISION}",
        f"hf://weights@{REVISION}",
        "hf://",
    ],
)
def test_an_address_without_a_file_or_a_revision_is_refused_unasked(
    address: str, hub: list[str]
) -> None:
    with pytest.raises(
        InvalidValueError, match=r"no address of one file at one revision; .*@revision"
    ):
        locate(address)
    assert hub == []


@pytest.mark.parametrize(
    "address",
    [
        f"hf://someone/weights/../../model.pt@{REVISION}",
        f"hf://someone/weights//etc/model.pt@{REVISION}",
        "hf://someone/weights/model.pt@../../..",
        "hf://someone/weights/model.pt@main/../..",
    ],
)
def test_an_address_that_climbs_out_of_the_cache_is_refused_unasked(
    address: str, hub: list[str]
) -> None:
    with pytest.raises(InvalidValueError, match=r"names the path .*, which lies outside of .*hub"):
        locate(address)
    assert hub == []


def test_a_name_that_no_repository_can_have_is_refused(hub: list[str]) -> None:
    with pytest.raises(FileNotFoundError, match=r"hub said: "):
        locate(f"hf://some one/weights/model.pt@{REVISION}")


def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pt"
    with pytest.raises(FileNotFoundError, match=r"No weights file .*weights\.pt"):
        locate(path)
    path.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate(str(path)) == locate("~/weights.pt") == path


# Layouts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["r3m", "vip", "liv", "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_known_top_keys_are_opened_and_module_is_dropped(
    key: str, prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / "snapshot.pt"
    named = {prefix + name: tensor for name, tensor in tensors().items()}
    torch.save({key: named, "global_step": 3, "optimizer": {"lr": 0.1}}, path)
    read = read_weights(path)
    assert (read.top_key, read.is_openai_archive, read.config) == (key, False, {})
    torch.testing.assert_close(read.tensors, tensors())


def test_a_bare_state_dict_has_no_top_key(tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "bare.pt")
    read = read_weights(tmp_path / "bare.pt")
    assert read.top_key == ""
    torch.testing.assert_close(read.tensors, tensors())


def test_module_stays_where_only_some_names_have_it(tmp_path: Path) -> None:
    save_file({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "some.safetensors")
    assert sorted(read_weights(tmp_path / "some.safetensors").tensors) == ["b", "module.a"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.ones(1)], "holds a list; expected named tensors"),
        ({"epoch": 3, "weights": {"a": torch.ones(1)}}, "holds a dict; expected named tensors"),
        ({"model": {"a": torch.ones(1), "lr": 0.1}}, "holds a dict; expected named tensors"),
    ],
)
def test_a_file_of_another_layout_is_refused(content: Any, said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=rf"other\.pt {said}"):
        read_weights(tmp_path / "other.pt")


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "weights.bin"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"model.pt\0" + b"\0" * 600])
def test_a_file_of_something_else_is_refused(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        CheckpointError,
        match=rf"{name} is no readable weights file: it begins as none .* copy it again",
    ):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("content", [b"PK\x03\x04 and no more", b"\x80\x02 and no more"])
def test_a_file_of_torch_that_ends_early_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"weights\.pt is no readable weights file: .*\. It is truncated or"
    ):
        read_weights(tmp_path / "weights.pt")


def test_a_file_is_read_as_its_content_says_and_never_as_torch_under_the_name_of_safetensors(
    tmp_path: Path,
) -> None:
    save_file(tensors(), tmp_path / "weights.pt")
    torch.testing.assert_close(read_weights(tmp_path / "weights.pt").tensors, tensors())
    for content in ("zip", "legacy"):
        path = tmp_path / f"{content}.safetensors"
        torch.save(tensors(), path, _use_new_zipfile_serialization=content == "zip")
        with pytest.raises(CheckpointError, match=rf"{content}\.safetensors is named as a saf"):
            read_weights(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No weights file .*nowhere\.pt"):
        read_weights(tmp_path / "nowhere.pt")


def test_the_config_beside_a_file_is_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path, beside = tmp_path / "model.safetensors", tmp_path / "open_clip_config.json"
    assert config_beside(path) == {}
    beside.write_text(json.dumps({"model_cfg": {"embed_dim": 4}}))
    assert config_beside(path) == {"model_cfg": {"embed_dim": 4}}
    for damaged in ("{", "[" * 100_000):
        beside.write_text(damaged)
        with pytest.raises(CheckpointError, match=r"open_clip_config\.json is no readable JSON"):
            config_beside(path)
    for other in ("[1]", "null", '{"model_cfg": []}', '{"preprocess_cfg": null}'):
        beside.write_text(other)
        with pytest.raises(CheckpointError, match=r"open_clip_config\.json holds no JSON object"):
            config_beside(path)


# Names -----------------------------------------------------------------------------------------


def test_a_prefix_that_all_names_have_is_dropped_and_the_first_such_one_alone() -> None:
    ones = torch.ones(1)
    named = weights({"convnet.a": ones, "convnet.b": ones})
    assert sorted(named.without_prefix("model.", "convnet.").tensors) == ["a", "b"]
    assert sorted(named.without_prefix("model.").tensors) == ["convnet.a", "convnet.b"]
    assert sorted(named.tensors) == ["convnet.a", "convnet.b"]
    mixed = weights({"convnet.a": ones, "fc": ones})
    assert sorted(mixed.without_prefix("convnet.").tensors) == ["convnet.a", "fc"]
    assert weights({}).without_prefix("convnet.").tensors == {}


def test_only_the_tensors_of_a_part_are_kept() -> None:
    named = weights({"convnet.a": torch.ones(1), "lang_enc.a": torch.zeros(1)})
    assert named.only("convnet.").tensors == {"a": torch.ones(1)}
    assert named.only("fc.").tensors == {}


# Filling ---------------------------------------------------------------------------------------


def test_a_network_gets_all_tensors_in_its_own_type() -> None:
    halves = {name: t.half() if t.is_floating_point() else t for name, t in tensors(1).items()}
    filled = network()
    fill(filled, weights(halves), "'small'")
    assert filled[0].weight.dtype == torch.float32
    torch.testing.assert_close(filled.state_dict(), tensors(1), rtol=1e-3, atol=1e-3)


def test_counters_may_be_missing_and_known_extras_are_skipped() -> None:
    named = tensors(1)
    del named["1.num_batches_tracked"]
    named |= {"text.embeddings.position_ids": torch.zeros(1), "input_resolution": torch.zeros(())}
    filled = network()
    fill(filled, weights(named), "'small'", unread=("input_resolution",))
    torch.testing.assert_close(filled.state_dict()["0.weight"], tensors(1)["0.weight"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.pop("0.bias"), "0.bias"),
        (lambda t: t.update(extra=torch.ones(1)), "extra"),
        (lambda t: t.update({"0.weight": torch.ones(3, 3)}), "0.weight"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_filled(
    change: Any, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"content")  # its sha256 begins with ed7002b439e9
    given = tensors(1)
    change(given)
    filled = network()
    with pytest.raises(CheckpointError) as raised:
        fill(filled, weights(given, path), "'small'")
    assert f"{path} (sha256 ed7002b439e9...) is no 'small': 1 tensors" in str(raised.value)
    assert f"first: ['{named}']. It looks like none of the known kinds" in str(raised.value)
    torch.testing.assert_close(filled.state_dict(), tensors(), rtol=0, atol=0)


# Digest and choice -----------------------------------------------------------------------------


def test_a_file_and_any_copy_of_it_have_one_digest(tmp_path: Path) -> None:
    torch.save({"state_dict": tensors(1)}, tmp_path / "a.pt")
    save_file(tensors(1), tmp_path / "b.safetensors")
    digests = set()
    for name in ("a.pt", "b.safetensors"):
        filled = network()
        fill(filled, read_weights(tmp_path / name), "'small'")
        digests.add(tensors_digest(filled))
    assert len(digests) == 1
    assert tensors_digest(network()) not in digests


def test_a_digest_is_of_names_shapes_and_numbers_but_not_of_counters() -> None:
    layer = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0], [2.0]]))
    numbers = b"\x00\x00\x80\x3f\x00\x00\x00\x40"  # 1 and 2 in float32
    assert tensors_digest(layer) == hashlib.sha256(b"weight (2, 1)" + numbers).hexdigest()
    counted = network()
    before = tensors_digest(counted)
    counted.load_state_dict(counted.state_dict() | {"1.num_batches_tracked": torch.tensor(5)})
    assert tensors_digest(counted) == before
    assert tensors_digest(network(1)) != before


@pytest.mark.parametrize("choices", [{}, {"checkpoint": None}, {"checkpoint": "a", "seed": 0}])
def test_exactly_one_choice_is_asked_for(choices: dict[str, Any]) -> None:
    with pytest.raises(NeedsError, match=r"CLIP got .*; give exactly one of: checkpoint='a\.pt'\."):
        check_one_choice("CLIP", "checkpoint='a.pt'", **choices)
    check_one_choice("CLIP", "checkpoint='a.pt'", checkpoint=None, seed=0)
