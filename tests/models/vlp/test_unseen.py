"""Positions that progress learns from, read by encoders that do not know the task."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.fit_encoder import encode_episodes, fit_encoder
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.unseen import parts_of_tasks, read_positions, read_unseen_positions

SMALL = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8), dropout=0.0)
BRIEF = VLPTraining(folds=3, fold_steps=3, encoder_steps=7, encoder_batch=8, warmup=1)


def silent(*_: object) -> None:
    pass


def test_every_task_is_in_one_part_and_parts_are_about_equal() -> None:
    parts = parts_of_tasks(10, BRIEF)
    assert sorted(task for part in parts for task in part) == list(range(10))
    assert sorted(map(len, parts)) == [3, 3, 4]
    assert parts == parts_of_tasks(10, BRIEF)
    assert parts != parts_of_tasks(10, VLPTraining(folds=3, seed=1))


def test_there_are_no_more_parts_than_tasks() -> None:
    assert sorted(parts_of_tasks(2, BRIEF)) == [[0], [1]]


def test_each_task_is_read_by_the_encoder_that_did_not_train_on_it(
    episodes: EpisodeSet, scenes: SceneSet
) -> None:
    positions = read_unseen_positions(SMALL, episodes, scenes, BRIEF, report=silent)
    for part in parts_of_tasks(3, BRIEF):
        torch.manual_seed(0)
        network = VLPNetwork(SMALL)
        fit_encoder(network, episodes, scenes, BRIEF, report=silent, steps=3, unseen=part)
        expected = read_positions(network, encode_episodes(network, episodes, report=silent))
        rows = np.flatnonzero(np.isin(episodes.task, part))
        assert len(rows)
        torch.testing.assert_close(positions[rows], expected[rows])


def test_an_encoder_is_not_touched_by_tasks_that_it_is_not_to_see(
    episodes: EpisodeSet, scenes: SceneSet
) -> None:
    trained = []
    for colour in (0, 255):
        pictures, seen = episodes.pictures.copy(), scenes.pictures.copy()
        pictures[episodes.task == 1], seen[scenes.task == 1] = colour, colour
        changed = {
            field: getattr(episodes, field)
            for field in EpisodeSet.__dataclass_fields__
            if field != "pictures"
        }
        torch.manual_seed(0)
        network = VLPNetwork(SMALL)
        fit_encoder(
            network,
            EpisodeSet(pictures=pictures, **changed),
            SceneSet(task=scenes.task, pictures=seen, positions=scenes.positions),
            BRIEF,
            report=silent,
            unseen=[1],
        )
        trained.append(torch.cat([p.flatten() for p in network.encoder.parameters()]))
    assert torch.equal(*trained)


@pytest.mark.parametrize("cut_off", [2, 5])
def test_parts_that_were_cut_off_go_on(
    episodes: EpisodeSet, scenes: SceneSet, tmp_path: Path, cut_off: int
) -> None:
    told = 0

    def stop(stage: str, *_: object) -> None:
        nonlocal told
        told += stage == "reading pictures"
        if told == cut_off:
            raise KeyboardInterrupt

    def states() -> list[TrainingState]:
        return [TrainingState(tmp_path / f"part{k}.safetensors", every=1) for k in range(3)]

    with pytest.raises(KeyboardInterrupt):
        read_unseen_positions(SMALL, episodes, scenes, BRIEF, report=stop, states=states())
    resumed = read_unseen_positions(SMALL, episodes, scenes, BRIEF, report=silent, states=states())
    whole = read_unseen_positions(SMALL, episodes, scenes, BRIEF, report=silent)
    assert torch.equal(resumed, whole)
