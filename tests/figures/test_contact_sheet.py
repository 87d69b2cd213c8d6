"""Contact sheets are drawn, and looked at where frames and captions must be."""

import jaxtyping
import numpy as np
import pytest

from vlfeedback.errors import DtypeError, ShapeError
from vlfeedback.figures.contact_sheet import contact_sheet, outline

RED, GREEN, BLUE = (220, 40, 30), (30, 200, 60), (40, 60, 210)


def plain(n: int, colour: tuple[int, int, int], size: int = 112) -> np.ndarray:
    return np.full((n, size, size, 3), colour, dtype=np.uint8)


def extent(sheet: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what has this colour."""
    rows, columns = np.nonzero((sheet == colour).all(axis=-1))
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


def test_a_clip_is_a_row_of_its_frames_below_its_caption() -> None:
    sheet = contact_sheet([plain(8, RED), plain(3, BLUE)], ["first", "second"])
    assert sheet.dtype == np.uint8
    # Margins of 8 and captions of 20 px; 8 frames of 112 px with gaps of 4 are 924 px wide.
    assert sheet.shape == (8 + 2 * (20 + 112 + 8), 8 + 924 + 8, 3)
    assert extent(sheet, RED) == (28, 139, 8, 931)
    assert extent(sheet, BLUE) == (168, 279, 8, 8 + 3 * 116 - 4 - 1)
    assert sheet[8:28].min() < 100  # letters
    assert sheet[148:168].min() < 100


def test_captions_of_frames_stand_below_them() -> None:
    sheet = contact_sheet([plain(5, GREEN)], [""], frame_captions=[["", "", "step 3", "", ""]])
    bottom = 8 + 112
    columns = np.nonzero((sheet[bottom:] < 100).all(axis=-1))[1]
    assert columns.min() >= 8 + 2 * 116
    assert columns.max() < 8 + 2 * 116 + 112


def test_small_frames_are_enlarged_so_that_a_caption_fits() -> None:
    sheet = contact_sheet([plain(1, RED, size=16)], ["tiny"])
    assert extent(sheet, RED) == (28, 28 + 95, 8, 8 + 95)


def test_a_long_caption_goes_on_in_the_next_line_and_stays_on_the_sheet() -> None:
    words = "push the drawer until it is closed " * 12
    one, many = (contact_sheet([plain(4, RED)], [text]) for text in ("push", words))
    assert many.shape[1] == one.shape[1]
    assert many.shape[0] > one.shape[0] + 3 * 20
    assert (many[:, -8:] == 255).all()  # nothing is written into the margin


@pytest.mark.parametrize(
    "text",
    ["x" * 2000, "schließe die Schublade", "закрой ящик", "关上抽屉", "🤖 → ✓", "\t\n\n", ""],
)
def test_any_text_may_be_a_caption(text: str) -> None:
    sheet = contact_sheet([plain(2, RED)], [text], frame_captions=[[text, text]])
    assert (sheet == RED).all(axis=-1).sum() == 2 * 112 * 112


def test_an_outline_is_drawn_on_a_copy() -> None:
    frames = plain(2, RED)
    framed = outline(frames, GREEN)
    assert (frames == RED).all()
    assert (framed[:, 3:-3, 3:-3] == RED).all()
    for edge in (framed[:, :3], framed[:, -3:], framed[:, :, :3], framed[:, :, -3:]):
        assert (edge == GREEN).all()


def test_what_cannot_be_drawn_is_refused_with_what_was_expected() -> None:
    with pytest.raises(ShapeError, match="No clips"):
        contact_sheet([], [])
    with pytest.raises(ShapeError, match=r"clips\[1\] has shape \(0, 112, 112, 3\)"):
        contact_sheet([plain(1, RED), plain(0, RED)], ["", ""])
    with pytest.raises(ShapeError, match="1 captions for 2 clips"):
        contact_sheet([plain(1, RED)] * 2, [""])
    with pytest.raises(ShapeError, match=r"has \[2\] texts; the clips have \[3\] frames"):
        contact_sheet([plain(3, RED)], [""], frame_captions=[["", ""]])


def test_float_frames_are_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # As a user meets it: the annotations are checked in tests only.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(DtypeError, match=r"float64.*255"):
        contact_sheet([plain(1, RED) / 255.0], [""])
