from pathlib import Path

import numpy as np
import pytest

from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.data.unfinished import noted_as_unfinished, tell_unfinished
from vlfeedback.errors import IncompleteCollectionWarning

CART_POLE = {"episodes": 2, "horizon": 3}


def note_of(root: Path) -> Path:
    return root / "cart-pole-balance" / "unfinished.json"


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_collection_that_was_cut_off_says_so_until_it_is_finished(tmp_path: Path) -> None:
    tasks = ["cart-pole-balance"]
    with pytest.raises(KeyboardInterrupt):
        collect(tmp_path, tasks, settings=CART_POLE, workers=0, report=stop)
    with pytest.warns(IncompleteCollectionWarning, match="lacks cart-pole-balance/(.*)again"):
        cut = Collection.open(tmp_path)
    assert cut.tasks() == tasks  # one file is there, and can be read
    collect(tmp_path, tasks, settings=CART_POLE, workers=0)
    assert {len(t.actions) for t in Collection.open(tmp_path).load(tasks[0])} == {3}
    assert not note_of(tmp_path).exists()


def test_a_collection_of_some_levels_is_whole(tmp_path: Path) -> None:
    collect(tmp_path, ["cart-pole-balance"], settings=CART_POLE, levels=["random"], workers=0)
    assert Collection.open(tmp_path).tasks() == ["cart-pole-balance"]  # a warning is an error here


def test_levels_that_were_cut_off_are_lacking_after_others_are_collected(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), noted_as_unfinished(tmp_path / "reach", ["expert", "x"]):
        stop()
    with noted_as_unfinished(tmp_path / "reach", ["x"]):
        (tmp_path / "reach" / "x.h5").touch()
    with pytest.warns(IncompleteCollectionWarning, match="lacks reach/expert. Run"):
        tell_unfinished(tmp_path)
    with pytest.warns(IncompleteCollectionWarning, match="reach is incomplete: (.*)reach/expert"):
        tell_unfinished(tmp_path / "reach")
    (tmp_path / "reach" / "expert.h5").touch()
    tell_unfinished(tmp_path)


def test_only_a_few_of_many_files_are_named(tmp_path: Path) -> None:
    levels = [f"level-{k}" for k in np.arange(7)]
    with pytest.raises(KeyboardInterrupt), noted_as_unfinished(tmp_path / "reach", levels):
        stop()
    with pytest.warns(IncompleteCollectionWarning, match="reach/level-3 and 3 more"):
        tell_unfinished(tmp_path)
