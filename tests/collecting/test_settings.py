"""Settings of a collection: what scripts stop at, what they do then, and where they act."""

from pathlib import Path
from typing import Any

import pytest

from vlfeedback.collecting import collect, complete_settings, unusable_settings
from vlfeedback.data.collection import Collection
from vlfeedback.errors import FileFormatError
from vlfeedback.protocols import PROTOCOLS
from vlfeedback.tasks import TaskSpec, get_task

DRAWER = get_task("drawer-close")


def test_by_default_medium_scripts_stop_half_way_and_all_rest() -> None:
    settings = complete_settings([DRAWER], {})
    assert (settings["medium"], settings["ends"]) == ("half-way", "rest")
    assert settings["env_options"] == {}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"medium": "near"}, {"medium": "'near'; expected 'half-way' or 'near-object'."}),
        ({"ends": "stop"}, {"ends": "'stop'; expected 'rest' or 'run-on'."}),
    ],
)
def test_other_words_are_refused(changes: dict[str, Any], problem: dict[str, str]) -> None:
    assert unusable_settings([DRAWER], complete_settings([DRAWER], changes)) == problem


def test_what_only_scripts_know_is_refused_of_a_task_without_one(walk: TaskSpec) -> None:
    settings = complete_settings([walk], {"medium": "near-object", "ends": "run-on"})
    assert unusable_settings([walk], settings) == {
        "medium": f"'near-object' is of scripts that know it, and {walk.name} has none; expected "
        "'half-way'.",
        "ends": f"'run-on' is of scripts that know it, and {walk.name} has none; expected 'rest'.",
    }


def test_every_protocol_has_settings_that_a_meta_world_task_takes() -> None:
    for protocol in PROTOCOLS.values():
        settings = complete_settings([DRAWER], protocol.collecting)
        assert unusable_settings([DRAWER], settings) == {}


def test_an_environment_is_made_with_its_options_and_episodes_remember_them(
    walk: TaskSpec, tmp_path: Path
) -> None:
    options = {"env_options": {"start": 2}, "episodes": 1, "frame_stride": 0}
    collect(tmp_path / "walk", [walk], settings=options, workers=0)
    (episode,) = Collection.open(tmp_path / "walk").load(walk.name)
    assert episode.observations[0, 0] == 2
    assert episode.env_options == {"start": 2}


def test_a_folder_of_an_earlier_release_goes_on_with_what_was_fixed_then(tmp_path: Path) -> None:
    now = complete_settings([DRAWER], {})
    earlier = {k: v for k, v in now.items() if k not in ("medium", "ends", "env_options")}
    Collection.create(tmp_path, earlier)
    collection = Collection.create(tmp_path, now)
    assert collection.setting("medium") == "half-way"
    with pytest.raises(FileFormatError, match="medium"):
        Collection.create(tmp_path, now | {"medium": "near-object"})
