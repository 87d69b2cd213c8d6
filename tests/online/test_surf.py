from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.online.pendulums import BRIEF, sac
from tests.online.test_training import train

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, gather_pairs, sample_segment_pairs
from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import InvalidValueError, NeedsError, ShapeError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import PEBBLE, FeedbackConfig, RIMEConfig, SURFConfig
from vlfeedback.online.queries import QueryChooser
from vlfeedback.online.reward_learner import RewardLearner
from vlfeedback.online.surf import SURFTrainer, crops, pseudo_label_loss, widened
from vlfeedback.preferences.teacher import ScriptedTeacher
from vlfeedback.types import Outcome, PreferenceLabels, SegmentPairs, Trajectory

LENGTH = 10
SMALL = SURFConfig(window=2, crop_range=2)  # for segments of 5 steps in episodes of 20
PLAIN = SURFConfig(window=0, crop_range=0)


def learner(surf: SURFConfig, training: RewardTraining, **config: Any) -> RewardLearner:
    return RewardLearner(
        RewardModelConfig(**{"hidden": (16,), **config}),
        training,
        length=LENGTH,
        n_observation=3,
        n_action=1,
        seed=0,
        surf=surf,
    )


def trainer(reward: RewardLearner) -> SURFTrainer:
    assert isinstance(reward.trainer, SURFTrainer)
    return reward.trainer


def drawn(episodes: Sequence[Trajectory], n: int, *, seed: int, window: int = 0) -> SegmentPairList:
    """Pairs with `window` steps on either side."""
    config = FeedbackConfig(segment_length=LENGTH)
    rng = np.random.default_rng(seed)
    return QueryChooser(config, start_multiple=1, rng=rng, margin=window).draw(episodes, n)


def by_return(pairs: SegmentPairList) -> PreferenceDataset:
    """Labels by the environment's own return."""
    first, second = ([p[side].read("env_rewards").sum() for p in pairs] for side in (0, 1))
    labels = (np.array(second) > np.array(first)).astype(np.float32)
    answered = np.full(len(pairs), Outcome.ANSWERED, np.uint8)
    return PreferenceDataset(pairs, PreferenceLabels(labels, answered))


def test_crops_are_as_long_on_both_sides_and_lie_anywhere_in_what_is_kept() -> None:
    surf, n = SURFConfig(window=2, crop_range=1), 6000
    counts = crops(n, 4, surf, np.random.default_rng(0))
    assert counts.shape == (2 * n, 8)
    begins, lengths = counts.argmax(axis=1), counts.sum(axis=1).astype(int)
    for row, begin, length in zip(counts, begins, lengths, strict=True):
        np.testing.assert_array_equal(row[begin : begin + length], 1)
    np.testing.assert_array_equal(lengths[:n], lengths[n:])
    assert (begins[:n] != begins[n:]).any()
    pairs, times = np.unique(np.stack([lengths, begins], axis=1), axis=0, return_counts=True)
    # Of 8 steps: 3 begin at 0 to 5, 4 at 0 to 4, 5 at 0 to 3.
    assert pairs.tolist() == [[size, at] for size in (3, 4, 5) for at in range(8 - size + 1)]
    expected = [2 * n / 3 / (8 - size + 1) for size, _ in pairs]
    np.testing.assert_allclose(times, expected, rtol=0.1)


def test_the_longest_crop_may_be_all_that_is_kept() -> None:
    counts = crops(200, 4, SURFConfig(window=1, crop_range=2), np.random.default_rng(0))
    assert counts.sum(axis=1).max() == counts.shape[1] == 6


def test_without_a_window_and_a_range_segments_are_not_cropped() -> None:
    np.testing.assert_array_equal(crops(3, 4, PLAIN, np.random.default_rng(0)), np.ones((6, 4)))


