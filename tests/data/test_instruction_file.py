"""Files of instructions: what is written comes back, and what would teach nonsense is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from vlfeedback.data.instruction_file import INSTRUCTIONS_FORMAT, InstructionFile, load_corpus
from vlfeedback.errors import FileFormatError

MADE = {"model": "some-model", "prompt": 1}


def written(path: Path, instructions: Any) -> Path:
    path.write_text(json.dumps({"format": INSTRUCTIONS_FORMAT, "instructions": instructions}))
    return path


def test_what_was_added_is_the_corpus(tmp_path: Path) -> None:
    file = InstructionFile.create(tmp_path / "new" / "mine.json", MADE)
    file.add("reach", ["go to the goal", "come to the goal"])
    file.add("door-open", ["open up"])
    assert load_corpus(file.path) == {
        "reach": ("go to the goal", "come to the goal"),
        "door-open": ("open up",),
    }


def test_a_file_says_how_and_when_it_was_made(tmp_path: Path) -> None:
    file = InstructionFile.create(tmp_path / "mine.json", MADE)
    file.add("reach", ["go to the goal"])
    provenance = json.loads(file.path.read_text())["provenance"]
    assert provenance.pop("date").count("-") == 2
    assert provenance == MADE


def test_nothing_is_written_before_the_first_task(tmp_path: Path) -> None:
    InstructionFile.create(tmp_path / "mine.json", MADE)
    assert list(tmp_path.iterdir()) == []


def test_a_file_grows_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    InstructionFile.create(path, MADE).add("reach", ["go to the goal"])
    again = InstructionFile.create(path, MADE)
    again.add("push", ["push it"])
    assert list(load_corpus(path)) == ["reach", "push"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_another_model_is_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    InstructionFile.create(path, MADE).add("reach", ["go to the goal"])
    with pytest.raises(FileFormatError, match="model was 'some-model' and is 'other'"):
        InstructionFile.create(path, MADE | {"model": "other"})


@pytest.mark.parametrize("provenance", [["model"], "model", 3])
def test_a_provenance_that_is_no_object_is_refused(tmp_path: Path, provenance: object) -> None:
    path = tmp_path / "phrases.json"
    content = {"format": INSTRUCTIONS_FORMAT, "instructions": {"reach": ["go"]}}
    path.write_text(json.dumps({**content, "provenance": provenance}))
    with pytest.raises(FileFormatError, match=r"phrases.json has provenance .*expected an object"):
        InstructionFile.open(path)


def test_a_file_made_by_hand_needs_no_provenance(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.json", {"reach": ["go to the goal"]})
    assert load_corpus(path) == {"reach": ("go to the goal",)}


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ({"reech": ["go"]}, "'reech', which is no task"),
        ({"reach": []}, "expected a list of at least one phrase"),
        ({"reach": "go to the goal"}, "expected a list of at least one phrase"),
        ({"reach": ["go", " "]}, "expected a list of at least one phrase"),
        ({"reach": ["go", 3]}, "expected a list of at least one phrase"),
        ({"reach": ["Go on."], "push": ["go on"]}, "under both 'reach' and 'push'"),
        (["go"], "is a list; expected an object"),
        (None, "is a NoneType; expected an object"),
    ],
)
def test_instructions_that_would_teach_nonsense_are_refused(
    tmp_path: Path, instructions: Any, message: str
) -> None:
    with pytest.raises(FileFormatError, match=message):
        load_corpus(written(tmp_path / "mine.json", instructions))


def test_a_phrase_of_another_task_is_refused_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = InstructionFile.create(tmp_path / "mine.json", MADE)
    file.add("reach", ["go on"])
    with pytest.raises(FileFormatError, match="under both 'reach' and 'push'"):
        file.add("push", ["go on"])
    assert load_corpus(file.path) == {"reach": ("go on",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "holds no JSON object"),
        ('{"format": "other/1"}', "has format 'oth"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        load_corpus(path)


def test_a_missing_file_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vlfeedback instructions write"):
        load_corpus(tmp_path / "none.json")
