"""Write measured figures and tables into the pages, from benchmarks/results/*.json and the code.

Run it after a benchmark: `.venv/bin/python docs/build/write_results.py`. With `--check` it only
says whether a page is out of date. A figure never enters a page by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping

from cascade_blocks import CASCADE_BLOCKS
from deformable_blocks import DEFORMABLE_BLOCKS
from diagnosis_blocks import DIAGNOSIS_BLOCKS
from episode_blocks import EPISODE_BLOCKS
from exam_blocks import EXAM_BLOCKS
from judge_blocks import JUDGE_BLOCKS
from label_blocks import LABEL_BLOCKS
from maniskill_blocks import MANISKILL_BLOCKS
from online_blocks import ONLINE_BLOCKS
from own_environment_blocks import OWN_ENVIRONMENT_BLOCKS
from policy_blocks import POLICY_BLOCKS
from progress_blocks import PROGRESS_BLOCKS
from results import ROOT, WEIGHTS
from rlvlmf_blocks import RLVLMF_BLOCKS
from source_blocks import SOURCE_BLOCKS
from speed_blocks import SPEED_BLOCKS
from sweep_blocks import SWEEP_BLOCKS
from trial_blocks import TRIAL_BLOCKS
from vlm_blocks import VLM_BLOCKS
from world_blocks import WORLD_BLOCKS

PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "cascade.md",
    ROOT / "docs" / "choose_a_source.md",
    ROOT / "docs" / "collecting.md",
    ROOT / "docs" / "exam.md",
    ROOT / "docs" / "deformables.md",
    ROOT / "docs" / "maniskill.md",
    ROOT / "docs" / "offline.md",
    ROOT / "docs" / "online.md",
    ROOT / "docs" / "own_environment.md",
    ROOT / "docs" / "progress.md",
    ROOT / "docs" / "sb3.md",
    ROOT / "docs" / "sources.md",
    ROOT / "docs" / "standing_still.md",
    ROOT / "docs" / "vlm_labellers.md",
    ROOT / "docs" / "vlms.md",
    WEIGHTS / "vlp.mt45.md",
    WEIGHTS / "vlp.mt50.md",
)

BLOCKS: Mapping[str, Callable[[], str]] = {
    **LABEL_BLOCKS,
    **CASCADE_BLOCKS,
    **SPEED_BLOCKS,
    **SWEEP_BLOCKS,
    **SOURCE_BLOCKS,
    **DIAGNOSIS_BLOCKS,
    **EXAM_BLOCKS,
    **EPISODE_BLOCKS,
    **JUDGE_BLOCKS,
    **PROGRESS_BLOCKS,
    **WORLD_BLOCKS,
    **TRIAL_BLOCKS,
    **VLM_BLOCKS,
    **DEFORMABLE_BLOCKS,
    **MANISKILL_BLOCKS,
    **ONLINE_BLOCKS,
    **POLICY_BLOCKS,
    **OWN_ENVIRONMENT_BLOCKS,
    **RLVLMF_BLOCKS,
}


def rewrite(page: str) -> str:
    """Fill every `<!-- results:NAME -->` ... `<!-- end -->` block of a page."""

    def fill(match: re.Match[str]) -> str:
        return f"<!-- results:{match[1]} -->\n{BLOCKS[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- results:([a-z0-9-]+) -->\n.*?<!-- end -->", fill, page, flags=re.DOTALL)


def main() -> int:
    """Rewrite or check all pages; the exit status is 1 where --check finds an old figure."""
    stale = []
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        new = rewrite(old)
        if new != old:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    for name in stale:
        print(f"{name}: figures {'are out of date' if '--check' in sys.argv else 'rewritten'}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
