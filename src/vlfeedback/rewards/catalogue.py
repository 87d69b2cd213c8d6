"""The library's own reward sources as registry entries, which import none of them.

What has released weights comes first, in the order in which `vlfeedback weights list` shows it.
"""

from __future__ import annotations

from dataclasses import replace

from vlfeedback.registry import Entry
from vlfeedback.types.released import Released, WeightsFile

__all__ = ["BUILT_INS"]

_S3 = "https://pytorch.s3.amazonaws.com/models/rl"
_DRIVE = "https://drive.google.com/uc?id="
_INRIA = "https://www.rocq.inria.fr/cluster-willow/amiech/howto100m"


def _openai(name: str, megabytes: float, sha256: str, architecture: str) -> WeightsFile:
    where = "openaipublic.azureedge.net, as clip.load() of openai/CLIP fetches it"
    return WeightsFile("checkpoint", name, where, megabytes, sha256, f"architecture={architecture}")


def _served(model: str, megabytes: float) -> WeightsFile:
    return WeightsFile("model", model, f"served, such as by `vllm serve {model}`", megabytes)


def _recognised_as(kind: str) -> str:
    return f"vlfeedback.encoders.recognise:{kind}"


def _loaded_by(function: str) -> str:
    return f"vlfeedback.rewards.weights_loading:{function}"


_CLIP_B16 = _openai("ViT-B-16.pt", 350.0, "5806e77c", "ViT-B-16-quickgelu")
_CLIP_FILES = (
    _openai("ViT-B-32.pt", 353.0, "40d36571", "ViT-B-32-quickgelu"),
    _CLIP_B16,
    _openai("ViT-L-14.pt", 932.0, "b8cca3fd", "ViT-L-14-quickgelu"),
    _openai("RN50.pt", 255.0, "afeb0e10", "RN50-quickgelu"),
    WeightsFile(
        "pretrained",
        "open_clip_model.safetensors",
        "hf download timm/vit_base_patch32_clip_224.openai open_clip_model.safetensors",
        605.0,
        choose="pretrained=openai",
    ),
)
_R3M_FILES = tuple(
    WeightsFile(
        "checkpoint",
        f"r3m_{size}/model.pt",
        f"{_DRIVE}{file_id} (its authors'), {_S3}/r3m/r3m_{size}.pt (a copy, of TorchRL)",
        mb,
        choose=f"size={size}",
    )
    for size, mb, file_id in (
        (50, 392.0, "1Xu0ssuG0N1zjZS54wmWzJ7-nb0-7XzbA"),
        (34, 371.0, "15bXD3QRhspIRacOKyWPw5y2HpoWUCEnE"),
        (18, 330.0, "1A1ic-p4KtYlKXdXHcV2QV0cUzI4kn0u-"),
    )
)
_VIP = Released(
    files=(WeightsFile("checkpoint", "model.pt", f"{_S3}/vip/model.pt", 102.6),),
    code_licence="CC BY-NC 4.0",
    weights_licence="CC BY-NC 4.0",
    parameters="26",
    teraflops=8.2,
    note="not for commercial use; dino-goal is the same idea under a permissive licence",
)

