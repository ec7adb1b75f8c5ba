from collections.abc import Iterator

import pytest

from ..lambdas.world import World, world


@pytest.fixture
def aws() -> Iterator[World]:
    """An AWS with a service whose second release runs since yesterday."""
    with world() as made:
        yield made
