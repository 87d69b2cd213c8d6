"""A person labels what an agent in training asks, over the network, and the training is killed."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from tests.labelling_page.served import Person, Server

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.trajectories import read_trajectories

HUMAN = "vlfeedback.preferences.human:HumanLabeller"
# Of each of three sessions of 12 pairs, PrefVLM asks the person about half.
SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    import gymnasium as gym
    from tests.online import test_prefvlm as t
    from vlfeedback.preferences.human import HumanConfig, HumanLabeller
    from vlfeedback.tasks import own_task

    alone, queue, out = sys.argv[1:]
    gym.register("PointReach-v0", lambda **given: t.PointReachEnv(**given, random_start=True),
                 kwargs={"steps": 40})
    task = own_task("PointReach-v0", "go where it is bright", success_key="")
    person = HumanLabeller(HumanConfig(queue=queue, frame_stride=1, undo_s=0.0, poll_s=0.05))
    if alone == "alone":
        t.ENCODER, given = person, {"person": None, "settings": None}
    else:
        given = {"person": person}
    print(t.train(task, out=Path(out), **given).n_asked, "asked about")
""")


@pytest.mark.slow
@pytest.mark.parametrize(("who", "n_of_person"), [("alone", 36), ("beside an encoder", 18)])
def test_what_a_person_has_said_survives_a_killed_training_and_is_not_asked_again(
    tmp_path: Path, who: str, n_of_person: int
) -> None:
    queue, out = tmp_path / "queue", tmp_path / "run"

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, who, str(queue), str(out)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    said: list[int] = []
    with Server(queue) as server:
        person, training = Person(server.url), begin()
        while training.poll() is None:
            pair = person.ask("next")["pair"]
            if pair is None:
                time.sleep(0.05)
                continue
            person.ask("answer", pair=pair["number"], said="equal")
            said.append(pair["number"])
            if len(said) == n_of_person // 2:  # in the middle of the second session
                training.kill()
                training.communicate()
                training = begin()
        printed, _ = training.communicate()
    assert (training.returncode, printed) == (0, "36 asked about\n")
    assert sorted(said) == list(range(1, len(said) + 1))
    assert n_of_person - 4 <= len(said) <= n_of_person  # two clips that look the same are a tie
    files = sorted((out / "labels").glob("*.parquet"))
    datasets = [
        PreferenceDataset.load(path, read_trajectories(path.with_suffix(".h5"))) for path in files
    ]
    assert [len(dataset) for dataset in datasets] == [12, 12, 12]
    n_labelled = 0
    for dataset in datasets:
        source = np.array([record.source for record in dataset.labelled_by])
        by_person = source[dataset.record_of] == HUMAN
        assert (dataset.labels.prefer_second[by_person] == 0.5).all()
        n_labelled += int(by_person.sum())
    assert n_labelled == n_of_person
