import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.pairings import RankedPairs
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.evaluation.labels import evaluate_labels
from vlfeedback.evaluation.labels.answers import PairAnswers
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import (
    ArrayFrames,
    PreferenceLabels,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)


class Brightness:
    """The brightness of each picture, which rises with the reward; in log-odds of a preference."""

    needs = SourceNeeds(frames=True)
    log_odds_scale = 0.001

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        assert batch.frames is not None
        brightness = batch.frames.mean(axis=(2, 3, 4)).astype(np.float32)
        return np.asarray(brightness[:, batch.newest_pictures()])


class Unsure:
    """Answers every other pair of a batch, and always that the second is probably better."""

    needs = SourceNeeds(actions=True)

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        answered = np.arange(len(pairs)) % 2 == 0
        return PreferenceLabels(np.full(len(pairs), 0.75, np.float32), answered)


def evaluate(sources: object, trajectories: object, **options: object) -> dict[str, dict[str, Any]]:
    given = {"n_pairs": 20, "length": 16} | options
    return evaluate_labels(sources, trajectories, **given)  # type: ignore[arg-type]


def test_rewards_labels_and_ids_are_measured_on_the_same_pairs(
    trajectories: list[Trajectory],
) -> None:
    sources = {"bright": Brightness(), "unsure": Unsure(), "truth": "env", "teacher": "teacher"}
    figures = evaluate(sources, {"drawer-close": trajectories})
    assert list(figures) == ["bright", "unsure", "truth", "teacher"]
    for name in ("bright", "truth", "teacher"):
        # Experts grow brighter and earn rewards, one cluster of them; the others do neither.
        assert figures[name]["label_accuracy"] == {"drawer-close": 1.0}
    clustered = figures["unsure"]["clustered_pairs"]
    assert set(clustered) == {*sources, "picture-energy", "still", "random", "prior"}
    # Clusters are sides, so the answered half is all right or all wrong, and the rest half right.
    assert clustered["unsure"]["mean"] in (0.25, 0.75)
    assert figures["unsure"]["outcomes"]["random"]["skipped"]["mean"] == 0.5
    assert figures["unsure"]["calibration"]["random"]["bins"][5]["mean"] == 0.75
    assert "outcomes" not in figures["bright"]
    assert figures["truth"]["correlation"]["random"]["score_pearson"]["truth"]["mean"] == 1.0
    assert "teacher" not in figures["truth"]["correlation"]["random"]["score_pearson"]


def test_what_a_pairing_says_nothing_of_is_said_and_left_out(
    trajectories: list[Trajectory],
) -> None:
    figures = evaluate(
        {"bright": Brightness(), "truth": EnvReward()}, {"drawer-close": trajectories}
    )
    assert figures["truth"]["not_applicable"] == {
        "reversed": "It reads no pictures.",
        "instruction": "It reads no instruction.",
    }
    assert "single pictures" in figures["bright"]["not_applicable"]["reversed"]
    assert "reversed_pairs" not in figures["truth"]
    (vlp,) = evaluate("vlp", {"drawer-close": paced(trajectories)}).values()
    assert "not_applicable" not in vlp
    assert vlp["reversed_pairs"].keys() == {"vlp", "picture-energy", "still", "random", "prior"}
    assert vlp["calibration"]["reversed"]["brier_score"] is not None


def paced(trajectories: list[Trajectory]) -> list[Trajectory]:
    """The same with a picture after every seventh step."""
    times = np.array([0, 1, 8, 15])
    return [
        replace(t, frames=ArrayFrames(times, t.frames.pictures[:4]))  # type: ignore[union-attr]
        for t in trajectories
    ]


