"""What the pages say of speed: each figure beside the other side of the same run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results import load, machine, table

__all__ = ["SPEED_BLOCKS"]


def speed() -> str:
    """The compact model against the paper's network at its true size."""
    result = load("vlp_speed")
    figures = result["figures"]["cpu"]
    rate = {name: row["per_cpu_second"] for name, row in figures["segments"].items()}
    return (
        f"On one CPU thread the compact model scores {rate['vlp, pictures']:.0f} segments a second "
        f"from pictures and the paper's network, at its true size with random weights, "
        f"{rate['vlp.clip, pictures']:.2f}: "
        f"{figures['ratio from pictures']['per_cpu_second']:.0f} times as many "
        f"(`{result['command']}`; {machine(result)})."
    )


def encoder_speed() -> str:
    """What it costs to score segments with CLIP, against the obvious loop of the same run."""
    result = load("encoder_speed")
    figures = dict(result["figures"])
    segments, preprocessing = figures.pop("segments"), figures.pop("preprocessing")
    rows = []
    for architecture, figure in figures.items():
        rates = [
            f"{figure['pictures'][name]['per_cpu_second']:.1f}"
            for name in ("the obvious loop", "ours, float32", "ours")
        ]
        gain = figure["ratio for each picture"]["per_cpu_second"]
        rows.append([architecture, *rates, f"{gain:.1f}"])
    measured = "on one CPU thread, pictures per CPU-second"
    head = [measured, "the obvious loop", "ours, float32", "ours, bfloat16", "ratio"]
    lines = table(head, rows)
    first = segments["CPU-seconds, first prompt (model made ready, hashed, encoded, written)"]
    again = segments["CPU-seconds, each prompt after it (hashed, read)"]
    larger = preprocessing["ratio, 480 px"]["per_cpu_second"]
    lines += [
        "",
        f"All of {result['claim'].split()[1]} segments of 50 steps with {next(iter(figures))}: "
        f"{first:.0f} CPU-seconds, {segments['ratio of all segments']:.0f} times less than the "
        f"loop's (computed from its rate above), since {segments['pictures that are encoded']:,} "
        f"pictures are encoded and not {segments['pictures the loop scores']:,}. Another prompt: "
        f"{again:.2f} CPU-seconds, {segments['ratio of a second prompt']:.0f} times less than the "
        f"first. Pictures of 480 px are prepared {larger:.1f} times as fast as by PIL, one by one. "
        f"Random weights. `{result['command']}`; {machine(result)}.",
    ]
    return "\n".join(lines)


def offline_speed() -> str:
    """What IQL, CPL and relabelling cost, each against the other side of the same run."""
    iql, cpl, relabel = load("iql_speed"), load("cpl_speed"), load("relabel_speed")
    small, large = (iql["figures"][f"batch {n}"]["ratio"]["per_cpu_second"] for n in (64, 256))
    plain, bfloat16 = (
        cpl["figures"][name]["per_cpu_second"] for name in ("ratio", "ratio, bfloat16")
    )
    whole = [f for f in relabel["figures"].values() if isinstance(f, dict)][-1]
    growth = relabel["figures"]["peak memory, largest by smallest size"]
    lines = [
        f"On one CPU thread, in steps per CPU-second: IQL {small:.2f} times d3rlpy's at batch 64 "
        f"and {large:.2f} times at batch 256 (`{iql['command']}`); CPL {plain:.2f} times the "
        f"obvious loop, in bfloat16 {bfloat16:.2f} times (`{cpl['command']}`).",
        f"Relabelling {relabel['claim'].split()[1]} transitions of 39 numbers with three networks: "
        f"{whole['transitions per CPU-second, file to file']:,.0f} a CPU-second from file to "
        f"file, at a peak of {whole['peak memory, MB']:.0f} MB, {growth:.3f} times that of a tenth "
        f"as many (`{relabel['command']}`).",
        f"{machine(iql)}.",
    ]
    return "\n".join(lines)


def batched_speed() -> str:
    """How much less CPU time a run takes together with others, by how many they are."""
    result = load("batched_speed")
    figures = result["figures"]
    sides = list(next(iter(figures.values()))["ratio"])
    rows = [
        [f"`{learner}`", *(f"{figure['ratio'][side]:.2f}" for side in sides)]
        for learner, figure in figures.items()
    ]
    lines = table(["gradient steps per CPU-second, by those of one run alone", *sides], rows)
    difference = "largest difference of a policy's parameters"
    apart = ", ".join(
        f"{figure[difference]:.0e} ({learner}, {figure['steps until then']} steps)"
        for learner, figure in figures.items()
    )
    lines += [
        "",
        "In float32 no parameter of a policy lies farther from that of the single run than "
        f"{apart}. `{result['command']}`; {machine(result)}.",
    ]
    return "\n".join(lines)


SPEED_BLOCKS: Mapping[str, Callable[[], str]] = {
    "vlp-speed": speed,
    "encoder-speed": encoder_speed,
    "offline-speed": offline_speed,
    "batched-speed": batched_speed,
}
