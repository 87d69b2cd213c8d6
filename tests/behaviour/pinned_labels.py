"""Pairs, queries, labels, and datasets of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_data import noise_episodes, point_episodes
from tests.behaviour.pinned_record import case

from vlfeedback import (
    PreferenceDataset,
    PreferenceLabels,
    Segment,
    label_pairs,
    list_preference_sources,
    make_preference_source,
    sample_segment_pairs,
)
from vlfeedback.data import queries, sampling

__all__: list[str] = []

Pairs = list[tuple[Segment, Segment]]


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _where(pairs: Pairs) -> list[Any]:
    return [[[s.trajectory.id, s.start, s.length] for s in pair] for pair in pairs]


def _noise_pairs(n: int = 30, length: int = 6, *, picture_size: int = 0) -> Pairs:
    episodes = noise_episodes(picture_size=picture_size)
    return sample_segment_pairs(episodes, n, length, rng=_rng())


def _point_pairs(n: int = 30, length: int = 5) -> Pairs:
    return sample_segment_pairs(point_episodes(), n, length, rng=_rng())


def _labelled(preferences: PreferenceDataset) -> dict[str, Any]:
    return {
        "prefer_second": preferences.labels.prefer_second,
        "answered": preferences.labels.answered,
        "instructions": list(preferences.instructions),
        "cost": preferences.cost,
        "record_of": preferences.record_of,
        "pairs": _where(preferences.pairs),
        "digest": preferences.digest(),
    }


@case(exact=True)
def names(folder: Path) -> Any:
    return list_preference_sources()


@case(exact=True)
def sampled_segments(folder: Path) -> Any:
    episodes = noise_episodes()
    drawn = sampling.sample_segments(episodes, 12, 8, rng=_rng(1), start_multiple=3)
    pairs = sample_segment_pairs(episodes, 10, 7, rng=_rng(2))
    aligned = sampling.sample_segment_pairs(episodes, 10, 7, rng=_rng(2), start_multiple=7)
    return {
        "segments": _where([(s, s) for s in drawn]),
        "pairs": _where(pairs),
        "aligned": _where(aligned),
        "observations": pairs[0][0].read("observations"),
    }


@case(exact=True)
def clustered_pairs(folder: Path) -> Any:
    shifted = [
        replace(t, observations=t.observations + 3 * (i % 3 == 0))
        for i, t in enumerate(noise_episodes())
    ]
    pairs = sampling.sample_clustered_pairs(shifted, 15, 6, rng=_rng(5), start_multiple=2)
    cluster = sampling.cluster_trajectories(shifted, seed=3)
    return {"pairs": _where(pairs), "cluster": cluster}


@case(exact=True)
def chosen_queries(folder: Path) -> Any:
    pairs = _noise_pairs(40)
    features = queries.pair_features(pairs)
    guesses = _rng(7).random((3, 40)).astype(np.float32)
    labelled = features[:5]
    return {
        "features": features,
        "disagreement": queries.select_disagreement(guesses, 9),
        "entropy": queries.select_entropy(guesses, 9),
        "k_center": queries.select_k_center(features, 9, labelled=labelled),
        "k_center without": queries.select_k_center(features, 9),
        "k_center_disagreement": queries.select_k_center_disagreement(
            guesses, features, 9, labelled=labelled
        ),
        "k_center_entropy": queries.select_k_center_entropy(guesses, features, 9),
        "pictures": _where(
            queries.sample_picture_pairs(noise_episodes(3), 20, rng=_rng(8), min_gap=4)
        ),
    }


@case(exact=True)
def teacher_presets(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for preset in ("oracle", "mistake", "noisy", "skip", "myopic", "equal"):
        for seed in (0, 1):
            for compat in (False, True):
                teacher = make_preference_source(
                    f"teacher.{preset}", seed=seed, margin=3.0, bpref_compat=compat
                )
                labelled = label_pairs(_noise_pairs(), teacher)
                said[f"{preset}, {seed}, {compat}"] = _labelled(labelled) | {"pairs": None}
    return said


@case(exact=True)
def teacher_errors(folder: Path) -> Any:
    settings: dict[str, dict[str, Any]] = {
        "flip": {"flip": 0.25},
        "flip half": {"flip": 0.5, "seed": 4},
        "near": {"proximity_flip": 0.9},
        "near, linear": {"proximity_flip": 0.9, "proximity": "linear"},
        "near in the first number": {"proximity_flip": 0.8, "progress": 0, "proximity_scale": 0.2},
        "noisy and discounted": {"beta": 0.5, "gamma": 0.8, "mistake": 0.1},
        "ties": {"equal": 0.4, "margin": 2.0, "skip": 0.3},
    }
    said: dict[str, Any] = {}
    for name, more in settings.items():
        for kind, pairs in (("noise", _noise_pairs()), ("point", _point_pairs())):
            labelled = label_pairs(pairs, make_preference_source("teacher", **more), batch_size=7)
            said[f"{name}, {kind}"] = _labelled(labelled) | {"pairs": None}
    return said


@case(exact=True)
def labels_of_simple_sources(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for name, more in (
        ("env", {}),
        ("env", {"tie_margin": 0.5}),
        ("random", {"seed": 3}),
        ("random", {"tie_margin": 2.0}),
    ):
        labelled = label_pairs(_noise_pairs(), make_preference_source(name, **more))
        said[f"{name} {more}"] = _labelled(labelled)
    return said


@case()
def labels_of_picture_energy(folder: Path) -> Any:
    pairs = _noise_pairs(10, picture_size=16)
    return _labelled(label_pairs(pairs, make_preference_source("picture-energy")))


@case()
def labels_of_vlp(folder: Path) -> Any:
    pairs = _noise_pairs(6, length=15, picture_size=32)
    texts = ["close the drawer", "open the window"] * 3
    return {
        "hard": _labelled(label_pairs(pairs, make_preference_source("vlp"), instruction=texts)),
        "soft": _labelled(
            label_pairs(pairs, make_preference_source("vlp", soft=True), instruction=texts[0])
        ),
        "mt45": _labelled(
            label_pairs(
                pairs,
                make_preference_source("vlp.mt45", soft=True),
                instruction=texts[1],
                batch_size=4,
            )
        ),
    }


@case(exact=True)
def datasets(folder: Path) -> Any:
    pairs = _noise_pairs(40)
    path = folder / "labels.parquet"
    teacher = make_preference_source("teacher", skip=0.5, margin=1.0)
    label_pairs(pairs[:17], teacher, instruction="go", save_to=path)
    whole = label_pairs(pairs, teacher, instruction="go", save_to=path, batch_size=9)
    loaded = PreferenceDataset.load(path, noise_episodes())
    other = label_pairs(pairs[:4], make_preference_source("random"))
    training, held_out = loaded.split(0.2, rng=_rng(6))
    import pyarrow.parquet as parquet

    columns = parquet.read_table(path).to_pydict()
    # Recorded of version 1 of the file, which had other names for two columns and lacked two.
    columns["answered"] = [word == "answered" for word in columns.pop("outcome")]
    columns["cost"] = columns.pop("cost_usd")
    del columns["tokens"], columns["seconds"]
    return {
        "whole": _labelled(whole),
        "loaded": loaded.digest(),
        "columns": columns,
        "appended": _labelled(loaded.take(slice(3)).append(other)),
        "training": _labelled(training),
        "held out": _labelled(held_out),
        "answered": _labelled(loaded.answered().take([0, 3, 2])),
        "repr": repr(whole),
    }


@case(exact=True)
def conventions(folder: Path) -> Any:
    bpref = np.array([0, 1, -1, 1, -1, 0])
    shares = np.array([0.25, 1.0, 0.0, 0.5])
    halves = np.array([0.0, 0.5, 1.0, 0.5])
    said: dict[str, Any] = {}
    for policy in ("half", "drop"):
        labels = PreferenceLabels.from_bpref(bpref, policy)
        said[f"bpref, {policy}"] = [labels.prefer_second, labels.answered]
        said[f"to bpref, {policy}"] = labels.to_bpref(policy)
    imitation = PreferenceLabels.from_imitation(shares)
    said["imitation"] = [imitation.prefer_second, imitation.to_imitation()]
    said["vlp"] = [
        PreferenceLabels.from_vlp(halves).prefer_second,
        PreferenceLabels.from_vlp(halves).to_vlp(),
    ]
    said["cpl"] = [
        PreferenceLabels.from_cpl(halves).prefer_second,
        PreferenceLabels.from_cpl(halves).to_cpl(),
    ]
    return said
