"""Local clouds to test on: an empty one, and one with production deployed; each started once and shared by one worker."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from local.cloud import Cloud
from local.drills.pipeline import Pipeline
from tests.environments import CONFIG, PRODUCTION

SHARED = ("empty_cloud", "procedures_cloud", "stores_cloud", "cloud")
SHARE = int(os.environ.get("CUTS", "12"))
"""Of the tests that break a step of a deployed procedure, one in so many is run; `make cuts` runs them all."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Tests that share a cloud go to the same worker: it is started once, and its clock is moved by one test at a time."""
    cuts = sorted((item for item in items if item.get_closest_marker("cuts")), key=lambda item: item.nodeid)
    left_out = {*cuts} - {*cuts[::SHARE]}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
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
    """A local cloud with production deployed by the CDK CLI. Who changes its service does it by `pipeline`."""
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        cloud.deploy()
        yield cloud


class _Renewed:
    """A cloud with production deployed, anew before its clock is a day ahead: `notify` believes no event of so late a time."""

    def __init__(self) -> None:
        self._started = ExitStack()
        self._cloud: Cloud | None = None

    def cloud(self) -> Cloud:
        if self._cloud is None or self._cloud.now() - datetime.now(UTC) > timedelta(hours=20):
            self.stop()
            self._cloud = self._started.enter_context(Cloud.start(PRODUCTION, config=CONFIG))
            self._cloud.deploy()
        return self._cloud

    def stop(self) -> None:
        self._started.close()


@pytest.fixture(scope="session")
def _renewed() -> Iterator[_Renewed]:
    renewed = _Renewed()
    yield renewed
    renewed.stop()


@pytest.fixture
def procedures_cloud(_renewed: _Renewed) -> Cloud:
    """The same for the procedures, whose tests are many and let much time pass."""
    return _renewed.cloud()


@pytest.fixture(scope="session")
def stores_cloud() -> Iterator[Cloud]:
    """The same for the procedures of the stores."""
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        cloud.deploy()
        yield cloud


@pytest.fixture
def pipeline(cloud: Cloud) -> Iterator[Pipeline]:
    """The pipeline of the shared cloud, which has its service back as it was afterwards."""
    cloud.wait_until_idle()  # `releases` runs for the first deployment, too
    pipeline = Pipeline(cloud)
    before = pipeline.image_of(pipeline.task_definition)
    assert pipeline.image_to_deploy == before
    yield pipeline
    pipeline.release(before.rpartition(":")[2])
    end(cloud)
    assert pipeline.image_to_deploy == before


def end(cloud: Cloud) -> None:
    """The deployment under way ends, and the functions that hear of it."""
    cloud.advance(timedelta(minutes=5))
    cloud.wait_until_idle()
