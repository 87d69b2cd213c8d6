"""Nothing that is computed changes without being noticed: see `pinned_cases`."""

import json
from typing import Any

import pytest
from tests.behaviour.pinned_cases import CASES, PINNED
from tests.behaviour.pinned_record import Case, differences, run_case

RECORDED: dict[str, Any] = json.loads(PINNED.read_text(encoding="utf-8"))


def marked(chosen: Case) -> Any:
    marks = [pytest.mark.slow] if chosen.slow else []
    return pytest.param(chosen, id=chosen.name, marks=marks)


@pytest.mark.parametrize("chosen", [marked(chosen) for chosen in CASES.values()])
def test_it_gives_what_it_gave_when_it_was_recorded(chosen: Case) -> None:
    found = json.loads(json.dumps(run_case(chosen)))
    assert differences(RECORDED[chosen.name], found, exact=chosen.exact) == []


def test_every_recorded_case_is_still_there() -> None:
    assert set(RECORDED) == set(CASES)
