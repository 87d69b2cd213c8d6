"""Draw `docs/labelling_page.png`: the page of `vlfeedback serve`, in a browser without a screen.

Run it after a change of the page:
`PYTHONPATH=. .venv/bin/python docs/build/draw_labelling_page.py`. It needs Debian's packages
chromium and chromium-driver. `--dark`, `--size` and `--out` are for looking at it in other ways.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from pathlib import Path

from results import ROOT
from tests.labelling_page.served import Browser, Person, Server, chromium

import vlfeedback
from vlfeedback.collecting import complete_settings
from vlfeedback.data.sampling import gather_pairs
from vlfeedback.preferences.human import HumanConfig, HumanLabeller
from vlfeedback_envs.metaworld_data import roll_out

TASK = vlfeedback.get_task("drawer-close")
LENGTH, LAST_STARTS = 50, 95  # of the segments, in steps


def main() -> None:
    """Have two people label twelve pairs, a third three, and take a picture of the next one."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=str(ROOT / "docs" / "labelling_page.png"))
    parser.add_argument("--size", default="1280,860")
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()
    settings = complete_settings([TASK], {"horizon": LAST_STARTS + LENGTH, "frame_size": 224})
    expert, random = (
        next(iter(roll_out(TASK, level, [0], settings))) for level in ("expert", "random")
    )
    starts = range(LAST_STARTS // 7 * 7, -1, -7)
    pairs = [
        (one.segment(start, LENGTH), expert.segment(49, LENGTH))
        for one in (expert, random)
        for start in starts
        if (one, start) != (expert, 49)
    ]
    with tempfile.TemporaryDirectory() as folder:
        labeller = HumanLabeller(HumanConfig(queue=f"{folder}/queue", answers_per_pair=2, undo_s=0))
        labeller.post(gather_pairs(pairs, TASK.instruction, needs=labeller.needs))
        looks = (
            ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if args.dark else []
        )
        looks.append(f"--window-size={args.size}")
        with (
            Server(Path(folder) / "queue") as server,
            chromium(Path(folder) / "profile", *looks) as driver,
        ):
            for name, said in (("Ada", "left"), ("Ben", "right")):
                person = Person(server.url)
                reply = person.ask("name", name=name)
                for n in range(12):
                    number = reply["pair"]["number"]
                    reply = person.ask("answer", pair=number, said=said if n == 3 else "equal")
            page = Browser(driver, server.url)
            page.wait("ready")
            driver.find_element("id", "name").send_keys("\b" * 20 + "Grace\n")
            for _ in range(3):
                before = page.pair
                page.press("equal")
                page.wait("ready", other_than=before)
            page.script(
                "played = 7.5 * PICTURE_MS; pause(true); draw(); pause(false); isPaused = true"
            )
            driver.save_screenshot(args.out)


if __name__ == "__main__":
    main()
