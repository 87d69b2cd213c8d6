import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check nothing but what the library itself checks, as for a user."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
