from dataclasses import replace

import numpy as np
import pytest
import torch

from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.sampling import WindowBatch, WindowSampler
from vlfeedback.models.vlp.settings import VLPTraining

ALL = VLPTraining(batch=3, windows=6, progress_share=0.0, one_episode=0.0, paused=0.0, rewound=0.0)


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    """Tokens that tell which episode and which picture they are of."""
    episode, picture = torch.meshgrid(torch.arange(12.0), torch.arange(6.0), indexing="ij")
    return torch.stack([episode, picture], dim=-1).unsqueeze(2)


def draw(
    episodes: EpisodeSet, tokens: torch.Tensor, training: VLPTraining, seed: int = 0
) -> WindowBatch:
    return WindowSampler(episodes, tokens, 4, np.random.default_rng(seed)).draw(training)


def drawn(batch: WindowBatch) -> tuple[np.ndarray, np.ndarray]:
    """Which episode (K, B), and which picture of it each window ends with (K, B)."""
    shown = batch.tokens[:, :, 0].numpy().astype(int).reshape(len(batch.task), -1, 4, 2)
    return shown[:, :, 0, 0], shown[:, :, -1, 1]


def test_the_tasks_of_a_batch_are_all_different(episodes: EpisodeSet, tokens: torch.Tensor) -> None:
    for seed in range(10):
        task = draw(episodes, tokens, replace(ALL, batch=2), seed).task
        assert len(task) == len(set(task.tolist())) == 2


