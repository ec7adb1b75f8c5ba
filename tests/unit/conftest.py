from collections.abc import Iterator

import pytest

from .world import World, world


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An AWS with a service whose second release runs since yesterday."""
    with world(monkeypatch) as made:
        yield made
