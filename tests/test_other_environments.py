"""Environments of other packages are rewarded, inspected, collected and learnt in as they are.

Families whose package is missing are skipped. All of them, in a virtual environment of their own
that sees this one's packages::

    python -m venv /tmp/others
    python -c "import numpy, pathlib; print(pathlib.Path(numpy.__file__).parents[1])" \
        > /tmp/others/lib/python3.11/site-packages/these.pth
    /tmp/others/bin/pip install gymnasium-robotics minigrid ale-py "gymnasium[box2d]"
    /tmp/others/bin/python -m pytest -m slow tests/test_other_environments.py

What is asserted is what `benchmarks/other_environments.py` does, which raises where something does
not work, and whose results the page on environments of one's own shows.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("other_environments", FOLDER / f"{_NAME}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module  # where its dataclass looks itself up
    sys.path.insert(0, str(FOLDER))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


_NAME = "other_environments"
pytest.importorskip("stable_baselines3")
SCRIPT = _load()
EACH = [
    (family, env_id) for family, known in SCRIPT.FAMILIES.items() for env_id in known.environments
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of other packages, at themselves
@pytest.mark.parametrize(("family", "env_id"), EACH)
def test_an_environment_of_another_package_is_taken_as_it_is(family: str, env_id: str) -> None:
    known = SCRIPT.FAMILIES[family]
    if not SCRIPT.is_installed(known):
        pytest.skip(f"{family} needs {', '.join(known.modules)}")
    row: dict[str, Any] = SCRIPT.tried(env_id, known.environments[env_id], known)
    assert row["problems"] == []
    assert row["rewards"] > 0  # pictures change, and the source sees it
    assert len(row["collected"]) == 2 and max(row["collected"]) <= SCRIPT.STEPS
    assert row["tells success"] == bool(known.success_key)
    assert bool(row["said"]) == bool(known.instruction_key)
    assert row["upright"] == ("mujoco" in known.modules or "gymnasium_robotics" in known.modules)
    # What stable-baselines3 reads as it is, is given as it is.
    parted = {"Tuple": "FlatObservations", "Dict": "MultiInputPolicy"}
    expected = parted.get(row["observations"], "Policy")
    assert ("FlatObservations" if known.instruction_key else expected) in row["learner"]
