"""Local clouds to test on: an empty one, and one with production deployed; each started once and shared by one worker."""

from collections.abc import Iterator

import pytest

from local.cloud import Cloud
from tests.environments import CONFIG, PRODUCTION

SHARED = ("empty_cloud", "procedures_cloud", "cloud")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a cloud go to the same worker: it is started once, and its clock is moved by one test at a time."""
    for item in items:
        for name in SHARED:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))
                break


@pytest.fixture(scope="session")
def empty_cloud() -> Iterator[Cloud]:
    """A local cloud with nothing deployed; tests make what they need under names of their own."""
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A local cloud with production deployed by the CDK CLI. Who changes its service takes it back."""
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        cloud.deploy()
        yield cloud


@pytest.fixture(scope="session")
def procedures_cloud() -> Iterator[Cloud]:
    """The same for the procedures, whose tests are many."""
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        cloud.deploy()
        yield cloud
