"""A vision-language model, tiny and untrained, really served on this machine and really asked.

The server is that of transformers. What it does with log-probabilities is recorded here: it leaves
the request for them out, without an error.
"""

import os
import socket
import string
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.rewards.judges import clip

from vlfeedback import make_reward_source
from vlfeedback.errors import NeedsError, SourceAnswerError
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.questions import Question, Turn, encode_picture
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

for package in ("fastapi", "uvicorn", "accelerate", "transformers.cli.serve"):
    pytest.importorskip(
        package, reason='a model is served with: pip install "transformers[serving]>=5.24"'
    )

pytestmark = pytest.mark.slow

SPECIAL = ("<pad>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>")
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def write_tiny_model(folder: Path) -> None:
    """An Idefics3 of two layers that reads bytes and 32 px, and answers in small letters."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        GenerationConfig,
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
        PreTrainedTokenizerFast,
    )

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {token: number for number, token in enumerate([*SPECIAL, *alphabet])}
    letters = Tokenizer(models.BPE(vocab=ids, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[1],
        additional_special_tokens=list(SPECIAL[2:]),
    )
    side = {"longest_edge": 32}
    pictures = Idefics3ImageProcessor(size=side, max_image_size=side, do_image_splitting=False)
    processor = Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=TEMPLATE)
    processor.save_pretrained(folder)
    # Weights large enough for a picture to change what is said.
    layers: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "initializer_range": 1.0,
    }
    config = Idefics3Config(
        image_token_id=ids["<image>"],
        scale_factor=2,
        vision_config={**layers, "num_hidden_layers": 1, "image_size": 32, "patch_size": 8},
        text_config={
            **layers,
            "model_type": "llama",
            "num_hidden_layers": 2,
            "num_key_value_heads": 2,
            "vocab_size": len(ids),
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 1,
        },
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Idefics3ForConditionalGeneration(config)
    unsaid = [number for token, number in ids.items() if token not in string.ascii_lowercase]
    model.generation_config = GenerationConfig(
        pad_token_id=0, eos_token_id=1, suppress_tokens=unsaid
    )
    model.save_pretrained(folder)


class Served:
    """The model behind the server, by the address of the server."""

    def __init__(self, model: Path, url: str, log: Path) -> None:
        self.settings: dict[str, Any] = {"model": str(model), "base_url": url, "store": "none"}
        self.log = log

    def ask(self, *parts: Any, **more: Any) -> Answer:
        question = Question((Turn("user", parts),), prompt="test/1", **({"max_tokens": 8} | more))
        (answer,) = VLM(VLMSettings(**self.settings)).ask([question])
        return answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    model, log = folder / "model", folder / "log.txt"
    write_tiny_model(model)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = "from transformers.cli.transformers import main; main()"
    where = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", serve, "serve", str(model), *where],
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield Served(model, f"http://127.0.0.1:{port}/v1", log)
    finally:
        server.terminate()
        server.wait(timeout=60)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"The server did not start:\n{log.read_text()[-3000:]}")


def noise(seed: int) -> Any:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return encode_picture(pixels)


def test_a_question_in_words_is_answered(served: Served) -> None:
    answer = served.ask("what is it?")
    assert answer.outcome is Outcome.ANSWERED
    assert len(answer.text) == 8
    assert set(answer.text) <= set(string.ascii_lowercase)


def test_the_model_sees_the_pictures(served: Served) -> None:
    one, same, other = (served.ask(noise(seed), "what is it?").text for seed in (0, 0, 1))
    assert len({one, served.ask("what is it?").text}) == 2
    assert one == same
    assert one != other


def test_a_request_for_log_probabilities_is_left_out_by_this_server(served: Served) -> None:
    answer = served.ask(noise(0), "what is it?", top_logprobs=5, max_tokens=1)
    assert answer.logprobs == ()
    assert len(answer.text) == 1
    assert "Ignoring unsupported fields in the request" in served.log.read_text()


def test_and_the_source_that_reads_them_says_so(served: Served) -> None:
    source = make_reward_source("topreward", **served.settings)
    with pytest.raises(NeedsError, match="The server gave no log-probabilities of what"):
        source.rewards(clip(0, 128, 255))


@pytest.mark.parametrize("name", ["gvl", "roboreward"])
def test_a_model_that_knows_nothing_is_reported_and_not_believed(served: Served, name: str) -> None:
    batch = clip(0, 128, 255)
    settings = served.settings | {"max_tokens": 8}
    with pytest.raises(SourceAnswerError, match=rf"'{name}' got no usable answer of .* It said '"):
        make_reward_source(name, **settings).rewards(batch)
    rewards = make_reward_source(name, if_unanswered=0.5, **settings).rewards(batch)
    np.testing.assert_array_equal(rewards, [[0, 0, 0.5]])
