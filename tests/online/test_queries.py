from collections.abc import Sequence

import numpy as np
import pytest

from vlfeedback.data.queries import pair_features
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import ShapeError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import FeedbackConfig
from vlfeedback.online.queries import QueryChooser
from vlfeedback.online.reward_learner import RewardLearner
from vlfeedback.types import Trajectory

LENGTH = 5


class Knows(RewardLearner):
    """Members that differ most on pairs whose second segment starts latest."""

    def __init__(self, version: int = 1) -> None:
        config = RewardModelConfig(n_members=2, hidden=(4,))
        super().__init__(
            config, RewardTraining(), length=LENGTH, n_observation=3, n_action=1, seed=0
        )
        self.version = version

    def member_logits(self, pairs: SegmentPairList) -> np.ndarray:
        late = np.array([second.start for _, second in pairs]) / 15
        return np.stack([late, -late])


def chooser(sampler: str, *, multiple: int = 1) -> QueryChooser:
    config = FeedbackConfig(sampler=sampler, segment_length=LENGTH)
    return QueryChooser(config, start_multiple=multiple, rng=np.random.default_rng(0))


def starts(pairs: SegmentPairList) -> list[int]:
    return [second.start for _, second in pairs]


def test_the_first_session_is_uniform_whatever_the_sampler(episodes: Sequence[Trajectory]) -> None:
    uniform = chooser("uniform").choose(episodes, 8, Knows())
    first = chooser("disagreement").choose(episodes, 8, Knows(version=0))
    assert [[(s.trajectory.id, s.start) for s in pair] for pair in first] == [
        [(s.trajectory.id, s.start) for s in pair] for pair in uniform
    ]


def test_disagreement_keeps_the_tenth_of_the_pool_on_which_members_differ_most(
    episodes: Sequence[Trajectory],
) -> None:
    pool = chooser("uniform").choose(episodes, 80, Knows())
    kept = chooser("disagreement").choose(episodes, 8, Knows())
    assert sorted(starts(kept)) == sorted(starts(pool))[-8:]


@pytest.mark.parametrize("sampler", ["entropy", "k-center-disagreement", "k-center-entropy"])
def test_every_sampler_gives_as_many_pairs_as_were_asked_for(
    sampler: str, episodes: Sequence[Trajectory]
) -> None:
    assert len(chooser(sampler).choose(episodes, 8, Knows())) == 8


def test_k_center_keeps_away_from_pairs_of_earlier_sessions(
    episodes: Sequence[Trajectory],
) -> None:
    choose = chooser("k-center")
    earlier = pair_features(choose.choose(episodes, 6, Knows()))
    later = pair_features(choose.choose(episodes, 6, Knows()))
    apart = np.linalg.norm(later[:, None] - earlier[None], axis=-1).min(axis=1)
    uniform = pair_features(chooser("uniform").choose(episodes, 60, Knows()))
    typical = np.linalg.norm(uniform[:, None] - earlier[None], axis=-1).min(axis=1)
    assert apart.mean() > typical.mean()
    assert choose.asked.shape == (12, earlier.shape[1])


def test_segments_start_where_pictures_are(episodes: Sequence[Trajectory]) -> None:
    pairs = chooser("uniform", multiple=7).choose(episodes, 20, Knows())
    assert {segment.start % 7 for pair in pairs for segment in pair} == {0}


def test_segments_longer_than_all_episodes_are_refused(episodes: Sequence[Trajectory]) -> None:
    config = FeedbackConfig(segment_length=100)
    choose = QueryChooser(config, start_multiple=1, rng=np.random.default_rng(0))
    with pytest.raises(ShapeError, match="100 steps do not fit"):
        choose.choose(episodes, 1, Knows())
