"""Damaged and hostile files of every kind: refused in a sentence, or read as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.damage import weights_formats  # noqa: F401  (registers its formats)
from tests.damage.formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
SEED = 13
ALLOWED = {"refused", "same", "changed"}
N_FILES = 100  # of each kind


def outcomes(name: str, n: int, folder: Path) -> list[dict[str, str]]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.damage.guarded"]
    child = subprocess.run(
        [*command, name, str(SEED), str(n), str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60 + 25 * n,
        check=False,
    )
    found = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
    assert len(found) == n, f"the process ended after {found[-1:]}: {child.stderr[-3000:]}"
    return found


def check(found: list[dict[str, str]]) -> None:
    wrong = [case for case in found if case["outcome"] not in ALLOWED]
    assert not wrong, "\n".join(map(str, wrong[:12]))
    # The child has read the whole files first; damaged ones cannot all be as good as those.
    assert any(case["outcome"] == "refused" for case in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_damaged_file_is_refused_in_a_sentence_or_read_as_it_is(
    name: str, tmp_path: Path
) -> None:
    """Nothing is executed, nothing elsewhere is read or written, no reader hangs, no exception is
    another library's, and what carries digests is never read with other contents."""
    check(outcomes(name, N_FILES, tmp_path))


@pytest.mark.parametrize("name", ["trajectories", "npz", "safetensors", "labels"])
def test_the_first_damaged_files_of_some_kinds_are_refused_too(name: str, tmp_path: Path) -> None:
    check(outcomes(name, 12, tmp_path))


def test_there_are_a_thousand_damaged_files() -> None:
    assert N_FILES * len(FORMATS) >= 1000
