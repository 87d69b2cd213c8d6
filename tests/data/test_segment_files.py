from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.segment_files import read_segments_npz, write_segments_npz
from vlfeedback.errors import FileFormatError
from vlfeedback.types import PreferenceLabels, Trajectory


def with_scores(n: int = 6, steps: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "obs": rng.normal(size=(n, steps, 3)),
        "action": rng.uniform(-1, 1, size=(n, steps, 2)),
        "reward": rng.normal(size=(n, steps)),
        "rl_sum": np.array([0.0, 1.0, 2.0, 1.0, 0.0, 2.0][:n]),
        "rl_lp": -np.arange(float(n)),
    }


def with_sides(n: int = 3, steps: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    sides = {
        f"{name}_{side}": rng.normal(size=(n, steps, width)).astype(np.float32)
        for side in (1, 2)
        for name, width in (("obs", 3), ("action", 2))
    }
    return {**sides, "label": np.array([1, 0, 1])}


def save(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def test_pair_i_compares_the_segments_i_and_half_later_by_the_score(tmp_path: Path) -> None:
    arrays = with_scores()
    read = read_segments_npz(save(tmp_path / "a.npz", arrays), task="drawer-open")
    # scores (0, 1), (1, 0), (2, 2): second, first, tie
    assert read.labels.prefer_second.tolist() == [1, 0, 0.5]
    assert [[s.trajectory.id for s in pair] for pair in read.pairs] == [
        ["a/0", "a/3"],
        ["a/1", "a/4"],
        ["a/2", "a/5"],
    ]
    first, second = read.pairs[1]
    np.testing.assert_array_equal(second.read("observations"), arrays["obs"][4].astype(np.float32))
    np.testing.assert_array_equal(second.read("actions"), arrays["action"][4].astype(np.float32))
    np.testing.assert_array_equal(first.read("env_rewards"), arrays["reward"][1].astype(np.float32))
    assert second.read("observations").dtype == second.read("actions").dtype == np.float32
    assert first.trajectory.task == "drawer-open"
    assert read.length == 4
    assert read.labelled_by[0].config == '{"score": "rl_sum"}'


def test_another_score_decides_otherwise(tmp_path: Path) -> None:
    read = read_segments_npz(save(tmp_path / "a.npz", with_scores()), score="rl_lp")
    assert read.labels.prefer_second.tolist() == [0, 0, 0]


def test_the_missing_last_observation_is_repeated_and_said_to_be(tmp_path: Path) -> None:
    arrays = with_scores()
    trajectory = read_segments_npz(save(tmp_path / "a.npz", arrays)).pairs[0][0].trajectory
    assert len(trajectory) == 4 and trajectory.observations.shape == (5, 3)
    np.testing.assert_array_equal(trajectory.observations[4], trajectory.observations[3])
    assert trajectory.last_observation_repeated
    assert trajectory.truncated and not trajectory.terminated and trajectory.rewards is None


def test_label_one_says_that_the_second_side_is_better(tmp_path: Path) -> None:
    arrays = with_sides()
    read = read_segments_npz(save(tmp_path / "a.npz", arrays))
    assert read.labels.prefer_second.tolist() == [1, 0, 1]
    first, second = read.pairs[2]
    np.testing.assert_array_equal(first.read("observations"), arrays["obs_1"][2])
    np.testing.assert_array_equal(second.read("actions"), arrays["action_2"][2])
    assert first.trajectory.env_rewards is None


@pytest.mark.parametrize("score", [None, "preference"])
def test_there_and_back(tmp_path: Path, score: str | None) -> None:
    read = read_segments_npz(save(tmp_path / "a.npz", with_scores()))
    write_segments_npz(tmp_path / "new" / "a.npz", read, score=score)
    again = read_segments_npz(tmp_path / "new" / "a.npz", score=score or "")
    assert again.digest() == read.digest()
    for pair, other in zip(read.pairs, again.pairs, strict=True):
        for segment, same in zip(pair, other, strict=True):
            for name in ("observations", "actions", "env_rewards"):
                np.testing.assert_array_equal(segment.read(name), same.read(name))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.npz"]


def test_what_is_written_is_the_layout_of_cpl(tmp_path: Path) -> None:
    trajectory = Trajectory(np.zeros((9, 3)), np.zeros((8, 2), np.float32), id="t")
    pair = (trajectory.segment(0, 4), trajectory.segment(4, 4))
    dataset = PreferenceDataset([pair], PreferenceLabels(np.ones(1, np.float32), np.array([True])))
    write_segments_npz(tmp_path / "sides.npz", dataset)
    write_segments_npz(tmp_path / "scores.npz", dataset, score="rl_sum")
    with np.load(tmp_path / "sides.npz") as file:
        assert {name: file[name].shape for name in file.files} == {
            "obs_1": (1, 4, 3),
            "action_1": (1, 4, 2),
            "reward_1": (1, 4),
            "obs_2": (1, 4, 3),
            "action_2": (1, 4, 2),
            "reward_2": (1, 4),
            "label": (1,),
        }
        assert file["obs_1"].dtype == np.float32
        assert file["label"].tolist() == [1]
        assert np.isnan(file["reward_1"]).all()
    with np.load(tmp_path / "scores.npz") as file:
        assert file["rl_sum"].tolist() == [0, 1]
        assert file["obs"].shape == (2, 4, 3)


def test_unanswered_pairs_are_not_written(tmp_path: Path) -> None:
    trajectory = Trajectory(np.zeros((9, 3)), np.zeros((8, 2), np.float32), id="t")
    pair = (trajectory.segment(0, 4), trajectory.segment(4, 4))
    dataset = PreferenceDataset([pair], PreferenceLabels(np.ones(1, np.float32), np.array([False])))
    with pytest.raises(ValueError, match="1 of 1 pairs are unanswered"):
        write_segments_npz(tmp_path / "a.npz", dataset)
    with pytest.raises(ValueError, match=r"expected a name that ends in \.npz"):
        write_segments_npz(tmp_path / "a.npy", dataset)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs": np.zeros((6, 5, 3))}, r"obs has shape \(6, 5, 3\) and action \(6, 4, 2\)"),
        ({"reward": np.zeros((5, 4))}, r"reward has shape \(5, 4\) and action"),
        ({"rl_sum": np.zeros(4)}, "labels has 2 rows; expected 3"),
        ({"rl_sum": np.array([0, 1, np.nan, 0, 0, 0])}, "score 2 is not finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, np.ndarray], message: str
) -> None:
    path = save(tmp_path / "a.npz", with_scores() | changes)
    with pytest.raises(FileFormatError, match=message):
        read_segments_npz(path)


def test_an_odd_number_of_segments_makes_no_pairs(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", with_scores(5))
    with pytest.raises(FileFormatError, match="holds 5 segments; pairs need an even number"):
        read_segments_npz(path)


def test_a_label_of_another_convention_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", with_sides() | {"label": np.array([1, -1, 0])})
    with pytest.raises(FileFormatError, match=r"Label 1 is -1; labels of CPL and IPL are 0, 0\.5"):
        read_segments_npz(path)


def test_a_file_without_the_score_says_what_it_has(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", with_scores())
    with pytest.raises(FileFormatError, match=r"no \['regret'\]; it has .*'rl_lp', 'rl_sum'\]"):
        read_segments_npz(path, score="regret")


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No file of segments"):
        read_segments_npz(tmp_path / "none.npz")
    path = save(tmp_path / "a.npz", with_scores())
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FileFormatError, match=r"is no readable npz file: .* truncated"):
        read_segments_npz(path)
    np.save(tmp_path / "b.npz.npy", np.zeros(3))
    with pytest.raises(FileFormatError, match="is no readable npz file"):
        read_segments_npz(tmp_path / "b.npz.npy")


def test_pickled_arrays_are_never_opened(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", with_scores() | {"obs": np.array([{}], dtype=object)})
    with pytest.raises(FileFormatError, match="holds Python objects, which are never loaded"):
        read_segments_npz(path)
