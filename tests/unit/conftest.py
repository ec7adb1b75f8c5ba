from collections.abc import Iterator

import pytest
from hypothesis import settings

from .world import World, world

settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
settings.load_profile("unhurried")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An AWS with a service whose second release runs since yesterday."""
    with world(monkeypatch) as made:
        yield made
