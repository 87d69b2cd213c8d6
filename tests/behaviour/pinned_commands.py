"""Commands that collect, relabel, fit, list and draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_command_line import (
    cart_pole,
    command,
    meta_world,
    printed_json,
)
from tests.behaviour.pinned_data import arrays_of, noise_batch, noise_episodes, register_tiny_clips
from tests.behaviour.pinned_record import case, tensors

from vlfeedback import (
    adapters,
    label_pairs,
    make_preference_source,
    make_reward_source,
    sample_segment_pairs,
)
from vlfeedback.data.trajectories import read_trajectories, write_trajectories

__all__: list[str] = []


@case(exact=True)
def listed(folder: Path) -> Any:
    said = {what: printed_json("list", what, "--json") for what in ("rewards", "preferences")}
    return said | {"tasks": printed_json("list", "tasks", "--json")}


@case(exact=True)
def released_weights(folder: Path) -> Any:
    return printed_json("weights", "list", "--json")


@case(exact=True)
def instructions(folder: Path) -> Any:
    kinds = ("seen", "phrase", "description", "correct colour", "incorrect colour")
    return {
        f"{task}, {kind}": command("instructions", "show", task, "--kind", kind)
        for task in ("drawer-close", "faucet-open")
        for kind in kinds
    }


@case()
def collected_cart_pole(folder: Path) -> Any:
    return {
        level: arrays_of(read_trajectories(cart_pole() / "cart-pole-balance" / f"{level}.h5"))
        for level in ("expert", "medium", "random")
    }


@case()
def collected_cart_pole_with_pictures(folder: Path) -> Any:
    options = ("--episodes", 1, "--horizon", 12, "--frame-stride", 3, "--frame-size", 48)
    more = ("--random-actions", "u01", "--seed", 2, "--workers", 1)
    command("collect", "--out", folder, "--tasks", "cart-pole-balance", *options, *more)
    path = folder / "cart-pole-balance" / "random.h5"
    return arrays_of(read_trajectories(path), pictures=True)


@case(slow=True)
def collected_meta_world(folder: Path) -> Any:
    return {
        f"{task}, {level}": arrays_of(
            read_trajectories(meta_world() / task / f"{level}.h5"), pictures=True
        )
        for task in ("drawer-close", "door-open")
        for level in ("expert", "medium", "random", "scattered")
    }


@case()
def relabelled_cart_pole(folder: Path) -> Any:
    data = cart_pole() / "cart-pole-balance" / "medium.h5"
    out, flat = folder / "out.h5", folder / "flat.npz"
    command(
        "relabel",
        "--data",
        data,
        "--source",
        "random",
        "--source-config",
        '{"seed": 5}',
        "--out",
        out,
    )
    adapters.npz.write(flat, read_trajectories(data))
    command("relabel", "--data", flat, "--source", "env", "--out", folder / "again.npz")
    return {
        "ours": [t.rewards for t in read_trajectories(out)],
        "npz": arrays_of(list(adapters.npz.read(folder / "again.npz"))),
    }


@case(slow=True)
def relabelled_meta_world(folder: Path) -> Any:
    data = meta_world() / "drawer-close" / "expert.h5"
    hold = ("--between", "hold", "--instruction", "close the drawer")
    said: dict[str, Any] = {}
    for name, options in (
        ("hold", hold),
        ("interpolate", ("--between", "interpolate", "--instruction", "shut the drawer")),
        ("cached", (*hold, "--cache", folder / "kept.sqlite", "--batch-size", 3)),
    ):
        out = folder / f"{name}.h5"
        command("relabel", "--data", data, "--source", "vlp", "--out", out, *options)
        said[name] = [t.rewards for t in read_trajectories(out)]
    return said


@case(slow=True)
def fitted_reward(folder: Path) -> Any:
    episodes = noise_episodes(16, picture_size=48, length=10)
    write_trajectories(folder / "data" / "a.h5", episodes[:9])
    write_trajectories(folder / "data" / "deeper" / "b.h5", episodes[9:])
    pairs = sample_segment_pairs(episodes, 24, 4, rng=np.random.default_rng(2))
    labels = folder / "labels.parquet"
    label_pairs(pairs, make_preference_source("teacher"), save_to=labels)
    said: dict[str, Any] = {}
    for network, options in (
        ("mlp", ("--members", 2, "--epochs", 2)),
        ("cnn", ("--members", 1, "--epochs", 1, "--frame-stride", 2, "--seed", 1)),
        ("linear", ("--inputs", "state", "--epochs", 3, "--validation", 0.2, "--output", "tanh")),
    ):
        out = folder / f"{network}.safetensors"
        given = ("--data", folder / "data", "--labels", labels, "--out", out)
        command("fit", "reward", *given, "--network", network, *options)
        said[network] = tensors(out)
    return said


@case(slow=True)
def fitted_vlp(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for name, options in (
        ("plain", ("--seed", 0)),
        ("noisy", ("--seed", 1, "--token-noise", 0.1, "--ilp-weight", 0.3, "--exclude", "none")),
    ):
        out = folder / f"{name}.safetensors"
        steps = (
            "--encoder-steps",
            3,
            "--folds",
            0,
            "--part-steps",
            3,
            "--scene-steps",
            3,
            "--steps",
            3,
            "--threads",
            1,
        )
        command("fit", "vlp", "--data", meta_world(), "--out", out, *steps, *options)
        source = make_reward_source("vlp", weights=str(out))
        said[name] = {"weights": tensors(out), "rewards": source.rewards(noise_batch(source.needs))}
    return said


@case(slow=True)
def fitted_vlp_clip(folder: Path) -> Any:
    register_tiny_clips()
    said: dict[str, Any] = {}
    for name, options in (("plain", ()), ("sigmoid", ("--sigmoid", "--class-token"))):
        out = folder / name / "weights.safetensors"
        clip = ("--architecture", "tiny-quickgelu", "--random-weights-seed", 0)
        short = ("--width", 32, "--steps", 3)
        command("fit", "vlp-clip", "--data", meta_world(), "--out", out, *clip, *short, *options)
        source = make_reward_source("vlp.clip", weights=str(out), random_weights_seed=0)
        said[name] = {"weights": tensors(out), "rewards": source.rewards(noise_batch(source.needs))}
    return said


@case(slow=True)
def goals(folder: Path) -> Any:
    from PIL import Image

    tasks = ("--tasks", "drawer-close", "--count", 2)
    command("goals", meta_world(), "--out", folder, *tasks)
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


@case(slow=True)
def explained(folder: Path) -> Any:
    options = ("--instruction", "close the drawer", "--instruction", "open the window")
    command("explain", "--data", meta_world(), "--task", "drawer-close", "--out", folder, *options)
    return sorted(path.suffix for path in folder.rglob("*") if path.is_file())
