"""`vlfeedback goals`: pictures of goals for the sources that compare with one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.task_option import split_names

__all__ = ["goals"]


def goals(
    data: Annotated[Path, typer.Argument(help="Folder made by `vlfeedback collect`.")],
    out: Annotated[
        Path, typer.Option(file_okay=False, callback=folder_to_fill, help="Folder for TASK.png.")
    ],
    tasks: Annotated[
        str, typer.Option(help="Comma-separated task names; default: all that are there.")
    ] = "",
    count: Annotated[
        int, typer.Option(min=1, help="Pictures a task; from the second on, TASK-2.png ...")
    ] = 1,
) -> None:
    """Write the last pictures of expert episodes that succeeded, as goals of `vip-distance` etc.

    The VLP paper takes the last frame of expert videos (its appendix A.2). Evaluate on other
    episodes than those the goal is taken from.

    Example: vlfeedback goals mtvlp --out goals --tasks drawer-close
    """
    from PIL import Image

    from vlfeedback.data.collection import Collection
    from vlfeedback.data.whole_files import new_file
    from vlfeedback.errors import NeedsError

    collection = Collection.open(data)
    paths = []
    for task in split_names(tasks) if tasks else collection.tasks():
        last = [
            trajectory.frames.read(trajectory.frames.times[-1:])[0]
            for trajectory in collection.load(task, ["expert"])
            if trajectory.frames is not None
            and trajectory.successes is not None
            and trajectory.successes.any()
        ]
        if len(last) < count:
            raise NeedsError(
                f"{data} has {len(last)} expert episodes of {task!r} with pictures that "
                f"succeeded, and {count} are asked for. Collect more: vlfeedback collect --out "
                f"more --tasks {task} --episodes {2 * count}"
            )
        for number, picture in enumerate(last[:count], start=1):
            paths.append(out / (f"{task}.png" if number == 1 else f"{task}-{number}.png"))
            with new_file(paths[-1]) as partial:
                Image.fromarray(picture).save(partial, format="png")
    typer.echo(f"{len(paths)} goals are written. Next: --set goal={paths[0]}")
