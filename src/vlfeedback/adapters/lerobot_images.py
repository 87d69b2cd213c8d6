"""Pictures of one episode that are kept in the rows of a Parquet file, read when asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from vlfeedback.adapters.lerobot_tables import ADVICE, open_table
from vlfeedback.data.foreign_files import check_size, path_inside, reading
from vlfeedback.errors import FileFormatError
from vlfeedback.optional import require
from vlfeedback.types import rows_of

__all__ = ["LeRobotImages"]

_FORMATS = ("PNG", "JPEG", "WEBP")  # what LeRobot writes; others' readers are not needed
_DEEP = ("I", "F")  # begin the modes of one number a pixel that does not fit into 8 bits


@dataclass(frozen=True, slots=True, eq=False)
class LeRobotImages:
    """The pictures of a camera whose features have ``"dtype": "image"``.

    A row holds the bytes of a file, or the path of one in the dataset's folder.
    """

    root: Path
    table: Path
    camera: str
    first_row: int  # of the episode in the table
    times: Int64[np.ndarray, " F"]

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        """Pictures of these states; see `vlfeedback.types.Frames.read`.

        Raises:
            FileNotFoundError: a file is missing.
            FileFormatError: the table or a picture is damaged, or no RGB picture of 8 bits.
            InvalidValueError: a path leads out of the dataset.
            MissingExtraError: Pillow or pyarrow is not installed.
        """
        require("PIL", extra="vision", needed_by="Reading a picture")
        rows, inverse = np.unique(rows_of(self.times, times), return_inverse=True)
        pictures = [self._picture(cell) for cell in self._cells(self.first_row + rows)]
        with reading(self.table, "table of pictures", advice=ADVICE):
            stacked = np.stack(pictures) if pictures else np.empty((0, 1, 1, 3), dtype=np.uint8)
        return stacked[inverse]

    def _cells(self, rows: Int64[np.ndarray, " K"]) -> Iterator[Any]:
        """What these ascending rows hold; of the table's groups of rows one is held at a time."""
        with open_table(self.table) as file:
            start = 0
            for group in range(file.metadata.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                here = rows[(rows >= start) & (rows < stop)] - start
                if len(here):
                    with reading(self.table, "Parquet file", advice=ADVICE):
                        column = file.read_row_group(group, columns=[self.camera])[self.camera]
                        cells = column.take(here).to_pylist()
                    yield from cells
                start = stop

    def _picture(self, cell: Any) -> UInt8[np.ndarray, "H W 3"]:
        from PIL import Image

        with reading(self.table, "table of pictures", advice=ADVICE):
            contents = cell["bytes"]
            if contents is None:
                contents = path_inside(self.root, cell["path"], where=self.table).read_bytes()
            with Image.open(io.BytesIO(contents), formats=_FORMATS) as image:
                width, height = image.size
                check_size(self.table, 3 * width * height, f"a picture of {self.camera}")
                if image.mode.startswith(_DEEP):
                    raise FileFormatError(
                        f"Pictures of {self.camera} in {self.table} have more than 8 bits a pixel, "
                        "as those of depth have; choose another camera."
                    )
                return np.asarray(image.convert("RGB"))
