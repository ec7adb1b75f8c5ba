"""Faults to try on the cloud that `make local` keeps up: each breaks one thing on purpose, `mend` takes all of them back."""

import math
import time
from collections.abc import Callable, Iterator, Mapping

from local.cloud import Cloud, CloudError
from local.drills.drill import revision
from local.drills.pipeline import Pipeline

Wait = Callable[[], object]
"""Lets a little time pass."""


def a_second() -> None:
    """In real time."""
    time.sleep(1)


def release(cloud: Cloud, wait: Wait) -> Iterator[str]:
    """The pipeline releases a good revision and then one that answers 500 when its rollout is complete.

    The good one, because nothing goes back to a revision that an incident ran on, and that may be the one that runs now."""
    pipeline = Pipeline(cloud)
    if not pipeline.settled:
        raise CloudError("A deployment of the service is under way: try again when it has ended.")
    for kind in ("good", "bad"):
        released = pipeline.release(f"{kind}-{cloud.now():%H%M%S}")
        yield f"The pipeline releases {revision(released)}: its rollout takes 90 seconds."
        while not pipeline.settled:
            wait()
        if pipeline.task_definition != released:
            raise CloudError(f"The service runs {revision(pipeline.task_definition)}: the release was rolled back at once.")
    cloud.fail_requests_of(pipeline.image_of(released))
    yield f"{revision(released)} passes its health checks, and answers 500 to everything else."


def database(cloud: Cloud, _: Wait) -> Iterator[str]:
    """The database stops."""
    instance = cloud.environment.database_instance
    if _database_status(cloud) == "stopped":
        raise CloudError(f"{instance} is stopped already: `make mend` starts it.")
    cloud.client("rds").stop_db_instance(DBInstanceIdentifier=instance)
    yield f"{instance} is stopped."


def cache(cloud: Cloud, _: Wait) -> Iterator[str]:
    """The cache has no memory left, so that the application cannot save sessions and answers 500."""
    cloud.fill_cache()
    yield f"Every node of {cloud.environment.replication_group} is full, and the application answers 500."


def connections(cloud: Cloud, _: Wait) -> Iterator[str]:
    """The tasks hold on to their connections, until the database has none left and the application answers 500."""
    most, tasks = cloud.environment.database.max_connections, Pipeline(cloud).service["runningCount"]
    if not tasks:
        raise CloudError("No task of the service runs.")
    cloud.leak_connections(math.ceil((most - cloud.connections) / tasks))
    yield f"All {most} connections of {cloud.environment.database_instance} are in use, and the application answers 500."


FAULTS: Mapping[str, Callable[[Cloud, Wait], Iterator[str]]] = {
    "release": release,
    "database": database,
    "cache": cache,
    "connections": connections,
}


def mend(cloud: Cloud) -> Iterator[str]:
    """Take back every fault; the service stays at the revision that it runs."""
    instance = cloud.environment.database_instance
    cloud.mend_application()
    if _database_status(cloud) == "stopped":
        cloud.client("rds").start_db_instance(DBInstanceIdentifier=instance)
    yield f"Every release answers, the cache has room, no connection is kept, and {instance} is {_database_status(cloud)}."


def _database_status(cloud: Cloud) -> str:
    instance = cloud.environment.database_instance
    described = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]
    return str(described["DBInstanceStatus"])
