"""The pipeline as a function; `tests/cli` trains through the command, and kills it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vlfeedback.data.collection import Collection
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.models.vlp.data import choose_tasks


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Files of three tasks, of which nothing is read here."""
    collection = Collection.create(tmp_path / "data", {})
    for task in ("door-close", "door-open", "drawer-open"):
        collection.path(task, "expert").parent.mkdir()
        collection.path(task, "expert").touch()
    return collection


def test_all_tasks_but_the_excluded_are_trained_on(collection: Collection) -> None:
    assert choose_tasks(collection, None, ["DoorClose"]) == (
        ["door-open", "drawer-open"],
        ["door-close"],
    )
    assert choose_tasks(collection, None, [])[0] == ["door-close", "door-open", "drawer-open"]


def test_tasks_are_trained_on_in_the_order_they_are_named(collection: Collection) -> None:
    assert choose_tasks(collection, ["drawer-open", "DoorClose"], [])[0] == [
        "drawer-open",
        "door-close",
    ]


def test_one_task_is_too_few_and_a_misspelt_one_is_named(collection: Collection) -> None:
    with pytest.raises(NeedsError, match="has 1 tasks that are not excluded"):
        choose_tasks(collection, ["door-open", "door-close"], ["door-close"])
    with pytest.raises(UnknownNameError, match="'door-opne'"):
        choose_tasks(collection, ["door-opne", "door-close"], [])


@pytest.mark.parametrize("package", ["vlp", "vlp_clip"])
def test_the_package_is_imported_without_torch_and_knows_its_names(package: str) -> None:
    code = f"""
import sys
import vlfeedback.models.{package} as package
assert "torch" not in sys.modules
print([callable(getattr(package, name)) for name in package.__all__])
assert "torch" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.strip("[]\n").split(", ")) == {"True"}


def test_as_many_threads_as_before_are_used_afterwards(collection: Collection) -> None:
    from vlfeedback.models.vlp import train_vlp

    before = torch.get_num_threads()
    with pytest.raises(FileNotFoundError):  # there are no random episodes
        train_vlp(collection, collection.root / "x.safetensors", excluded=[], threads=before + 1)
    assert torch.get_num_threads() == before
