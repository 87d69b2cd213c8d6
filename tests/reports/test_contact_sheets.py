"""Folders of contact sheets."""

from pathlib import Path

import numpy as np

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.reports.contact_sheets import write_contact_sheets
from vlfeedback.types import ArrayFrames, Trajectory


def test_sheets_are_written_into_a_folder_that_is_named_in_text(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "data", {})
    episode = Trajectory(
        observations=np.zeros((3, 1), np.float32),
        actions=np.zeros((2, 1), np.float32),
        frames=ArrayFrames(np.arange(3), np.full((3, 8, 8, 3), 200, np.uint8)),
        level="expert",
        id="stack/0",
    )
    write_trajectories(collection.path("stack", "expert"), [episode])
    page = write_contact_sheets(collection, str(tmp_path / "out"))
    assert page == tmp_path / "out" / "index.html" and page.is_file()
    assert (tmp_path / "out" / "stack.png").is_file()
