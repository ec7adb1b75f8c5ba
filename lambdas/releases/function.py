"""Keep the image parameter: it names the image of the last deployment that ended well, however later ones ended.

`cdk deploy` runs the image that the parameter names, so it must never name one that nobody knows to be good. Nothing is read
from the event: events may be late, doubled or lost, and ECS's own state is what counts.
"""

from datetime import UTC
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.ecs import ROLLING_BACK, RUNNING, ServiceReader, TaskDefinition, UnreadableError, tag
from lambdas.releases.settings import ReleasesSettings

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceDeploymentBriefTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_ssm import SSMClient

logger = Logger(service="releases")

_ENDED_WELL = ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL")


class Releases:
    """The function in one environment."""

    def __init__(self, settings: ReleasesSettings, *, ecs: "ECSClient", ssm: "SSMClient", sns: "SNSClient") -> None:
        self._settings = settings
        self._ecs = ecs
        self._ssm = ssm
        self._sns = sns
        self._service = ServiceReader(ecs, cluster=settings.cluster, service=settings.service, container=settings.container)

    def run(self, event: Any) -> dict[str, Any]:
        """Write the parameter when it names another image than it should. Log and return what it names and why.

        Raises what AWS raises, and UnreadableError: then nothing was written."""
        reason, found = self._last_good()
        image = found.image if found else ""
        before = self._named() if found else ""
        changed = image != before
        if changed:
            self._ssm.put_parameter(Name=self._settings.image_parameter, Value=image, Type="String", Overwrite=True)
            reason += f" The next `cdk deploy` runs {image}, no longer {before or 'nothing'}."
        logger.info(reason, image=image, changed=changed, cause=_cause(event))
        if changed:
            subject = f"[{self._settings.environment}] image to deploy: {self._settings.service}"[:100]
            self._sns.publish(TopicArn=self._settings.outcomes_topic, Subject=subject, Message=reason)
        return {"image": image, "changed": changed, "summary": reason}

    def _last_good(self) -> tuple[str, TaskDefinition | None]:
        """What the service should run, by its deployments, and why; None when they do not say, and nothing is to be changed."""
        try:
            deployments = self._service.deployments()
        except (self._ecs.exceptions.ServiceNotFoundException, self._ecs.exceptions.ClusterNotFoundException):
            return "There is no service yet: its first deployment runs what a person named.", None
        if not deployments:  # ECS forgets them after 90 days
            return "The service was not deployed lately: the image stays the one it was.", None
        newest = deployments[0]
        for one in reversed(deployments[:2]):  # the one before may have ended only because this one began
            self._show(one)
        if newest["status"] in RUNNING | ROLLING_BACK:
            # Before it has ended nobody knows what is good: a rollback goes to an older image than the last successful one's.
            return f"Deployment {_id(newest)} is under way ({newest['status']}): its end decides.", None
        good = next((one for one in deployments if one["status"] in _ENDED_WELL), None)
        if good is None:
            return f"No deployment ended well: the newest, {_id(newest)}, is {newest['status']}.", None
        revision = self._revision(good)
        found = self._service.task_definition(self._service.task_definitions_of([revision])[revision])
        if not found.image:
            raise UnreadableError(f"{found.arn}, which the service should run, is {found.status}")
        name = found.arn.rpartition("/")[2]
        return f"The last deployment that ended well, {_id(good)} ({good['status']}), left the service on {name}.", found

    def _show(self, deployment: "ServiceDeploymentBriefTypeDef") -> None:
        """Log a deployment for the dashboard's list. What cannot be read of it holds nothing up."""
        revision = commit = ""
        try:
            target = deployment["targetServiceRevisionArn"]
            found = self._service.task_definition(self._service.task_definitions_of([target])[target])
            revision, commit = found.arn.rpartition("/")[2], tag(found.image)
        except (BotoCoreError, ClientError, UnreadableError, LookupError) as error:
            logger.warning("The revision that a deployment brings could not be read", problem=str(error))
        since = deployment.get("finishedAt", deployment["createdAt"]).astimezone(UTC)
        logger.info(
            "One of the newest deployments",
            deployment=_id(deployment),
            status=deployment["status"],
            since=f"{since:%Y-%m-%d %H:%M:%S} UTC",
            revision=revision,
            commit=commit,
        )

    def _revision(self, deployment: "ServiceDeploymentBriefTypeDef") -> str:
        """The service revision that a deployment left the service on: after a rollback it is not the one it brought."""
        if deployment["status"] == "SUCCESSFUL":
            return deployment["targetServiceRevisionArn"]
        revision = self._service.deployment(deployment["serviceDeploymentArn"]).get("rollback", {}).get("serviceRevisionArn")
        if not revision:
            raise UnreadableError(f"deployment {_id(deployment)} was rolled back, and ECS does not say to which revision")
        return revision

    def _named(self) -> str:
        """The image that the parameter names; empty when there is no parameter."""
        try:
            return self._ssm.get_parameter(Name=self._settings.image_parameter)["Parameter"]["Value"]
        except self._ssm.exceptions.ParameterNotFound:
            return ""


def _id(deployment: "ServiceDeploymentBriefTypeDef") -> str:
    return deployment["serviceDeploymentArn"].rpartition("/")[2]


def _cause(event: Any) -> str:
    """Why the function runs, for the log: the name of ECS's event, or what kind of event it is."""
    try:
        return str(event.get("detail", {}).get("eventName") or event["detail-type"])
    except (AttributeError, LookupError):
        return "an event that is neither ECS's nor a schedule's"
