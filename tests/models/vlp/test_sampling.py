from dataclasses import replace

import numpy as np
import pytest
import torch

from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.sampling import Windows, WindowSampler
from vlfeedback.models.vlp.settings import VLPTraining

BY_RETURN = VLPTraining(progress_share=0.0, paused=0.0, rewound=0.0)


def draw(
    episodes: EpisodeSet,
    training: VLPTraining = BY_RETURN,
    seed: int = 0,
    *,
    n_tasks: int = 3,
    n_windows: int = 6,
) -> Windows:
    sampler = WindowSampler(episodes, 4, np.random.default_rng(seed))
    return sampler.draw(training, n_tasks=n_tasks, n_windows=n_windows)


def test_the_tasks_of_a_batch_are_all_different(episodes: EpisodeSet) -> None:
    for seed in range(10):
        task = draw(episodes, seed=seed, n_tasks=2).task
        assert len(task) == len(set(task.tolist())) == 2


def test_a_batch_for_more_tasks_than_there_are_has_all_of_them(episodes: EpisodeSet) -> None:
    assert sorted(draw(episodes, n_tasks=12).task) == [0, 1, 2]


def test_a_window_shows_consecutive_pictures_of_one_episode_of_its_task(
    episodes: EpisodeSet,
) -> None:
    windows = draw(episodes)
    for k, task in enumerate(windows.task):
        for row, shown in zip(windows.episode[k], windows.picture[k], strict=True):
            assert episodes.task[row] == task
            last = shown[-1]
            np.testing.assert_array_equal(shown, np.maximum(np.arange(last - 3, last + 1), 0))


def test_some_windows_show_nothing_but_the_reset(episodes: EpisodeSet) -> None:
    windows = draw(episodes, n_windows=60)
    assert 0.05 < (windows.picture == 0).all(axis=2).mean() < 0.3  # one end of six


def test_what_is_known_of_pictures_is_gathered_window_by_window(episodes: EpisodeSet) -> None:
    windows = draw(episodes)
    episode, picture = torch.meshgrid(torch.arange(12), torch.arange(6), indexing="ij")
    known = torch.stack([episode, picture], dim=-1)
    shown, resets = windows.shown(known), windows.resets(known)
    assert shown.dtype == torch.float32 and shown.shape == (18, 4, 2) and resets.shape == (18, 2)
    np.testing.assert_array_equal(shown[..., 1], windows.picture.reshape(18, 4))
    np.testing.assert_array_equal(shown[:, 0, 0], windows.episode.flatten())
    np.testing.assert_array_equal(resets[:, 0], windows.episode.flatten())
    np.testing.assert_array_equal(resets[:, 1], 0)


def test_the_windows_of_a_task_are_of_all_its_levels_in_turn(episodes: EpisodeSet) -> None:
    for rows in episodes.level[draw(episodes).episode]:
        assert sorted(rows) == [0, 0, 1, 1, 2, 2]


def test_a_task_without_one_of_the_levels_has_windows_of_the_others(episodes: EpisodeSet) -> None:
    level = np.where(episodes.task == 1, 2, episodes.level)
    windows = draw(replace(episodes, level=level))
    assert (level[windows.episode[windows.task == 1]] == 2).all()


def test_windows_are_compared_by_the_ranks_of_their_returns(episodes: EpisodeSet) -> None:
    windows = draw(episodes, replace(BY_RETURN, label_softness=0.05))
    label = windows.prefer_second.numpy()
    for task in range(3):
        rank = episodes.window_return[windows.episode[task], windows.picture[task, :, -1]]
        for i in range(6):
            for j in range(6):
                expected = 1 / (1 + np.exp(-(rank[j] - rank[i]) / 0.05))
                assert label[task, i, j] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(label + label.swapaxes(1, 2), 1.0, atol=1e-6)


def test_a_windows_worth_is_its_return_and_the_mean_of_its_progress_in_their_shares(
    episodes: EpisodeSet,
) -> None:
    windows = draw(episodes, replace(BY_RETURN, label_softness=0.5, progress_share=0.6))
    for task in range(3):
        worth = []
        for row, shown in zip(windows.episode[task], windows.picture[task], strict=True):
            progress = episodes.progress[row, shown].mean()
            worth.append(0.4 * episodes.window_return[row, shown[-1]] + 0.6 * progress)
        expected = 1 / (1 + np.exp(-(worth[4] - worth[1]) / 0.5))
        assert windows.prefer_second[task, 1, 4].item() == pytest.approx(expected, abs=1e-5)


