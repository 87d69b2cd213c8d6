from pathlib import Path

import pytest

from vlfeedback.data.cache_folder import cache_folder


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"VLFEEDBACK_CACHE": "/data/mine", "XDG_CACHE_HOME": "/data/all"}, "/data/mine"),
        ({"XDG_CACHE_HOME": "/data/all"}, "/data/all/vlfeedback"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/vlfeedback"),
        ({}, "/home/ada/.cache/vlfeedback"),
        ({"VLFEEDBACK_CACHE": "~/mine"}, "/home/ada/mine"),
    ],
)
def test_the_cache_folder_is_the_named_one_or_the_users(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    for name in ("VLFEEDBACK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
        if name in variables:
            monkeypatch.setenv(name, variables[name])
    assert cache_folder() == Path(expected)
