"""From a collection of episodes to a weights file of the VLP model; `vlfeedback fit vlp`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from vlfeedback.arguments import on_device
from vlfeedback.data.collection import Collection
from vlfeedback.data.contents import CONTENTS, digests_of_files
from vlfeedback.data.instruction_file import load_corpus
from vlfeedback.data.locks import locked_output
from vlfeedback.models.machine import describe_training_machine
from vlfeedback.models.training_state import TrainingState, state_path
from vlfeedback.models.vlp.data import (
    choose_tasks,
    digests_of_episodes,
    load_episodes,
    load_scenes,
)
from vlfeedback.models.vlp.familiarity import PictureStatistics, measure_pictures
from vlfeedback.models.vlp.fit_encoder import encode_episodes, encode_scenes, fit_encoder
from vlfeedback.models.vlp.fit_preferences import fit_preferences
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.score_statistics import score_statistics
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts
from vlfeedback.models.vlp.unseen import read_unseen_positions
from vlfeedback.models.vlp.weights import VLPWeights, load_vlp, save_vlp
from vlfeedback.tasks import VLP_TEST_TASKS
from vlfeedback.types import Report

__all__ = ["train_vlp"]

# What the outcome of stage 1 depends on, beside tasks, architecture and data.
_STAGE_1 = (
    "encoder_steps",
    "encoder_batch",
    "encoder_learning_rate",
    "weight_decay",
    "warmup",
    "seed",
)
_FOLDS = (*_STAGE_1, "folds", "fold_steps")


def train_vlp(
    collection: Collection,
    out: str | Path,
    *,
    tasks: Sequence[str] | None = None,
    excluded: Sequence[str] = VLP_TEST_TASKS,
    also: Sequence[Collection] = (),
    training: VLPTraining | None = None,
    architecture: VLPArchitecture | None = None,
    instructions: str | Path | None = None,
    encoder: str = "",
    share: float = 1.0,
    device: str = "cpu",
    threads: int | None = None,
    state_every: int = 100,
    report: Report | None = None,
) -> VLPWeights:
    """Train the VLP preference model and write its weights.

    A run that was cut off goes on where it was when it is called again: both stages are kept
    beside `out` while they run. One that went on writes the same tensors as one that was not cut
    off, bit for bit, on the same machine with as many threads.

    Args:
        collection: what `vlfeedback collect` made, with scattered scenes.
        out: weights file, ``*.safetensors``; one that is there is replaced at the end.
        tasks: trained on; default: all of the collection.
        excluded: never trained on; default: the test tasks of the VLP paper.
        also: collections of the same tasks that were made otherwise: other starts, ends, levels.
            Their pictures are of the same size and rhythm.
        training: how.
        architecture: of the network; with an `instructed_width`, for use on the training tasks.
        instructions: file of `vlfeedback instructions write`; default: the shipped corpus.
        encoder: bundled name or path of weights whose frame encoder is taken; in place of stage 1.
        share: of each level's trajectories, the first ones; in (0, 1].
        device: "cpu" or "cuda".
        threads: of the CPU; default: as many as torch has now.
        state_every: steps between two savings of a run that may be cut off.
        report: called while it runs.

    Returns:
        The file's description: tasks, mean and deviation of its scores, what its pictures look
        like, and in `training` settings, seconds and machine.

    Raises:
        NeedsError: fewer than two tasks are left, or episodes lack what is read.
        FileNotFoundError: the collection lacks a level of a task.
        UnknownNameError: `encoder` is neither a bundled name nor a file.
        FileFormatError: a run that was cut off was begun with other settings, or on other data.
        BusyError: another process trains into `out`.
        WriteError: `out` cannot be written; nothing was trained then.
    """
    out = Path(out)
    instructions = None if instructions is None else Path(instructions)
    with locked_output(out, what="trains into"):
        start = time.monotonic()
        training, report = training or VLPTraining(), report or (lambda *_: None)
        names, excluded = choose_tasks(collection, tasks, excluded)
        torch.manual_seed(training.seed)
        network = VLPNetwork(architecture or VLPArchitecture())
        contents = {
            f"{one.root.name}/{name}": digest
            for one in (collection, *also)
            for name, digest in digests_of_episodes(one, names).items()
        }
        data = {
            "tasks": names,
            "architecture": asdict(network.architecture),
            "collection": dict(collection.settings),
            "also": [dict(other.settings) for other in also],
            "share": share,
            CONTENTS: contents,
        }
        texts_and_encoder = {
            "instructions": "" if instructions is None else instructions.name,
            "encoder": encoder,
        }
        others = digests_of_files({"instructions": str(instructions or ""), "encoder": encoder})
        stage_1 = {name: getattr(training, name) for name in _STAGE_1}
        of_folds = {name: getattr(training, name) for name in _FOLDS}
        folds = [
            TrainingState(state_path(out, f"part{k}"), {**data, **of_folds}, every=state_every)
            for k in range(min(training.folds, len(names)))
        ]
        stages = (
            *folds,
            TrainingState(state_path(out, "stage1"), {**data, **stage_1}, every=state_every),
            TrainingState(
                state_path(out, "stage2"),
                {**data, **texts_and_encoder, **asdict(training), CONTENTS: contents | others},
                every=state_every,
            ),
        )
        earlier_seconds = sum(stage.seconds() for stage in stages)
        with _threads(threads), on_device(device):
            mean, std, pictures = _fit(
                network,
                collection,
                names,
                training,
                also=also,
                instructions=instructions,
                encoder=encoder,
                share=share,
                device=device,
                report=report,
                stages=stages,
            )
            settings = asdict(training)
            if encoder:  # stage 1 was another training's, with settings of its own
                settings = {k: v for k, v in settings.items() if not k.startswith("encoder_")}
                settings["encoder_training"] = load_vlp(encoder)[1].training
            notes = {
                "excluded": excluded,
                "collection": data["collection"],
                "also": data["also"],
                "share": share,
                **texts_and_encoder,
                **settings,
                "threads": torch.get_num_threads(),
                **describe_training_machine(device),
                "seconds": round(time.monotonic() - start + earlier_seconds),
            }
        weights = VLPWeights(network.architecture, mean, std, tuple(names), notes, pictures)
        save_vlp(out, network, weights)
        for stage in stages:
            stage.remove()
        return weights


def _fit(
    network: VLPNetwork,
    collection: Collection,
    tasks: Sequence[str],
    training: VLPTraining,
    *,
    also: Sequence[Collection],
    instructions: Path | None,
    encoder: str,
    share: float,
    device: str,
    report: Report,
    stages: tuple[TrainingState, ...],
) -> tuple[float, float, PictureStatistics]:
    """Train all of the network; mean and deviation of its scores, and what pictures look like."""
    corpus = None if instructions is None else load_corpus(instructions)
    texts = Texts(tasks, max_words=network.architecture.max_words, corpus=corpus)
    episodes = load_episodes(collection, tasks, share, also=also, report=report)
    scenes = load_scenes(collection, tasks, share)
    options: dict[str, Any] = {"device": device, "report": report}
    *folds, first_stage, second_stage = stages
    unseen_positions = (
        read_unseen_positions(
            network.architecture, episodes, scenes, training, **options, states=folds
        )
        if folds
        else None
    )
    if encoder:
        source, _ = load_vlp(encoder)
        network.encoder.load_state_dict(source.encoder.state_dict())
        network.positions.load_state_dict(source.positions.state_dict())
    else:
        fit_encoder(network, episodes, scenes, training, **options, state=first_stage)
        _round(network)
    tokens = encode_episodes(network, episodes, **options)
    scene_tokens = encode_scenes(network, scenes, **options)
    fit_preferences(
        network,
        episodes,
        tokens,
        scenes,
        scene_tokens,
        texts,
        training,
        **options,
        unseen_positions=unseen_positions,
        state=second_stage,
    )
    mean, std = score_statistics(
        network, episodes, tokens, texts, seed=training.seed, device=device
    )
    return mean, std, measure_pictures([*episodes.pictures, scenes.pictures])


def _round(network: VLPNetwork) -> None:
    """Round weights as their file does, so that stage 2 reads the encoder it is used with."""
    network.load_state_dict({name: t.half() for name, t in network.state_dict().items()})


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Set torch's number of CPU threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
