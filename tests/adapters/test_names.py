"""The adapters are reached by name, and imported when they are."""

import subprocess
import sys

import pytest

import vlfeedback


@pytest.mark.parametrize("name", vlfeedback.adapters.__all__)
def test_every_adapter_is_there_and_listed(name: str) -> None:
    assert getattr(vlfeedback.adapters, name).__name__ == f"vlfeedback.adapters.{name}"
    assert name in dir(vlfeedback.adapters) and "adapters" in dir(vlfeedback)


def test_another_name_is_no_adapter() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'rlds'"):
        vlfeedback.adapters.rlds  # type: ignore[attr-defined]  # noqa: B018


def test_no_other_library_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, vlfeedback\n"
        "[getattr(vlfeedback.adapters, name) for name in vlfeedback.adapters.__all__]\n"
        "print({'torch', 'd3rlpy', 'gym', 'minari', 'pyarrow', 'av'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "set()\n"
