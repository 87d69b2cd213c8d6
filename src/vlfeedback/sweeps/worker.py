"""One job of a sweep, in a process of its own: ``python -m vlfeedback.sweeps.worker DIR runs ID``.

Runs of several ids are trained together. The process ends when its standard input closes, that is
with the process that started it.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from pathlib import Path

from vlfeedback.sweeps.data import describe_data
from vlfeedback.sweeps.feedback import make_feedback
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import expand
from vlfeedback.sweeps.training import train

__all__ = ["end_with_standard_input", "main"]


def main(root: str, kind: str, *names: str) -> int:
    """Do one job and write its rows; the exit status is 1 where it failed, the reason printed."""
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    try:
        folder = SweepFolder(Path(root))
        sweep = folder.sweep()
        runs = expand(sweep)
        if kind == "feedback":
            (name,) = names
            feedback = next(f for run in runs if (f := run.feedback) and f.id == name)
            data = describe_data(sweep, feedback.task)
            row = {"settings": feedback.settings(sweep, data)}
            row |= make_feedback(sweep, feedback, folder)
            folder.write_row("feedback", name, row)
        else:
            by_id = {run.id: run for run in runs}
            rows = train(sweep, [by_id[name] for name in names], folder)
            for name, row in zip(names, rows, strict=True):
                folder.finish(name, row)
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)
        return 1
    return 0


def end_with_standard_input() -> None:
    """End this process, whatever it does, once its standard input closes; never returns."""
    while os.read(0, 1024):  # not sys.stdin, whose lock would be held when the process ends
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
