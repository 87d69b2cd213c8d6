"""Arguments that many public functions take: ids, devices, generators, one and many."""

from collections.abc import Callable
from typing import Any

import jaxtyping
import numpy as np
import pytest

import vlfeedback
from vlfeedback import PreferenceFromReward, label_pairs, relabel, sample_segment_pairs
from vlfeedback.arguments import on_device
from vlfeedback.data.queries import sample_picture_pairs
from vlfeedback.data.sampling import sample_clustered_pairs, sample_segments
from vlfeedback.errors import DtypeError, InvalidTypeError, InvalidValueError, ShapeError
from vlfeedback.preferences.teacher import ScriptedTeacher
from vlfeedback.rewards.random import RandomConfig, RandomReward
from vlfeedback.types import Trajectory

EPISODES = [
    Trajectory(
        observations=np.zeros((7, 2), np.float32),
        actions=np.full((6, 1), number, np.float32),
        env_rewards=np.full(6, number, np.float32),
        id=str(number),
    )
    for number in range(4)
]


@pytest.fixture(autouse=True)
def _as_for_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def test_an_id_stands_for_a_source_wherever_one_is_taken() -> None:
    by_id = list(relabel(EPISODES, "random"))
    by_object = list(relabel(EPISODES, RandomReward(RandomConfig())))
    for one, other in zip(by_id, by_object, strict=True):
        np.testing.assert_array_equal(one.rewards, other.rewards)
    assert (
        PreferenceFromReward("env").config
        == PreferenceFromReward(vlfeedback.make_reward_source("env")).config
    )
    pairs = sample_segment_pairs(EPISODES, 8, 3, rng=np.random.default_rng(0))
    labels = label_pairs(pairs, "teacher").labels
    np.testing.assert_array_equal(
        labels.prefer_second, label_pairs(pairs, ScriptedTeacher()).labels.prefer_second
    )
    np.testing.assert_array_equal(  # a reward source labels as well
        labels.prefer_second, label_pairs(pairs, "env").labels.prefer_second
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relabel(EPISODES, "vpl"), "No reward source 'vpl'. Did you mean 'vlp'"),
        (lambda: relabel(EPISODES, RandomReward), "is no reward source; expected an id"),  # type: ignore[arg-type]
        (lambda: relabel(EPISODES, None), "source=None is no reward source"),  # type: ignore[arg-type]
        (
            lambda: relabel(EPISODES, "random", instruction=["x"]),  # type: ignore[arg-type]
            "instruction=['x']; expected one text, such as 'close the drawer'.",
        ),
        (lambda: label_pairs([], "teachr"), "No preference source 'teachr'. Did you mean"),
        (
            lambda: label_pairs([], RandomReward()),  # type: ignore[arg-type]
            "It gives rewards: pass PreferenceFromReward(source).",
        ),
        (lambda: PreferenceFromReward(3), "source=3 is no reward source"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_source_or_instruction_is_said_in_a_sentence(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises((TypeError, LookupError)) as refusal:
        call()
    assert isinstance(refusal.value, vlfeedback.errors.VLFeedbackError)
    assert message in str(refusal.value)


def test_a_seed_in_place_of_a_generator_is_refused_with_the_generator() -> None:
    seed: Any = 3
    for call in (
        lambda: sample_segment_pairs(EPISODES, 2, 3, rng=seed),
        lambda: sample_segments(EPISODES, 2, 3, rng=seed),
        lambda: sample_clustered_pairs(EPISODES, 2, 3, rng=seed),
        lambda: sample_picture_pairs(EPISODES, 2, rng=seed),
        lambda: label_pairs(
            sample_segment_pairs(EPISODES, 8, 3, rng=np.random.default_rng(0)), "teacher"
        ).split(rng=seed),
        lambda: vlfeedback.fit_reward_model(None, rng=seed),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidTypeError, match=r"rng=3; .*rng=np\.random\.default_rng\(3\)\."):
            call()


def test_one_trajectory_in_place_of_many_is_said() -> None:
    one: Any = EPISODES[0]
    for call in (
        lambda: list(relabel(one, "random")),
        lambda: sample_segment_pairs(one, 2, 3, rng=np.random.default_rng(0)),
        lambda: vlfeedback.adapters.npz.write("never.npz", one),
    ):
        with pytest.raises(InvalidTypeError, match=r"is one trajectory where .* \[trajectory\]"):
            call()


def test_lists_in_a_trajectory_become_arrays() -> None:
    lists: Any = {
        "observations": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]],
        "actions": [0, 1],
        "env_rewards": [1, 2],
        "rewards": (0.5, 1.5),
        "successes": [0, 1],
    }
    trajectory = Trajectory(**lists)
    dtypes = {name: str(getattr(trajectory, name).dtype) for name in lists}
    assert dtypes == {
        "observations": "float32",
        "actions": "int64",
        "env_rewards": "float32",
        "rewards": "float32",
        "successes": "bool",
    }
    assert trajectory.observations.tolist() == lists["observations"]
    assert trajectory.segment(1, 1).read("actions").tolist() == [1]
    wide = np.zeros((3, 2))  # an array stays what it is
    assert Trajectory(observations=wide, actions=np.zeros((2, 1))).observations is wide
    with pytest.raises(ShapeError, match="observations is a list that makes no array"):
        Trajectory(**{**lists, "observations": [[0.0], [1.0, 2.0], [3.0]]})
    with pytest.raises(DtypeError, match="actions is a list of <U1; expected numbers"):
        Trajectory(**{**lists, "actions": ["a", "b"]})
    with pytest.raises(ShapeError, match="2 actions and 1 observations"):
        Trajectory(**{**lists, "observations": [[0.0, 1.0]]})


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "CUDA", "0", ""])
def test_what_is_no_device_is_refused_by_all_who_take_one(device: str) -> None:
    pairs = sample_segment_pairs(EPISODES, 8, 3, rng=np.random.default_rng(0))
    for call in (
        lambda: vlfeedback.make_reward_source("random", device=device),
        lambda: vlfeedback.make_preference_source("vlp", device=device),
        lambda: vlfeedback.fit_reward_model(
            label_pairs(pairs, "teacher"), rng=np.random.default_rng(0), device=device
        ),
    ):
        with pytest.raises(InvalidValueError) as refusal:
            call()
        assert f"device={device!r} is none; expected 'cpu', 'cuda', or one of several" in str(
            refusal.value
        )


def test_a_device_that_is_not_there_is_said_and_other_errors_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    absent = "finds no CUDA device on this machine"
    with pytest.raises(InvalidValueError, match=absent), on_device("cuda"):
        raise RuntimeError("Found no NVIDIA driver on your system.")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    few = "torch finds 2 here, from 0 on"
    with pytest.raises(InvalidValueError, match=few), on_device("cuda:2"):
        raise RuntimeError("invalid device ordinal")
    for device in ("cuda:1", "cpu", "mps"):
        with pytest.raises(RuntimeError, match=r"^out of memory$"), on_device(device):
            raise RuntimeError("out of memory")
