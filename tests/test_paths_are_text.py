"""Wherever a path is wanted, text is one: of every public function and adapter."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlfeedback
from vlfeedback import adapters
from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.data.segment_files import read_segments_npz, write_segments_npz
from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.types import Trajectory

# Beside what packages export: modules that the pages and examples import from.
MODULES = (
    *(f"vlfeedback.adapters.{name}" for name in adapters.__all__),
    "vlfeedback.data.collection",
    "vlfeedback.data.preferences",
    "vlfeedback.data.segment_files",
    "vlfeedback.data.trajectories",
    "vlfeedback.data.video",
    "vlfeedback.sweeps.specification",
)
MADE_BY_OTHERS = {  # what `open_dataset` and `new_copy` give, and what `train_policy` hands on
    "vlfeedback.adapters.formats.NewCopy",
    "vlfeedback.offline.learners.LearnerInputs",
}


def functions_of(name: str, thing: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    if inspect.isfunction(thing):
        yield name, thing
    if inspect.isclass(thing):
        for method in ("__init__", *(n for n in vars(thing) if not n.startswith("_"))):
            if method == "__init__" and dataclasses.is_dataclass(thing) and method in vars(thing):
                continue  # of a dataclass: its fields, which its class methods convert
            function = getattr(inspect.getattr_static(thing, method), "__func__", None)
            function = function or inspect.getattr_static(thing, method)
            if inspect.isfunction(function):
                yield f"{name}.{method}", function


def public_functions() -> dict[str, Callable[..., Any]]:
    found = pkgutil.walk_packages(vlfeedback.__path__, "vlfeedback.")
    packages = ["vlfeedback", *(module.name for module in found if module.ispkg)]
    functions: dict[str, Callable[..., Any]] = {}
    for name in (*packages, *MODULES):
        if name.startswith("vlfeedback.cli"):
            continue
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            thing = getattr(module, public)
            home = f"{getattr(thing, '__module__', '')}.{public}"
            if home.startswith("vlfeedback.") and home not in MADE_BY_OTHERS:
                functions |= dict(functions_of(home, thing))
    return functions


FUNCTIONS = public_functions()


def paths_of(function: Callable[..., Any]) -> dict[str, str]:
    """Annotations of the parameters that take a path."""
    parameters = inspect.signature(function).parameters.values()
    annotations = {p.name: str(p.annotation) for p in parameters}
    return {name: text for name, text in annotations.items() if re.search(r"\bPath\b", text)}


WITH_PATHS = sorted(name for name, function in FUNCTIONS.items() if paths_of(function))


def test_the_functions_with_paths_are_found() -> None:
    assert {
        "vlfeedback.scoring.labelling.label_pairs",
        "vlfeedback.scoring.relabel.relabel",
        "vlfeedback.offline.train.train_policy",
        "vlfeedback.data.preferences.PreferenceDataset.save",
        "vlfeedback.data.preferences.PreferenceDataset.load",
        "vlfeedback.adapters.hdf5.read",
        "vlfeedback.adapters.npz.write",
        "vlfeedback.adapters.lerobot.read",
        "vlfeedback.collecting.episodes.collect",
    } <= set(WITH_PATHS)


@pytest.mark.parametrize("name", WITH_PATHS)
def test_a_path_may_be_text(name: str) -> None:
    for parameter, annotation in paths_of(FUNCTIONS[name]).items():
        assert re.search(r"\bstr\b", annotation), (parameter, annotation)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a name alone is a path."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trajectories() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    return [
        Trajectory(
            observations=rng.normal(size=(11, 3)).astype(np.float32),
            actions=rng.uniform(-1, 1, (10, 2)).astype(np.float32),
            env_rewards=rng.normal(size=10).astype(np.float32),
            truncated=True,
            id=str(number),
        )
        for number in range(4)
    ]


def test_trajectories_go_through_files_named_by_text(
    folder: Path, trajectories: list[Trajectory]
) -> None:
    write_trajectories("ours.h5", trajectories)
    assert len(read_trajectories("ours.h5")) == 4
    for adapter, name in ((adapters.hdf5, "d4rl.hdf5"), (adapters.npz, "d4rl.npz")):
        adapter.write(name, trajectories)
        assert len(list(adapter.read(name))) == 4
    assert {path.name for path in folder.iterdir()} >= {"ours.h5", "d4rl.hdf5", "d4rl.npz"}


def test_labels_rewards_and_policies_go_through_files_named_by_text(
    folder: Path, trajectories: list[Trajectory]
) -> None:
    pairs = vlfeedback.sample_segment_pairs(trajectories, 6, length=4, rng=np.random.default_rng(0))
    teacher = vlfeedback.make_preference_source("teacher")
    labels = vlfeedback.label_pairs(pairs, teacher, save_to="labels.parquet")
    labels.save("copy.parquet")
    for name in ("labels.parquet", "copy.parquet"):
        assert len(vlfeedback.PreferenceDataset.load(name, trajectories)) == 6
    write_segments_npz("cpl.npz", labels)
    assert len(read_segments_npz("cpl.npz")) == 6
    source = vlfeedback.make_reward_source("random")
    relabelled = list(vlfeedback.relabel(trajectories, source, resume="rewards"))
    assert [len(t) for t in relabelled] == [10] * 4
    from vlfeedback.offline import TrainedPolicy, train_policy

    trained = train_policy(
        "bc", trajectories=relabelled, n_steps=1, seed=0, out="policy", batch_size=4
    )
    again = TrainedPolicy.load("policy")
    np.testing.assert_array_equal(
        *(policy.algo.predict(trajectories[0].observations) for policy in (trained, again))
    )


def test_a_collection_is_a_folder_named_by_text(folder: Path) -> None:
    settings = {"episodes": 1, "horizon": 2}
    collect("carts", ["cart-pole-balance"], settings=settings, levels=["random"], workers=0)
    (cart,) = Collection.open("carts").load("cart-pole-balance")
    assert len(cart) == 2
