"""VLM-RM: closeness to the goal's text along the way from a baseline's text.

Paper:    Rocamonde et al. 2024, "Vision-Language Models are Zero-Shot Reward Models for RL"
Code read: AlignmentResearch/vlmrm at 811d820, reward_model.py and contrib/open_clip/transform.py
Weights:  any of open_clip's, from a file or the hub cache; its README uses ViT-g-14 of
          laion2b_s34b_b88k; licence MIT for OpenAI's
Needs:    frames (the picture after the action), instruction, and a baseline text in the settings
Returns:  one reward a step, unitless, at most 1; only differences mean something
Recipe:   1 encode pictures, target and baseline texts, all of length 1; 2 average the texts of
          each kind: g and b; 3 project x - g, of a picture x, partly (alpha) onto the line along
          g - b; 4 reward = 1 - |projected|^2 / 2.
Left out: its processes and episodes of one length; other than there, every architecture reads its
          own tokens and not always CLIP's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from vlfeedback.encoders.clip_settings import CLIPSettings, load_chosen_clip
from vlfeedback.encoders.preprocess import CLIP_MEAN, CLIP_STD, Preprocess
from vlfeedback.encoders.segments import TextCache, hold_scores, picture_features
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["VLMRMConfig", "VLMRMReward", "goal_baseline_rewards"]

_PLACE = "{}"  # where a target text takes the instruction
_LEAST_DISTANCE = 1e-6  # of two texts: float32 features of one text differ by less


@dataclass(frozen=True, slots=True, kw_only=True)
class VLMRMConfig(CLIPSettings):
    """Settings of the `vlm_rm` source, beside those of `CLIPSettings`.

    Attributes:
        alpha: in [0, 1]: 0 is CLIP's cosine, 1 the line alone; default of its README.
        target: text(s) of the goal; {} is the instruction.
        baseline: text(s) of the scene without the goal, such as "drawer" for "close drawer"
            (VLP, table 11); may be left out where alpha is 0.
        preprocess: "vlmrm", as its code: both edges to the side, bicubic in floats. "openclip":
            what the weights were trained with, as `clip`.
        antialias: whether "vlmrm" filters before it shrinks. Its code leaves it to torchvision.
            False: that of torch 2.0.1, which its setup.py pins, and so the paper's. True:
            torchvision 0.17 and later.
    """

    alpha: float = 0.5
    target: str | Sequence[str] = _PLACE
    baseline: str | Sequence[str] | None = None
    preprocess: str = "vlmrm"
    antialias: bool = False


class VLMRMReward:
    """Goal-baseline regularised CLIP reward; see the module's header.

    Raises:
        NeedsError: not exactly one of the three weights, there is no baseline or target, or a text
            is empty.
        InvalidValueError: alpha is not in [0, 1], or there is no such preprocessing.
        UnknownNameError: open_clip has no such architecture or tag.
        FileNotFoundError: the weights or the tokenizer are not here; the message says how to get
            them.
        CheckpointError: the file is damaged, or of another architecture or activation.
    """

    config_type = VLMRMConfig
    needs = SourceNeeds(frames=True, instruction=True)

    def __init__(self, config: VLMRMConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config = config or VLMRMConfig()
        self._targets, self._baselines = _texts(config.target), _texts(config.baseline)
        _check(config, self._targets, self._baselines)
        self._reads_instruction = any(_PLACE in text for text in self._targets)
        self.needs = replace(
            self.needs, frame_stride=config.frame_stride, instruction=self._reads_instruction
        )
        self._encoder = load_chosen_clip(
            config,
            device=device,
            preprocess=_upstream_preprocess(config.antialias)
            if config.preprocess == "vlmrm"
            else None,
        )
        self._texts = TextCache("vlm_rm", self._encoder.embed_text)
        self._baseline = self._mean(self._baselines) if self._baselines else None
        self._goals: dict[str, Float64[np.ndarray, " D"]] = {}

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; with preprocess="openclip", that of `clip`."""
        return self._encoder.pictures.identity

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture, of length 1."""
        return self._encoder.embed_pictures(frames)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Reward of the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures or instructions are missing or empty, or the first picture comes
                after the first step.
            InvalidValueError: nothing is left of an instruction once it is cleaned, or target and
                baseline texts are the same to the network.
        """
        texts: Sequence[str] = [""] * len(batch)
        if self._reads_instruction:
            self._texts.of(batch)  # refuses missing and blank ones under their own names
            texts = batch.instructions or texts
        goals = np.stack([self._goal(text) for text in texts])
        pictures = _unit(picture_features(batch, self.embed, source="vlm_rm"))
        scores = goal_baseline_rewards(pictures, goals, self._baseline, self.config.alpha)
        return hold_scores(scores, batch)

    def _goal(self, instruction: str) -> Float64[np.ndarray, " D"]:
        if instruction not in self._goals:
            texts = [text.replace(_PLACE, instruction) for text in self._targets]
            goal = self._mean(texts)
            if self._baseline is not None and _is_same(goal, self._baseline):
                raise InvalidValueError(
                    f"Target {texts} and baseline {list(self._baselines)} are the same to the "
                    "network, and no line leads from one to the other. Let the baseline describe "
                    "the scene without the goal, such as 'drawer' for 'close drawer'."
                )
            self._goals[instruction] = goal
        return self._goals[instruction]

    def _mean(self, texts: Sequence[str]) -> Float64[np.ndarray, " D"]:
        return np.asarray(_unit(np.stack([self._texts(text) for text in texts])).mean(axis=0))


