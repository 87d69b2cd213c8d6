import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.data.pairings import RankedPairs, ShownSegment, rank_by_return
from vlfeedback.data.unseen_instructions import unseen_instructions
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.labels.language import KINDS, bradley_terry_loss, evaluate_language
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.types import SegmentBatch, SourceNeeds, Trajectory


class Oracle:
    """2 for a clip of the task its text belongs to, else 0; half its brightness on top if right."""

    needs = SourceNeeds(instruction=True, actions=True)

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        assert batch.actions is not None
        assert batch.instructions is not None
        drawer = {t for kind in KINDS for t in unseen_instructions("drawer-close", kind)}
        scores = np.zeros((len(batch), batch.n_steps), np.float32)
        for row, text in enumerate(batch.instructions):
            is_drawer, quality = batch.actions[row, 0]
            if (text in drawer) == bool(is_drawer):
                scores[row, -1] = 2 + quality
        return scores


def trajectory(task: str, quality: float) -> Trajectory:
    return Trajectory(
        observations=np.zeros((3, 1), np.float32),
        actions=np.tile(np.array([task == "drawer-close", quality], np.float32), (2, 1)),
        env_rewards=np.full(2, quality, np.float32),
        task=task,
    )


def evaluate(scale: float | None = 1.0) -> dict[str, dict[str, object]]:
    good, bad = (trajectory("drawer-close", q).segment(0, 2) for q in (1.0, 0.0))
    # As bright as the worse of two, and better all the same: the oracle cannot know.
    odd = replace(trajectory("drawer-close", 0.0), env_rewards=np.full(2, 9.0, np.float32))
    return evaluate_language(
        SegmentScorer(Oracle(), log_odds_scale=scale),
        rank_by_return([(bad, good), (good, bad)], ""),
        "drawer-close",
        {"test tasks": {"faucet-close": [trajectory("faucet-close", 1.0)]}},
        random_pairs=rank_by_return([(bad, good)] * 3 + [(good, odd.segment(0, 2))], ""),
        seed=0,
    )


def test_an_oracle_is_right_in_every_kind_and_its_losses_are_those_by_hand() -> None:
    figures = evaluate()
    assert tuple(figures) == KINDS
    for row in figures.values():
        pool = row["test tasks"]
        assert isinstance(pool, dict)
        assert row["itp_accuracy"] == pool["ivp_accuracy"] == 1.0
        assert pool["right_instruction_accuracy"] == 1.0
        itp = math.log1p(math.exp(-1))  # 3 against 2
        ivp = (math.log1p(math.exp(-3)) + math.log1p(math.exp(-2))) / 2  # 3 and 2 against 0
        assert row["itp_loss"] == pytest.approx(itp)
        assert pool["ilp_loss"] == pytest.approx(math.log(2))  # 0 against 0
        assert pool["ivp_loss"] == pytest.approx(ivp)
        assert pool["average_loss"] == pytest.approx((itp + ivp + math.log(2)) / 3)


def test_pairs_drawn_at_random_are_judged_under_every_kind_of_text() -> None:
    assert {kind: row["itp_accuracy_random_pairs"] for kind, row in evaluate().items()} == {
        kind: 0.75 for kind in KINDS
    }


def test_scores_without_probabilities_have_accuracies_and_no_losses() -> None:
    row = evaluate(scale=None)["seen"]
    assert row["itp_accuracy"] == 1.0
    assert math.isnan(row["itp_loss"])  # type: ignore[arg-type]


def test_the_loss_of_an_even_target_grows_with_any_gap() -> None:
    # -(log sigmoid(2) + log sigmoid(-2)) / 2
    wanted = (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2
    assert bradley_terry_loss(np.array([1.0, -1.0]), 0.5, 2.0) == pytest.approx(wanted)


def test_a_pool_without_another_task_is_refused() -> None:
    segment = trajectory("drawer-close", 1.0).segment(0, 2)
    pairs = rank_by_return([(segment, segment)], "")
    with pytest.raises(NeedsError, match=r"'test tasks' has the tasks .* at least one"):
        evaluate_language(
            SegmentScorer(Oracle()), pairs, "drawer-close", {"test tasks": {}}, seed=0
        )


def test_a_segment_is_read_under_other_words_as_it_is_shown_and_so_is_the_other_tasks() -> None:
    seen: set[tuple[str, bool, bool]] = set()

    class Spy(SegmentScorer):
        def scores(self, clips: Sequence[ShownSegment]) -> np.ndarray:
            seen.update((s.segment.trajectory.task, s.reversed, s.with_reset) for s in clips)
            return np.zeros(len(clips))

    segment = trajectory("drawer-close", 1.0).segment(0, 2)
    shown = ShownSegment(segment, "", reversed=True, with_reset=False)
    pairs = RankedPairs((shown,), (shown,), np.ones(1, np.float32))
    pool = {"faucet-close": [trajectory("faucet-close", 1.0)]}
    evaluate_language(Spy(Oracle()), pairs, "drawer-close", {"test tasks": pool}, seed=0)
    assert seen == {("drawer-close", True, False), ("faucet-close", False, False)}
