"""Every test has a memory of embeddings of its own, whatever another one left alive."""

from weakref import WeakValueDictionary

import pytest

from vlfeedback.scoring import embedding_cache


@pytest.fixture(autouse=True)
def own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "_OPEN", WeakValueDictionary())
