"""Runs every benchmark in turn, each in a process of its own: ``python benchmarks``.

Ablations train a model for each row, which takes hours, and are run by themselves; so is the one
of ManiSkill, which `make maniskill` installs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
NOT_A_BENCHMARK = {
    *("__main__", "measurement"),
    *("maniskill", "online_pebble", "vlp_ablations", "vlp_trial_figures"),
}


def main() -> None:
    scripts = [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in NOT_A_BENCHMARK]
    failed = [s.name for s in scripts if subprocess.run([sys.executable, str(s)]).returncode]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}; the reasons are above.")


if __name__ == "__main__":
    main()
