from dataclasses import replace

import pytest

from vlfeedback.data.pairings import RankedPairs
from vlfeedback.errors import UnknownNameError
from vlfeedback.evaluation.labels.pairings import (
    PAIRINGS,
    draw_pairings,
    picture_stride,
    why_not_applicable,
)
from vlfeedback.tasks import TASKS, TaskSpec, get_task
from vlfeedback.types import SourceNeeds, Trajectory


def test_every_pairing_is_drawn_and_the_same_seed_draws_the_same(
    trajectories: list[Trajectory],
) -> None:
    def draw(seed: int) -> dict[str, RankedPairs]:
        return draw_pairings(trajectories, "drawer-close", n_pairs=30, length=16, seed=seed)

    drawn = draw(3)
    assert tuple(drawn) == PAIRINGS
    assert all(len(pairs) == 30 for pairs in drawn.values())
    assert {c.segment.start % 5 for p in drawn.values() for c in p.first} == {0}
    for pairing, pairs in draw(3).items():
        assert pairs.first == drawn[pairing].first
    assert draw(4)["random"].first != drawn["random"].first
    sides = [c.segment.trajectory.level for c in drawn["clustered"].first]
    assert len(set(sides)) == 1
    right = get_task("drawer-close").instruction
    chosen = {
        (second if truth else first).instruction
        for first, second, truth in zip(
            drawn["instruction"].first,
            drawn["instruction"].second,
            drawn["instruction"].prefer_second,
            strict=True,
        )
    }
    assert chosen == {right}


def test_pairings_that_need_experts_are_left_out_without_them(
    trajectories: list[Trajectory],
) -> None:
    random = [t for t in trajectories if t.level == "random"]
    assert tuple(draw_pairings(random, "drawer-close", n_pairs=4, length=16, seed=0)) == (
        "clustered",
        "random",
    )


def test_the_stride_is_read_off_the_pictures(trajectories: list[Trajectory]) -> None:
    assert picture_stride(trajectories) == 5


def test_a_task_of_ones_own_is_set_against_the_instructions_of_ours(
    trajectories: list[Trajectory],
) -> None:
    mine = TaskSpec("stack-cups", "stack the cups", env_id="")
    drawn = draw_pairings(trajectories, mine, n_pairs=4, length=16, seed=0)
    assert tuple(drawn) == PAIRINGS
    assert {s.instruction for s in drawn["random"].first} == {"stack the cups"}
    pairs = zip(drawn["instruction"].first, drawn["instruction"].second, strict=True)
    for texts in ({a.instruction, b.instruction} for a, b in pairs):
        assert texts - {"stack the cups"} < {spec.instruction for spec in TASKS.values()}
    with pytest.raises(UnknownNameError, match="No task 'stack-cups'"):
        draw_pairings(trajectories, "stack-cups", n_pairs=4, length=16, seed=0)


def test_other_words_for_the_instruction_draw_the_same_segments(
    trajectories: list[Trajectory],
) -> None:
    said_otherwise = replace(get_task("drawer-close"), instruction="shut it")
    drawn, other = (
        draw_pairings(trajectories, task, n_pairs=9, length=16, seed=0)
        for task in ("drawer-close", said_otherwise)
    )
    assert [s.segment for s in drawn["random"].first] == [s.segment for s in other["random"].first]
    assert {s.instruction for s in other["reversed"].second} == {"shut it"}


@pytest.mark.parametrize(
    ("pairing", "needs", "scores_steps", "reason"),
    [
        ("reversed", SourceNeeds(actions=True), False, "reads no pictures"),
        ("reversed", SourceNeeds(frames=True), True, "scores single pictures"),
        ("reversed", SourceNeeds(frames=True), False, ""),
        ("instruction", SourceNeeds(frames=True), False, "reads no instruction"),
        ("instruction", SourceNeeds(instruction=True), True, ""),
        ("random", SourceNeeds(), True, ""),
    ],
)
def test_a_pairing_says_nothing_of_a_source_that_cannot_tell_its_sides_apart(
    pairing: str, needs: SourceNeeds, scores_steps: bool, reason: str
) -> None:
    given = why_not_applicable(pairing, needs, scores_steps=scores_steps)
    assert reason in given and bool(given) == bool(reason)