def test_the_loss_is_the_cross_entropy_of_what_a_member_is_sure_of_over_all_pairs() -> None:
    whole, cropped = torch.tensor([5.0, -5.0, 0.1, -4.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    loss, n_sure = pseudo_label_loss(whole, cropped, 0.99)  # 0.99 is a gap of 4.595
    expected = (np.log1p(np.exp(-1.0)) + np.log1p(np.exp(2.0))) / 4
    assert float(loss) == pytest.approx(expected)
    assert n_sure == 2


def test_no_gradient_flows_from_what_a_member_is_not_sure_of_nor_through_its_labels() -> None:
    whole = torch.tensor([5.0, 0.1], requires_grad=True)
    cropped = torch.tensor([1.0, 1.0], requires_grad=True)
    pseudo_label_loss(whole, cropped, 0.99)[0].backward()
    assert whole.grad is None
    assert cropped.grad is not None
    assert cropped.grad.tolist() == [pytest.approx(-1 / (1 + np.e) / 2), 0]


def test_a_step_is_taken_on_labels_and_on_what_the_member_is_sure_of(
    episodes: Sequence[Trajectory],
) -> None:
    surf = SURFConfig(threshold=0.55, weight=0.7, window=3, crop_range=2)
    reward = learner(surf, RewardTraining(epochs=1), n_members=1)
    dataset = by_return(drawn(episodes, 4, seed=0, window=3))
    others = drawn(episodes, 30, seed=1, window=3)

    def rewards(pairs: SegmentPairList) -> np.ndarray:
        """Of the untrained member, of segments with their windows, (2 n, 16)."""
        sides = gather_pairs(widened(pairs, 3), None, needs=reward.model.needs)
        return np.concatenate(
            [reward.model.member_rewards(side)[0] for side in (sides.first, sides.second)]
        )

    rng = np.random.default_rng([0, 1, 0])
    order = rng.permutation(4)
    mine = rewards([dataset.pairs[k] for k in order])
    first, second = np.split((mine * crops(4, LENGTH, surf, rng)).sum(axis=1), 2)
    labels = dataset.labels.prefer_second[order]
    of_labels = np.where(labels == 1, np.logaddexp(0, first - second), 0)
    of_labels = of_labels + np.where(labels == 0, np.logaddexp(0, second - first), 0)
    theirs = rewards([others[k] for k in rng.permutation(30)])
    whole = np.subtract(*np.split(theirs[:, 3:13].sum(axis=1), 2)[::-1])
    first, second = np.split((theirs * crops(30, LENGTH, surf, rng)).sum(axis=1), 2)
    is_sure = 1 / (1 + np.exp(-np.abs(whole))) >= 0.55
    of_own = np.where(whole > 0, np.logaddexp(0, first - second), np.logaddexp(0, second - first))
    expected = of_labels.mean() + 0.7 * (of_own * is_sure).sum() / 30
    assert 0 < is_sure.sum() < 30

    losses: list[float] = []
    report = reward.learn(dataset, None, lambda *told: losses.append(told[3]), unlabelled=others)
    assert losses == [pytest.approx(expected, rel=1e-5)]
    assert report.pseudo_labelled == pytest.approx(is_sure.mean())


def test_pairs_of_which_no_member_is_sure_change_nothing(episodes: Sequence[Trajectory]) -> None:
    dataset, others = by_return(drawn(episodes, 1, seed=0)), drawn(episodes, 40, seed=1)
    digests = {}
    for name, threshold, more in (
        ("alone", 1.0, []),
        ("unsure", 1.0, others),
        ("sure", 0.5, others),
    ):
        reward = learner(replace(PLAIN, threshold=threshold), RewardTraining(epochs=300))
        report = reward.learn(dataset, unlabelled=more)
        digests[name] = reward.model.digest()
        assert report.pseudo_labelled == (name == "sure")
    assert digests["alone"] == digests["unsure"] != digests["sure"]


def test_a_session_has_as_many_steps_as_its_epochs_have_batches_however_good_it_is(
    episodes: Sequence[Trajectory],
) -> None:
    told: list[tuple[int, int]] = []
    reward = learner(SMALL, RewardTraining(epochs=20, batch_size=5, target_accuracy=0.1))
    for n, seed in ((12, 0), (7, 1)):
        dataset = by_return(drawn(episodes, n, seed=seed, window=2))
        others = drawn(episodes, 2 * n, seed=seed, window=2)
        reward.learn(dataset, None, lambda *now: told.append(now[1:3]), unlabelled=others)
    assert told[:48] == [(step, 48) for step in range(1, 49)]  # 20 * 12 / 5
    assert told[48:] == [(step, 76) for step in range(1, 77)]  # 20 * 19 / 5


def test_ties_are_trained_to_a_half(episodes: Sequence[Trajectory]) -> None:
    reward = learner(PLAIN, RewardTraining(epochs=1), n_members=1)
    pairs = drawn(episodes, 1, seed=0)
    tied = PreferenceLabels(np.array([0.5], np.float32), np.array([Outcome.ANSWERED], np.uint8))
    gap = reward.member_logits(pairs)[0, 0]
    losses: list[float] = []
    reward.learn(PreferenceDataset(pairs, tied), None, lambda *told: losses.append(told[3]))
    expected = (np.logaddexp(0, gap) + np.logaddexp(0, -gap)) / 2
    assert losses == [pytest.approx(expected, rel=1e-5)]


def test_it_learns_to_order_segments_that_it_was_not_told_about(many: list[Trajectory]) -> None:
    surf = SURFConfig(threshold=0.9, window=3, crop_range=3)
    training = RewardTraining(epochs=40, batch_size=16, learning_rate=3e-3)
    reward = learner(surf, training, hidden=(32, 32))
    report = reward.learn(
        by_return(drawn(many, 60, seed=0, window=3)),
        unlabelled=drawn(many, 240, seed=1, window=3),
    )
    assert report.pseudo_labelled > 0.1
    unseen = by_return(drawn(many, 200, seed=2))
    logits = reward.member_logits(unseen.pairs).mean(axis=0)
    assert np.mean((logits > 0) == (unseen.labels.prefer_second == 1)) > 0.75


def test_segments_are_drawn_with_their_window_on_both_sides(
    episodes: Sequence[Trajectory],
) -> None:
    starts = {s.start for pair in drawn(episodes, 300, seed=0, window=3) for s in pair}
    assert starts == set(range(3, 20 - 10 - 3 + 1))


def test_segments_start_where_a_labeller_sees_pictures(episodes: Sequence[Trajectory]) -> None:
    config = FeedbackConfig(segment_length=4)
    choose = QueryChooser(config, start_multiple=3, rng=np.random.default_rng(0), margin=2)
    assert choose.span == 3 + 4 + 2
    starts = {s.start for pair in choose.draw(episodes, 300) for s in pair}
    assert starts == {3, 6, 9, 12}  # 15 would need 21 steps
    assert choose.can_draw(episodes)
    assert not QueryChooser(
        config, start_multiple=9, rng=np.random.default_rng(0), margin=8
    ).can_draw(episodes)


def test_those_who_choose_look_at_the_windows_too(episodes: Sequence[Trajectory]) -> None:
    reward = learner(SURFConfig(window=3), RewardTraining())
    reward.version = 1

    def choose(sampler: str, n: int) -> SegmentPairList:
        config = FeedbackConfig(segment_length=LENGTH, sampler=sampler)
        rng = np.random.default_rng(0)
        return QueryChooser(config, start_multiple=1, rng=rng, margin=3).choose(episodes, n, reward)

    pool, kept = choose("uniform", 80), choose("disagreement", 8)
    second = 1 / (1 + np.exp(-reward.member_logits(widened(pool, 3))))
    most = np.argsort(-second.std(axis=0))[:8]
    assert {tuple((s.trajectory.id, s.start) for s in pair) for pair in kept} == {
        tuple((s.trajectory.id, s.start) for s in pool[k]) for k in most
    }


class Watches:
    """The scripted teacher, and how many steps it was shown."""

    needs = ScriptedTeacher.needs

    def __init__(self) -> None:
        self.shown: set[int] = set()
        self._teacher = ScriptedTeacher()

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        self.shown |= {pairs.first.n_steps, pairs.second.n_steps}
        return self._teacher.label(pairs)


def test_the_labeller_is_asked_about_segments_and_their_labels_are_kept(tmp_path: Path) -> None:
    labeller = Watches()
    result = train(tmp_path / "run", labeller=labeller, surf=SMALL)
    assert labeller.shown == {5}
    for path in (tmp_path / "run" / "labels").glob("*.parquet"):
        kept = PreferenceDataset.load(path, read_trajectories(path.with_suffix(".h5")))
        assert kept.length == 5
        assert all(2 <= segment.start <= 13 for pair in kept.pairs for segment in pair)
    assert result.feedback is not None
    reward = trainer(result.feedback.learner)
    assert reward.labelled.shape == (12, 2)
    assert reward.unlabelled.shape == (120, 2)  # ten for each


def test_every_step_of_an_episode_is_kept_once(episodes: Sequence[Trajectory]) -> None:
    reward = learner(SMALL, RewardTraining(epochs=1))
    for seed in range(2):
        dataset = by_return(drawn(episodes, 20, seed=seed, window=2))
        reward.learn(dataset, unlabelled=drawn(episodes, 100, seed=seed, window=2))
    tensors, _ = reward.state()
    assert tensors["surf.steps"].shape == (6 * 20, 4)


@pytest.mark.parametrize("at", [55, 110])  # sessions are at 60, 100 and 140
def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, at: int) -> None:
    def stop(stage: str, step: int, steps: int, loss: float) -> None:
        if step >= at:
            raise KeyboardInterrupt

    whole = train(tmp_path / "whole", surf=SMALL)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", surf=SMALL, report=stop)
    stopped = train(tmp_path / "stopped", surf=SMALL)
    assert whole.feedback is not None
    assert stopped.feedback is not None
    assert whole.sessions == stopped.sessions
    for one, other in (
        (whole.model.policy.state_dict(), stopped.model.policy.state_dict()),
        (whole.feedback.learner.state()[0], stopped.feedback.learner.state()[0]),
    ):
        assert one.keys() == other.keys()
        for name, tensor in one.items():
            np.testing.assert_array_equal(tensor, other[name], err_msg=name)


def test_episodes_without_room_for_the_windows_are_refused_after_the_first_one() -> None:
    config = replace(BRIEF, segment_length=12)
    with pytest.raises(NeedsError, match=r"at most 20 steps, and segments of 12 .* take 22"):
        sac().learn(60, callback=PEBBLE("teacher", config, surf=SURFConfig()))


def test_a_labelled_segment_without_room_for_its_window_is_refused(
    episodes: Sequence[Trajectory],
) -> None:
    reward = learner(SMALL, RewardTraining(epochs=1))
    rng = np.random.default_rng(0)
    dataset = by_return(sample_segment_pairs(episodes, 40, LENGTH, rng=rng))
    with pytest.raises(ShapeError, match=r"Segment \["):
        reward.learn(dataset)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"surf": SURFConfig()}, "segment_length=5, and SURF crops up to 5"),
        ({"surf": SMALL, "config": replace(BRIEF, segment_length=1)}, "Single steps are compared"),
        ({"surf": SMALL, "reward": RewardModelConfig(inputs="frames")}, "inputs='frames' with"),
        ({"surf": SMALL, "label_filter": RIMEConfig()}, "SURF beside RIME's filter"),
        ({"surf": SMALL, "person": "teacher"}, r"surf=\.\.\. beside person"),
        ({"surf": SMALL, "labeller": None}, "and no labeller"),
    ],
)
def test_what_it_does_not_go_with_is_refused_before_anything_is_written(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidValueError, match=said):
        train(tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"crop_range": 11}, r"crop_range=11 and window=5; segments are kept with 10 steps more"),
        ({"threshold": 0.4}, r"threshold=0\.4; expected a probability in \[0\.5, 1\]"),
        ({"batch_ratio": 0}, "batch_ratio=0; expected at least 1"),
        ({"weight": -1.0}, r"weight=-1\.0; expected at least 0"),
    ],
)
def test_numbers_that_are_out_of_range_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        SURFConfig(**given)
