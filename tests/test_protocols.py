"""The papers' protocols, and what a sweep file takes from one."""

import pytest

from vlfeedback.errors import FileFormatError, UnknownNameError
from vlfeedback.protocols import PROTOCOLS, get_protocol
from vlfeedback.sweeps.specification import Sweep, parse_sweep


def sweep(**changes: object) -> Sweep:
    table = {
        "claim": "x",
        "tasks": ["drawer-close"],
        "seeds": [0],
        "labels": {"teacher": {}},
        "learners": {"cpl": {}},
    }
    return parse_sweep({**table, **changes}, name="x", where="x.toml")


def test_a_sweep_takes_what_it_does_not_say_from_its_protocol() -> None:
    one = sweep(protocol="vlp")
    assert (one.steps, one.rest) == (100_000, False)
    assert (one.pairs.count, one.pairs.length, one.pairs.sampler) == (100, 50, "clustered")
    assert (one.evaluation.every, one.evaluation.episodes) == (5000, 25)
    assert one.evaluation.horizon == 250
    assert one.collected["env_options"]["hand_starts"] == "jittered"
    assert one.collected["medium"] == "near-object"


def test_what_a_sweep_says_stands_above_its_protocol_key_by_key() -> None:
    one = sweep(
        protocol="vlp", steps=20_000, pairs={"start_multiple": 7}, collected={"horizon": 250}
    )
    assert one.steps == 20_000
    assert (one.pairs.start_multiple, one.pairs.count) == (7, 100)
    assert (one.collected["horizon"], one.collected["medium"]) == (250, "near-object")


def test_without_one_nothing_is_asked_of_the_data() -> None:
    assert sweep().collected == {} and sweep().protocol == ""


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_makes_a_sweep(name: str) -> None:
    assert sweep(protocol=name).protocol == name


def test_another_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"No protocol .vpl.\. Did you mean .vlp."):
        get_protocol("vpl")
    with pytest.raises(FileFormatError, match="protocol is 3; expected a text"):
        sweep(protocol=3)
