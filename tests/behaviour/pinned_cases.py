"""Small computations of every public function, recorded so that a rebuilt one can be compared.

``python tests/behaviour/pinned_cases.py --record FILE.json`` writes what they give now;
``--compare FILE.json`` prints every bit that differs, for use on the machine that recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.behaviour import (  # noqa: F401  (importing them registers their cases)
    pinned_adapters,
    pinned_commands,
    pinned_evaluations,
    pinned_labels,
    pinned_models,
    pinned_policies,
    pinned_relabel,
    pinned_rewards,
    pinned_wrappers,
)
from tests.behaviour.pinned_record import CASES, bit_differences, run_case

__all__ = ["CASES", "PINNED", "main"]

PINNED = Path(__file__).with_name("pinned.json")


def main() -> int:
    """Record or compare, as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, help="write here; other cases in it are kept")
    parser.add_argument("--compare", type=Path, help="recorded before")
    parser.add_argument("--only", action="append", help="a case, or what names begin with")
    asked = parser.parse_args()
    if (asked.record is None) == (asked.compare is None):
        parser.error("expected one of --record and --compare")
    chosen = [name for name in CASES if _is_chosen(name, asked.only)]
    if not chosen:
        parser.error(f"no case is called {asked.only}")
    recorded = _read(asked.compare or asked.record)
    n_different = 0
    for name in chosen:
        begun = time.monotonic()
        found = json.loads(json.dumps(run_case(CASES[name])))
        print(f"{time.monotonic() - begun:6.1f} s  {name}", file=sys.stderr, flush=True)
        if asked.compare is None:
            recorded[name] = found
        elif name not in recorded:
            print(f"{name}: not recorded")
            n_different += 1
        else:
            differing = bit_differences(recorded[name], found)
            print("".join(f"{name}{text}\n" for text in differing), end="", flush=True)
            n_different += bool(differing)
    if asked.record is not None:
        lines = (f'"{name}": {json.dumps(recorded[name])}' for name in sorted(recorded))
        asked.record.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return 0
    print(f"{len(chosen)} cases compared, {n_different} differ")
    return int(n_different > 0)


def _is_chosen(name: str, only: list[str] | None) -> bool:
    return only is None or any(name == part or name.startswith(part + ".") for part in only)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


if __name__ == "__main__":
    sys.exit(main())
