"""The backend's release pipeline: it registers a task definition with the new image and updates the service."""

from functools import cached_property
from typing import Any

from local.cloud import Cloud


class Pipeline:
    """Releases of the backend, and what the service runs."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._environment = cloud.environment

    @cached_property
    def _ecs(self) -> Any:
        return self._cloud.client("ecs")

    def image(self, commit: str) -> str:
        """The image of a commit."""
        return f"{self._cloud.repository_uri}:{commit}"

    def release(self, commit: str) -> str:
        """Release a commit as the backend's own pipeline does; the ARN of the new task definition.

        It does not name the image for `cdk deploy`: the function `releases` does, when the deployment has ended well."""
        environment = self._environment
        newest = self._ecs.describe_task_definition(taskDefinition=environment.family)["taskDefinition"]
        accepted = self._ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
        definition = {key: value for key, value in newest.items() if key in accepted}
        for container in definition["containerDefinitions"]:
            if container["name"] == environment.application.container.name:
                container["image"] = self.image(commit)
        arn = str(self._ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"])
        self._ecs.update_service(cluster=environment.cluster, service=environment.service, taskDefinition=arn)
        return arn

    @property
    def service(self) -> Any:
        """The service as ECS describes it."""
        environment = self._environment
        return self._ecs.describe_services(cluster=environment.cluster, services=[environment.service])["services"][0]

    @property
    def task_definition(self) -> str:
        """The ARN of the task definition that the service is set to."""
        return str(self.service["taskDefinition"])

    @property
    def settled(self) -> bool:
        """Whether no deployment of the service is under way."""
        return [deployment["rolloutState"] for deployment in self.service["deployments"]] == ["COMPLETED"]

    def image_of(self, task_definition: str) -> str:
        """The image of a task definition's first container."""
        described = self._ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
        return str(described["containerDefinitions"][0]["image"])

    @property
    def image_to_deploy(self) -> str:
        """The image that the next `cdk deploy` takes."""
        return str(self._cloud.client("ssm").get_parameter(Name=self._environment.image_parameter)["Parameter"]["Value"])
