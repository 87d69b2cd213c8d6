"""`vlfeedback goals`: pictures of goals for the sources that compare with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.task_option import split_names

if TYPE_CHECKING:
    from vlfeedback.types import Trajectory

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
    from vlfeedback.data.foreign_files import path_inside
    from vlfeedback.data.whole_files import new_file
    from vlfeedback.errors import NeedsError

    collection = Collection.open(data)
    paths = []
    for task in split_names(tasks) if tasks else collection.tasks():
        experts = collection.load(task, ["expert"])
        pictured = [t.frames for t in experts if t.frames is not None and _succeeds(t)]
        if len(pictured) < count:
            n_succeed = sum(map(_succeeds, experts))
            raise NeedsError(
                f"{data} has {len(experts)} expert episodes of {task!r}: {n_succeed} succeed, "
                f"{len(pictured)} of those have pictures, and {count} are asked for. Collect more, "
                f"with pictures, into another folder: vlfeedback collect --tasks {task} "
                f"--episodes {2 * count} --frame-stride 7 --out OTHER"
            )
        last = [frames.read(frames.times[-1:])[0] for frames in pictured]
        for number, picture in enumerate(last[:count], start=1):
            name = f"{task}.png" if number == 1 else f"{task}-{number}.png"
            paths.append(path_inside(out, name, where="A task's name"))
            with new_file(paths[-1]) as partial:
                Image.fromarray(picture).save(partial, format="png")
    typer.echo(f"{len(paths)} goals are written. Next: --set goal={paths[0]}")


def _succeeds(trajectory: Trajectory) -> bool:
    return trajectory.first_success is not None
