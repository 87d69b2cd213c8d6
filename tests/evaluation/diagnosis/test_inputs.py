import pytest

from vlfeedback.errors import ShapeError, UnknownNameError
from vlfeedback.evaluation.diagnosis.inputs import prepare_diagnosis, probed
from vlfeedback.evaluation.labels.pairings import PAIRINGS
from vlfeedback.tasks import own_task
from vlfeedback.types import Trajectory


def test_inputs_have_all_pairings_and_clips_spread_over_episodes(
    trajectories: list[Trajectory],
) -> None:
    inputs = prepare_diagnosis(trajectories, "DrawerClose", n_pairs=10, length=16, seed=0)
    assert inputs.task.name == "drawer-close"
    assert tuple(inputs.pairings) == PAIRINGS
    assert inputs.stride == 5
    # 21 steps: a segment of 16 may start at 0 and 5.
    assert [(c.trajectory, c.start) for c in inputs.segments] == [
        (t, start) for t in probed(trajectories) for start in (0, 5)
    ]
    assert inputs.wordings[0] == "shut the drawer"
    assert inputs.wordings[3] == "drawer closing"
    assert inputs.instruction not in inputs.wordings


def test_an_unknown_task_and_clips_longer_than_episodes_are_refused(
    trajectories: list[Trajectory],
) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'drawer-close'"):
        prepare_diagnosis(trajectories, "drawer-closed", n_pairs=10, length=16, seed=0)
    with pytest.raises(ShapeError, match="22 steps do not fit"):
        prepare_diagnosis(trajectories, "drawer-close", n_pairs=10, length=22, seed=0)


def test_a_task_of_ones_own_has_pairs_of_its_own_words_and_no_other_wording(
    trajectories: list[Trajectory],
) -> None:
    task = own_task("my_package:FoldTowel-v0", "fold the towel")
    inputs = prepare_diagnosis(trajectories, task, n_pairs=10, length=16, seed=0)
    again = prepare_diagnosis(trajectories, task, n_pairs=10, length=16, seed=0)
    assert inputs.instruction == "fold the towel"
    assert inputs.wordings == ()
    sides = inputs.pairings["instruction"]
    texts = {clip.instruction for side in (sides.first, sides.second) for clip in side}
    assert "fold the towel" in texts and len(texts) > 1  # and wrong ones beside it
    assert inputs.pairings["random"].first == again.pairings["random"].first
