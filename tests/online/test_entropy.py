import numpy as np
import pytest
import torch

from vlfeedback.online.entropy import StateEntropy, kth_distance


def test_the_distance_is_to_the_kth_neighbour_and_a_state_is_none_of_its_own() -> None:
    seen = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    distance = kth_distance(seen[:2], seen, k=2)
    assert distance.tolist() == pytest.approx([3.0, 2.0])  # 0 to 3; 1 to 3, after 0


def test_with_fewer_states_than_neighbours_the_farthest_counts() -> None:
    seen = torch.tensor([[0.0], [4.0]])
    assert kth_distance(seen, seen, k=5).tolist() == pytest.approx([4.0, 4.0])


def test_distances_agree_with_those_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(200, 6)).astype(np.float32)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    expected = np.sort(apart, axis=1)[:30, 5]
    found = kth_distance(torch.from_numpy(seen[:30]), torch.from_numpy(seen), k=5)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3)


def test_rewards_are_distances_over_the_deviation_of_all_so_far() -> None:
    rng = np.random.default_rng(1)
    seen = torch.from_numpy(rng.normal(size=(60, 3)).astype(np.float32))
    entropy, distances = StateEntropy(k=5), []
    for start in (0, 20, 40):
        states = seen[start : start + 20]
        rewards = entropy.reward(states, seen)
        distances.append(kth_distance(states, seen, 5).numpy())
        deviation = np.concatenate(distances).std()
        np.testing.assert_allclose(rewards.numpy(), distances[-1] / deviation, rtol=1e-4)