def test_a_batch_for_more_tasks_than_there_are_has_all_of_them(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    assert sorted(draw(episodes, tokens, replace(ALL, batch=12)).task) == [0, 1, 2]


def test_a_window_shows_consecutive_pictures_of_one_episode_of_its_task(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    batch = draw(episodes, tokens, ALL)
    shown = batch.tokens[:, :, 0].numpy()
    episode, end = drawn(batch)
    for window, (row, last) in enumerate(zip(episode.flatten(), end.flatten(), strict=True)):
        assert episodes.task[row] == batch.task[window // 6]
        assert last >= 1
        pictures = np.maximum(np.arange(last - 3, last + 1), 0)  # the reset stands in
        np.testing.assert_array_equal(shown[window], [[row, picture] for picture in pictures])
        np.testing.assert_array_equal(batch.first[window, 0], [row, 0])
        np.testing.assert_array_equal(batch.worth[window], episodes.reward[row, pictures])


def test_the_windows_of_a_task_are_of_all_its_levels_in_turn(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    episode, _ = drawn(draw(episodes, tokens, ALL))
    for row in episodes.level[episode]:
        assert sorted(row) == [0, 0, 1, 1, 2, 2]


def test_a_task_without_one_of_the_levels_has_windows_of_the_others(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    level = np.where(episodes.task == 1, 2, episodes.level)
    batch = draw(replace(episodes, level=level), tokens, ALL)
    episode, _ = drawn(batch)
    assert (level[episode[batch.task == 1]] == 2).all()


def test_windows_are_compared_by_the_ranks_of_their_returns(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    batch = draw(episodes, tokens, replace(ALL, level_share=0.0, label_softness=0.05))
    episode, end = drawn(batch)
    label = batch.prefer_second.numpy()
    for task in range(3):
        rank = episodes.window_return[episode[task], end[task]]
        for i in range(6):
            for j in range(6):
                expected = 1 / (1 + np.exp(-(rank[j] - rank[i]) / 0.05))
                assert label[task, i, j] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(label + label.swapaxes(1, 2), 1.0, atol=1e-6)


def test_windows_of_two_levels_may_be_compared_by_level_and_those_of_one_never_are(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    by_level = draw(episodes, tokens, replace(ALL, level_share=1.0))
    by_return = draw(episodes, tokens, replace(ALL, level_share=0.0))
    episode, _ = drawn(by_level)
    level = episodes.level[episode]
    gap = level[:, None, :] - level[:, :, None]
    label = by_level.prefer_second.numpy()
    np.testing.assert_array_equal(label[gap > 0], 1.0)
    np.testing.assert_array_equal(label[gap < 0], 0.0)
    np.testing.assert_array_equal(label[gap == 0], by_return.prefer_second.numpy()[gap == 0])


def test_a_share_of_the_pairs_of_two_levels_is_compared_by_level(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    # Returns that are all alike: a label is 0.5 unless it was given by level.
    alike = replace(episodes, window_return=np.zeros_like(episodes.window_return))
    found = []
    for seed in range(20):
        batch = draw(alike, tokens, replace(ALL, level_share=0.2), seed)
        episode, _ = drawn(batch)
        level = episodes.level[episode]
        of_two = level[:, None, :] != level[:, :, None]
        found.append((batch.prefer_second.numpy() != 0.5)[of_two].mean())
    assert 0.15 < np.mean(found) < 0.25


def test_an_experts_window_rises_where_its_reward_gains_more_than_three_tenths_in_rank(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    # Every episode's rewards: a jump of 0.31 at picture 3, and one of 0.29 at picture 5.
    reward = np.tile(np.array([0.0, 0.0, 0.0, 0.31, 0.31, 0.6], np.float32), (12, 1))
    batch = draw(replace(episodes, reward=reward), tokens, replace(ALL, windows=12))
    episode, end = drawn(batch)
    expert = (episodes.level[episode] == 2).flatten()
    # A window of four that ends at picture 5 begins at picture 2, and so on.
    gain = np.array([0.0, 0.0, 0.0, 0.31, 0.31, 0.6])[end.flatten()]
    np.testing.assert_array_equal(batch.rising.numpy(), expert & (gain > 0.3))
    assert 0 < batch.rising.sum() < len(batch.rising)


def test_a_window_that_gains_less_does_not_rise(episodes: EpisodeSet, tokens: torch.Tensor) -> None:
    reward = np.tile(np.linspace(0.0, 0.29, 6, dtype=np.float32), (12, 1))
    assert not draw(replace(episodes, reward=reward), tokens, ALL).rising.any()


def test_a_windows_worth_is_its_return_and_the_mean_of_its_progress_in_their_shares(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    given = replace(ALL, level_share=0.0, label_softness=0.5, progress_share=0.6)
    batch = draw(episodes, tokens, given)
    episode, end = drawn(batch)
    label = batch.prefer_second.numpy()
    for task in range(3):
        worth = []
        for row, last in zip(episode[task], end[task], strict=True):
            shown = episodes.progress[row, np.maximum(np.arange(last - 3, last + 1), 0)]
            worth.append(0.4 * episodes.window_return[row, last] + 0.6 * shown.mean())
        expected = 1 / (1 + np.exp(-(worth[4] - worth[1]) / 0.5))
        assert label[task, 1, 4] == pytest.approx(expected, abs=1e-5)


def test_of_one_episode_both_windows_of_a_level_are_drawn_on_request(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    for seed in range(10):
        episode, _ = drawn(draw(episodes, tokens, replace(ALL, one_episode=1.0), seed))
        for rows in episode:
            assert len(set(rows.tolist())) == 3  # one of each level


def shown_of(batch: WindowBatch) -> np.ndarray:
    """The pictures that each window shows, (KB, 4)."""
    return batch.tokens[:, :, 0, 1].numpy().astype(int)


def test_a_paused_window_stands_still_from_a_picture_on(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    whole = shown_of(draw(episodes, tokens, ALL))
    paused = shown_of(draw(episodes, tokens, replace(ALL, paused=1.0)))
    turns = set()
    for before, after in zip(whole, paused, strict=True):
        possible = {turn: before[np.minimum(np.arange(4), turn)].tolist() for turn in (1, 2)}
        assert after.tolist() in possible.values()
        turns |= {turn for turn, shown in possible.items() if shown == after.tolist()}
    assert turns == {1, 2}


def test_a_rewound_window_runs_backwards_from_a_picture_on(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    whole = shown_of(draw(episodes, tokens, ALL))
    rewound = shown_of(draw(episodes, tokens, replace(ALL, rewound=1.0)))
    for before, after in zip(whole, rewound, strict=True):
        assert after.tolist() in [before[[0, 1, 0, 1]].tolist(), before[[0, 1, 2, 1]].tolist()]


def test_an_idle_window_shows_the_reset_alone(episodes: EpisodeSet, tokens: torch.Tensor) -> None:
    batch = draw(episodes, tokens, replace(ALL, idle=1.0))
    assert (shown_of(batch) == 0).all()
    reset = episodes.reward[batch.tokens[:, 0, 0, 0].long(), 0]
    np.testing.assert_array_equal(batch.worth, np.repeat(reset[:, None], 4, axis=1))


def test_a_share_of_windows_is_idle(episodes: EpisodeSet, tokens: torch.Tensor) -> None:
    given = replace(ALL, idle=0.25, windows=120)
    batches = [draw(episodes, tokens, given, seed) for seed in range(5)]
    found = np.mean([(shown_of(batch) == 0).all(axis=1).mean() for batch in batches])
    assert 0.2 < found < 0.3


def test_what_stops_or_turns_back_is_never_compared_by_level_and_never_rises(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    by_level = replace(ALL, level_share=1.0)
    for training in (replace(by_level, paused=1.0), replace(by_level, rewound=1.0)):
        alike = replace(episodes, reward=np.zeros_like(episodes.reward))
        batch = draw(alike, tokens, training)
        assert (batch.prefer_second == 0.5).all()
        assert not batch.rising.any()


def test_episodes_without_a_rank_are_drawn_too_and_compared_by_worth_alone(
    episodes: EpisodeSet, tokens: torch.Tensor
) -> None:
    given = replace(episodes, level=np.where(episodes.level == 0, -1, episodes.level))
    by_level = draw(given, tokens, replace(ALL, level_share=1.0))
    by_worth = draw(given, tokens, replace(ALL, level_share=0.0))
    episode, _ = drawn(by_level)
    unranked = given.level[episode] == -1
    assert unranked.sum() == 6
    of_one = unranked[:, None, :] | unranked[:, :, None]
    np.testing.assert_array_equal(
        by_level.prefer_second.numpy()[of_one], by_worth.prefer_second.numpy()[of_one]
    )


def test_the_same_seed_draws_the_same_windows(episodes: EpisodeSet, tokens: torch.Tensor) -> None:
    first, second, other = (draw(episodes, tokens, ALL, seed) for seed in (3, 3, 4))
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.prefer_second, second.prefer_second)
    assert not torch.equal(first.tokens, other.tokens)
