"""What a sweep's trainings read, in one small folder: data without pictures, and labels."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import iter_trajectories, write_trajectories
from vlfeedback.data.whole_files import new_folder, read_json
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.sweeps.data import describe_data
from vlfeedback.sweeps.execute import plan
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.specification import Sweep, is_collection, parse_sweep, read_table
from vlfeedback.types import Trajectory

MAX_BYTES = 64 * 2**20
_DATA = "data"  # folder in the pack
_FEEDBACK_FILES = (".json", ".parquet", ".npy")


def pack(file: Path, root: Path, out: Path) -> int:
    """Make a folder that `read_sweep` opens anywhere; returns its bytes.

    Args:
        file: the sweep.
        root: its folder. Labels of all runs that are missing there have to be in it.
        out: a new folder. Runs that are finished in `root` are finished there.

    Raises:
        NeedsError: labels are lacking.
        InvalidValueError: it has 64 MiB or more, or `out` is there already.
        FileFormatError: labels or rows are of another sweep.
    """
    if out.exists():
        raise InvalidValueError(f"{out} is there already; choose a new folder.")
    folder = SweepFolder(root)
    table = read_table(file) | {"data": folder.sweep().data}
    sweep = folder.join(parse_sweep(table, name=file.stem, where=str(file)))
    planned = plan(sweep, folder)
    feedback = {f.id: f for one in planned if one.row is None and (f := one.run.feedback)}
    lacking = [
        name
        for name, f in feedback.items()
        if folder.row("feedback", name, f.settings(sweep, describe_data(sweep, f.task))) is None
    ]
    if lacking:
        raise NeedsError(
            f"{root} lacks labels or rewards of {', '.join(lacking[:3])} ({len(lacking)} in all); "
            f"make them with: vlfeedback sweep {file} --out {root}"
        )
    with new_folder(out) as partial:
        packed = SweepFolder(partial)
        names = [*_data_files(sweep, partial)]
        data = names[0] if len(names) == 1 and not is_collection(sweep.data) else _DATA
        packed.begin(
            table | {"data": data, "seeds": list(sweep.seeds)},
            name=sweep.name,
            command=folder.command(),
        )
        paths = [
            (folder.path("feedback", name, suffix), packed.path("feedback", name, suffix))
            for name in feedback
            for suffix in _FEEDBACK_FILES
        ]
        finished = [one.run.id for one in planned if one.row is not None]
        paths += [(folder.path("runs", name), packed.path("runs", name)) for name in finished]
        for source, target in paths:
            if source.is_file():
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(source, target)
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        if size >= MAX_BYTES:
            raise InvalidValueError(
                f"The pack would have {size / 2**20:.1f} MiB, and may have less than "
                f"{MAX_BYTES / 2**20:.0f}. Make a sweep of fewer tasks."
            )
    return size


def read_sweep(root: Path) -> Sweep:
    """The sweep of a pack, whose data lie in it, or of a folder of `vlfeedback sweep`.

    Raises:
        FileNotFoundError: there is none.
        FileFormatError: its description is damaged.
    """
    path = root / "sweep.json"
    if not path.is_file():
        raise FileNotFoundError(f"No sweep in {root}; make one with: vlfeedback sweep, or pack")
    manifest = read_json(path, advice="Pack the sweep again.")
    table = dict(manifest["table"])
    if table.get("data") and (root / table["data"]).exists():
        table["data"] = str(root / table["data"])
    return parse_sweep(table, name=manifest["name"], where=str(path))


def _data_files(sweep: Sweep, out: Path) -> Iterator[str]:
    """Write the trajectories; gives the names of their files in `out`."""
    source = Path(sweep.data)
    if not is_collection(sweep.data):
        name = f"{_DATA}/{source.name}"
        trajectories = (t for t in iter_trajectories(source) if t.task in sweep.tasks)
        _write(out / name, trajectories)
        yield name
        return
    collection = Collection.open(source)
    (out / _DATA).mkdir()
    shutil.copyfile(source / "collection.json", out / _DATA / "collection.json")
    for task in sweep.tasks:
        for level in sweep.levels:
            name = f"{_DATA}/{task}/{level}.h5"
            _write(out / name, iter_trajectories(collection.path(task, level)))
            yield name
        if (source / task / "task.json").is_file():
            shutil.copyfile(source / task / "task.json", out / _DATA / task / "task.json")


def _write(path: Path, trajectories: Iterable[Trajectory]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_trajectories(path, (replace(t, frames=None) for t in trajectories))
