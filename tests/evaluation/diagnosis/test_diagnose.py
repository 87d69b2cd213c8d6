"""Sources whose figures are known: experts grow brighter and earn reward, random stays dark."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import NeedsError, SourceAnswerError
from vlfeedback.evaluation.diagnosis.diagnose import Diagnosis, diagnose
from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs, prepare_diagnosis, probed
from vlfeedback.evaluation.diagnosis.metrics import METRICS, NotApplicable
from vlfeedback.evaluation.diagnosis.results import describe_diagnosis, describe_inputs
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.testing.brightness import BrightnessConfig, BrightnessReward
from vlfeedback.types import ArrayFrames, RewardSource, SegmentBatch, SourceNeeds, Trajectory


@pytest.fixture
def episodes(trajectories: list[Trajectory]) -> list[Trajectory]:
    """The same, and experts succeed at step 15."""
    return [
        replace(t, successes=(np.arange(21) >= 15) & (t.level == "expert")) for t in trajectories
    ]


def negative(trajectory: Trajectory) -> Trajectory:
    """The episode as on a film negative: what was bright is dark."""
    assert trajectory.frames is not None
    times = trajectory.frames.times
    return replace(trajectory, frames=ArrayFrames(times, 255 - trajectory.frames.read(times)))


def diagnosed(
    source: RewardSource, episodes: list[Trajectory], retaken: dict[Trajectory, Trajectory] | None
) -> Diagnosis:
    return diagnose(source, inputs_of(episodes, retaken))


def inputs_of(
    episodes: list[Trajectory], retaken: dict[Trajectory, Trajectory] | None
) -> DiagnosisInputs:
    return prepare_diagnosis(
        episodes,
        "drawer-close",
        n_pairs=40,
        length=16,
        seed=0,
        retaken=retaken,
        camera="negative" if retaken else "",
    )


def value(diagnosis: Diagnosis, name: str) -> float:
    metric = diagnosis.metrics[name]
    assert isinstance(metric, Estimate), metric
    return metric.mean


def why_not(diagnosis: Diagnosis, name: str) -> str:
    metric = diagnosis.metrics[name]
    assert isinstance(metric, NotApplicable), metric
    return metric.reason


class Listener:
    """Pays the right instruction, in a picture or not, and more for "shut" than for "push"."""

    needs = SourceNeeds(instruction=True)

    def __init__(self, pays: dict[str, float]) -> None:
        self._pays = pays

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        paid = [self._pays.get(text, 0.0) for text in batch.instructions or ()]
        return np.repeat(np.array(paid, np.float32)[:, None], batch.n_steps, axis=1)


def test_a_source_of_single_pictures_by_a_third_party(episodes: list[Trajectory]) -> None:
    diagnosis = diagnosed(BrightnessReward(), episodes, None)
    assert tuple(diagnosis.metrics) == tuple(METRICS)
    # Brightness is the reward here, up to the pairs of two dark episodes, which have no order.
    for name in ("random_pairs", "clustered_pairs", "success_auc", "expert_over_random"):
        assert value(diagnosis, name) == 1.0
    assert value(diagnosis, "expert_over_rest") == value(diagnosis, "expert_over_half") == 1.0
    assert value(diagnosis, "value_order") == 1.0
    assert "same in either order" in why_not(diagnosis, "reversed_clips")
    assert why_not(diagnosis, "right_instruction") == "It reads no instruction."
    assert why_not(diagnosis, "wording_correlation") == "It reads no instruction."
    assert why_not(diagnosis, "camera_correlation") == "There are no pictures of another camera."
    assert value(diagnosis, "segments_per_second") > 0


def test_a_negative_turns_the_ranking_of_brightness_round(episodes: list[Trajectory]) -> None:
    retaken = {t: negative(t) for t in probed(episodes)}
    diagnosis = diagnosed(BrightnessReward(), episodes, retaken)
    assert value(diagnosis, "camera_correlation") == pytest.approx(-1.0)
    assert diagnosis.cameras is not None
    # 16 steps of one brightness and its negative: each step sums to 1.
    np.testing.assert_allclose(diagnosis.cameras.ours + diagnosis.cameras.other, 16.0, rtol=1e-6)


def test_why_there_is_no_other_camera_is_told(episodes: list[Trajectory]) -> None:
    inputs = replace(inputs_of(episodes, None), why_not_retaken="No camera 'moon'.")
    assert why_not(diagnose(BrightnessReward(), inputs), "camera_correlation") == (
        "There are no pictures of another camera. No camera 'moon'."
    )


@pytest.mark.parametrize("granularity", ["window", "episode"])
def test_mean_brightness_of_clips_knows_nothing_of_their_direction(
    episodes: list[Trajectory], granularity: Any
) -> None:
    context = 16 if granularity == "window" else 1
    config = BrightnessConfig(granularity, context=context, frame_stride=5)
    diagnosis = diagnosed(BrightnessReward(config), episodes, None)
    assert value(diagnosis, "reversed_clips") == 0.5
    assert value(diagnosis, "success_auc") == 1.0
    assert value(diagnosis, "value_order") == 1.0


def test_a_source_that_only_listens_tells_instructions_and_nothing_else(
    episodes: list[Trajectory],
) -> None:
    diagnosis = diagnosed(Listener({"close the drawer": 1.0}), episodes, None)
    assert value(diagnosis, "right_instruction") == 1.0
    for name in ("random_pairs", "success_auc", "expert_over_random"):
        assert value(diagnosis, name) == 0.5  # ties
    assert value(diagnosis, "value_order") == 0.0  # a constant orders nothing
    assert why_not(diagnosis, "camera_correlation") == "It reads no pictures."
    assert why_not(diagnosis, "wording_correlation") == "It scores all of these clips the same."


def test_where_no_other_instruction_is_known_none_is_told_from_it(
    episodes: list[Trajectory],
) -> None:
    inputs = inputs_of(episodes, None)
    pairings = {k: pairs for k, pairs in inputs.pairings.items() if k != "instruction"}
    diagnosis = diagnose(Listener({}), replace(inputs, pairings=pairings))
    assert why_not(diagnosis, "right_instruction").startswith("No instruction is known")


def test_a_source_that_does_not_listen_tells_no_instructions(episodes: list[Trajectory]) -> None:
    diagnosis = diagnosed(Listener({}), episodes, None)
    assert value(diagnosis, "right_instruction") == 0.5


def test_the_environments_reward_is_good_and_a_constant_is_useless(
    episodes: list[Trajectory],
) -> None:
    described = describe_diagnosis(diagnosed(EnvReward(), episodes, None))
    assert described["verdict"] == "good"
    assert described["findings"]["reversed_clips"] == {"not_applicable": "It reads no pictures."}
    assert described["findings"]["random_pairs"]["value"] == 1.0
    # All actions are alike, so that each gets the same noise.
    described = describe_diagnosis(diagnosed(RandomReward(), episodes, None))
    assert described["verdict"] == "useless"
    assert described["sentence"] == "useless: not worth a training run"


def test_darkness_is_useless_here(episodes: list[Trajectory]) -> None:
    class Darkness(BrightnessReward):
        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            return -super().rewards(batch)

    diagnosis = diagnosed(Darkness(), episodes, None)
    assert value(diagnosis, "success_auc") == 0.0
    assert value(diagnosis, "value_order") == -1.0
    assert describe_diagnosis(diagnosis)["verdict"] == "useless"


def test_where_all_or_none_succeed_success_is_not_measured(trajectories: list[Trajectory]) -> None:
    diagnosis = diagnosed(EnvReward(), trajectories, None)
    assert why_not(diagnosis, "success_auc").startswith("0 of 8 episodes succeed")
    assert (
        describe_diagnosis(diagnosis)["verdict"] == "good"
    )  # experts stand against random actions


def test_an_expert_that_succeeds_at_once_has_no_order_of_scores(
    episodes: list[Trajectory],
) -> None:
    at_once = [replace(t, successes=np.full(21, t.level == "expert")) for t in episodes]
    diagnosis = describe_diagnosis(diagnosed(BrightnessReward(), at_once, None))
    assert diagnosis["findings"]["value_order"] == {
        "not_applicable": "In these episodes there is nothing to compare."
    }
    assert diagnosis["verdict"] == "good"


def test_equal_seeds_give_equal_figures_whatever_else_is_measured(
    episodes: list[Trajectory],
) -> None:
    inputs = inputs_of(episodes, None)
    first, _, again = (
        describe_diagnosis(diagnose(source, inputs))["findings"]
        for source in (BrightnessReward(), EnvReward(), BrightnessReward())
    )
    for name in set(METRICS) - {"segments_per_second"}:
        assert first[name] == again[name]


def test_progress_is_reported_up_to_the_end(episodes: list[Trajectory]) -> None:
    heard: list[tuple[str, int, int, float]] = []
    diagnose(
        EnvReward(), inputs_of(episodes, None), report=lambda *progress: heard.append(progress)
    )
    assert heard[0][:3] == ("episodes", 1, 17)  # 8 episodes, 5 pairings, 4 more
    assert heard[-1][1:3] == (17, 17)


def test_the_curves_show_an_expert_that_succeeds_also_backwards(
    episodes: list[Trajectory],
) -> None:
    diagnosis = diagnosed(BrightnessReward(), episodes, None)
    expert, random = diagnosis.curves["expert"], diagnosis.curves["random"]
    assert expert.trajectory is episodes[0] and random.trajectory is episodes[4]
    # Every second picture is read: 0, 50, 100, 150, 200 after the steps 0, 5, 10, 15, 20. Step 20
    # is the first that sees the success of step 15.
    assert expert.steps.tolist() == [0, 10, 20]
    assert (expert.scores * 255).tolist() == pytest.approx([0, 100, 200])
    assert expert.backwards is not None
    # Backwards 200 stands for the reset, then come 150, 100, 50, 0 and the reset's 0.
    assert (expert.backwards * 255).tolist() == pytest.approx([150, 50, 0])
    assert random.backwards is None


def test_all_of_it_is_json(episodes: list[Trajectory]) -> None:
    inputs = inputs_of(episodes, None)
    described = describe_inputs(inputs) | describe_diagnosis(diagnose(BrightnessReward(), inputs))
    again = json.loads(json.dumps(described, allow_nan=False))
    assert again["episodes"] == {
        "expert": {"n": 4, "succeed": 4},
        "random": {"n": 4, "succeed": 0},
    }
    assert again["legend"]["random_pairs"]["chance"] == 0.5
    assert again["thresholds"]["good_random_pairs"] == 0.625


def test_a_source_that_gives_no_number_is_named(episodes: list[Trajectory]) -> None:
    class Lost(BrightnessReward):
        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            return np.full((len(batch), batch.n_steps), np.nan, np.float32)

    with pytest.raises(SourceAnswerError, match="Lost gave nan"):
        diagnosed(Lost(), episodes, None)


def test_a_source_in_another_rhythm_than_the_pictures_is_refused(
    episodes: list[Trajectory],
) -> None:
    config = BrightnessConfig("window", context=16, frame_stride=4)
    with pytest.raises(NeedsError, match="every 4 steps and one was taken every 5"):
        diagnosed(BrightnessReward(config), episodes, None)
