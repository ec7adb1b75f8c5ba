"""What functions read of the service: its deployments, and the task definitions that these bring.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import (
        ListServiceDeploymentsRequestTypeDef,
        ServiceDeploymentBriefTypeDef,
        ServiceDeploymentTypeDef,
    )

# The states of a service deployment, as ECS names them.
RUNNING = frozenset({"PENDING", "IN_PROGRESS"})
ROLLING_BACK = frozenset({"STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})

MOST_AT_ONCE = 20
"""DescribeServiceRevisions takes no more ARNs in one call."""
_GIVEN_BY_ECS = frozenset(
    {
        "taskDefinitionArn",
        "revision",
        "status",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
        "deleteRequestedAt",
        "compatibilities",
        "requiresAttributes",
    }
)
_BY_NAME = {"environment": "environment variable", "secrets": "secret"}


class UnreadableError(Exception):
    """AWS answered, but not with the fact; the message says what it answered instead."""


@dataclass(frozen=True)
class TaskDefinition:
    """A task definition: `status` ACTIVE, INACTIVE or deleted, `image` that of the application's container.

    `configuration` is everything else that it sets, by name: to compare, and never to show, as it holds values.
    """

    arn: str
    status: str
    image: str
    configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)


def deployments(client: "ECSClient", cluster: str, service: str) -> "list[ServiceDeploymentBriefTypeDef]":
    """The deployments of a service that ECS remembers, the newest first; it promises no order, so all pages are read."""
    briefs: list[ServiceDeploymentBriefTypeDef] = []
    page: ListServiceDeploymentsRequestTypeDef = {"cluster": cluster, "service": service, "maxResults": 100}
    while True:
        answer = client.list_service_deployments(**page)
        briefs += answer["serviceDeployments"]
        if not answer.get("nextToken"):
            return sorted(briefs, key=lambda brief: brief["createdAt"], reverse=True)
        page["nextToken"] = answer["nextToken"]


class ServiceReader:
    """Reads one service, whose application is the container of that name; every method raises what AWS raises."""

    def __init__(self, client: "ECSClient", *, cluster: str, service: str, container: str) -> None:
        self._ecs = client
        self._cluster = cluster
        self._service = service
        self._container = container

    def deployments(self) -> "list[ServiceDeploymentBriefTypeDef]":
        """All that ECS remembers, those of 90 days, the newest first."""
        return deployments(self._ecs, self._cluster, self._service)

    def deployment(self, arn: str) -> "ServiceDeploymentTypeDef":
        """All of a deployment; UnreadableError when there is none."""
        answer = self._ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        if not answer["serviceDeployments"]:
            raise UnreadableError(f"deployment {arn}: {reasons(answer)}")
        return answer["serviceDeployments"][0]

    def task_definitions_of(self, revisions: Sequence[str]) -> Mapping[str, str]:
        """The task definition's ARN by service revision, of at most MOST_AT_ONCE; UnreadableError when a revision is gone."""
        answer = self._ecs.describe_service_revisions(serviceRevisionArns=revisions)
        if answer.get("failures"):
            raise UnreadableError(f"service revisions: {reasons(answer)}")
        return {revision["serviceRevisionArn"]: revision["taskDefinition"] for revision in answer["serviceRevisions"]}

    def task_definition(self, arn: str) -> TaskDefinition:
        """A task definition; UnreadableError when it has no container of the application's name."""
        try:
            found = self._ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        except self._ecs.exceptions.ClientException:  # what ECS answers for one that was deleted for good
            return TaskDefinition(arn, "deleted", "")
        images = [one["image"] for one in found["containerDefinitions"] if one["name"] == self._container]
        if not images:
            raise UnreadableError(f"{arn} has no container {self._container}")
        return TaskDefinition(arn, found["status"], images[0], dict(self._configuration(found)))

    def _configuration(self, found: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """What is set, by name; what is empty counts as not set, since ECS adds empty members when it registers."""
        for member, value in found.items():
            if member not in {*_GIVEN_BY_ECS, "containerDefinitions"} and value:
                yield member, value
        for container in found["containerDefinitions"]:
            own = container["name"] == self._container
            prefix = "" if own else f"{container['name']}: "
            for member, value in container.items():
                if member in _BY_NAME:
                    yield from ((f"{prefix}{_BY_NAME[member]} {one['name']}", one) for one in value)
                elif value and not (own and member == "image"):
                    yield f"{prefix}{member}", value


def reasons(answer: Mapping[str, Any]) -> str:
    """What ECS says in `failures`."""
    return ", ".join(f"{failure.get('arn', '')} {failure.get('reason', '')}".strip() for failure in answer.get("failures", []))


def tag(image: str) -> str:
    """The tag of an image, which is the commit that it was built from; the image's name where it has none."""
    name = image.rpartition("/")[2]
    return name.partition("@")[0].partition(":")[2] or name
