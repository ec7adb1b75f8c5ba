"""What the tests of the stores' documents share."""

import pytest

from local.cloud import Cloud

from .desk import Desk


@pytest.fixture(scope="session")
def desk(stores_cloud: Cloud) -> Desk:
    """Who starts the procedures of the stores, and who approves them."""
    return Desk(stores_cloud)
