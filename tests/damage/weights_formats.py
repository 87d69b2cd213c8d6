"""Every kind of weights file that the library reads, and what is read beside weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_data import noise_episodes
from tests.damage.formats import register

__all__: list[str] = []


def _tensors() -> dict[str, Any]:
    import torch

    generator = torch.Generator().manual_seed(0)
    return {
        "visual.weight": torch.randn(4, 3, generator=generator),
        "visual.bias": torch.randn(4, generator=generator),
        "text.weight": torch.randn(2, 4, generator=generator),
    }


def _read_weights(path: Path) -> Any:
    from vlfeedback.encoders.weights_files import read_weights

    weights = read_weights(path)
    return weights.tensors, weights.config


@register("torchscript")
class _TorchScript:
    @staticmethod
    def write(folder: Path) -> None:
        from tests.encoders.test_clip import save_openai_archive

        save_openai_archive(_tensors(), folder / "a.pt")

    @staticmethod
    def read(folder: Path) -> Any:
        return _read_weights(folder / "a.pt")


@register("torch")
class _Torch:
    @staticmethod
    def write(folder: Path) -> None:
        import torch

        torch.save({"state_dict": _tensors()}, folder / "a.pt")

    @staticmethod
    def read(folder: Path) -> Any:
        return _read_weights(folder / "a.pt")


@register("safetensors")
class _Safetensors:
    @staticmethod
    def write(folder: Path) -> None:
        from safetensors.torch import save_file

        save_file(_tensors(), folder / "a.safetensors", metadata={"format": "pt"})
        config = {"preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}
        (folder / "open_clip_config.json").write_text(json.dumps(config))

    @staticmethod
    def read(folder: Path) -> Any:
        return _read_weights(folder / "a.safetensors")


@register("vlp", knows=True)
class _VLP:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.models.vlp.weights import load_vlp, save_vlp

        network, description = load_vlp("mt45")
        save_vlp(folder / "a.safetensors", network, description)

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.models.vlp.weights import load_vlp

        network, description = load_vlp(str(folder / "a.safetensors"))
        return network.state_dict(), description


@register("reward-model", knows=True)
class _RewardModel:
    @staticmethod
    def write(folder: Path) -> None:
        import vlfeedback

        episodes = noise_episodes(4, length=8)
        rng = np.random.default_rng(0)
        pairs = vlfeedback.sample_segment_pairs(episodes, 8, length=4, rng=rng)
        labels = vlfeedback.label_pairs(pairs, vlfeedback.make_preference_source("teacher"))
        model, _ = vlfeedback.fit_reward_model(labels, rng=rng)
        model.save(folder / "a.safetensors")

    @staticmethod
    def read(folder: Path) -> Any:
        import vlfeedback

        return vlfeedback.RewardModel.load(folder / "a.safetensors").networks.state_dict()


@register("training-state", knows=True)
class _TrainingState:
    @staticmethod
    def write(folder: Path) -> None:
        network, optimiser, state = _training(folder)
        state.resume(network, optimiser, [np.random.default_rng(3)])
        network(_ones()).sum().backward()
        optimiser.step()
        state.done(1, 1)

    @staticmethod
    def read(folder: Path) -> Any:
        network, optimiser, state = _training(folder)
        rng = np.random.default_rng(4)
        steps = state.resume(network, optimiser, [rng])
        return steps, network.state_dict(), optimiser.state_dict(), rng.random()


@register("policy-state", knows=True)
class _PolicyState:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.offline.training_state import save_state

        state = {"modules": _tensors(), "steps": 3, "names": ["a", (1, 2.5)], "rows": np.ones(3)}
        save_state(folder / "a.safetensors", state)

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.offline.training_state import load_state

        return load_state(folder / "a.safetensors")


@register("policy")
class _Policy:
    @staticmethod
    def write(folder: Path) -> None:
        import d3rlpy

        algo = d3rlpy.algos.BCConfig().create("cpu:0")
        algo.create_impl((3,), 2)
        algo.save(str(folder / "a.d3"))

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.offline import load_policy

        return load_policy(folder / "a.d3").predict(np.ones((2, 3), np.float32))


@register("vocabulary")
class _Vocabulary:
    @staticmethod
    def write(folder: Path) -> None:
        from vlfeedback.encoders.wordpiece import any_vocabulary

        tokens = any_vocabulary()
        (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.encoders.wordpiece import read_vocabulary

        return read_vocabulary(folder / "vocab.txt")


@register("array")
class _Array:
    @staticmethod
    def write(folder: Path) -> None:
        np.save(folder / "a.npy", np.array(["close", "open"]))

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.encoders.array_files import read_array

        return read_array(folder / "a.npy", "words as text of fixed width")


@register("picture")
class _Picture:
    @staticmethod
    def write(folder: Path) -> None:
        from PIL import Image

        rng = np.random.default_rng(0)
        picture = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "a.png")

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.encoders.goals import read_picture

        return read_picture(folder / "a.png")


@register("demonstration")
class _Demonstration:
    @staticmethod
    def write(folder: Path) -> None:
        rng = np.random.default_rng(0)
        np.save(folder / "a.npy", rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8))

    @staticmethod
    def read(folder: Path) -> Any:
        from vlfeedback.encoders.demos import read_demo

        return read_demo(folder / "a.npy")


def _training(folder: Path) -> Any:
    import torch

    from vlfeedback.models.training_state import TrainingState

    torch.manual_seed(0)
    network = torch.nn.Linear(3, 1)
    optimiser = torch.optim.Adam(network.parameters())
    return network, optimiser, TrainingState(folder / "a.safetensors", {"steps": 1}, every=1)


def _ones() -> Any:
    import torch

    return torch.ones(1, 3)
