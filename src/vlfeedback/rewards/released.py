"""What reward sources read that others have trained: which files, from where, under which licence.

Sizes follow from the number of parameters, of four bytes unless noted; a file that differs much is
another one. Nothing here is downloaded: addresses are for people, and for `locate`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vlfeedback.errors import UnknownNameError

__all__ = ["RELEASED", "Released", "WeightsFile", "released_for"]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file a source can be given."""

    setting: str  # of the source that takes it: "checkpoint"
    name: str  # as its authors call it
    where: str  # an address, or how to come by it
    megabytes: float  # about, of 10**6 bytes
    sha256: str = ""  # its first digits, where its authors print them
    choose: str = ""  # the setting that goes with this file: "size=50"


@dataclass(frozen=True, slots=True)
class Released:
    """All that a source reads, and what using it costs and permits."""

    source: str
    files: tuple[WeightsFile, ...]  # empty: everything comes with the library
    code_licence: str  # of the authors' code; ours is our own
    weights_licence: str
    parameters: str  # of networks that are run, in millions
    teraflops: float  # arithmetic for 1,000 pictures at the default setting; 0 where it is trivial
    note: str = ""

    @property
    def non_commercial(self) -> bool:
        """Whether the weights may not be used commercially."""
        return "NC" in self.weights_licence


def _openai(name: str, megabytes: float, sha256: str, architecture: str) -> WeightsFile:
    where = "openaipublic.azureedge.net, as clip.load() of openai/CLIP fetches it"
    return WeightsFile("checkpoint", name, where, megabytes, sha256, f"architecture={architecture}")


_S3 = "https://pytorch.s3.amazonaws.com/models/rl"

_CLIP_FILES = (
    _openai("ViT-B-32.pt", 303.0, "40d36571", "ViT-B-32-quickgelu"),
    _openai("ViT-B-16.pt", 299.0, "5806e77c", "ViT-B-16-quickgelu"),
    _openai("ViT-L-14.pt", 855.0, "b8cca3fd", "ViT-L-14-quickgelu"),
    _openai("RN50.pt", 204.0, "afeb0e10", "RN50-quickgelu"),
    WeightsFile(
        "pretrained",
        "open_clip_model.safetensors",
        "hf download timm/vit_base_patch32_clip_224.openai open_clip_model.safetensors",
        605.0,
        choose="pretrained=openai",
    ),
)

_R3M_VOCABULARY = WeightsFile(
    "tokenizer",
    "vocab.txt",
    "hf download distilbert/distilbert-base-uncased vocab.txt",
    0.2,
)

RELEASED: dict[str, Released] = {
    released.source: released
    for released in (
        Released("vlp", (), "Apache-2.0 (ours)", "Apache-2.0 (ours)", "2", 0.12),
        Released(
            "vlp.clip",
            (replace(_CLIP_FILES[1], choose=""),),
            "none published; ours",
            "MIT (CLIP); the rest you train",
            "44 + 150",
            46.0,
            "train it with `vlfeedback fit vlp-clip`",
        ),
        Released("clip", _CLIP_FILES, "MIT", "MIT (OpenAI's)", "151", 8.8),
        Released(
            "vlm_rm",
            (
                WeightsFile(
                    "pretrained",
                    "open_clip_model.safetensors",
                    "hf download laion/CLIP-ViT-g-14-laion2B-s34B-b88K open_clip_model.safetensors",
                    5467.0,
                    choose="architecture=ViT-g-14 pretrained=laion2b_s34b_b88k",
                ),
                *_CLIP_FILES,
            ),
            "MIT",
            "MIT",
            "151",
            8.8,
            "with ViT-g-14, which its authors use: 1,367 million parameters and 534 TFLOP",
        ),
        Released(
            "r3m",
            (
                *(
                    WeightsFile(
                        "checkpoint", f"r3m_{n}.pt", f"{_S3}/r3m/r3m_{n}.pt", mb, choose=f"size={n}"
                    )
                    for n, mb in ((50, 392.0), (34, 371.0), (18, 330.0))
                ),
                _R3M_VOCABULARY,
            ),
            "MIT",
            "MIT",
            "24 + 8 + 66",
            8.2,
            "45, 85 or 94 MB: a copy without the language head, for r3m-goal alone",
        ),
        Released(
            "r3m-goal",
            (
                WeightsFile(
                    "checkpoint", "r3m_50.pt", f"{_S3}/r3m/r3m_50.pt", 392.0, choose="size=50"
                ),
            ),
            "MIT",
            "MIT",
            "24",
            8.2,
        ),
        *(
            Released(
                name,
                (WeightsFile("checkpoint", "model.pt", f"{_S3}/vip/model.pt", 102.6),),
                "CC BY-NC 4.0",
                "CC BY-NC 4.0",
                "26",
                8.2,
                "not for commercial use; dino-goal is the same idea under a permissive licence",
            )
            for name in ("vip-distance", "vip-potential")
        ),
        Released(
            "liv",
            (WeightsFile("checkpoint", "model.pt", "hf download jasonyma/LIV model.pt", 408.0),),
            "MIT",
            "none stated",
            "102",
            12.2,
        ),
        Released(
            "roboclip",
            (
                WeightsFile(
                    "checkpoint",
                    "s3d_howto100m.pth",
                    "https://www.rocq.inria.fr/cluster-willow/amiech/howto100m/s3d_howto100m.pth",
                    124.9,
                ),
                WeightsFile(
                    "words",
                    "s3d_dict.npy",
                    "https://www.rocq.inria.fr/cluster-willow/amiech/howto100m/s3d_dict.npy",
                    5.0,
                ),
            ),
            "none (RoboCLIP), Apache-2.0 (S3D)",
            "none stated",
            "31",
            3.0,
            "its arithmetic is counted for 1,000 pictures of 250 px that are read",
        ),
        Released(
            "siglip2",
            (
                WeightsFile(
                    "pretrained",
                    "open_clip_model.safetensors",
                    "hf download timm/ViT-B-16-SigLIP2",
                    1500.0,
                    choose="pretrained=webli",
                ),
                WeightsFile(
                    "tokenizer",
                    "tokenizer.json",
                    "hf download timm/ViT-B-16-SigLIP2 tokenizer.json tokenizer_config.json",
                    34.0,
                ),
            ),
            "Apache-2.0",
            "Apache-2.0",
            "375",
            35.0,
        ),
        Released(
            "dino-goal",
            (
                WeightsFile(
                    "checkpoint",
                    "model.safetensors",
                    "hf download timm/vit_base_patch14_dinov2.lvd142m model.safetensors",
                    346.0,
                ),
            ),
            "Apache-2.0",
            "Apache-2.0 (DINOv2; DINOv3 has a licence of its own)",
            "87",
            46.0,
        ),
    )
}
"""By source. Facts are those of repositories and model cards; no file was opened for them."""


def released_for(source: str) -> Released:
    """What a source reads that others have trained.

    Raises:
        UnknownNameError: nothing is known of it; it may need no weights.
    """
    if source not in RELEASED:
        known: list[Any] = sorted(RELEASED)
        raise UnknownNameError(
            f"No released weights are known for {source!r}; there are some for: "
            f"{', '.join(known)}. `vlfeedback list rewards` shows all sources."
        )
    return RELEASED[source]
