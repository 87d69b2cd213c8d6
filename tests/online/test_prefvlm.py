"""PrefVLM: who is asked about what, whose label counts, and what adapters learn from it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.online.pendulums import BRIEF, sac, small

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import BudgetSpentError, InvalidValueError, NeedsError
from vlfeedback.models.adapters.network import EncoderAdapters
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import (
    PEBBLE,
    AdapterTraining,
    FeedbackConfig,
    OnlineResult,
    PrefVLM,
    PrefVLMConfig,
    RIMEConfig,
    train_online,
)
from vlfeedback.online.health import LearnedRewardWarning
from vlfeedback.online.rime import RIMEFilter, Trust
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.preferences.human import HumanConfig, HumanLabeller
from vlfeedback.preferences.teacher import ScriptedTeacher, TeacherConfig
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.tasks import own_task
from vlfeedback.testing import (
    KnownLabeller,
    KnownLabellerConfig,
    PointReachEnv,
    ShadeEncoder,
    ShadeEncoderConfig,
)
from vlfeedback.types import PreferenceLabels, SegmentPairs

REWARD = RewardModelConfig(hidden=(16,))
FEW = RewardTraining(epochs=3)
FROZEN = PrefVLMConfig(adapters=False, human_budget=100, human_share=0.5)
ENCODER = PreferenceFromReward(ShadeEncoder(ShadeEncoderConfig(frame_stride=2)))
ERRS = ScriptedTeacher(TeacherConfig(mistake=0.3, seed=1))


def prefvlm(
    labeller: Any = ERRS, person: Any = "teacher", prefvlm: PrefVLMConfig = FROZEN, **given: Any
) -> PrefVLM:
    config = replace(BRIEF, **given)
    return PrefVLM(labeller, person, config, prefvlm=prefvlm, reward=REWARD, training=FEW)


def datasets_of(learns: PEBBLE, n_steps: int = 150) -> list[PreferenceDataset]:
    """What each session of a training on a pendulum brought; the policy stays as it is."""
    found: list[PreferenceDataset] = []
    learns.on_labels = found.append
    sac(gradient_steps=0).learn(n_steps, callback=learns)
    return found


class Unsure(RIMEFilter):
    """Takes no label for trusted or wrong, but those that are certain."""

    def judge(self, member_logits: Any, prefer_second: Any, certain: Any) -> Trust:
        return Trust(certain, np.zeros_like(certain))


class NeverTheSame:
    """Prefers what the teacher does not."""

    needs = ScriptedTeacher.needs

    def __init__(self) -> None:
        self.asked: list[int] = []

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        self.asked.append(len(pairs))
        labels = ScriptedTeacher().label(pairs)
        return replace(labels, prefer_second=1 - labels.prefer_second)


def test_the_person_is_asked_about_a_share_until_the_budget_is_spent() -> None:
    person = NeverTheSame()
    settings = replace(FROZEN, human_budget=5, label_filter=None)
    learns = prefvlm(person=person, prefvlm=settings)
    found = datasets_of(learns)
    assert [len(dataset) for dataset in found] == [4, 4, 4]
    assert person.asked == [2, 2, 1]  # half of 4, half of 4, what is left of 5
    assert learns.n_human == 5


def test_labels_say_who_gave_them_and_the_persons_replace_the_encoders() -> None:
    learns = prefvlm("teacher", NeverTheSame(), replace(FROZEN, label_filter=None))
    for dataset in datasets_of(learns):
        truth = label_pairs(dataset.pairs, "teacher").labels.prefer_second
        source = np.array([record.source for record in dataset.labelled_by])
        by_person = source[dataset.record_of] == f"{__name__}:NeverTheSame"
        assert by_person.sum() == 2
        np.testing.assert_array_equal(
            dataset.labels.prefer_second, np.where(by_person, 1 - truth, truth)
        )


def test_a_pair_that_both_were_asked_about_costs_what_both_took() -> None:
    learns = PrefVLM(
        KnownLabeller(),
        KnownLabeller(KnownLabellerConfig(cost_usd=1.0, seconds=8.0)),
        BRIEF,
        prefvlm=replace(FROZEN, label_filter=None),
        instruction="push",
        reward=REWARD,
        training=FEW,
    )
    (dataset,) = datasets_of(learns, 61)
    assert sorted(dataset.cost) == [0.25, 0.25, 1.25, 1.25]
    assert sorted(dataset.labels.seconds) == [2, 2, 10, 10]


def test_pictures_are_taken_for_encoder_and_person(tmp_path: Path) -> None:
    person = HumanLabeller(HumanConfig(queue=str(tmp_path), frame_stride=3))
    learns = PrefVLM(ENCODER, person, instruction="go")  # the encoder's are 2 steps apart
    assert learns.needs.frames
    assert learns.needs.frame_stride == 1


def test_no_filter_turns_round_what_a_person_said() -> None:
    learns = prefvlm(prefvlm=replace(FROZEN, label_filter=RIMEConfig(flip_probability=0.49)))
    judge = learns.label_filter
    assert judge is not None
    judged: list[tuple[Trust, np.ndarray]] = []
    begin = judge.begin_pass

    def note(logits: Any, labels: Any, certain: Any) -> Trust:
        judged.append((begin(logits, labels, certain), certain))
        return judged[-1][0]

    judge.begin_pass = note  # type: ignore[method-assign, assignment]
    datasets_of(learns)
    assert judged[-1][1].sum() == learns.n_human > 0
    assert any(trust.flipped.any() for trust, _ in judged)  # of others, some are
    for trust, certain in judged:
        assert trust.trusted[certain].all()
        assert not trust.flipped[certain].any()


def test_only_uncertain_pairs_go_to_the_person_once_the_ensemble_knows_something() -> None:
    person = NeverTheSame()
    learns = prefvlm(person=person)  # a brief training: all labels are trusted
    datasets_of(learns)
    assert person.asked == [2]  # of the first session

    person = NeverTheSame()
    learns = prefvlm(person=person)
    learns.label_filter = Unsure()
    datasets_of(learns)
    assert person.asked == [2, 2, 2]


def test_of_uncertain_pairs_the_person_sees_those_that_the_ensemble_disagrees_on() -> None:
    learns = prefvlm(prefvlm=replace(FROZEN, label_filter=None), sampler="uniform")
    asked: list[tuple[np.ndarray, np.ndarray]] = []
    choose = learns._uncertain_rows

    def note(answers: PreferenceDataset) -> np.ndarray:
        rows = choose(answers)
        logits = learns.learner.member_logits(answers.pairs)
        asked.append((rows, (1 / (1 + np.exp(-logits))).std(axis=0)))
        return rows

    learns._uncertain_rows = note  # type: ignore[method-assign, assignment]
    datasets_of(learns)
    assert len(asked) == 3
    for rows, disagreement in asked[1:]:
        np.testing.assert_array_equal(rows, np.sort(np.argsort(-disagreement)[:2]))


def test_a_person_whose_budget_is_spent_is_not_asked_again() -> None:
    class Gone(NeverTheSame):
        def label(self, pairs: SegmentPairs) -> PreferenceLabels:
            super().label(pairs)
            raise BudgetSpentError("No money left.")

    person = Gone()
    learns = prefvlm(person=person)
    with pytest.warns(LearnedRewardWarning, match="No money left.*with the encoder's labels"):
        found = datasets_of(learns)
    assert [len(dataset) for dataset in found] == [4, 4, 4]
    assert (person.asked, learns.n_human) == ([2], 0)


def test_the_person_alone_is_pebble() -> None:
    settings = PrefVLMConfig(human_only=True, human_budget=5, human_share=0.5)
    learns = prefvlm(prefvlm=settings)
    alone = PEBBLE(
        "teacher",
        replace(BRIEF, max_labels=5, labels_per_session=2),
        reward=REWARD,
        training=FEW,
    )
    first, second = datasets_of(learns, 180), datasets_of(alone, 180)
    assert [len(dataset) for dataset in first] == [2, 2, 1]
    assert learns.n_human == 5
    assert [dataset.digest() for dataset in first] == [dataset.digest() for dataset in second]
    assert learns.learner.model.digest() == alone.learner.model.digest()


def test_most_labels_that_are_trusted_are_right_where_a_third_were_turned_round() -> None:
    learns = PrefVLM(
        ERRS,
        "teacher",
        replace(BRIEF, max_labels=300, labels_per_session=100, sampler="uniform"),
        prefvlm=replace(FROZEN, human_budget=30, human_share=0.1),
        reward=RewardModelConfig(hidden=(32,)),
        training=RewardTraining(epochs=40, learning_rate=1e-3),
    )
    found = datasets_of(learns, 141)
    pairs = [pair for dataset in found for pair in dataset.pairs]
    right = label_pairs(pairs, "teacher").labels.prefer_second
    labels = learns.learner.prefer_second
    assert np.mean(labels == right) < 0.8
    assert learns.label_filter is not None
    trust = learns.label_filter.judge(
        learns.learner.member_logits(pairs), labels, np.zeros(len(pairs), np.bool_)
    )
    assert np.mean((labels == right)[trust.trusted]) > 0.8
    assert trust.trusted.sum() > 100


@pytest.fixture
def reach() -> Iterator[Any]:
    """A point on a line, whose picture is the brighter the nearer it is to its goal."""
    gym.register(
        "PointReach-v0",
        lambda **given: PointReachEnv(**given, random_start=True),
        kwargs={"steps": 40},
    )
    yield own_task("PointReach-v0", "go where it is dark", success_key="")
    gym.registry.pop("PointReach-v0")


FEEDBACK = FeedbackConfig(
    max_labels=36,
    labels_per_session=12,
    steps_between_sessions=36,
    segment_length=6,
    random_steps=36,
    exploration_steps=0,
    catch_up_updates=2,
)
ADAPTS = PrefVLMConfig(
    human_share=0.5,
    label_filter=None,
    adapter_training=AdapterTraining(learning_rate=1e-2, steps=60),
)


def train(task: Any, settings: PrefVLMConfig = ADAPTS, **given: Any) -> OnlineResult:
    """The encoder is told to look for the dark, and the person wants the goal, which is bright."""
    return train_online(
        task,
        ENCODER,
        **{
            "person": "teacher",
            "prefvlm": settings,
            "n_steps": 132,
            "config": FEEDBACK,
            "reward": REWARD,
            "training": FEW,
            "horizon": 12,
            "eval_episodes": 0,
            "algorithm_settings": {**small(), "gradient_steps": 0},
            **given,
        },
    )


def share_right(result: OnlineResult, labeller: Any) -> float:
    """Of labels about segments of the latest episodes, ties left out."""
    assert result.feedback is not None
    episodes = list(result.feedback.episodes)
    pairs = [(one.segment(0, 6), other.segment(4, 6)) for one, other in pairwise(episodes)]
    text = "go where it is dark"
    given = label_pairs(pairs, labeller, instruction=text).labels.prefer_second
    truth = label_pairs(pairs, "teacher").labels.prefer_second
    decided = truth != 0.5
    assert decided.sum() > 3
    return float(np.mean((given == truth)[decided]))


def test_adapters_learn_from_a_person_what_the_frozen_encoder_has_wrong(reach: Any) -> None:
    result = train(reach)
    learns = result.feedback
    assert isinstance(learns, PrefVLM)
    assert learns.n_human == 18
    assert share_right(result, ENCODER) < 0.5
    assert share_right(result, learns.labeller) > 0.9
    assert learns.adapter_learner is not None
    losses = [report.preference_loss for report in learns.adapter_learner.reports]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert all(report.dynamics_loss > 0 for report in learns.adapter_learner.reports)


@pytest.mark.parametrize(
    "ablation",
    [{"inverse_dynamics": False}, {"adapters": False}, {"human_only": True}, {"choice": "uniform"}],
    ids=lambda ablation: next(iter(ablation)),
)
def test_each_ablation_is_a_switch(reach: Any, ablation: dict[str, Any]) -> None:
    learns = train(reach, replace(ADAPTS, label_filter=RIMEConfig(), **ablation)).feedback
    assert isinstance(learns, PrefVLM)
    assert learns.n_human > 0
    adapts = ablation.keys() & {"adapters", "human_only"} == set()
    assert (learns.adapters is not None) == adapts
    if learns.adapter_learner is not None:
        losses = [report.dynamics_loss for report in learns.adapter_learner.reports]
        assert np.isnan(losses).all() == ("inverse_dynamics" in ablation)


class StopHereError(Exception):
    """Ends a training in the middle of it."""


@pytest.mark.slow
def test_a_training_that_was_stopped_ends_as_one_that_was_not(reach: Any, tmp_path: Path) -> None:
    def stop_at(step: int) -> Any:
        def report(_: str, now: int, *__: Any) -> None:
            if now >= step:
                raise StopHereError

        return report

    given: dict[str, Any] = {"algorithm_settings": small(), "checkpoint_every": 20}
    unbroken = train(reach, out=tmp_path / "whole", **given)
    for step in (60, 100):
        with pytest.raises(StopHereError):
            train(reach, out=tmp_path / "stopped", report=stop_at(step), **given)
    resumed = train(reach, out=tmp_path / "stopped", **given)
    first, second = unbroken.feedback, resumed.feedback
    assert isinstance(first, PrefVLM) and isinstance(second, PrefVLM)
    assert first.n_human == second.n_human == 18
    assert first.adapter_learner and second.adapter_learner
    assert first.adapter_learner.reports == second.adapter_learner.reports
    for name in ("adapters.safetensors", "reward_model.safetensors"):
        whole, stopped = (load_file(tmp_path / run / name) for run in ("whole", "stopped"))
        for key, tensor in whole.items():
            np.testing.assert_array_equal(tensor, stopped[key], err_msg=key)
    actors = [run.model.actor.state_dict() for run in (unbroken, resumed)]
    for key, tensor in actors[0].items():
        np.testing.assert_array_equal(tensor.numpy(), actors[1][key].numpy(), err_msg=key)


def test_adapters_of_one_training_begin_another(reach: Any, tmp_path: Path) -> None:
    path = tmp_path / "first" / "adapters.safetensors"
    first = train(reach, out=path.parent)
    still = replace(ADAPTS.adapter_training, learning_rate=1e-12)
    settings = replace(ADAPTS, begin_with=str(path), adapter_training=still)
    learns = PrefVLM(ENCODER, "teacher", instruction="go", prefvlm=settings)
    assert learns.adapters is not None
    assert learns.adapters.digest() == EncoderAdapters.load(path).digest()
    second = train(reach, settings, n_steps=48).feedback
    assert isinstance(second, PrefVLM)
    assert second.n_human == 6
    assert share_right(first, second.labeller) > 0.9


def test_with_a_thread_the_person_is_asked_there_too(reach: Any) -> None:
    learns = train(reach, config=replace(FEEDBACK, asynchronous=True), n_steps=160).feedback
    assert isinstance(learns, PrefVLM)
    assert 6 <= learns.n_human <= 18


def test_what_has_no_space_of_pictures_and_texts_is_refused() -> None:
    with pytest.raises(NeedsError, match=r"ScriptedTeacher is no encoder.*adapters=False"):
        prefvlm(prefvlm=replace(FROZEN, adapters=True))
    with pytest.raises(NeedsError, match="instruction=None; an encoder compares"):
        prefvlm(ENCODER, prefvlm=replace(FROZEN, adapters=True))


def test_settings_that_would_have_no_effect_are_refused() -> None:
    given: dict[str, Any] = {"n_steps": 100, "config": BRIEF}
    task = own_task("Pendulum-v1", "swing up", success_key="")
    with pytest.raises(InvalidValueError, match="nobody to ask"):
        train_online(task, "teacher", prefvlm=FROZEN, **given)
    with pytest.raises(InvalidValueError, match="no labeller to have doubts"):
        train_online(task, None, person="teacher", **given)
    with pytest.raises(InvalidValueError, match=r"label_filter=\.\.\. beside person"):
        train_online(task, ERRS, person="teacher", label_filter=RIMEConfig(), **given)
    with pytest.raises(InvalidValueError, match=r"human_share=1\.5"):
        PrefVLMConfig(human_share=1.5)
    with pytest.raises(InvalidValueError, match="choice='entropy'"):
        PrefVLMConfig(choice="entropy")