def test_repeats_take_trajectories_and_seeds_of_their_own(trajectories: list[Trajectory]) -> None:
    seeds: list[int] = []
    seen: list[tuple[int, str, list[int]]] = []

    def fresh(seed: int) -> Mapping[str, list[Trajectory]]:
        seeds.append(seed)
        return {"drawer-close": trajectories}

    def inspect(
        repeat: int,
        task: str,
        pairs: Mapping[str, RankedPairs],
        answers: Mapping[str, PairAnswers],
    ) -> None:
        assert answers["random"].scores["env"].shape == (20, 2)
        seen.append((repeat, task, [s.segment.start for s in pairs["random"].first]))

    progress: list[tuple[str, int, int]] = []
    figures = evaluate(
        "env",
        fresh,
        repeats=2,
        seed=7,
        inspect=inspect,
        report=lambda stage, done, total, _: progress.append((stage, done, total)),
    )["env"]
    assert seeds == [7, 8]
    assert [row[:2] for row in seen] == [(0, "drawer-close"), (1, "drawer-close")]
    assert seen[0][2] != seen[1][2]
    assert progress == [("evaluating, seed 7", 1, 1), ("evaluating, seed 8", 1, 1)]
    assert len(figures["repeats"]) == 2


def test_a_collection_of_a_task_of_ones_own_says_what_it_asks_for(
    trajectories: list[Trajectory], tmp_path: Path
) -> None:
    collection = Collection.create(tmp_path / "mine", {})
    mine = [replace(t, task="stack-cups", instruction="stack the cups") for t in trajectories]
    write_trajectories(collection.path("stack-cups", "all"), mine)
    figures = evaluate({"bright": Brightness()}, collection)["bright"]
    assert figures["label_accuracy"] == {"stack-cups": 1.0}
    with pytest.raises(NeedsError, match=r"no episodes of drawer-close .* only of stack-cups"):
        evaluate("env", collection, tasks=["drawer-close"])


def test_a_task_nobody_knows_needs_words(trajectories: list[Trajectory]) -> None:
    with pytest.raises(NeedsError, match=r"'stack-cups' is not registered.* say 0 instr"):
        evaluate("env", {"stack-cups": trajectories})
    mine = TaskSpec("stack-cups", "stack the cups", env_id="")
    assert evaluate("env", {"stack-cups": trajectories}, tasks=[mine])["env"]


def test_what_was_recorded_without_pictures_has_no_baselines_that_read_them(
    trajectories: list[Trajectory],
) -> None:
    blind = [replace(t, frames=None) for t in trajectories]
    figures = evaluate("env", {"drawer-close": blind})["env"]
    assert figures["random_pairs"].keys() == {"env", "random", "prior"}


def test_a_source_may_stand_in_for_the_baseline_it_is(trajectories: list[Trajectory]) -> None:
    figures = evaluate(["picture-energy"], {"drawer-close": paced(trajectories)})
    pairs = figures["picture-energy"]["clustered_pairs"]
    assert list(pairs) == ["picture-energy", "still", "random", "prior"]
    assert pairs["picture-energy"]["mean"] == 1.0
    assert pairs["still"]["mean"] == 0.0


def test_a_labeller_made_of_rewards_agrees_with_them(trajectories: list[Trajectory]) -> None:
    source = Brightness()
    sources = {"rewards": source, "labels": PreferenceFromReward(source, soft=True)}
    figures = evaluate(sources, {"drawer-close": trajectories})
    random = figures["rewards"]["random_pairs"]
    assert random["rewards"] == random["labels"]
    assert not math.isnan(figures["labels"]["calibration"]["random"]["brier_score"])


@pytest.mark.parametrize(
    ("sources", "error", "message"),
    [
        ({"prior": RandomReward()}, InvalidValueError, "called 'prior', like a baseline"),
        (["env", "env"], InvalidValueError, "each once"),
        ([], InvalidValueError, "at least one"),
        ("vpl", UnknownNameError, "Did you mean 'vlp'"),
    ],
)
def test_sources_that_cannot_be_measured_are_refused(
    sources: object, error: type[Exception], message: str, trajectories: list[Trajectory]
) -> None:
    with pytest.raises(error, match=message):
        evaluate(sources, {"drawer-close": trajectories})


def test_no_repeat_is_refused(trajectories: list[Trajectory]) -> None:
    with pytest.raises(InvalidValueError, match="repeats=0"):
        evaluate("env", {"drawer-close": trajectories}, repeats=0)
