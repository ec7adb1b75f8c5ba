"""The stand-in application answers as the configuration says, by the tasks that run and the state of the database."""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator.application import Application, health_report
from stacks.application import HealthReport
from tests.environments import STAGING


class World:
    """What the stand-in looks at."""

    def __init__(self) -> None:
        self.images = ["app:good"]
        self.database = True
        self.connections = True
        self.files: dict[str, tuple[str, bytes]] = {}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def application(world: World, tmp_path: Path) -> Iterator[Application]:
    with Application(
        STAGING,
        tmp_path,
        lambda: world.images,
        lambda: world.database,
        world.files.get,
        connections_left=lambda: world.connections,
    ) as application:
        yield application


def get(application: Application, host: str, path: str) -> tuple[int, str]:
    tls = ssl.create_default_context(cafile=str(application.authority_file))
    connection = http.client.HTTPSConnection(*application.address, context=tls, timeout=5)
    connection.set_tunnel(host, 443)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


HEALTH = STAGING.backend.health_check_path


def test_health_is_200_while_the_database_answers(application: Application) -> None:
    status, body = get(application, STAGING.domain.api, HEALTH)
    assert (status, json.loads(body)) == (200, {"status": "healthy", "services": {"database": "connected"}})


def test_health_is_503_when_the_database_is_gone(application: Application, world: World) -> None:
    world.database = False
    status, body = get(application, STAGING.domain.api, HEALTH)
    assert (status, json.loads(body)) == (503, {"status": "unhealthy", "services": {"database": "disconnected"}})


def test_the_health_report_has_the_shape_of_the_application() -> None:
    shape = HealthReport(
        status="ok", healthy="yes", unhealthy="no", database="checks.store.state", connected="up", disconnected="down"
    )
    assert health_report(shape, connected=True) == {"ok": "yes", "checks": {"store": {"state": "up"}}}
    assert health_report(shape, connected=False) == {"ok": "no", "checks": {"store": {"state": "down"}}}


def test_a_faulty_release_fails_requests_and_passes_its_health_check(application: Application) -> None:
    application.faulty.add("app:good")
    assert get(application, STAGING.domain.api, "/api/v1/map")[0] == 500
    assert get(application, STAGING.domain.api, HEALTH)[0] == 200


def test_a_full_cache_fails_requests_until_it_is_mended(application: Application) -> None:
    application.fill_cache()
    assert get(application, STAGING.domain.api, "/api/v1/map")[0] == 500
    assert get(application, STAGING.domain.api, HEALTH)[0] == 200
    application.mend()
    assert get(application, STAGING.domain.api, "/api/v1/map")[0] == 200


def test_requests_fail_while_the_database_has_no_connection_left(application: Application, world: World) -> None:
    world.connections = False
    assert get(application, STAGING.domain.api, "/api/v1/map")[0] == 500
    assert get(application, STAGING.domain.api, HEALTH)[0] == 200


def test_running_tasks_answer_in_turn(application: Application, world: World) -> None:
    world.images = ["app:good", "app:bad"]
    application.faulty.add("app:bad")
    assert sorted(get(application, STAGING.domain.api, "/api/v1/map")[0] for _ in range(4)) == [200, 200, 500, 500]


def test_no_running_task_is_503(application: Application, world: World) -> None:
    world.images = []
    assert get(application, STAGING.domain.api, "/api/v1/map")[0] == 503


def test_the_frontend_is_a_page(application: Application) -> None:
    assert get(application, STAGING.domain.frontend, "/") == (200, "<!doctype html><title>HZ Navigator</title>")


def test_another_host_is_not_reached(application: Application) -> None:
    with pytest.raises(OSError, match="502"):
        get(application, "example.com", "/")


def test_plain_http_is_not_passed_on(application: Application) -> None:
    connection = http.client.HTTPConnection(*application.address, timeout=5)
    connection.request("GET", f"http://{STAGING.domain.api}/")
    assert connection.getresponse().status == 502
    connection.close()


def test_the_frontend_is_a_bare_page_until_something_is_uploaded(application: Application) -> None:
    status, body = get(application, STAGING.domain.frontend, "/any/path")
    assert (status, STAGING.application.product in body) == (200, True)


def test_the_frontend_is_what_is_uploaded_and_paths_without_an_extension_are_its_page(
    application: Application, world: World
) -> None:
    world.files |= {"index.html": ("text/html", b"page"), "assets/a b.js": ("text/javascript", b"script")}
    found = [get(application, STAGING.domain.frontend, path) for path in ("/", "/maps/7?x=1.2", "/assets/a%20b.js?v=1")]
    assert found == [(200, "page"), (200, "page"), (200, "script")]


def test_a_file_that_the_frontend_does_not_have_is_forbidden_as_s3_says_it(application: Application, world: World) -> None:
    world.files["index.html"] = ("text/html", b"page")
    assert get(application, STAGING.domain.frontend, "/assets/gone.js")[0] == 403
