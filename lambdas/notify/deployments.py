"""What `notify` knows of the service's deployments. What cannot be read holds nothing up."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.ecs import ROLLING_BACK, RUNNING, deployments, tag
from lambdas.notify.settings import NotifySettings
from runbook.rules import AFTERMATH, DEPLOYMENT_AGE

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

logger = Logger(service="notify")
_MINUTE = timedelta(minutes=1)


class Deployments:
    """The deployments of the service."""

    def __init__(self, settings: NotifySettings, ecs: "ECSClient") -> None:
        self._ecs = ecs
        self._cluster, self._service = settings.cluster, settings.service

    def under_way(self, now: datetime) -> bool:
        """Whether one is, or has just ended. Unknown counts as no: rather one call too many."""
        try:
            answer = self._ecs.list_service_deployments(
                cluster=self._cluster, service=self._service, createdAt={"after": now - DEPLOYMENT_AGE}
            )
        except (BotoCoreError, ClientError):
            logger.exception("Whether a deployment is under way could not be read")
            return False
        return any(
            one["status"] in RUNNING | ROLLING_BACK or ("finishedAt" in one and now - one["finishedAt"] < AFTERMATH)
            for one in answer["serviceDeployments"]
        )

    def ended_well(self) -> bool:
        """Whether one ever did. Unknown counts as no: at first there is no service."""
        try:
            answer = self._ecs.list_service_deployments(cluster=self._cluster, service=self._service, status=["SUCCESSFUL"])
        except (BotoCoreError, ClientError) as error:
            logger.warning("The deployments of the service could not be read", problem=str(error))
            return False
        return bool(answer["serviceDeployments"])

    def last(self, now: datetime) -> str:
        """The newest one in words: its id, the commit that it brought, how it stands and since when."""
        try:
            newest = next(iter(deployments(self._ecs, self._cluster, self._service)), None)
            if newest is None:
                return "none is known"
            (revision,) = self._ecs.describe_service_revisions(serviceRevisionArns=[newest["targetServiceRevisionArn"]])[
                "serviceRevisions"
            ]
            image = revision["containerImages"][0]["image"]
        except (BotoCoreError, ClientError, LookupError, ValueError) as error:
            return f"could not be read ({error})"
        begins_or_ends, at = ("ended", newest["finishedAt"]) if "finishedAt" in newest else ("began", newest["createdAt"])
        return (
            f"{newest['serviceDeploymentArn'].rpartition('/')[2]} of commit {tag(image)}:"
            f" {newest['status'].lower().replace('_', ' ')},"
            f" {begins_or_ends} {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({_span(now - at)} ago)"
        )


def _span(time: timedelta) -> str:
    """In the largest unit of which there are two."""
    units = {"days": timedelta(days=1), "hours": timedelta(hours=1)}
    return next((f"{time // unit} {name}" for name, unit in units.items() if time >= 2 * unit), f"{time // _MINUTE} min")
