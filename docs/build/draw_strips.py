"""Draw `docs/strips.png`, what `plare` shows of a pair.

Run it after a change of the strips: `.venv/bin/python docs/build/draw_strips.py`. The episodes are
seeded, so that the picture changes only where the simulator or the strips do.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from results import ROOT

import vlfeedback
from vlfeedback.collecting import complete_settings
from vlfeedback.data.sampling import gather_pairs
from vlfeedback.preferences.plare import PLAREConfig
from vlfeedback.vlms.judging.strips import strips_of
from vlfeedback_envs.metaworld_data import roll_out

TASK = vlfeedback.get_task("drawer-close")
START, LENGTH = 49, 50  # of the segments, in steps


def main() -> None:
    """Draw an expert's segment and a random one, one below the other."""
    settings = complete_settings([TASK], {"horizon": START + LENGTH, "frame_size": 224})
    expert, random = (
        next(iter(roll_out(TASK, level, [0], settings))) for level in ("expert", "random")
    )
    pair = (expert.segment(START, LENGTH), random.segment(START, LENGTH))
    config = PLAREConfig()
    needs = vlfeedback.SourceNeeds(frames=True, frame_stride=config.frame_stride)
    shown = gather_pairs([pair], TASK.instruction, needs=needs)
    strips = [strips_of(side, config.key_frames)[0] for side in (shown.first, shown.second)]
    Image.fromarray(np.concatenate(strips)).save(ROOT / "docs" / "strips.png", optimize=True)


if __name__ == "__main__":
    main()
