"""From a collection of episodes to a weights file of `vlp.clip`; `vlfeedback fit vlp-clip`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from vlfeedback.arguments import on_device
from vlfeedback.data.collection import Collection
from vlfeedback.data.contents import CONTENTS
from vlfeedback.data.locks import locked_output
from vlfeedback.encoders.clip_tokens import CLIPTokens
from vlfeedback.errors import NeedsError
from vlfeedback.models.machine import describe_training_machine
from vlfeedback.models.training_state import TrainingState, state_path
from vlfeedback.models.vlp.data import choose_tasks, digests_of_episodes, load_episodes
from vlfeedback.models.vlp_clip.data import LevelPairs, PhraseTokens
from vlfeedback.models.vlp_clip.fit import VLPClipTraining, fit_vlp_clip, score_statistics
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork
from vlfeedback.models.vlp_clip.token_cache import cached_tokens
from vlfeedback.models.vlp_clip.weights import VLPClipWeights, save_vlp_clip
from vlfeedback.tasks import VLP_TEST_TASKS
from vlfeedback.types import Report

__all__ = ["train_vlp_clip"]


def train_vlp_clip(
    collection: Collection,
    out: str | Path,
    clip: CLIPTokens,
    *,
    tasks: Sequence[str] | None = None,
    excluded: Sequence[str] = VLP_TEST_TASKS,
    architecture: VLPClipArchitecture | None = None,
    training: VLPClipTraining | None = None,
    tokens: str | Path | None = None,
    device: str = "cpu",
    state_every: int = 500,
    report: Report | None = None,
) -> VLPClipWeights:
    """Train the VLP paper's own model on the tokens of a frozen CLIP, and write its weights.

    A run that was cut off goes on where it was when it is called again, and writes the same
    tensors as one that was not, bit for bit, on the same machine.

    Args:
        collection: what `vlfeedback collect` made; best with pictures of 224 px.
        out: weights file, ``*.safetensors``; one that is there is replaced at the end.
        clip: what encodes pictures and texts, from `load_clip_tokens`.
        tasks: trained on; default: all of the collection.
        excluded: never trained on; default: the test tasks of the VLP paper.
        architecture: what is trained; default: the paper's, with the widths of this CLIP.
        training: how; default: Table 7 of the paper.
        tokens: folder for CLIP's tokens, 0.7 GB a task with ViT-B/16; default: ``clip-tokens``
            beside `out`.
        device: "cuda" or "cpu".
        state_every: steps between two savings of a run that may be cut off.
        report: called while it runs.

    Returns:
        The file's description: architecture, CLIP, tasks, mean and deviation of its scores,
        and in `training` settings and machine.

    Raises:
        NeedsError: fewer than two tasks are left, a task has one level only, the disk has too
            little room, or the architecture is for a CLIP of other widths.
        FileNotFoundError: the collection lacks a level of a task.
        FileFormatError: a run that was cut off was begun with other settings, or on other data.
        BusyError: another process trains into `out`, or encodes into `tokens`.
        WriteError: `out` cannot be written; nothing was encoded or trained then.
    """
    out = Path(out)
    with locked_output(out, what="trains into"):
        start = time.monotonic()
        training, report = training or VLPClipTraining(), report or (lambda *_: None)
        architecture = architecture or VLPClipArchitecture(
            picture_width=clip.picture_width, text_width=clip.text_width
        )
        widths = (architecture.picture_width, architecture.text_width)
        if widths != (clip.picture_width, clip.text_width):
            raise NeedsError(
                f"The architecture reads tokens of {widths[0]} and {widths[1]} numbers, and this "
                f"CLIP's pictures and texts have {clip.picture_width} and {clip.text_width}; build "
                "it with these widths."
            )
        names, exclusions = choose_tasks(collection, tasks, excluded)
        state = TrainingState(
            state_path(out),
            {
                **asdict(training),
                "tasks": names,
                "clip": asdict(clip.identity),
                **asdict(architecture),
                CONTENTS: digests_of_episodes(collection, names),
            },
            every=state_every,
        )
        state.seconds()  # refuses other settings before hours of encoding
        torch.manual_seed(training.seed)
        network = VLPClipNetwork(architecture)
        episodes = load_episodes(collection, names, with_progress=False, report=report)
        picture_tokens = cached_tokens(
            tokens or out.with_name("clip-tokens"),
            episodes,
            clip,
            class_token=architecture.class_token,
            report=report,
        )
        pairs = LevelPairs(episodes, picture_tokens, n_frames=architecture.n_frames)
        phrases = PhraseTokens(names, clip)
        with on_device(device):
            fit_vlp_clip(
                network, pairs, phrases, training, device=device, report=report, state=state
            )
            mean, std = score_statistics(network, pairs, phrases, seed=training.seed, device=device)
        notes = {
            "excluded": exclusions,
            "collection": dict(collection.settings),
            **asdict(training),
            "seconds_of_last_run": round(time.monotonic() - start),
            **describe_training_machine(device),
        }
        weights = VLPClipWeights(architecture, clip.identity, mean, std, tuple(names), notes)
        save_vlp_clip(out, network, weights)
        state.remove()
        return weights
