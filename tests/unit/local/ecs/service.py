"""A service to roll out in tests."""

from typing import Any

from local.ecs import operations
from local.ecs.rollout import Conditions, Deployment, Revision, Rollout, TaskFailure, Turn

SECONDS = 90
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
ALARMS = {"alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True}}


class Service:
    """A service of two tasks with a clock of its own, stable on revision 1; revision n runs the task definition `td:n` with the
    image `app:n`."""

    def __init__(self, **configuration: Any) -> None:
        self.configuration = configuration
        self.now = 1_000_000.0
        self.in_alarm: set[str] = set()
        self.failing: set[str] = set()
        self.happened: list[Turn | TaskFailure] = []
        self.rollout = Rollout("arn:aws:ecs:us-east-1:123456789012:service/c/s", 2, self.happened.append)
        self.begin(1)
        self.after(SECONDS)

    @property
    def conditions(self) -> Conditions:
        return Conditions(self.now, self.in_alarm, self.failing)

    def begin(self, version: int, *, seconds: float = SECONDS) -> Deployment:
        number = str(len(self.rollout.revisions) + 1)
        arn = self.rollout.related("service-revision", number)
        revision = Revision(arn, self.now, f"td:{version}", {"app": f"app:{version}"}, {"launchType": "FARGATE"})
        return self.rollout.begin(self.conditions, number, revision, configuration=self.configuration, seconds=seconds)

    def stop(self, kind: str = "ROLLBACK") -> None:
        self.rollout.stop(self.conditions, self.last, kind)

    def after(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.rollout.advance(self.conditions)

    @property
    def last(self) -> Deployment:
        return self.rollout.deployments[-1]

    @property
    def statuses(self) -> list[str]:
        """Of all deployments, oldest first."""
        return [one.status for one in self.rollout.deployments]

    @property
    def tasks(self) -> dict[str, int]:
        """The number of running tasks by image."""
        return {revision.images["app"]: count for revision, count in self.rollout.tasks(self.conditions).items()}

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """The answer to a request."""
        return operations.OPERATIONS[operation]([self.rollout], request, self.conditions)

    @property
    def described(self) -> dict[str, Any]:
        """The last deployment, as DescribeServiceDeployments describes it."""
        [found] = self.ask("DescribeServiceDeployments", serviceDeploymentArns=[self.last.arn])["serviceDeployments"]
        return dict(found)
