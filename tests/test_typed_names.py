"""What a type checker tells a user: misspelt names are errors, and calls have types.

One run of mypy over a small program of a user's, in its strict mode.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import vlfeedback

PACKAGE = Path(vlfeedback.__file__).parent

MISSPELT = {
    "vlfeedback.RewardFromSourc": "vlfeedback",
    "vlfeedback.adapters.minary": "vlfeedback.adapters",
    "vlfeedback.offline.train_polisy": "vlfeedback.offline",
    "vlfeedback.testing.RewardSourceContrac": "vlfeedback.testing",
    "vlfeedback.models.vlp.train_vpl": "vlfeedback.models.vlp",
    "vlfeedback.models.vlp_clip.train_vlp_clp": "vlfeedback.models.vlp_clip",
    "vlfeedback.rewards.make_reward_sourc": "vlfeedback.rewards",
    "vlfeedback.preferences.make_preference_sourc": "vlfeedback.preferences",
    "vlfeedback.types.SegmentBach": "vlfeedback.types",
}
TYPES = {
    "vlfeedback.adapters.minari.read('point/test-v0')": "Iterator[Trajectory]",
    "vlfeedback.adapters.npz.read('x.npz')": "Trajectory",
    "vlfeedback.adapters.hdf5.read('x.hdf5')": "Trajectory",
    "vlfeedback.offline.train_policy": "TrainedPolicy",
    "vlfeedback.make_reward_source('vlp')": "RewardSource",
    "vlfeedback.RewardFromSource": "RewardFromSource",
    "vlfeedback.SourceNeeds(frames=True).context_frames": "int",
    "vlfeedback.testing.PointReachEnv().position": "float",
    "vlfeedback.testing.RewardSourceContract": "RewardSourceContract",
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of each line of the program, after its imports."""
    folder = tmp_path_factory.mktemp("user")
    modules = sorted({"vlfeedback", *MISSPELT.values()})
    program = [f"import {module}" for module in modules]
    first = len(program) + 1
    program += MISSPELT
    program += [f"reveal_type({call})" for call in TYPES]
    user = folder / "user.py"
    user.write_text("\n".join(program) + "\n")
    options = ["--strict", "--follow-imports=silent", "--ignore-missing-imports"]
    mypy = [sys.executable, "-m", "mypy", *options, "--cache-dir", str(folder), str(user)]
    done = subprocess.run(mypy, capture_output=True, text=True, check=False)
    answers = dict(re.findall(r"user\.py:(\d+): (.*)", done.stdout))
    assert len(answers) == len(MISSPELT) + len(TYPES), done.stdout + done.stderr
    return [answers[str(number)] for number in range(first, len(program) + 1)]


@pytest.mark.slow
def test_a_misspelt_name_is_an_error_to_a_users_type_checker(lines: list[str]) -> None:
    for line, name in zip(lines, MISSPELT, strict=False):
        assert re.match("error: (Module )?(.*) has no attribute", line), (name, line)


@pytest.mark.slow
def test_what_calls_return_is_known_to_a_users_type_checker(lines: list[str]) -> None:
    for line, (call, expected) in zip(lines[len(MISSPELT) :], TYPES.items(), strict=True):
        revealed = re.sub(r"(\w+\.)+", "", line)  # without modules
        assert '"Any"' not in revealed and expected in revealed, (call, line)


def test_names_that_are_looked_up_when_used_are_hidden_from_type_checkers() -> None:
    """Or any name at all would be one to them, unless a stub beside the module has them all."""
    hidden = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^def __getattr__", text, re.MULTILINE):
            assert path.with_suffix(".pyi").exists(), path
        if re.search(r"^    def __getattr__\(name", text, re.MULTILINE):
            assert re.search(r"^if not TYPE_CHECKING:", text, re.MULTILINE), path
            hidden.append(path.parent.name)
    assert {"adapters", "offline", "testing", "vlp", "vlp_clip"} <= set(hidden)
