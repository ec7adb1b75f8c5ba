import json
from collections.abc import Iterator

import pytest

from lambdas.common import https
from lambdas.common.https import Answer
from lambdas.health_check import probes
from tests.environments import PRODUCTION

from ..world import World, client


class Site:
    """What users would see: the API's report and the frontend's page."""

    def __init__(self) -> None:
        self.database = "connected"
        self.status = 200
        self.kept_out = False
        """By the page of maintenance."""
        self.missing: set[str] = set()
        """The files that the frontend does not have: it answers with its page."""

    def get(self, url: str, *_: object, **__: object) -> Answer:
        if self.kept_out:
            return Answer(503, "text/html", b"<h1>Under maintenance</h1>", "300")
        if url.startswith(PRODUCTION.frontend_url):
            name = url.rpartition("/")[2]
            if name.endswith(".js") and name not in self.missing:
                return Answer(self.status, "text/javascript", b"")
            return Answer(self.status, "text/html", b'<!doctype html><script src="/assets/index-AAAAAAA1.js"></script>')
        report = {"status": "healthy", "services": {"database": self.database}}
        return Answer(self.status, "application/json", json.dumps(report).encode())


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site, which is well; `tests/unit/lambdas/health_check` has the probes against real servers."""
    made = Site()
    for one in (probes, https):
        monkeypatch.setattr(one, "get", made.get)
    return made


@pytest.fixture
def images(aws: World) -> Iterator[World]:
    """The repository with the images of the releases so far."""
    furnish(aws)
    return aws


def furnish(aws: World) -> None:
    """Tasks that run, and the repository with the images of the releases so far."""
    client("ecr").create_repository(repositoryName=PRODUCTION.repository)
    push(*(one["image"] for one in aws.ecs.definitions.values()))
    aws.ecs.settle()


def push(*images: str) -> None:
    """Push these images."""
    for image in images:
        client("ecr").put_image(
            repositoryName=PRODUCTION.repository,
            imageManifest=json.dumps({"schemaVersion": 2, "config": {"digest": image}}),
            imageManifestMediaType="application/vnd.docker.distribution.manifest.v2+json",
            imageTag=image.partition(":")[2],
        )