def goal_baseline_rewards(
    pictures: Float64[np.ndarray, "N F D"],
    goals: Float64[np.ndarray, "N D"],
    baseline: Float64[np.ndarray, " D"] | None,
    alpha: float,
) -> Float64[np.ndarray, "N F"]:
    """The paper's reward without its D x D matrix.

    ``1 - [(1 - alpha)^2 |x - g|^2 + alpha (2 - alpha) c^2] / 2``, where ``c = (x - g).d / |d|`` and
    ``d = g - b``. It equals ``1 - |(x - g) P|^2 / 2`` with ``P = alpha d d^T / |d|^2 + (1 - alpha)
    I`` of its code, since ``|(x - g) P|^2`` falls into a part along d, which keeps ``c^2``, and one
    across it, which keeps ``(1 - alpha)^2`` of ``|x - g|^2 - c^2``.

    Args:
        pictures: features x of length 1.
        goals: g, mean of the target texts' features of length 1, of each segment.
        baseline: b, mean of the baseline texts'; None only where alpha is 0.
        alpha: strength of the projection, in [0, 1].
    """
    apart = pictures - goals[:, None]
    penalty = (1 - alpha) ** 2 * np.einsum("nfd,nfd->nf", apart, apart)
    if baseline is not None:
        along = np.einsum("nfd,nd->nf", apart, _unit(goals - baseline))
        penalty = penalty + alpha * (2 - alpha) * along**2
    return np.asarray(1 - penalty / 2)


def _check(config: VLMRMConfig, targets: Sequence[str], baselines: Sequence[str]) -> None:
    if not 0 <= config.alpha <= 1:
        raise InvalidValueError(
            f"alpha={config.alpha}; expected a number from 0 (CLIP's cosine) to 1."
        )
    if config.preprocess not in ("vlmrm", "openclip"):
        raise InvalidValueError(
            f"preprocess={config.preprocess!r}; expected 'vlmrm' or 'openclip'."
        )
    if not targets:
        raise NeedsError("'vlm_rm' got no target text; leave target out for the instruction alone.")
    if not baselines and config.alpha > 0:
        raise NeedsError(
            f"'vlm_rm' with alpha={config.alpha} needs a text of the scene without the goal: "
            "baseline='drawer' where the instruction is 'close drawer'. Or pass alpha=0."
        )


def _texts(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _upstream_preprocess(antialias: bool) -> Callable[[int], Preprocess]:
    return lambda side: Preprocess(
        side, CLIP_MEAN, CLIP_STD, "bicubic", "squash", arithmetic="float", antialias=antialias
    )


def _unit(features: Float[np.ndarray, "... D"]) -> Float64[np.ndarray, "... D"]:
    """Of length 1 in float64: rounding of float32 lengths would be seen beside the cosine."""
    exact = features.astype(np.float64)
    return np.asarray(exact / np.linalg.norm(exact, axis=-1, keepdims=True))


def _is_same(goal: Float64[np.ndarray, " D"], baseline: Float64[np.ndarray, " D"]) -> bool:
    return bool(np.linalg.norm(goal - baseline) < _LEAST_DISTANCE)
