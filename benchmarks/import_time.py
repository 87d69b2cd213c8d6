"""Claim: `import vlfeedback` takes under half a second and loads no torch.

Fresh interpreters, taking turns: nothing, `import gymnasium` (which vlfeedback needs) and
`import vlfeedback`. Files are in the page cache after the first round, which is not counted.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time

from measurement import publish

STATEMENTS = {"nothing": "pass", "gymnasium": "import gymnasium", "vlfeedback": "import vlfeedback"}
HEAVY = ("torch", "open_clip", "mujoco", "metaworld", "d3rlpy", "stable_baselines3", "matplotlib")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()

    wall: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    cpu: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for repeat in range(args.repeats + 1):
        for name, statement in STATEMENTS.items():
            wall_before, cpu_before = time.perf_counter(), children_cpu_seconds()
            subprocess.run([sys.executable, "-c", statement], check=True)
            if repeat:
                wall[name].append(time.perf_counter() - wall_before)
                cpu[name].append(children_cpu_seconds() - cpu_before)

    listing = subprocess.run(
        [sys.executable, "-c", "import vlfeedback, sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(listing.stdout.split())
    publish(
        "import_time",
        claim="import vlfeedback takes under half a second and loads no torch",
        seed=None,
        figures={
            "wall_seconds": {name: statistics.median(times) for name, times in wall.items()},
            "cpu_seconds": {name: statistics.median(times) for name, times in cpu.items()},
            "repeats_wall_seconds": wall,
            "heavy_modules_loaded": ", ".join(m for m in HEAVY if m in loaded) or "none",
        },
    )


def children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
