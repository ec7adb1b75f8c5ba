"""The cloud that `make local` keeps up: its minutes, its faults, and what people are told of them.

The tests share a deployment, and each leaves it mended. Once the cloud has caught up with real time, the
clock is moved instead of waited for.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.cloud import Cloud
from local.drills.faults import FAULTS, mend
from local.drills.inbox import ESCALATIONS, Message
from local.drills.live import BEHIND, Live
from local.drills.simulation import CALM_MINUTES
from tests.environments import CONFIG, STAGING

pytestmark = pytest.mark.xdist_group("live")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    cloud = Cloud.launch(STAGING, Path(tmp_path_factory.mktemp("live")), config=CONFIG, behind=BEHIND)
    try:
        cloud.deploy()
        with closing(Live(cloud)) as live:
            yield live
    finally:
        cloud.stop()


@pytest.fixture
def cloud(live: Live) -> Iterator[Cloud]:
    """Mended afterwards, and as calm as it was."""
    yield live.cloud
    list(mend(live.cloud))
    told(live, CALM_MINUTES + 8)
    assert live.alarms_are_clear()


def told(live: Live, minutes: int) -> list[Message]:
    """What people are told in that many minutes."""
    live._caught_up = False
    for _ in range(minutes):
        live.minute()
    return list(live.inbox.new())


def test_it_catches_up_with_real_time_and_tells_nobody_anything(live: Live) -> None:
    assert abs(datetime.now(UTC) - live.cloud.now()) < timedelta(seconds=5)
    assert live.alarms_are_clear()
    assert not live.inbox.new()


def test_a_stopped_database_is_a_call(live: Live, cloud: Cloud) -> None:
    assert list(FAULTS["database"](cloud, lambda: None)) == [f"{STAGING.database_instance} is stopped."]
    (call,) = [message for message in told(live, 8) if message.calls]
    assert (call.topic, STAGING.database_instance in call.text) == ("p1", True)


def test_a_full_cache_is_a_call_and_no_release_is_blamed(live: Live, cloud: Cloud) -> None:
    before = live.pipeline.task_definition
    list(FAULTS["cache"](cloud, lambda: None))
    messages = told(live, 8)
    assert [message.topic for message in messages if message.calls] == ["p1"]
    assert live.pipeline.task_definition == before
    (escalation,) = [message for message in messages if message.topic == ESCALATIONS]
    assert STAGING.alarm("redis-memory", "critical") in escalation.text or STAGING.replication_group in escalation.text


def test_connections_that_are_used_up_are_a_call_and_no_release_is_blamed(live: Live, cloud: Cloud) -> None:
    before = live.pipeline.task_definition
    list(FAULTS["connections"](cloud, lambda: None))
    messages = told(live, 8)
    assert [message.topic for message in messages if message.calls] == ["p1"]
    assert live.pipeline.task_definition == before
    (escalation,) = [message for message in messages if message.topic == ESCALATIONS]
    assert STAGING.alarm("rds-connections", "critical") in escalation.text


def test_a_bad_release_is_rolled_back(live: Live, cloud: Cloud) -> None:
    list(FAULTS["release"](cloud, lambda: told(live, 1)))
    assert ":bad-" in live.pipeline.image_of(live.pipeline.task_definition)
    messages = told(live, 6 + CALM_MINUTES)
    assert ":good-" in live.pipeline.image_of(live.pipeline.task_definition)
    assert not [message for message in messages if message.calls]
    assert [message.topic for message in messages] == ["p4"]