def test_a_pictures_worth_is_its_reward_and_its_progress_in_their_shares(
    episodes: EpisodeSet,
) -> None:
    windows = draw(episodes, replace(BY_RETURN, progress_share=0.25))
    at = windows.episode[..., None], windows.picture
    expected = 0.75 * episodes.reward[at] + 0.25 * episodes.progress[at]
    np.testing.assert_allclose(windows.worth.reshape(3, 6, 4), expected, atol=1e-6)


def test_the_task_is_done_where_progress_is_whole(episodes: EpisodeSet) -> None:
    windows = draw(episodes)
    done = episodes.progress[windows.episode[..., None], windows.picture] >= 1.0
    np.testing.assert_array_equal(windows.done.reshape(3, 6, 4), done)


def test_a_window_rises_where_it_gains_more_than_a_twentieth_in_worth(
    episodes: EpisodeSet,
) -> None:
    # Every episode's rewards: a jump of 0.06 at picture 3, and one of 0.04 at picture 5.
    reward = np.tile(np.array([0.0, 0.0, 0.0, 0.06, 0.06, 0.1], np.float32), (12, 1))
    windows = draw(replace(episodes, reward=reward), n_windows=12)
    # A window of four that ends at picture 5 begins at picture 2, and so on.
    gain = np.array([0.0, 0.0, 0.0, 0.06, 0.06, 0.1])[windows.picture[..., -1].flatten()]
    np.testing.assert_array_equal(windows.rising.numpy(), gain > 0.05)
    assert 0 < windows.rising.sum() < len(windows.rising)


def test_a_paused_window_stands_still_from_a_picture_on(episodes: EpisodeSet) -> None:
    whole, paused = draw(episodes), draw(episodes, replace(BY_RETURN, paused=1.0))
    turns = set()
    for before, after in zip(of_all(whole), of_all(paused), strict=True):
        possible = {turn: before[np.minimum(np.arange(4), turn)].tolist() for turn in (1, 2)}
        assert after.tolist() in possible.values()
        turns |= {turn for turn, pictures in possible.items() if after.tolist() == pictures}
    assert turns == {1, 2}


def test_a_rewound_window_runs_backwards_from_a_picture_on(episodes: EpisodeSet) -> None:
    whole, rewound = draw(episodes), draw(episodes, replace(BY_RETURN, rewound=1.0))
    for before, after in zip(of_all(whole), of_all(rewound), strict=True):
        assert after.tolist() in [before[[0, 1, 0, 1]].tolist(), before[[0, 1, 2, 1]].tolist()]


def of_all(windows: Windows) -> np.ndarray:
    """The pictures that each window shows, (KB, 4)."""
    return windows.picture.reshape(-1, 4)


@pytest.mark.parametrize(
    "changed", [replace(BY_RETURN, paused=1.0), replace(BY_RETURN, rewound=1.0)]
)
def test_what_stops_or_turns_back_is_worth_what_its_pictures_are_and_never_rises(
    episodes: EpisodeSet, changed: VLPTraining
) -> None:
    alike = replace(episodes, reward=np.zeros_like(episodes.reward))
    windows = draw(alike, changed)
    assert (windows.prefer_second == 0.5).all()  # whatever the returns of the whole windows
    assert not draw(episodes, changed).rising.any()


def test_episodes_of_other_levels_are_drawn_too(episodes: EpisodeSet) -> None:
    given = replace(episodes, level=np.where(episodes.level == 0, -1, episodes.level))
    assert (given.level[draw(given).episode] == -1).sum() == 6


def test_the_same_seed_draws_the_same_windows(episodes: EpisodeSet) -> None:
    first, second, other = (draw(episodes, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.picture, second.picture)
    assert torch.equal(first.prefer_second, second.prefer_second)
    assert not np.array_equal(first.picture, other.picture)