BUILT_INS: tuple[Entry, ...] = (
    Entry(
        "vlp",
        "vlfeedback.rewards.vlp:VLPReward",
        "bundled preference model: do the last 50 steps follow the instruction?",
        "VLP",
        extra="vision",
        weights=Released(
            code_licence="Apache-2.0 (ours)",
            weights_licence="Apache-2.0 (ours)",
            parameters="2",
            teraflops=0.12,
        ),
        recogniser=_recognised_as("vlp"),
        loader=_loaded_by("vlp"),
    ),
    Entry(
        "vlp.clip",
        "vlfeedback.rewards.vlp_clip:VLPClipReward",
        "the preference model of the VLP paper, on CLIP; train it with `vlfeedback fit`",
        "VLPClip",
        extra="vision",
        weights=Released(
            files=(replace(_CLIP_B16, choose=""),),
            code_licence="none published; ours",
            weights_licence="MIT (CLIP); the rest you train",
            parameters="44 + 150",
            teraflops=46.0,
            note="train it with `vlfeedback fit vlp-clip`",
        ),
        recogniser=_recognised_as("vlp_clip"),
        loader=_loaded_by("vlp_clip"),
    ),
    Entry(
        "clip",
        "vlfeedback.rewards.clip:CLIPReward",
        "cosine of picture and instruction, any open_clip model",
        "CLIP",
        extra="vision",
        weights=Released(
            files=_CLIP_FILES,
            code_licence="MIT",
            weights_licence="MIT (OpenAI's)",
            parameters="151",
            teraflops=8.8,
        ),
        recogniser=_recognised_as("clip"),
        loader=_loaded_by("clip"),
    ),
    Entry(
        "vlm_rm",
        "vlfeedback.rewards.vlm_rm:VLMRMReward",
        "closeness to the instruction, seen from a text of the bare scene; any open_clip model",
        "VLMRM",
        extra="vision",
        weights=Released(
            files=(
                WeightsFile(
                    "pretrained",
                    "open_clip_model.safetensors",
                    "hf download laion/CLIP-ViT-g-14-laion2B-s34B-b88K open_clip_model.safetensors",
                    5467.0,
                    choose="architecture=ViT-g-14 pretrained=laion2b_s34b_b88k",
                ),
                *_CLIP_FILES,
            ),
            code_licence="MIT",
            weights_licence="MIT",
            parameters="151",
            teraflops=8.8,
            note="with ViT-g-14, which its authors use: 1,367 million parameters and 534 TFLOP",
        ),
        recogniser=_recognised_as("clip"),
        loader=_loaded_by("clip"),
    ),
    Entry(
        "r3m",
        "vlfeedback.rewards.r3m:R3MReward",
        "does what happened since the reset look like the instruction, by R3M's language head",
        "R3M",
        extra="vision",
        weights=Released(
            files=(
                *_R3M_FILES,
                WeightsFile(
                    "tokenizer",
                    "vocab.txt",
                    "hf download distilbert/distilbert-base-uncased vocab.txt",
                    0.2,
                ),
            ),
            code_licence="MIT",
            weights_licence="MIT",
            parameters="24 + 8 + 66",
            teraflops=8.2,
            note="45, 85 or 94 MB: a copy without the language head, for r3m-goal alone",
        ),
        recogniser=_recognised_as("r3m"),
        loader=_loaded_by("r3m"),
    ),
    Entry(
        "r3m-goal",
        "vlfeedback.rewards.r3m_goal:R3MGoalReward",
        "minus the distance of R3M's features to those of a picture of the goal",
        "R3MGoal",
        extra="vision",
        weights=Released(
            files=_R3M_FILES[:1],
            code_licence="MIT",
            weights_licence="MIT",
            parameters="24",
            teraflops=8.2,
        ),
        recogniser=_recognised_as("r3m_pictures"),
        loader=_loaded_by("r3m_pictures"),
    ),
    Entry(
        "vip-distance",
        "vlfeedback.rewards.vip:VIPDistanceReward",
        "minus VIP's distance to a picture of the goal; weights not for commercial use",
        "VIPDistance",
        extra="vision",
        weights=_VIP,
        recogniser=_recognised_as("vip"),
        loader=_loaded_by("vip"),
    ),
    Entry(
        "vip-potential",
        "vlfeedback.rewards.vip:VIPPotentialReward",
        "how much nearer VIP sees a picture of the goal; weights not for commercial use",
        "VIPPotential",
        extra="vision",
        weights=_VIP,
        recogniser=_recognised_as("vip"),
        loader=_loaded_by("vip"),
    ),
    Entry(
        "liv",
        "vlfeedback.rewards.liv:LIVReward",
        "closeness of picture and instruction, or picture of the goal, by LIV",
        "LIV",
        extra="vision",
        weights=Released(
            files=(
                WeightsFile("checkpoint", "model.pt", "hf download jasonyma/LIV model.pt", 408.0),
            ),
            code_licence="MIT",
            weights_licence="none stated",
            parameters="102",
            teraflops=12.2,
        ),
        recogniser=_recognised_as("liv"),
        loader=_loaded_by("liv"),
    ),
    Entry(
        "roboclip",
        "vlfeedback.rewards.roboclip:RoboCLIPReward",
        "likeness of a whole episode's video and an instruction or a demonstration, by S3D",
        "RoboCLIP",
        extra="vision",
        weights=Released(
            files=(
                WeightsFile(
                    "checkpoint", "s3d_howto100m.pth", f"{_INRIA}/s3d_howto100m.pth", 124.9
                ),
                WeightsFile("words", "s3d_dict.npy", f"{_INRIA}/s3d_dict.npy", 5.0),
            ),
            code_licence="none (RoboCLIP), Apache-2.0 (S3D)",
            weights_licence="none stated",
            parameters="31",
            teraflops=3.0,
            note="its arithmetic is counted for 1,000 pictures of 250 px that are read",
        ),
        recogniser=_recognised_as("s3d"),
        loader=_loaded_by("s3d"),
    ),
    Entry(
        "siglip2",
        "vlfeedback.rewards.siglip2:SigLIP2Reward",
        "cosine of picture and instruction, or the chance that they match, by SigLIP 2",
        "SigLIP2",
        extra="vision",
        weights=Released(
            files=(
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
            code_licence="Apache-2.0",
            weights_licence="Apache-2.0",
            parameters="375",
            teraflops=35.0,
        ),
        recogniser=_recognised_as("siglip"),
        loader=_loaded_by("clip"),
    ),
    Entry(
        "dino-goal",
        "vlfeedback.rewards.dino_goal:DINOGoalReward",
        "minus the distance of DINO's features to those of a picture of the goal",
        "DINOGoal",
        extra="vision",
        weights=Released(
            files=(
                WeightsFile(
                    "checkpoint",
                    "model.safetensors",
                    "hf download timm/vit_base_patch14_dinov2.lvd142m model.safetensors",
                    346.0,
                ),
            ),
            code_licence="Apache-2.0",
            weights_licence="Apache-2.0 (DINOv2; DINOv3 has a licence of its own)",
            parameters="87",
            teraflops=46.0,
        ),
        recogniser=_recognised_as("dino"),
        loader=_loaded_by("dino"),
    ),
    Entry(
        "roboreward",
        "vlfeedback.rewards.roboreward:RoboReward",
        "how an episode ended, from 1 to 5 by a rubric: one question to a model that is served",
        "Robo",
        extra="vlm",
        weights=Released(
            files=(
                _served("teetone/RoboReward-8B", 17534.0),
                _served("teetone/RoboReward-4B", 8876.0),
            ),
            code_licence="none stated; MIT (robometer's)",
            weights_licence="CC BY 4.0",
            parameters="8767",
            teraflops=1400.0,
            note="its arithmetic is counted for pictures of 256 px, 16 in a question",
        ),
    ),
    Entry(
        "robometer",
        "vlfeedback.rewards.robometer:RobometerReward",
        "progress, or the chance of success, by Robometer: one request to a vLLM that pools",
        "Robometer",
        extra="vlm",
        weights=Released(
            files=(
                WeightsFile(
                    "model",
                    "robometer/Robometer-4B",
                    "served by a vLLM that has its class, RFM of vllm-project/vllm#43002",
                    8902.0,
                ),
            ),
            code_licence="MIT",
            weights_licence="Apache-2.0",
            parameters="4438 + 13",
            teraflops=800.0,
            note="its arithmetic is counted for pictures of 256 px, 8 in a request",
        ),
    ),
    Entry(
        "gvl",
        "vlfeedback.rewards.gvl:GVLReward",
        "how far the task has come, in shuffled pictures: one question to any model",
        "GVL",
        extra="vlm",
    ),
    Entry(
        "topreward",
        "vlfeedback.rewards.topreward:TOPReward",
        "log-probability that the task is done: one token of any model that tells it",
        "TOP",
        extra="vlm",
    ),
    Entry(
        "learned",
        "vlfeedback.rewards.learned:LearnedReward",
        "a reward model learnt from preferences; train it with `vlfeedback fit reward`",
        extra="vision",
        recogniser=_recognised_as("reward_model"),
        loader=_loaded_by("reward_model"),
    ),
    Entry(
        "picture-energy",
        "vlfeedback.rewards.picture_energy:PictureEnergyReward",
        "how much the picture changed; no language, a trivial baseline",
    ),
    Entry(
        "env",
        "vlfeedback.rewards.env_reward:EnvReward",
        "the environment's own reward, as a reference",
    ),
    Entry(
        "success",
        "vlfeedback.rewards.success:SuccessReward",
        "1 where a recording says that the task is done, as a reference",
    ),
    Entry(
        "random",
        "vlfeedback.rewards.random:RandomReward",
        "noise in [-1, 1), the same for the same action",
    ),
)
