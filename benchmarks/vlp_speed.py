"""Claim: the bundled `vlp` scores at least 100 times the clips of the paper's model on one core.

The paper's model is `vlp.clip` at its true size: CLIP ViT-B/16 and a cross-modal transformer of
44 M parameters, both with random weights, which take as long as trained ones. Both score the same
clips of 8 pictures, from the pictures, and from tokens of pictures that were encoded before, as
wrappers keep them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measurement import measure, publish, ratio

import vlfeedback
from vlfeedback.encoders.clip_tokens import load_clip_tokens
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork
from vlfeedback.models.vlp_clip.weights import VLPClipWeights, save_vlp_clip
from vlfeedback.types import SegmentBatch

CLIP = "ViT-B-16-quickgelu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=64, help="a repeat, compact model")
    parser.add_argument("--clip-segments", type=int, default=1, help="a repeat, the paper's model")
    parser.add_argument("--gpu-segments", type=int, default=256, help="a repeat, either, on a GPU")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", default="mt50")
    args = parser.parse_args()
    torch.set_num_threads(1)
    n_segments = {"cpu": (args.segments, args.clip_segments)}
    if torch.cuda.is_available():
        n_segments["cuda"] = (args.gpu_segments, args.gpu_segments)

    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(Path(folder) / "vlp-clip.safetensors", args.seed)
        for device, (n_compact, n_clip) in n_segments.items():
            compact = vlfeedback.make_reward_source("vlp", weights=args.weights, device=device)
            clip = vlfeedback.make_reward_source(
                "vlp.clip", weights=str(weights), random_weights_seed=args.seed, device=device
            )
            rates = measure(
                {
                    **workloads("vlp", compact, n_compact, args.seed),
                    **workloads("vlp.clip", clip, n_clip, args.seed),
                },
                repeats=args.repeats,
            )
            figures[device] = {
                "ratio from pictures": ratio(rates, "vlp, pictures", "vlp.clip, pictures"),
                "ratio from tokens": ratio(rates, "vlp, tokens", "vlp.clip, tokens"),
                "segments": rates,
                "parameters": {"vlp": compact.n_parameters, "vlp.clip": clip.n_parameters},
            }
    publish(
        "vlp_speed",
        claim="the bundled vlp scores at least 100 times the segments of the VLP paper's model, "
        "vlp.clip at its true size, from pictures on one CPU thread",
        seed=args.seed,
        figures=figures,
    )


def random_weights(path: Path, seed: int) -> Path:
    clip = load_clip_tokens(CLIP, random_weights_seed=seed)
    architecture = VLPClipArchitecture()
    torch.manual_seed(seed)
    weights = VLPClipWeights(architecture, clip.identity, 0.0, 1.0, (), {"random": True})
    save_vlp_clip(path, VLPClipNetwork(architecture), weights)
    return path


def workloads(name: str, source: Any, n: int, seed: int) -> dict[str, Callable[[], int]]:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (n, 8, 112, 112, 3), dtype=np.uint8)
    tokens = source.embed(frames.reshape(-1, *frames.shape[2:]))
    sentences = ["close the drawer"] * n
    pictured = SegmentBatch(frames=frames, instructions=sentences)
    encoded = SegmentBatch(
        embeddings=tokens.reshape(n, 8, *tokens.shape[1:]), instructions=sentences
    )

    def score(batch: SegmentBatch) -> Callable[[], int]:
        def run() -> int:
            source.rewards(batch)
            return n

        return run

    return {f"{name}, pictures": score(pictured), f"{name}, tokens": score(encoded)}


if __name__ == "__main__":
    main()
